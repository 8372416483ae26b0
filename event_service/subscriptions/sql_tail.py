"""Reading the log and the changes of records as one, in SQL."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from event_service.domain import call_key
from event_service.ports import LoggedEvent
from event_service.sql_database import EventDatabase
from event_service.sql_rows import CALL_COLUMNS, EVENT_COLUMNS, call_revision, logged_event
from event_service.sql_schema import call_changes, calls, events, partition_heads
from event_service.subscriptions.domain import Delivery, Heads, Place, call_matches, event_matches
from event_service.subscriptions.ports import TailBatch, TailRequest

# Offsets and changes that one read looks at, whoever's they are.
SCANNED_EVENTS = 2000
SCANNED_CHANGES = 500

_NUMBERS = (calls.c.calling_number, calls.c.access_number, calls.c.called_number, calls.c.translated_number)


class SqlTail:
    """`Tail` over SQLite or PostgreSQL."""

    def __init__(self, database: EventDatabase) -> None:
        self._database = database

    async def heads(self) -> Heads:
        query = select(partition_heads.c.partition_id, partition_heads.c.last_offset, partition_heads.c.last_change)

        async def work(connection: AsyncConnection) -> Heads:
            return {row[0]: Place(row[1], row[2]) for row in await connection.execute(query)}

        return await self._database.read(work)

    async def read(self, request: TailRequest) -> TailBatch:
        async def work(connection: AsyncConnection) -> TailBatch:
            return await _read(connection, request)

        return await self._database.read(work)


class _Changes:
    """Where the next changes of a partition stand: their offsets, and the offset of the event each one is behind."""

    def __init__(self, rows: Sequence[Any], request: TailRequest) -> None:
        after = request.after
        self._offsets: list[int] = [int(row[0]) for row in rows]
        # What was committed before this was noted stands before all events.
        self._at: list[int] = [max(row[1], after.log_offset) for row in rows]
        self._first = after.change_offset
        self.is_cut = len(rows) == SCANNED_CHANGES
        self.last_at = self._at[-1] if rows else after.log_offset

    def before(self, log_offset: int) -> int:
        """The last change before this event."""
        return self._offset(bisect_left(self._at, log_offset))

    def up_to(self, log_offset: int) -> int:
        """The last change before the event that follows this one."""
        return self._offset(bisect_right(self._at, log_offset))

    def at(self, change_offset: int) -> int:
        """The event that this change is behind."""
        return self._at[bisect_left(self._offsets, change_offset)]

    def _offset(self, count: int) -> int:
        return self._offsets[count - 1] if count else self._first


async def _read(connection: AsyncConnection, request: TailRequest) -> TailBatch:
    after, head = request.after, request.head
    changes = _Changes(await _next_changes(connection, request), request)
    to_log = min(head.log_offset, after.log_offset + SCANNED_EVENTS)
    if changes.is_cut:
        # What stands behind the last of these is not known yet.
        to_log = min(to_log, changes.last_at)
    logged = await _events(connection, request, to_log) if request.filter.content.has_events else []
    if len(logged) == request.limit:
        to_log = logged[-1].log_offset
    # Where changes were dropped from the log, the head tells how far they went.
    all_read = to_log == head.log_offset and not changes.is_cut
    to_change = head.change_offset if all_read else changes.up_to(to_log)
    deliveries = [
        Delivery(request.partition_id, Place(each.log_offset, changes.before(each.log_offset)), each)
        for each in await _matching(connection, logged, request)
    ]
    if request.filter.content.has_calls and to_change > after.change_offset:
        deliveries += await _calls(connection, request, changes, to_change)
        deliveries.sort(key=lambda delivery: delivery.place.position)
    if len(deliveries) > request.limit:
        deliveries = deliveries[: request.limit]
        return TailBatch(deliveries, deliveries[-1].place)
    return TailBatch(deliveries, Place(to_log, to_change))


async def _next_changes(connection: AsyncConnection, request: TailRequest) -> Sequence[Any]:
    columns = call_changes.c
    query = (
        select(columns.change_offset, columns.log_offset)
        .where(
            columns.partition_id == request.partition_id,
            columns.change_offset > request.after.change_offset,
            columns.change_offset <= request.head.change_offset,
        )
        .order_by(columns.change_offset)
        .limit(SCANNED_CHANGES)
    )
    return (await connection.execute(query)).all()


async def _events(connection: AsyncConnection, request: TailRequest, to_log: int) -> list[LoggedEvent]:
    if to_log <= request.after.log_offset:
        return []
    columns = events.c
    query = select(*EVENT_COLUMNS).where(
        columns.partition_id == request.partition_id,
        columns.log_offset > request.after.log_offset,
        columns.log_offset <= to_log,
        columns.tenant_id == request.tenant_id,
    )
    if request.filter.codes:
        query = query.where(columns.code.in_(sorted(request.filter.codes)))
    query = query.order_by(columns.log_offset).limit(request.limit)
    return [logged_event(row) for row in await connection.execute(query)]


async def _matching(
    connection: AsyncConnection, logged: Sequence[LoggedEvent], request: TailRequest
) -> Sequence[LoggedEvent]:
    numbers = request.filter.numbers
    if not numbers or not logged:
        return logged
    known = await _numbers_of_calls(connection, request.tenant_id, {each.event.session_id for each in logged})
    return [each for each in logged if event_matches(each.event, known.get(each.event.session_id, ()), numbers)]


async def _numbers_of_calls(
    connection: AsyncConnection, tenant_id: str, session_ids: set[str]
) -> Mapping[str, tuple[str, ...]]:
    keys = [call_key(tenant_id, session_id) for session_id in sorted(session_ids)]
    query = select(calls.c.session_id, *_NUMBERS).where(calls.c.call_key.in_(keys))
    return {row[0]: tuple(row[1:]) for row in await connection.execute(query)}


async def _calls(
    connection: AsyncConnection, request: TailRequest, changes: _Changes, to_change: int
) -> list[Delivery]:
    columns = call_changes.c
    query = (
        select(columns.change_offset, *CALL_COLUMNS)
        .join(calls, calls.c.call_key == columns.call_key)
        .where(
            columns.partition_id == request.partition_id,
            columns.change_offset > request.after.change_offset,
            columns.change_offset <= to_change,
            calls.c.tenant_id == request.tenant_id,
            # A record that has changed again comes where its last revision stands.
            calls.c.revision == columns.revision,
        )
        .order_by(columns.change_offset)
    )
    found = []
    for row in await connection.execute(query):
        revised = call_revision(row[1:])
        if not request.filter.numbers or call_matches(revised.call, request.filter.numbers):
            found.append(Delivery(request.partition_id, Place(changes.at(row[0]), row[0]), revised))
    return found
