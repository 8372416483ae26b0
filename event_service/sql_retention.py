"""Dropping what was kept long enough, in SQL.

A call is dropped as a whole, with its events, decisions, record and changes: a record that is made anew from the log is
then always made from all of its call. What a webhook or a subscription has not got yet stays.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import FromClause, Table, and_, delete, func, null, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from event_service.domain import CallState
from event_service.ports import DroppedPage, RetentionPosition
from event_service.sql_database import EventDatabase
from event_service.sql_heads import lock_heads, write_heads
from event_service.sql_schema import call_changes, calls, decisions, events

_EVERYBODY = None
_FINISHED = tuple(state.value for state in CallState if state.is_finished)


class SqlRetention:
    """Drops calls over SQLite or PostgreSQL.

    `cursors` hold, by `partition_id`, the `log_offset` and `change_offset` up to which a reader has everything. Those
    that also have a `tenant_id` are of readers of one tenant, and keep nothing of the others.
    """

    def __init__(self, database: EventDatabase, cursors: Sequence[FromClause]) -> None:
        self._database = database
        self._cursors = cursors

    async def drop_page(self, before_us: int, after: RetentionPosition | None, limit: int) -> DroppedPage:
        """Look at the next `limit` calls that are over and did not change since `before_us`, in one short transaction.

        Raises UnavailableError.
        """

        async def work(connection: AsyncConnection) -> DroppedPage:
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

        return await self._database.write(work)

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
        unchanged = select(calls.c.call_key, calls.c.tenant_id).where(
            calls.c.call_key.in_(list(partitions)), calls.c.updated_at_us < before_us, calls.c.state.in_(_FINISHED)
        )
        tenants = {row[0]: str(row[1]) for row in await connection.execute(unchanged)}
        keys = list(tenants)
        read = await self._read_by_all(connection, set(tenants.values()))
        last_event = await _last(connection, events, "log_offset", keys)
        last_change = await _last(connection, call_changes, "change_offset", keys)
        return [
            key
            for key in keys
            if all(
                last_event.get(key, 0) <= log_offset and last_change.get(key, 0) <= change_offset
                for reader in (_EVERYBODY, tenants[key])
                for log_offset, change_offset in read.get((reader, partitions[key]), ())
            )
        ]

    async def _read_by_all(
        self, connection: AsyncConnection, tenants: Collection[str]
    ) -> Mapping[tuple[str | None, int], Sequence[tuple[int, int]]]:
        """Up to where all have everything, by tenant (None: readers of all tenants) and partition."""
        read: dict[tuple[str | None, int], list[tuple[int, int]]] = defaultdict(list)
        for each in self._cursors:
            c = each.c
            offsets = (c.partition_id, func.min(c.log_offset), func.min(c.change_offset))
            query = select(null(), *offsets).group_by(c.partition_id)
            if "tenant_id" in c:
                query = (
                    select(c.tenant_id, *offsets)
                    .where(c.tenant_id.in_(sorted(tenants)))
                    .group_by(c.tenant_id, c.partition_id)
                )
            for tenant_id, partition, log_offset, change_offset in await connection.execute(query):
                read[tenant_id, partition].append((log_offset, change_offset))
        return read


async def _last(connection: AsyncConnection, table: Table, column: str, keys: Sequence[bytes]) -> dict[bytes, int]:
    query = (
        select(table.c.call_key, func.max(table.c[column])).where(table.c.call_key.in_(keys)).group_by(table.c.call_key)
    )
    return {row[0]: row[1] for row in await connection.execute(query)} if keys else {}
