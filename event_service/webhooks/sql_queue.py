"""Leasing and settling deliveries in SQL."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Row, ScalarSelect, and_, bindparam, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from event_service.privacy.audit import SERVICE_ACTOR
from event_service.privacy.sql_audit import write_audit
from event_service.sql_database import EventDatabase
from event_service.webhooks import audit_records
from event_service.webhooks.circuit import CircuitRules, EndpointHealth
from event_service.webhooks.domain import LeasedDelivery, Settlement, Verdict, Webhook, WebhookState
from event_service.webhooks.ports import LeasedBatch, LeaseRequest
from event_service.webhooks.sql_order import Lane, promote
from event_service.webhooks.sql_rows import (
    DEAD,
    DELIVERED,
    LEASED,
    PENDING,
    attempt_row,
    health_of,
    health_row,
    webhook_of,
    webhook_row,
)
from event_service.webhooks.sql_schema import webhook_attempts, webhook_deliveries, webhook_health, webhooks

GONE_REASON = "the endpoint answered 410 Gone"

_d = webhook_deliveries.c
_STATES = {Verdict.DELIVERED: DELIVERED, Verdict.RETRY: PENDING, Verdict.DEAD: DEAD}
_UPDATE_DELIVERY = update(webhook_deliveries).where(_d.delivery_id == bindparam("at_delivery"))
_UPDATE_HEALTH = update(webhook_health).where(webhook_health.c.webhook_id == bindparam("at_webhook"))


class SqlDeliveryQueue:
    """`DeliveryQueue` over SQLite or PostgreSQL."""

    def __init__(self, database: EventDatabase, rules: CircuitRules) -> None:
        self._database = database
        self._rules = rules

    async def due(self, now_us: int) -> Sequence[str]:
        query = (
            select(webhooks.c.webhook_id)
            .join(webhook_health, webhook_health.c.webhook_id == webhooks.c.webhook_id)
            .where(
                webhooks.c.state == WebhookState.ENABLED.value,
                webhook_health.c.held_until_us <= now_us,
                or_(_earliest_due(PENDING) <= now_us, _earliest_due(LEASED) <= now_us),
            )
        )

        async def work(connection: AsyncConnection) -> Sequence[str]:
            return list((await connection.execute(query)).scalars())

        return await self._database.read(work)

    async def lease(self, request: LeaseRequest) -> Sequence[LeasedBatch]:
        async def work(connection: AsyncConnection) -> Sequence[LeasedBatch]:
            batches = []
            for webhook, health, in_flight in await _lock_endpoints(connection, request):
                room = min(health.room(webhook.limits, in_flight, request.now_us), request.most[webhook.webhook_id])
                rows = await _lock_due(connection, webhook.webhook_id, room, request.now_us)
                if not rows:
                    continue
                batches.append(await _lease(connection, webhook, rows, request))
                after = health.sending(len(rows), webhook.limits, request.now_us)
                if after != health:
                    values = {"at_webhook": webhook.webhook_id, **health_row(after)}
                    await connection.execute(_UPDATE_HEALTH, [values])
            return batches

        return await self._database.write(work) if request.webhook_ids else ()

    async def settle(self, settlements: Sequence[Settlement], now_us: int) -> int:
        async def work(connection: AsyncConnection) -> int:
            counting, finished_lanes = await _lock_settled(connection, settlements)
            if not counting:
                return 0
            await connection.execute(_UPDATE_DELIVERY, [_settled_row(each, now_us) for each in counting])
            await promote(connection, finished_lanes, now_us)
            await connection.execute(insert(webhook_attempts), [attempt_row(each.attempt) for each in counting])
            await self._update_health(connection, counting, now_us)
            await _disable_gone(connection, counting, now_us)
            return len(counting)

        return await self._database.write(work) if settlements else 0

    async def release(self, leases: Sequence[LeasedDelivery], now_us: int) -> None:
        values = {"state": PENDING, "due_at_us": now_us, "lease_token": ""}

        async def work(connection: AsyncConnection) -> None:
            for lease in sorted(leases, key=lambda lease: lease.delivery_id):
                mine = and_(
                    _d.delivery_id == lease.delivery_id, _d.state == LEASED, _d.lease_token == lease.lease_token
                )
                await connection.execute(update(webhook_deliveries).where(mine).values(values))

        if leases:
            await self._database.write(work)

    async def _update_health(self, connection: AsyncConnection, settled: Sequence[Settlement], now_us: int) -> None:
        ids = sorted({each.lease.webhook_id for each in settled})
        query = (
            select(webhook_health)
            .where(webhook_health.c.webhook_id.in_(ids))
            .order_by(webhook_health.c.webhook_id)
            .with_for_update()
        )
        healths = {row.webhook_id: health_of(row) for row in await connection.execute(query)}
        for each in settled:
            health = healths.get(each.lease.webhook_id)
            if health is None:
                continue
            result = each.attempt.result
            healths[each.lease.webhook_id] = (
                health.succeeded(now_us)
                if each.verdict is Verdict.DELIVERED
                else health.failed(result.error, result.retry_after_seconds, self._rules, now_us)
            )
        rows = [{"at_webhook": webhook_id, **health_row(health)} for webhook_id, health in healths.items()]
        if rows:
            await connection.execute(_UPDATE_HEALTH, rows)


def _earliest_due(state: str) -> ScalarSelect[int]:
    """Of the webhook in the query around it. By its order, so that the index is what answers: asked only whether there
    is one, PostgreSQL reads the whole table for it when another endpoint has a backlog."""
    return (
        select(_d.due_at_us)
        .where(_d.webhook_id == webhooks.c.webhook_id, _d.state == state)
        .order_by(_d.due_at_us)
        .limit(1)
        .scalar_subquery()
    )


async def _lock_endpoints(
    connection: AsyncConnection, request: LeaseRequest
) -> list[tuple[Webhook, EndpointHealth, int]]:
    """The webhooks to lease for, with their health and the number of their requests under way. Those that somebody
    else is leasing for are left out, since together we could exceed what is allowed."""
    ids = sorted(request.webhook_ids)
    query = (
        select(webhooks, *(column for column in webhook_health.c if column.name != "webhook_id"))
        .join(webhook_health, webhook_health.c.webhook_id == webhooks.c.webhook_id)
        .where(webhooks.c.webhook_id.in_(ids), webhooks.c.state == WebhookState.ENABLED.value)
        .order_by(webhooks.c.webhook_id)
        .with_for_update(of=webhook_health, skip_locked=True)
    )
    endpoints = [(webhook_of(row), health_of(row)) for row in await connection.execute(query)]
    under_way = (
        select(_d.webhook_id, func.count())
        .where(_d.webhook_id.in_(ids), _d.state == LEASED, _d.due_at_us > request.now_us)
        .group_by(_d.webhook_id)
    )
    in_flight: dict[str, int] = {row[0]: row[1] for row in await connection.execute(under_way)}
    return [(webhook, health, in_flight.get(webhook.webhook_id, 0)) for webhook, health in endpoints]


async def _lock_due(connection: AsyncConnection, webhook_id: str, room: int, now_us: int) -> list[Row[Any]]:
    """At most `room` deliveries that are due, those first whose lease ran out."""
    rows: list[Row[Any]] = []
    for state in (LEASED, PENDING):
        if len(rows) >= room:
            break
        query = (
            select(
                _d.delivery_id,
                _d.message_id,
                _d.message_type,
                _d.session_id,
                _d.attempts,
                _d.expires_at_us,
                _d.queued_at_us,
                _d.body,
            )
            .where(_d.webhook_id == webhook_id, _d.state == state, _d.due_at_us <= now_us)
            .order_by(_d.due_at_us, _d.delivery_id)
            .limit(room - len(rows))
            .with_for_update(skip_locked=True)
        )
        rows.extend(await connection.execute(query))
    return rows


async def _lease(
    connection: AsyncConnection, webhook: Webhook, rows: Sequence[Row[Any]], request: LeaseRequest
) -> LeasedBatch:
    until_us = request.now_us + webhook.limits.timeout_ms * 1000 + request.margin_us
    statement = (
        update(webhook_deliveries)
        .where(_d.delivery_id.in_([row.delivery_id for row in rows]))
        .values(state=LEASED, due_at_us=until_us, lease_token=request.token)
    )
    await connection.execute(statement)
    leased = [
        LeasedDelivery(
            delivery_id=row.delivery_id,
            webhook_id=webhook.webhook_id,
            message_id=row.message_id,
            message_type=row.message_type,
            session_id=row.session_id,
            body=row.body,
            attempt=row.attempts + 1,
            expires_at_us=row.expires_at_us,
            queued_at_us=row.queued_at_us,
            lease_token=request.token,
            leased_until_us=until_us,
        )
        for row in rows
    ]
    return LeasedBatch(webhook, leased)


async def _lock_settled(
    connection: AsyncConnection, settlements: Sequence[Settlement]
) -> tuple[list[Settlement], set[Lane]]:
    """Those whose lease still stands, in the order given, and the lanes that one of them leaves."""
    # By token too: what was kept while the database was away may stand beside a later attempt for the same delivery.
    by_lease = {(each.lease.delivery_id, each.lease.lease_token): each for each in settlements}
    query = (
        select(_d.delivery_id, _d.webhook_id, _d.call_key, _d.lease_token)
        .where(_d.delivery_id.in_(sorted({delivery_id for delivery_id, _ in by_lease})), _d.state == LEASED)
        .order_by(_d.delivery_id)
        .with_for_update()
    )
    standing: set[tuple[int, str]] = set()
    left: set[Lane] = set()
    for row in await connection.execute(query):
        settlement = by_lease.get((row.delivery_id, row.lease_token))
        if settlement is not None:
            standing.add((row.delivery_id, row.lease_token))
            if settlement.verdict is not Verdict.RETRY:
                left.add((row.webhook_id, row.call_key))
    return [each for each in settlements if (each.lease.delivery_id, each.lease.lease_token) in standing], left


def _settled_row(settlement: Settlement, now_us: int) -> dict[str, Any]:
    result = settlement.attempt.result
    return {
        "at_delivery": settlement.lease.delivery_id,
        "state": _STATES[settlement.verdict],
        "due_at_us": settlement.retry_at_us if settlement.verdict is Verdict.RETRY else now_us,
        "attempts": settlement.lease.attempt,
        "lease_token": "",
        "reason": settlement.reason,
        "last_status_code": result.status_code,
        "last_error": result.error,
    }


async def _disable_gone(connection: AsyncConnection, settled: Sequence[Settlement], now_us: int) -> None:
    gone = sorted({each.lease.webhook_id for each in settled if each.gone})
    if not gone:
        return
    live = or_(webhooks.c.state == WebhookState.ENABLED.value, webhooks.c.state == WebhookState.PAUSED.value)
    query = select(webhooks).where(webhooks.c.webhook_id.in_(gone), live).order_by(webhooks.c.webhook_id)
    entries = []
    for before in [webhook_of(row) for row in await connection.execute(query.with_for_update())]:
        disabled = replace(
            before,
            state=WebhookState.DISABLED,
            state_reason=GONE_REASON,
            revision=before.revision + 1,
            updated_at_us=now_us,
        )
        mine = webhooks.c.webhook_id == before.webhook_id
        await connection.execute(update(webhooks).where(mine).values(webhook_row(disabled)))
        entries.append(audit_records.changed(before, disabled).entry(before.tenant_id, now_us, SERVICE_ACTOR))
    await write_audit(connection, entries)
