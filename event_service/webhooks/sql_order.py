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
    """Those of the lanes that have deliveries that are not finished. Until the transaction ends, nobody else finishes
    one of these: whoever finishes the first of a lane waits here, and then sees what was added behind it.

    Rows are locked by rising id, as everywhere, so that two transactions can't wait for each other.
    """
    if not lanes:
        return set()
    query = (
        select(_d.webhook_id, _d.call_key)
        .where(_LANE.in_(sorted(lanes)), _d.state.in_(UNFINISHED))
        .order_by(_d.delivery_id)
        .with_for_update()
    )
    return set((await connection.execute(query)).tuples().all())


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
    busy = set((await connection.execute(query)).tuples().all())
    free = [lane for lane in lanes if lane not in busy]
    if not free:
        return {}
    oldest = (
        select(_d.webhook_id, _d.call_key, func.min(_d.delivery_id))
        .where(_LANE.in_(free), _d.state == WAITING)
        .group_by(_d.webhook_id, _d.call_key)
    )
    return {row[2]: (row[0], row[1]) for row in await connection.execute(oldest)}
