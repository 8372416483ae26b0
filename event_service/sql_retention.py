"""Dropping what was kept long enough, in SQL.

A call is dropped as a whole, with its events, decisions, record and changes: a record that is made anew from the log is
then always made from all of its call. What a webhook or a subscription has not got yet stays.

On PostgreSQL only records and changes are deleted row by row. Events and decisions, which are most of what is stored,
go with their day's partition as soon as no call is left that can have messages in it; until then nobody finds them by
their call, though whoever reads the log from its beginning still gets them. Where a call that nobody has read keeps a
day for long, what is left of the others is deleted row by row after all. SQLite has no partitions.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, Table, and_, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from event_service.domain import CallState
from event_service.ports import DroppedPage, RetentionPosition, SweepPosition, SweptPage
from event_service.sql_database import EventDatabase
from event_service.sql_days import SqlLogDays
from event_service.sql_heads import lock_heads, write_heads
from event_service.sql_rows import US_PER_DAY
from event_service.sql_schema import call_changes, calls, decisions, events

_FINISHED = tuple(state.value for state in CallState if state.is_finished)
# Offsets of the last event and the last change that somebody has.
_Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Home:
    """Whose a call is, and where it is."""

    tenant_id: str
    partition_id: int


class SqlRetention:
    """`OldCalls` over SQLite or PostgreSQL.

    `cursor_tables` hold, by `partition_id`, the `log_offset` and `change_offset` up to which a reader of the whole log
    has everything. `tenant_cursors` select the same with the `tenant_id` of a reader that gets one tenant's calls only:
    it holds up nobody else's.
    """

    def __init__(
        self,
        database: EventDatabase,
        days: SqlLogDays,
        cursor_tables: Sequence[Table],
        tenant_cursors: Sequence[Select[Any]] = (),
    ) -> None:
        self._database = database
        self._days = days
        self._deleted_from = (events, decisions, call_changes, calls) if database.is_sqlite else (call_changes, calls)
        self._cursor_tables = cursor_tables
        self._tenant_cursors = tenant_cursors

    async def drop_page(self, before_us: int, after: RetentionPosition | None, limit: int) -> DroppedPage:
        """In one short transaction. Raises UnavailableError."""

        async def work(connection: AsyncConnection) -> DroppedPage:
            found = await self._candidates(connection, before_us, after, limit)
            if not found:
                return DroppedPage(0, None)
            homes = {row.call_key: _Home(row.tenant_id, row.partition_id) for row in found}
            # Nobody waits for us while there is nothing to drop: calls that a reader holds up are looked at each time.
            # Each new event changes the record: none is younger than that.
            days = events.c.stored_day.between(min(row.first_day for row in found), before_us // US_PER_DAY)
            keys = await self._read_ones(connection, homes, days)
            if keys:
                heads = await lock_heads(connection, {homes[key].partition_id for key in keys})
                keys = await _unchanged_ones(connection, before_us, keys)
                for table in self._deleted_from:
                    await connection.execute(delete(table).where(table.c.call_key.in_(keys)))
                await write_heads(connection, heads)
            last = found[-1]
            following = RetentionPosition(last.updated_at_us, last.call_key) if len(found) == limit else None
            return DroppedPage(len(keys), following)

        return await self._database.write(work)

    async def drop_days(self, before_us: int) -> int:
        """Raises UnavailableError."""

        async def work(connection: AsyncConnection) -> int | None:
            first: int | None = await connection.scalar(select(func.min(calls.c.first_day)))
            return first

        day, first_day = before_us // US_PER_DAY, await self._database.read(work)
        return await self._days.drop_before(day if first_day is None else min(day, first_day))

    async def sweep_page(self, before_us: int, after: SweepPosition | None, limit: int) -> SweptPage:
        """Raises UnavailableError."""
        return await self._days.sweep_page(before_us // US_PER_DAY, after, limit)

    async def _candidates(
        self, connection: AsyncConnection, before_us: int, after: RetentionPosition | None, limit: int
    ) -> Sequence[Row[bytes, str, int, int, int]]:
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
            select(c.call_key, c.tenant_id, c.partition_id, c.updated_at_us, c.first_day)
            .where(*conditions)
            .order_by(c.updated_at_us, c.call_key)
            .limit(limit)
        )
        return (await connection.execute(query)).all()

    async def _read_ones(
        self, connection: AsyncConnection, homes: Mapping[bytes, _Home], days: ColumnElement[bool]
    ) -> Sequence[bytes]:
        """Of these calls those that every reader has. It has them for good, unless they change."""
        read_by_all = await self._read_by_all(connection)
        read_by_own = await self._read_by_own(connection, {home.tenant_id for home in homes.values()})
        keys = list(homes)
        last_event = await _last(connection, events, "log_offset", keys, days)
        last_change = await _last(connection, call_changes, "change_offset", keys)

        def is_read(key: bytes) -> bool:
            home = homes[key]
            places = (read_by_all.get(home.partition_id), read_by_own.get(home))
            event, change = last_event.get(key, 0), last_change.get(key, 0)
            return all(place is None or (event <= place[0] and change <= place[1]) for place in places)

        return [key for key in keys if is_read(key)]

    async def _read_by_all(self, connection: AsyncConnection) -> Mapping[int, _Place]:
        """By partition, the place that every reader of the whole log has reached."""
        read: dict[int, _Place] = {}
        for table in self._cursor_tables:
            query = select(
                table.c.partition_id, func.min(table.c.log_offset), func.min(table.c.change_offset)
            ).group_by(table.c.partition_id)
            for partition_id, log_offset, change_offset in await connection.execute(query):
                read[partition_id] = _least(read.get(partition_id), (log_offset, change_offset))
        return read

    async def _read_by_own(self, connection: AsyncConnection, tenant_ids: Collection[str]) -> Mapping[_Home, _Place]:
        """The same for these tenants' own readers."""
        read: dict[_Home, _Place] = {}
        for each in self._tenant_cursors:
            rows = each.subquery().c
            query = (
                select(rows.tenant_id, rows.partition_id, func.min(rows.log_offset), func.min(rows.change_offset))
                .where(rows.tenant_id.in_(sorted(tenant_ids)))
                .group_by(rows.tenant_id, rows.partition_id)
            )
            for tenant_id, partition_id, log_offset, change_offset in await connection.execute(query):
                home = _Home(tenant_id, partition_id)
                read[home] = _least(read.get(home), (log_offset, change_offset))
        return read


def _least(one: _Place | None, other: _Place) -> _Place:
    return other if one is None else (min(one[0], other[0]), min(one[1], other[1]))


async def _unchanged_ones(connection: AsyncConnection, before_us: int, keys: Sequence[bytes]) -> Sequence[bytes]:
    """Of these calls, whose partitions are locked by now, those that still did not change: an event that came in
    meanwhile has changed its call's record."""
    query = select(calls.c.call_key).where(
        calls.c.call_key.in_(keys), calls.c.updated_at_us < before_us, calls.c.state.in_(_FINISHED)
    )
    return list((await connection.execute(query)).scalars())


async def _last(
    connection: AsyncConnection, table: Table, column: str, keys: Sequence[bytes], *more: ColumnElement[bool]
) -> Mapping[bytes, int]:
    query = (
        select(table.c.call_key, func.max(table.c[column]))
        .where(table.c.call_key.in_(keys), *more)
        .group_by(table.c.call_key)
    )
    return {row[0]: row[1] for row in await connection.execute(query)} if keys else {}
