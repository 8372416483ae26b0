"""What a start position means, partition by partition, in SQL."""

from collections.abc import Callable, Mapping

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from common.errors import InvalidArgumentError
from event_service.sql_schema import call_changes, events, partition_heads
from event_service.subscriptions.domain import Place, StartKind, StartPosition

# The gateway's clock may be ahead of the one that events are stored by.
_CLOCK_SKEW_US = 300_000_000


async def places_of(connection: AsyncConnection, start: StartPosition) -> Mapping[int, Place]:
    """The place in each partition that the start position names. POSITIONS leaves out what it does not name.

    Raises InvalidArgumentError for a partition that the log does not have, or a position that is not reached yet.
    """
    columns = partition_heads.c
    query = select(columns.partition_id, columns.last_offset, columns.last_change)
    heads = {row[0]: Place(row[1], row[2]) for row in await connection.execute(query)}
    if start.kind is StartKind.NOW:
        return heads
    if start.kind is StartKind.EARLIEST:
        return {number: await _earliest(connection, number, head) for number, head in heads.items()}
    if start.kind is StartKind.RECEIVED_FROM:
        return {
            number: await _received_from(connection, number, head, start.received_from_us)
            for number, head in heads.items()
        }
    places = {}
    for number, position in start.positions:
        head = heads.get(number)
        if head is None:
            raise InvalidArgumentError("positions", f"the log has partitions 0 to {len(heads) - 1}")
        if not 0 <= position <= head.position:
            raise InvalidArgumentError("positions", f"partition {number} goes up to {head.position}")
        places[number] = await _at_position(connection, number, head, position)
    return places


async def _earliest(connection: AsyncConnection, number: int, head: Place) -> Place:
    """Before the first event and the first change that are kept."""
    first_event = await connection.scalar(select(func.min(events.c.log_offset)).where(events.c.partition_id == number))
    first_change = await connection.scalar(
        select(func.min(call_changes.c.change_offset)).where(call_changes.c.partition_id == number)
    )
    return Place(
        head.log_offset if first_event is None else first_event - 1,
        head.change_offset if first_change is None else first_change - 1,
    )


async def _received_from(connection: AsyncConnection, number: int, head: Place, from_us: int) -> Place:
    """Before the first event that was received then or later. Such an event was not stored much earlier."""
    low = await _first_stored(connection, number, head, from_us - _CLOCK_SKEW_US)
    columns = events.c
    found = await connection.scalar(
        select(columns.log_offset)
        .where(columns.partition_id == number, columns.log_offset >= low, columns.received_at_us >= from_us)
        .order_by(columns.log_offset)
        .limit(1)
    )
    if found is None:
        return head
    return Place(found - 1, await _last_change_before(connection, number, head, found - 1))


async def _first_stored(connection: AsyncConnection, number: int, head: Place, from_us: int) -> int:
    """The first offset that was stored then or later, by bisection: offsets are in the order of storing."""
    low, high = 1, head.log_offset + 1
    while low < high:
        middle = (low + high) // 2
        row = (
            await connection.execute(
                select(events.c.log_offset, events.c.stored_at_us)
                .where(events.c.partition_id == number, events.c.log_offset >= middle)
                .order_by(events.c.log_offset)
                .limit(1)
            )
        ).first()
        if row is None or row[1] >= from_us:
            high = middle
        else:
            low = row[0] + 1
    return low


async def _last_change_before(connection: AsyncConnection, number: int, head: Place, log_offset: int) -> int:
    return await _before_first_change(connection, number, head, lambda _, at: at >= log_offset)


async def _at_position(connection: AsyncConnection, number: int, head: Place, position: int) -> Place:
    """The place with this position: the last change that it is behind or at decides."""
    change = await _before_first_change(connection, number, head, lambda offset, at: offset + at > position)
    return Place(max(position - change, 0), min(change, position))


async def _before_first_change(
    connection: AsyncConnection, number: int, head: Place, is_behind: Callable[[int, int], bool]
) -> int:
    """The offset before the first change that is kept and for which `is_behind(change_offset, log_offset)` holds, as it
    does for all that follow it. By bisection, since a log can have many millions of them.

    Where changes were dropped before that one they count as before it too: whoever reads from there may get something
    again, and misses nothing.
    """
    columns = call_changes.c
    low, high, before = 1, head.change_offset + 1, head.change_offset
    while low < high:
        middle = (low + high) // 2
        row = (
            await connection.execute(
                select(columns.change_offset, columns.log_offset)
                .where(columns.partition_id == number, columns.change_offset >= middle)
                .order_by(columns.change_offset)
                .limit(1)
            )
        ).first()
        if row is None or row[0] > head.change_offset:
            high = middle
        elif is_behind(row[0], row[1]):
            high, before = middle, row[0] - 1
        else:
            low = row[0] + 1
    return before
