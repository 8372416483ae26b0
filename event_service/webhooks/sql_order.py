"""One delivery at a time for each webhook and call: who is next."""

from collections.abc import Collection, Iterator, Sequence, Set
from typing import TypeVar

from sqlalchemy import ColumnElement, and_, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from event_service.webhooks.sql_rows import DEAD, DELIVERED, HEADS, PENDING, UNFINISHED, WAITING
from event_service.webhooks.sql_schema import webhook_deliveries

# A webhook's id and a call's key.
Lane = tuple[str, bytes]

# A driver sends some thousands of values at most, and a feeder that has much to catch up on comes with more lanes.
_LANES_IN_STATEMENT = 1000

_d = webhook_deliveries.c
_Item = TypeVar("_Item")


async def lock_unfinished(connection: AsyncConnection, lanes: Set[Lane]) -> set[Lane]:
    """Those of the lanes that have deliveries that are not finished. Until the transaction ends, none of these lanes
    becomes empty: whoever finishes its first delivery waits, and then sees what was added behind it.

    Only the first one of each lane is locked, since that is also what its sender holds before it touches the others.
    """
    while True:
        heads: list[int] = []
        for some in _portions(sorted(lanes)):
            query = select(_d.delivery_id, _d.webhook_id, _d.call_key).where(_among(some), _d.state.in_(HEADS))
            heads.extend(row[0] for row in await connection.execute(query) if (row[1], row[2]) in lanes)
        locked: set[Lane] = set()
        # By id, as everybody locks them: over all portions, or two of us could wait for each other.
        for ids in _portions(sorted(heads)):
            lock = select(_d.webhook_id, _d.call_key).where(_d.delivery_id.in_(ids), _d.state.in_(HEADS))
            rows = await connection.execute(lock.order_by(_d.delivery_id).with_for_update())
            locked.update((row[0], row[1]) for row in rows)
        busy: set[Lane] = set()
        for some in _portions(sorted(lanes)):
            unfinished = select(_d.webhook_id, _d.call_key).where(_among(some), _d.state.in_(UNFINISHED)).distinct()
            busy.update((row[0], row[1]) for row in await connection.execute(unfinished))
        busy &= lanes
        # A first one that was finished while we waited for it has made another one the first.
        if busy <= locked:
            return busy


async def promote(connection: AsyncConnection, lanes: Collection[Lane], now_us: int) -> None:
    """Make the oldest waiting delivery of each lane due, where none is due or leased."""
    for portion in _portions(sorted(set(lanes))):
        left: Sequence[Lane] = portion
        # Until nothing waits in them.
        while left and (candidates := await _next_waiting(connection, left)):
            statement = (
                update(webhook_deliveries)
                # Said by what it is not: SQLite would read all that waits for anybody by the index of states.
                .where(_d.delivery_id.in_(list(candidates)), _d.state.not_in((*HEADS, DELIVERED, DEAD)))
                .values(state=PENDING, due_at_us=now_us)
                .returning(_d.delivery_id)
            )
            promoted = set((await connection.execute(statement)).scalars())
            # Somebody else finished a candidate in between: its lane's next one is looked for again.
            left = [lane for delivery_id, lane in candidates.items() if delivery_id not in promoted]


async def _next_waiting(connection: AsyncConnection, lanes: Sequence[Lane]) -> dict[int, Lane]:
    query = select(_d.webhook_id, _d.call_key).where(_among(lanes), _d.state.in_(HEADS)).distinct()
    busy = {(row[0], row[1]) for row in await connection.execute(query)}
    free = {lane for lane in lanes if lane not in busy}
    if not free:
        return {}
    oldest = (
        select(_d.webhook_id, _d.call_key, func.min(_d.delivery_id))
        .where(_among(sorted(free)), _d.state == WAITING)
        .group_by(_d.webhook_id, _d.call_key)
    )
    return {row[2]: (row[0], row[1]) for row in await connection.execute(oldest) if (row[0], row[1]) in free}


def _among(lanes: Sequence[Lane]) -> ColumnElement[bool]:
    """These lanes, and those of their webhooks with each other's calls: to be looked through once more.

    Pairs would say it exactly. But SQLite then reads all that waits for anybody instead of the index of lanes, so that
    one endpoint's backlog would be in everybody's way, and PostgreSQL takes them for OR within OR.
    """
    return and_(
        _d.webhook_id.in_(sorted({lane[0] for lane in lanes})), _d.call_key.in_(sorted({lane[1] for lane in lanes}))
    )


def _portions(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    return (items[start : start + _LANES_IN_STATEMENT] for start in range(0, len(items), _LANES_IN_STATEMENT))
