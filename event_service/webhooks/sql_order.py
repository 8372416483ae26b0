"""One delivery at a time for each webhook and call: who is next."""

from collections.abc import Collection, Sequence

from sqlalchemy import func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from event_service.webhooks.sql_rows import HEADS, PENDING, UNFINISHED, WAITING
from event_service.webhooks.sql_schema import webhook_deliveries

# A webhook's id and a call's key.
Lane = tuple[str, bytes]

_d = webhook_deliveries.c
_LANE = tuple_(_d.webhook_id, _d.call_key)


async def lock_unfinished(connection: AsyncConnection, lanes: Collection[Lane]) -> set[Lane]:
    """Those of the lanes that have deliveries that are not finished. Until the transaction ends, none of these lanes
    becomes empty: whoever finishes its first delivery waits, and then sees what was added behind it.

    Only the first one of each lane is locked, since that is also what its sender holds before it touches the others.
    """
    if not lanes:
        return set()
    wanted = _LANE.in_(sorted(lanes))
    heads = (
        select(_d.webhook_id, _d.call_key).where(wanted, _d.state.in_(HEADS)).order_by(_d.delivery_id).with_for_update()
    )
    unfinished = select(_d.webhook_id, _d.call_key).where(wanted, _d.state.in_(UNFINISHED)).distinct()
    while True:
        locked = {(row[0], row[1]) for row in await connection.execute(heads)}
        busy = {(row[0], row[1]) for row in await connection.execute(unfinished)}
        # A first one that was finished while we waited for it has made another one the first.
        if busy <= locked:
            return busy


async def promote(connection: AsyncConnection, lanes: Collection[Lane], now_us: int) -> None:
    """Make the oldest waiting delivery of each lane due, where none is due or leased."""
    left = sorted(set(lanes))
    while left:
        candidates = await _next_waiting(connection, left)
        if not candidates:
            return
        statement = (
            update(webhook_deliveries)
            .where(_d.delivery_id.in_(list(candidates)), _d.state == WAITING)
            .values(state=PENDING, due_at_us=now_us)
            .returning(_d.delivery_id)
        )
        promoted = set((await connection.execute(statement)).scalars())
        # Somebody else finished a candidate in between: its lane's next one is looked for again.
        left = [lane for delivery_id, lane in candidates.items() if delivery_id not in promoted]


async def _next_waiting(connection: AsyncConnection, lanes: Sequence[Lane]) -> dict[int, Lane]:
    query = select(_d.webhook_id, _d.call_key).where(_LANE.in_(lanes), _d.state.in_(HEADS)).distinct()
    busy = {(row[0], row[1]) for row in await connection.execute(query)}
    free = [lane for lane in lanes if lane not in busy]
    if not free:
        return {}
    oldest = (
        select(_d.webhook_id, _d.call_key, func.min(_d.delivery_id))
        .where(_LANE.in_(free), _d.state == WAITING)
        .group_by(_d.webhook_id, _d.call_key)
    )
    return {row[2]: (row[0], row[1]) for row in await connection.execute(oldest)}
