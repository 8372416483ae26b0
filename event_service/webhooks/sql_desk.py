"""What operators see of deliveries, in SQL."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Select, bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from common.auth.grants import ANONYMOUS
from event_service.privacy.sql_audit import write_audit
from event_service.sql_database import EventDatabase
from event_service.webhooks import audit_records
from event_service.webhooks.circuit import EndpointHealth
from event_service.webhooks.domain import Attempt, DeadLetter
from event_service.webhooks.ports import DeliveryCounts
from event_service.webhooks.sql_order import Lane, lock_unfinished
from event_service.webhooks.sql_rows import (
    DEAD,
    DEAD_LETTER_COLUMNS,
    PENDING,
    UNFINISHED,
    WAITING,
    attempt_of,
    attempt_row,
    dead_letter_of,
    health_of,
)
from event_service.webhooks.sql_schema import (
    webhook_attempts,
    webhook_cursors,
    webhook_deliveries,
    webhook_health,
    webhooks,
)

_d = webhook_deliveries.c
_UPDATE_DELIVERY = update(webhook_deliveries).where(_d.delivery_id == bindparam("at_delivery"))


class SqlDeliveryDesk:
    """`DeliveryDesk` over SQLite or PostgreSQL."""

    def __init__(self, database: EventDatabase) -> None:
        self._database = database

    async def attempts(self, webhook_id: str, message_id: str, before_id: int, limit: int) -> Sequence[Attempt]:
        query: Select[Any] = (
            select(webhook_attempts)
            .where(webhook_attempts.c.webhook_id == webhook_id, webhook_attempts.c.attempt_id < before_id)
            .order_by(webhook_attempts.c.attempt_id.desc())
            .limit(limit)
        )
        if message_id:
            query = query.where(webhook_attempts.c.message_id == message_id)

        async def work(connection: AsyncConnection) -> Sequence[Attempt]:
            return [attempt_of(row) for row in await connection.execute(query)]

        return await self._database.read(work)

    async def dead_letters(self, webhook_id: str, after_id: int, limit: int, *, bodies: bool) -> Sequence[DeadLetter]:
        columns = (*DEAD_LETTER_COLUMNS, _d.body) if bodies else DEAD_LETTER_COLUMNS
        query: Select[Any] = (
            select(*columns)
            .where(_d.webhook_id == webhook_id, _d.state == DEAD, _d.delivery_id > after_id)
            .order_by(_d.delivery_id)
            .limit(limit)
        )

        async def work(connection: AsyncConnection) -> Sequence[DeadLetter]:
            rows = await connection.execute(query)
            return [dead_letter_of(row, row.body if bodies else b"") for row in rows]

        return await self._database.read(work)

    async def replay(
        self,
        webhook_id: str,
        delivery_ids: Collection[int],
        now_us: int,
        expires_at_us: int,
        actor: str = ANONYMOUS,
    ) -> int:
        wanted = (_d.webhook_id == webhook_id) & (_d.state == DEAD) & _d.delivery_id.in_(sorted(set(delivery_ids)))
        dead = (
            select(_d.delivery_id, _d.webhook_id, _d.call_key, _d.partition_id)
            .where(wanted)
            # SQLite then reads these rows, and not all of the webhook's dead letters.
            .order_by(_d.delivery_id)
        )

        async def work(connection: AsyncConnection) -> int:
            found = (await connection.execute(dead)).all()
            # Nothing is queued for these calls meanwhile, so that each keeps a single delivery under way.
            cursors = (
                select(webhook_cursors.c.partition_id)
                .where(webhook_cursors.c.partition_id.in_({row.partition_id for row in found}))
                .order_by(webhook_cursors.c.partition_id)
                .with_for_update()
            )
            (await connection.execute(cursors)).all()
            busy = await lock_unfinished(connection, {(row.webhook_id, row.call_key) for row in found})
            # Only those: what dies just now is of a call that may be under way without our lock.
            ours = dead.where(_d.delivery_id.in_([row.delivery_id for row in found]))
            rows = (await connection.execute(ours.with_for_update())).all()
            if not rows:
                return 0
            revived = []
            for row in rows:
                lane: Lane = (row.webhook_id, row.call_key)
                revived.append(_revived(row.delivery_id, lane in busy, now_us, expires_at_us))
                busy.add(lane)
            await connection.execute(_UPDATE_DELIVERY, revived)
            tenant_id = await connection.scalar(select(webhooks.c.tenant_id).where(webhooks.c.webhook_id == webhook_id))
            record = audit_records.replayed(webhook_id, [row.delivery_id for row in rows])
            # Of a webhook that is purged just now nothing is sent again.
            await write_audit(connection, [record.entry(tenant_id, now_us, actor)] if tenant_id is not None else [])
            return len(revived)

        return await self._database.write(work) if delivery_ids else 0

    async def health(self, webhook_id: str) -> EndpointHealth:
        query = select(webhook_health).where(webhook_health.c.webhook_id == webhook_id)

        async def work(connection: AsyncConnection) -> EndpointHealth:
            row = (await connection.execute(query)).first()
            return EndpointHealth() if row is None else health_of(row)

        return await self._database.read(work)

    async def counts(self, webhook_id: str) -> DeliveryCounts:
        mine = _d.webhook_id == webhook_id
        unfinished = select(func.count(), func.min(_d.queued_at_us)).where(mine, _d.state.in_(UNFINISHED))
        dead = select(func.count()).select_from(webhook_deliveries).where(mine, _d.state == DEAD)

        async def work(connection: AsyncConnection) -> DeliveryCounts:
            pending, oldest_us = (await connection.execute(unfinished)).one()
            return DeliveryCounts(pending, oldest_us, (await connection.execute(dead)).scalar_one())

        return await self._database.read(work)

    async def log_attempt(self, attempt: Attempt) -> None:
        async def work(connection: AsyncConnection) -> None:
            await connection.execute(insert(webhook_attempts).values(attempt_row(attempt)))

        await self._database.write(work)


def _revived(delivery_id: int, is_behind: bool, now_us: int, expires_at_us: int) -> dict[str, Any]:
    return {
        "at_delivery": delivery_id,
        "state": WAITING if is_behind else PENDING,
        "due_at_us": now_us,
        "expires_at_us": expires_at_us,
        "attempts": 0,
        "reason": "",
    }
