"""Dropping what was kept long enough, in SQL.

A call is dropped as a whole, with its events, decisions, record and changes: a record that is made anew from the log is
then always made from all of its call. What a webhook or a subscription has not got yet stays.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import Table, and_, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from common.sql import begin_write
from event_service.domain import CallState
from event_service.ports import DroppedPage, RetentionPosition
from event_service.sql_errors import translated_errors
from event_service.sql_heads import lock_heads, write_heads
from event_service.sql_schema import call_changes, calls, decisions, events

_FINISHED = tuple(state.value for state in CallState if state.is_finished)


class SqlRetention:
    """Drops calls over SQLite or PostgreSQL.

    `cursor_tables` hold, by `partition_id`, the `log_offset` and `change_offset` up to which a reader has everything.
    """

    def __init__(self, engine: AsyncEngine, cursor_tables: Sequence[Table]) -> None:
        self._engine = engine
        self._cursor_tables = cursor_tables

    async def drop_page(self, before_us: int, after: RetentionPosition | None, limit: int) -> DroppedPage:
        """Look at the next `limit` calls that are over and did not change since `before_us`, in one short transaction.

        Raises UnavailableError.
        """
        with translated_errors():
            async with begin_write(self._engine) as connection:
                found = await self._candidates(connection, before_us, after, limit)
                if not found:
                    return DroppedPage(0, None)
                partitions = {key: partition for key, partition, _ in found}
                heads = await lock_heads(connection, set(partitions.values()))
                keys = await self._droppable(connection, before_us, partitions)
                if keys:
                    for table in (events, decisions, call_changes, calls):
                        await connection.execute(delete(table).where(table.c.call_key.in_(keys)))
                    await write_heads(connection, heads)
        last = found[-1]
        return DroppedPage(len(keys), RetentionPosition(last[2], last[0]) if len(found) == limit else None)

    async def _candidates(
        self, connection: AsyncConnection, before_us: int, after: RetentionPosition | None, limit: int
    ) -> Sequence[tuple[bytes, int, int]]:
        c = calls.c
        conditions = [c.updated_at_us < before_us, c.state.in_(_FINISHED)]
        if after is not None:
            conditions.append(c.updated_at_us >= after.updated_at_us)
            conditions.append(
                or_(
                    c.updated_at_us > after.updated_at_us,
                    and_(c.updated_at_us == after.updated_at_us, c.call_key > after.call_key),
                )
            )
        query = (
            select(c.call_key, c.partition_id, c.updated_at_us)
            .where(*conditions)
            .order_by(c.updated_at_us, c.call_key)
            .limit(limit)
        )
        return [(row[0], row[1], row[2]) for row in await connection.execute(query)]

    async def _droppable(
        self, connection: AsyncConnection, before_us: int, partitions: Mapping[bytes, int]
    ) -> Sequence[bytes]:
        """Of these calls, whose partitions are locked, those that still did not change and that every reader has."""
        read_log, read_changes = await self._read_by_all(connection)
        unchanged = select(calls.c.call_key).where(
            calls.c.call_key.in_(list(partitions)), calls.c.updated_at_us < before_us, calls.c.state.in_(_FINISHED)
        )
        keys = [row[0] for row in await connection.execute(unchanged)]
        last_event = await _last(connection, events, "log_offset", keys)
        last_change = await _last(connection, call_changes, "change_offset", keys)
        return [
            key
            for key in keys
            if last_event.get(key, 0) <= read_log.get(partitions[key], last_event.get(key, 0))
            and last_change.get(key, 0) <= read_changes.get(partitions[key], last_change.get(key, 0))
        ]

    async def _read_by_all(self, connection: AsyncConnection) -> tuple[dict[int, int], dict[int, int]]:
        read_log: dict[int, int] = {}
        read_changes: dict[int, int] = {}
        for table in self._cursor_tables:
            query = select(
                table.c.partition_id, func.min(table.c.log_offset), func.min(table.c.change_offset)
            ).group_by(table.c.partition_id)
            for partition, log_offset, change_offset in await connection.execute(query):
                read_log[partition] = min(read_log.get(partition, log_offset), log_offset)
                read_changes[partition] = min(read_changes.get(partition, change_offset), change_offset)
        return read_log, read_changes


async def _last(connection: AsyncConnection, table: Table, column: str, keys: Sequence[bytes]) -> dict[bytes, int]:
    query = (
        select(table.c.call_key, func.max(table.c[column])).where(table.c.call_key.in_(keys)).group_by(table.c.call_key)
    )
    return {row[0]: row[1] for row in await connection.execute(query)} if keys else {}
