"""How the whole queue of the webhooks does, in SQL: for the metrics."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from event_service.sql_database import EventDatabase
from event_service.webhooks.domain import WebhookState
from event_service.webhooks.ports import QueueState
from event_service.webhooks.sql_rows import DEAD, UNFINISHED
from event_service.webhooks.sql_schema import webhook_deliveries, webhook_health, webhooks

_d = webhook_deliveries.c
_UNFINISHED = select(func.count(), func.min(_d.queued_at_us)).where(_d.state.in_(UNFINISHED))
_DEAD = select(func.count()).select_from(webhook_deliveries).where(_d.state == DEAD)
_h = webhook_health.c
_HELD = (
    select(func.count())
    .select_from(webhook_health.join(webhooks, webhooks.c.webhook_id == _h.webhook_id))
    .where(webhooks.c.state == WebhookState.ENABLED.value, _h.trips > 0)
)


class SqlQueueWatch:
    """`QueueWatch` over SQLite or PostgreSQL."""

    def __init__(self, database: EventDatabase) -> None:
        self._database = database

    async def look(self) -> QueueState:
        async def work(connection: AsyncConnection) -> QueueState:
            pending, oldest_us = (await connection.execute(_UNFINISHED)).one()
            dead = (await connection.execute(_DEAD)).scalar_one()
            return QueueState(pending, oldest_us, dead, (await connection.execute(_HELD)).scalar_one())

        return await self._database.read(work)
