"""Queueing what follows from the log, in SQL."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import bindparam, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from event_service.sql_database import EventDatabase
from event_service.sql_schema import partition_heads
from event_service.webhooks.domain import Webhook, WebhookState
from event_service.webhooks.ports import FeedPosition, FeedStep
from event_service.webhooks.sql_order import lock_unfinished
from event_service.webhooks.sql_rows import PENDING, WAITING, webhook_of
from event_service.webhooks.sql_schema import webhook_cursors, webhook_deliveries, webhooks

# How long a partition stays with whoever took it. Short, since a dead replica's wait this long; it is not prolonged, so
# that all replicas get their turn.
LEASE_US = 10_000_000
_TAKING = (WebhookState.ENABLED.value, WebhookState.PAUSED.value)
_UPDATE_CURSOR = update(webhook_cursors).where(webhook_cursors.c.partition_id == bindparam("at_partition"))


class SqlDeliveryFeed:
    """`DeliveryFeed` over SQLite or PostgreSQL."""

    def __init__(self, database: EventDatabase) -> None:
        self._database = database

    async def prepare(self) -> None:
        dialect = sqlite if self._database.is_sqlite else postgresql

        async def work(connection: AsyncConnection) -> None:
            heads = (await connection.execute(select(partition_heads))).all()
            rows = [
                {
                    "partition_id": head.partition_id,
                    "log_offset": head.last_offset,
                    "change_offset": head.last_change,
                    "owner": "",
                    "leased_until_us": 0,
                }
                for head in heads
            ]
            if rows:
                await connection.execute(dialect.insert(webhook_cursors).on_conflict_do_nothing(), rows)

        await self._database.write(work)

    async def positions(self, owner: str, now_us: int) -> Sequence[FeedPosition]:
        cursors, heads = webhook_cursors.c, partition_heads.c
        query = (
            select(
                cursors.partition_id, cursors.log_offset, cursors.change_offset, heads.last_offset, heads.last_change
            )
            .join(partition_heads, heads.partition_id == cursors.partition_id)
            .where(
                or_(cursors.log_offset < heads.last_offset, cursors.change_offset < heads.last_change),
                or_(cursors.owner == owner, cursors.leased_until_us <= now_us),
            )
        )

        async def work(connection: AsyncConnection) -> Sequence[FeedPosition]:
            return [FeedPosition(*row) for row in await connection.execute(query)]

        return await self._database.read(work)

    async def has_subscribers(self) -> bool:
        query = select(webhooks.c.webhook_id).where(webhooks.c.state.in_(_TAKING)).limit(1)

        async def work(connection: AsyncConnection) -> bool:
            return (await connection.execute(query)).first() is not None

        return await self._database.read(work)

    async def subscribers(self, tenant_ids: Collection[str]) -> Sequence[Webhook]:
        query = (
            select(webhooks)
            .where(webhooks.c.tenant_id.in_(sorted(tenant_ids)), webhooks.c.state.in_(_TAKING))
            .order_by(webhooks.c.webhook_id)
        )

        async def work(connection: AsyncConnection) -> Sequence[Webhook]:
            return [webhook_of(row) for row in await connection.execute(query)]

        return await self._database.read(work) if tenant_ids else ()

    async def commit(self, steps: Sequence[FeedStep], owner: str, now_us: int, expires_at_us: int) -> Collection[int]:
        async def work(connection: AsyncConnection) -> Collection[int]:
            taken = await _take(connection, steps, owner, now_us)
            if taken:
                await _queue(connection, taken, now_us, expires_at_us)
            return [step.position.partition_id for step in taken]

        return await self._database.write(work)


async def _take(connection: AsyncConnection, steps: Sequence[FeedStep], owner: str, now_us: int) -> list[FeedStep]:
    """Move the positions of those steps that may be taken, by partition."""
    cursors = webhook_cursors.c
    query = (
        select(webhook_cursors)
        .where(cursors.partition_id.in_(sorted(step.position.partition_id for step in steps)))
        .order_by(cursors.partition_id)
        .with_for_update()
    )
    stored = {row.partition_id: row for row in await connection.execute(query)}
    taken: list[FeedStep] = []
    rows: list[dict[str, Any]] = []
    for step in sorted(steps, key=lambda step: step.position.partition_id):
        at, row = step.position, stored.get(step.position.partition_id)
        if row is None or (row.log_offset, row.change_offset) != (at.log_offset, at.change_offset):
            continue
        is_leased = row.leased_until_us > now_us
        if is_leased and row.owner != owner:
            continue
        taken.append(step)
        rows.append(
            {
                "at_partition": at.partition_id,
                "log_offset": step.to_log_offset,
                "change_offset": step.to_change_offset,
                "owner": owner,
                "leased_until_us": row.leased_until_us if is_leased else now_us + LEASE_US,
            }
        )
    if rows:
        await connection.execute(_UPDATE_CURSOR, rows)
    return taken


async def _queue(connection: AsyncConnection, steps: Sequence[FeedStep], now_us: int, expires_at_us: int) -> None:
    new = [(step.position.partition_id, delivery) for step in steps for delivery in step.deliveries]
    lanes = {(delivery.webhook_id, delivery.message.call_key) for _, delivery in new}
    busy = await lock_unfinished(connection, lanes)
    rows = []
    for partition_id, delivery in new:
        message = delivery.message
        lane = (delivery.webhook_id, message.call_key)
        rows.append(
            {
                "webhook_id": delivery.webhook_id,
                "partition_id": partition_id,
                "call_key": message.call_key,
                "state": WAITING if lane in busy else PENDING,
                "due_at_us": now_us,
                "queued_at_us": now_us,
                "expires_at_us": expires_at_us,
                "attempts": 0,
                "lease_token": "",
                "message_id": message.message_id,
                "message_type": message.message_type.value,
                "session_id": message.session_id,
                "reason": "",
                "last_status_code": 0,
                "last_error": "",
                "body": message.body,
            }
        )
        busy.add(lane)
    if rows:
        await connection.execute(insert(webhook_deliveries), rows)
