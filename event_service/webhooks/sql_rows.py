"""Rows and values: how webhooks and what belongs to them are written into the columns of sql_schema."""

from typing import Any

import orjson
from sqlalchemy import Row

from event_service.webhooks.circuit import EndpointHealth
from event_service.webhooks.domain import (
    Attempt,
    DeadLetter,
    HttpResult,
    MessageType,
    SealedSecret,
    Webhook,
    WebhookLimits,
    WebhookState,
)
from event_service.webhooks.sql_schema import webhook_deliveries

# States of a delivery. WAITING: behind another one of its call. FINISHED ones are never leased.
WAITING, PENDING, LEASED, DELIVERED, DEAD = "waiting", "pending", "leased", "delivered", "dead"
HEADS = (PENDING, LEASED)
UNFINISHED = (WAITING, PENDING, LEASED)
# Of a webhook, beside the values of WebhookState.
DELETED = "deleted"

_HEALTH_FIELDS = (
    "consecutive_failures",
    "trips",
    "held_until_us",
    "rate_us",
    "last_success_us",
    "last_failure_us",
    "last_error",
)

deliveries = webhook_deliveries.c
DEAD_LETTER_COLUMNS = (
    deliveries.delivery_id,
    deliveries.message_id,
    deliveries.message_type,
    deliveries.session_id,
    deliveries.queued_at_us,
    deliveries.due_at_us,
    deliveries.attempts,
    deliveries.reason,
    deliveries.last_status_code,
    deliveries.last_error,
)


def webhook_row(webhook: Webhook) -> dict[str, Any]:
    """The columns of `webhooks`."""
    secrets = [[secret.sealed, secret.created_at_us, secret.expires_at_us] for secret in webhook.secrets]
    return {
        "webhook_id": webhook.webhook_id,
        "tenant_id": webhook.tenant_id,
        "url": webhook.url,
        "description": webhook.description,
        "message_types": orjson.dumps(sorted(kind.value for kind in webhook.message_types)).decode(),
        "event_codes": orjson.dumps(sorted(webhook.event_codes)).decode(),
        "state": webhook.state.value,
        "state_reason": webhook.state_reason,
        "max_in_flight": webhook.limits.max_in_flight,
        "max_per_second": webhook.limits.max_per_second,
        "timeout_ms": webhook.limits.timeout_ms,
        "secrets": orjson.dumps(secrets).decode(),
        "created_at_us": webhook.created_at_us,
        "updated_at_us": webhook.updated_at_us,
        "revision": webhook.revision,
    }


def webhook_of(row: Row[Any]) -> Webhook:
    """The webhook of a row of `webhooks`."""
    return Webhook(
        webhook_id=row.webhook_id,
        tenant_id=row.tenant_id,
        url=row.url,
        description=row.description,
        message_types=frozenset(MessageType(value) for value in orjson.loads(row.message_types)),
        event_codes=frozenset(orjson.loads(row.event_codes)),
        state=WebhookState(row.state),
        state_reason=row.state_reason,
        limits=WebhookLimits(row.max_in_flight, row.max_per_second, row.timeout_ms),
        secrets=tuple(SealedSecret(*secret) for secret in orjson.loads(row.secrets)),
        created_at_us=row.created_at_us,
        updated_at_us=row.updated_at_us,
        revision=row.revision,
    )


def health_row(health: EndpointHealth) -> dict[str, Any]:
    """The columns of `webhook_health` but for the webhook's id."""
    return {name: getattr(health, name) for name in _HEALTH_FIELDS}


def health_of(row: Row[Any]) -> EndpointHealth:
    """The health of a row that has the columns of `webhook_health`."""
    return EndpointHealth(*(getattr(row, name) for name in _HEALTH_FIELDS))


def attempt_row(attempt: Attempt) -> dict[str, Any]:
    """The columns of `webhook_attempts` but for the attempt's id."""
    return {
        "webhook_id": attempt.webhook_id,
        "delivery_id": attempt.delivery_id,
        "message_id": attempt.message_id,
        "message_type": attempt.message_type,
        "number": attempt.number,
        "started_at_us": attempt.started_at_us,
        "took_ms": attempt.took_ms,
        "status_code": attempt.result.status_code,
        "error": attempt.result.error,
        "excerpt": attempt.result.excerpt,
    }


def attempt_of(row: Row[Any]) -> Attempt:
    """The attempt of a row of `webhook_attempts`."""
    return Attempt(
        webhook_id=row.webhook_id,
        delivery_id=row.delivery_id,
        message_id=row.message_id,
        message_type=row.message_type,
        number=row.number,
        started_at_us=row.started_at_us,
        took_ms=row.took_ms,
        result=HttpResult(status_code=row.status_code, error=row.error, excerpt=row.excerpt),
        attempt_id=row.attempt_id,
    )


def dead_letter_of(row: Row[Any], body: bytes) -> DeadLetter:
    """The dead letter of a row that was selected by DEAD_LETTER_COLUMNS."""
    return DeadLetter(
        delivery_id=row.delivery_id,
        message_id=row.message_id,
        message_type=row.message_type,
        session_id=row.session_id,
        queued_at_us=row.queued_at_us,
        died_at_us=row.due_at_us,
        attempts=row.attempts,
        reason=row.reason,
        last_status_code=row.last_status_code,
        last_error=row.last_error,
        body=body,
    )
