"""Keeping the queue and the logs bounded, in SQL."""

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from common.logs import get_logger
from event_service.sql_database import EventDatabase
from event_service.webhooks.domain import WebhookState
from event_service.webhooks.ports import PurgeBounds, PurgeCounts
from event_service.webhooks.sql_order import promote
from event_service.webhooks.sql_rows import DEAD, DELETED, DELIVERED, LEASED, UNFINISHED
from event_service.webhooks.sql_schema import webhook_attempts, webhook_deliveries, webhook_health, webhooks

DISABLED_REASON = "the webhook is disabled"
EXPIRED_REASON = "not delivered in time"
# A feeder that read a webhook just before it was deleted may still queue for it; a transaction never takes this long.
_DELETED_GRACE_US = 60_000_000

_d, _a = webhook_deliveries.c, webhook_attempts.c
_log = get_logger(__name__)


class SqlPurger:
    """`Purger` over SQLite or PostgreSQL: one short transaction for each webhook."""

    def __init__(self, database: EventDatabase) -> None:
        self._database = database

    async def purge(self, bounds: PurgeBounds, now_us: int, limit: int) -> PurgeCounts:
        async def list_all(connection: AsyncConnection) -> list[tuple[str, str, int]]:
            query = select(webhooks.c.webhook_id, webhooks.c.state, webhooks.c.updated_at_us)
            return [(row[0], row[1], row[2]) for row in await connection.execute(query)]

        expired = await self._give_up(_idle(now_us) & (_d.expires_at_us <= now_us), EXPIRED_REASON, now_us, limit)
        deleted = 0
        for webhook_id, state, updated_at_us in await self._database.read(list_all):
            if state == DELETED:
                is_settled = updated_at_us <= now_us - _DELETED_GRACE_US
                deleted += await self._remove(webhook_id, limit, last=is_settled)
                continue
            if state == WebhookState.DISABLED.value:
                mine = _d.webhook_id == webhook_id
                expired += await self._give_up(mine & _idle(now_us), DISABLED_REASON, now_us, limit)
            deleted += await self._trim(webhook_id, bounds, now_us, limit)
        return PurgeCounts(expired, deleted)

    async def _give_up(self, which: ColumnElement[bool], reason: str, now_us: int, limit: int) -> int:
        """Dead letters of what is out of time, or has no endpoint that is to get it."""

        async def look(connection: AsyncConnection) -> list[int]:
            return list((await connection.execute(select(_d.delivery_id).where(which).limit(limit))).scalars())

        async def work(connection: AsyncConnection) -> int:
            # They may have been leased or finished since.
            query = select(_d.delivery_id, _d.webhook_id, _d.call_key).where(_d.delivery_id.in_(found), which)
            rows = (await connection.execute(query.order_by(_d.delivery_id).with_for_update(skip_locked=True))).all()
            statement = (
                update(webhook_deliveries)
                .where(_d.delivery_id.in_([row.delivery_id for row in rows]))
                .values(state=DEAD, due_at_us=now_us, reason=reason, lease_token="")
            )
            await connection.execute(statement)
            await promote(connection, {(row.webhook_id, row.call_key) for row in rows}, now_us)
            return len(rows)

        # A look holds nobody up, however much waits; a transaction is for what was found.
        found = await self._database.read(look)
        return await self._database.write(work) if found else 0

    async def _trim(self, webhook_id: str, bounds: PurgeBounds, now_us: int, limit: int) -> int:
        """Remove what is finished and old, and attempts that are too many."""
        mine = _d.webhook_id == webhook_id
        delivered = and_(mine, _d.state == DELIVERED, _d.due_at_us <= now_us - bounds.delivered_us)
        dead = and_(mine, _d.state == DEAD, _d.due_at_us <= now_us - bounds.dead_us)
        spared = (
            select(_a.attempt_id)
            .where(_a.webhook_id == webhook_id)
            .order_by(_a.attempt_id.desc())
            .offset(bounds.attempts)
            .limit(1)
            .scalar_subquery()
        )
        attempts = and_(_a.webhook_id == webhook_id, _a.attempt_id <= func.coalesce(spared, 0))
        removed = await self._delete_deliveries(delivered, limit)
        if dropped := await self._delete_deliveries(dead, limit):
            _log.warning("dead letters are too old and were dropped", webhook_id=webhook_id, dropped=dropped)
        return removed + dropped + await self._delete_attempts(attempts, limit)

    async def _remove(self, webhook_id: str, limit: int, *, last: bool) -> int:
        """Remove what belongs to a deleted webhook, and when nothing is left the webhook."""
        removed = await self._delete_deliveries(_d.webhook_id == webhook_id, limit)
        removed += await self._delete_attempts(_a.webhook_id == webhook_id, limit)
        if removed or not last:
            return removed

        async def work(connection: AsyncConnection) -> int:
            await connection.execute(delete(webhook_health).where(webhook_health.c.webhook_id == webhook_id))
            statement = delete(webhooks).where(webhooks.c.webhook_id == webhook_id, webhooks.c.state == DELETED)
            return (await connection.execute(statement)).rowcount

        return await self._database.write(work)

    async def _delete_deliveries(self, which: ColumnElement[bool], limit: int) -> int:
        query = select(_d.delivery_id).where(which).limit(limit)

        async def look(connection: AsyncConnection) -> list[int]:
            return list((await connection.execute(query)).scalars())

        async def work(connection: AsyncConnection) -> int:
            # They may have been replayed since. In their order, or SQLite reads all that `which` says of others.
            again = select(_d.delivery_id).where(_d.delivery_id.in_(found), which).order_by(_d.delivery_id)
            ids = list((await connection.execute(again.with_for_update())).scalars())
            return (await connection.execute(delete(webhook_deliveries).where(_d.delivery_id.in_(ids)))).rowcount

        found = await self._database.read(look)
        return await self._database.write(work) if found else 0

    async def _delete_attempts(self, which: ColumnElement[bool], limit: int) -> int:
        query = select(_a.attempt_id).where(which).order_by(_a.attempt_id).limit(limit)

        async def look(connection: AsyncConnection) -> list[int]:
            return list((await connection.execute(query)).scalars())

        async def work(connection: AsyncConnection) -> int:
            statement = delete(webhook_attempts).where(_a.attempt_id.in_(found))
            return (await connection.execute(statement)).rowcount

        found = await self._database.read(look)
        return await self._database.write(work) if found else 0


def _idle(now_us: int) -> ColumnElement[bool]:
    """What is not finished, but for what is leased: that belongs to whoever sends it."""
    return _d.state.in_(UNFINISHED) & or_(_d.state != LEASED, _d.due_at_us <= now_us)
