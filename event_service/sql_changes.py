"""The changes of finished calls' records in SQL: written with the records, read by whoever passes them on."""

from collections.abc import Mapping, Sequence

from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from event_service.domain import CallRevision
from event_service.ports import CallChange
from event_service.sql_errors import translated_errors
from event_service.sql_rows import CALL_COLUMNS, US_PER_DAY, call_revision
from event_service.sql_schema import call_changes, calls, events, partition_heads

_UPDATE_LAST = update(partition_heads).where(partition_heads.c.partition_id == bindparam("at_partition"))


async def record_changes(
    connection: AsyncConnection,
    records: Sequence[tuple[bytes, CallRevision]],
    partitions: Mapping[bytes, int],
    now_us: int,
) -> None:
    """Note that these records, by call key, were made or changed; those of calls that are not over are passed over.

    To be called in the transaction that writes them, which holds the rows of their partitions in `partition_heads`.
    """
    finished = [(partitions[key], key, each.revision) for key, each in records if each.call.state.is_finished]
    if not finished:
        return
    heads = partition_heads.c
    # The events of this transaction are in the log already; the head may not have been moved on yet.
    written = select(func.max(events.c.log_offset)).where(events.c.partition_id == heads.partition_id)
    query = select(heads.partition_id, heads.last_change, heads.last_offset, written.scalar_subquery()).where(
        heads.partition_id.in_({place[0] for place in finished})
    )
    found = (await connection.execute(query)).all()
    last = {row[0]: row[1] for row in found}
    log_offsets = {row[0]: max(row[2], row[3] or 0) for row in found}
    rows = []
    for partition_id, key, revision in finished:
        last[partition_id] += 1
        rows.append(
            {
                "partition_id": partition_id,
                "change_offset": last[partition_id],
                "log_offset": log_offsets[partition_id],
                "call_key": key,
                "revision": revision,
                "stored_day": now_us // US_PER_DAY,
            }
        )
    await connection.execute(insert(call_changes), rows)
    await connection.execute(
        _UPDATE_LAST, [{"at_partition": partition_id, "last_change": offset} for partition_id, offset in last.items()]
    )


class SqlCallChanges:
    """`CallChanges` over SQLite or PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def read_changes(self, partition_id: int, after_offset: int, limit: int) -> Sequence[CallChange]:
        query = (
            select(call_changes.c.change_offset, call_changes.c.revision, *CALL_COLUMNS)
            .join(calls, calls.c.call_key == call_changes.c.call_key)
            .where(call_changes.c.partition_id == partition_id, call_changes.c.change_offset > after_offset)
            .order_by(call_changes.c.change_offset)
            .limit(limit)
        )
        with translated_errors():
            async with self._engine.connect() as connection:
                rows = await connection.execute(query)
                return [CallChange(partition_id, row[0], row[1], call_revision(row[2:])) for row in rows]
