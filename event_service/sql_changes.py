"""The changes of finished calls' records in SQL: written with the records, read by whoever passes them on."""

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from event_service.domain import CallRevision
from event_service.ports import CallChange
from event_service.sql_errors import translated_errors
from event_service.sql_heads import LockedHeads
from event_service.sql_many import insert_many
from event_service.sql_rows import CALL_COLUMNS, US_PER_DAY, call_revision
from event_service.sql_schema import call_changes, calls


async def record_changes(
    connection: AsyncConnection,
    records: Sequence[tuple[bytes, CallRevision]],
    partitions: Mapping[bytes, int],
    heads: LockedHeads,
    now_us: int,
) -> None:
    """Note that these records, by call key, were made or changed; those of calls that are not over are passed over.

    To be called in the transaction that writes them, which holds the `heads`: they are moved on, behind its events
    already, and are still to be written.
    """
    rows = []
    for key, each in records:
        if not each.call.state.is_finished:
            continue
        partition_id = partitions[key]
        heads.changes[partition_id] += 1
        rows.append(
            {
                "partition_id": partition_id,
                "change_offset": heads.changes[partition_id],
                "log_offset": heads.offsets[partition_id],
                "call_key": key,
                "revision": each.revision,
                "stored_day": now_us // US_PER_DAY,
            }
        )
    await insert_many(connection, call_changes, rows)


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
