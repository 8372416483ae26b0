"""The endpoints in SQL."""

from collections.abc import Sequence

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from common.auth.grants import ANONYMOUS
from common.errors import AbortedError, ResourceExhaustedError
from event_service.privacy.sql_audit import write_audit
from event_service.sql_database import EventDatabase
from event_service.webhooks import audit_records
from event_service.webhooks.circuit import EndpointHealth
from event_service.webhooks.domain import Webhook, WebhookState
from event_service.webhooks.sql_rows import DELETED, PENDING, health_row, webhook_of, webhook_row
from event_service.webhooks.sql_schema import webhook_deliveries, webhook_health, webhooks

# The first half of an advisory lock's name; the tenant is the other.
_CREATION_LOCK = 0x6178_7768  # "axwh"
_RETRIED_AT_ONCE = 1000
_d = webhook_deliveries.c


class SqlWebhookStore:
    """`WebhookStore` over SQLite or PostgreSQL."""

    def __init__(self, database: EventDatabase) -> None:
        self._database = database

    async def create(self, webhook: Webhook, max_per_tenant: int, actor: str = ANONYMOUS) -> None:
        async def work(connection: AsyncConnection) -> None:
            if not self._database.is_sqlite:
                lock = func.pg_advisory_xact_lock(_CREATION_LOCK, func.hashtext(webhook.tenant_id))
                await connection.execute(select(lock))
            mine = (webhooks.c.tenant_id == webhook.tenant_id) & (webhooks.c.state != DELETED)
            existing = (await connection.execute(select(func.count()).select_from(webhooks).where(mine))).scalar_one()
            if existing >= max_per_tenant:
                message = f"the enterprise has {existing} webhooks, as many as it may"
                raise ResourceExhaustedError(message, reason="TOO_MANY_WEBHOOKS")
            await connection.execute(insert(webhooks).values(webhook_row(webhook)))
            fresh = {"webhook_id": webhook.webhook_id, **health_row(EndpointHealth())}
            await connection.execute(insert(webhook_health).values(fresh))
            record = audit_records.created(webhook)
            await write_audit(connection, [record.entry(webhook.tenant_id, webhook.created_at_us, actor)])

        await self._database.write(work)

    async def get(self, tenant_id: str, webhook_id: str) -> Webhook | None:
        async def work(connection: AsyncConnection) -> Webhook | None:
            return await _find(connection, tenant_id, webhook_id)

        return await self._database.read(work)

    async def list_page(self, tenant_id: str, after_id: str, limit: int) -> Sequence[Webhook]:
        async def work(connection: AsyncConnection) -> Sequence[Webhook]:
            query = (
                select(webhooks)
                .where(webhooks.c.tenant_id == tenant_id, webhooks.c.webhook_id > after_id, webhooks.c.state != DELETED)
                .order_by(webhooks.c.webhook_id)
                .limit(limit)
            )
            return [webhook_of(row) for row in await connection.execute(query)]

        return await self._database.read(work)

    async def update(self, webhook: Webhook, *, retry_at_us: int | None = None, actor: str = ANONYMOUS) -> None:
        async def work(connection: AsyncConnection) -> None:
            before = await _find(connection, webhook.tenant_id, webhook.webhook_id, lock=True)
            if before is None or before.revision != webhook.revision - 1:
                raise AbortedError("somebody else changed the webhook at the same time")
            mine = webhooks.c.webhook_id == webhook.webhook_id
            await connection.execute(update(webhooks).where(mine).values(webhook_row(webhook)))
            record = audit_records.changed(before, webhook)
            await write_audit(connection, [record.entry(webhook.tenant_id, webhook.updated_at_us, actor)])
            if is_fresh_start:
                await _forget_failures(connection, webhook.webhook_id)

        is_fresh_start = retry_at_us is not None and webhook.state is WebhookState.ENABLED
        await self._database.write(work)
        if retry_at_us is not None and is_fresh_start:
            await self._retry_at(webhook.webhook_id, retry_at_us)

    async def _retry_at(self, webhook_id: str, now_us: int) -> None:
        """Make everything that was to be tried later due: some at a time, since nobody else writes meanwhile, and an
        endpoint that was away for days has very much."""
        later = (_d.webhook_id == webhook_id) & (_d.state == PENDING) & (_d.due_at_us > now_us)
        some = select(_d.delivery_id).where(later).order_by(_d.due_at_us).limit(_RETRIED_AT_ONCE)

        async def work(connection: AsyncConnection) -> int:
            ids = list((await connection.execute(some.with_for_update(skip_locked=True))).scalars())
            await connection.execute(update(webhook_deliveries).where(_d.delivery_id.in_(ids)).values(due_at_us=now_us))
            return len(ids)

        # Less than was asked for: nothing is left, but for what fails anew meanwhile.
        while await self._database.write(work) == _RETRIED_AT_ONCE:
            pass

    async def delete(self, tenant_id: str, webhook_id: str, now_us: int, actor: str = ANONYMOUS) -> bool:
        async def work(connection: AsyncConnection) -> bool:
            before = await _find(connection, tenant_id, webhook_id, lock=True)
            if before is None:
                return False
            statement = (
                update(webhooks)
                .where(webhooks.c.webhook_id == webhook_id)
                # The secrets serve nobody any more.
                .values(state=DELETED, secrets="[]", revision=webhooks.c.revision + 1, updated_at_us=now_us)
            )
            await connection.execute(statement)
            await write_audit(connection, [audit_records.deleted(before).entry(tenant_id, now_us, actor)])
            return True

        return await self._database.write(work)

    async def note_test(self, webhook: Webhook, now_us: int, actor: str = ANONYMOUS) -> None:
        entry = audit_records.tested(webhook).entry(webhook.tenant_id, now_us, actor)

        async def work(connection: AsyncConnection) -> None:
            await write_audit(connection, [entry])

        await self._database.write(work)


async def _find(connection: AsyncConnection, tenant_id: str, webhook_id: str, *, lock: bool = False) -> Webhook | None:
    query = select(webhooks).where(
        webhooks.c.webhook_id == webhook_id, webhooks.c.tenant_id == tenant_id, webhooks.c.state != DELETED
    )
    row = (await connection.execute(query.with_for_update() if lock else query)).first()
    return None if row is None else webhook_of(row)


async def _forget_failures(connection: AsyncConnection, webhook_id: str) -> None:
    """Forget what held the endpoint back."""
    reset = {"consecutive_failures": 0, "trips": 0, "held_until_us": 0}
    await connection.execute(update(webhook_health).where(webhook_health.c.webhook_id == webhook_id).values(reset))
