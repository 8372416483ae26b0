"""Between the webhook contracts' messages (protobuf) and the domain."""

from axbridge.events.v1 import webhook_pb2, webhook_service_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from common.errors import InvalidArgumentError
from event_service.webhooks.delivery_service import WebhookStatus
from event_service.webhooks.domain import Attempt, DeadLetter, MessageType, Webhook, WebhookState
from event_service.webhooks.service import DEFAULT_KEEP_PREVIOUS_SECONDS, limits_of

_TYPES = {kind: f"WEBHOOK_MESSAGE_TYPE_{kind.name}" for kind in MessageType}
_TYPES_BACK = {webhook_pb2.WebhookMessageType.Value(name): kind for kind, name in _TYPES.items()}
_STATES = {state: f"WEBHOOK_STATE_{state.name}" for state in WebhookState}
_STATES_BACK = {webhook_pb2.WebhookState.Value(name): state for state, name in _STATES.items()} | {
    webhook_pb2.WEBHOOK_STATE_UNSPECIFIED: WebhookState.ENABLED
}


def webhook_from_message(message: webhook_pb2.Webhook) -> Webhook:
    """What a client sets of an endpoint. Raises InvalidArgumentError naming the field."""
    types = set()
    for number in message.message_types:
        if number not in _TYPES_BACK:
            raise InvalidArgumentError("webhook.message_types", f"{number} is no type of message")
        types.add(_TYPES_BACK[number])
    if message.state not in _STATES_BACK:
        raise InvalidArgumentError("webhook.state", f"{message.state} is no state")
    limits = message.limits
    return Webhook(
        webhook_id=message.webhook_id,
        tenant_id=message.tenant_id,
        url=message.url,
        description=message.description,
        message_types=frozenset(types),
        event_codes=frozenset(message.event_codes),
        state=_STATES_BACK[message.state],
        limits=limits_of(limits.max_in_flight, limits.max_per_second, limits.timeout_ms),
    )


def webhook_to_message(webhook: Webhook) -> webhook_pb2.Webhook:
    """The message of an endpoint; its secrets without their values."""
    return webhook_pb2.Webhook(
        webhook_id=webhook.webhook_id,
        tenant_id=webhook.tenant_id,
        url=webhook.url,
        description=webhook.description,
        message_types=[_TYPES[kind] for kind in sorted(webhook.message_types, key=lambda kind: kind.value)],
        event_codes=sorted(webhook.event_codes),
        state=_STATES[webhook.state],
        state_reason=webhook.state_reason,
        limits=webhook_pb2.WebhookLimits(
            max_in_flight=webhook.limits.max_in_flight,
            max_per_second=webhook.limits.max_per_second,
            timeout_ms=webhook.limits.timeout_ms,
        ),
        secrets=[
            webhook_pb2.WebhookSecretInfo(
                created_at=_timestamp(secret.created_at_us), expires_at=_timestamp(secret.expires_at_us)
            )
            for secret in webhook.secrets
        ],
        created_at=_timestamp(webhook.created_at_us),
        updated_at=_timestamp(webhook.updated_at_us),
        revision=webhook.revision,
    )


def status_to_message(status: WebhookStatus) -> webhook_pb2.WebhookStatus:
    """The message of how an endpoint does."""
    health = status.health
    held_until_us = health.held_until_us if health.held_until_us > status.now_us else None
    return webhook_pb2.WebhookStatus(
        circuit=f"WEBHOOK_CIRCUIT_{health.circuit(status.now_us).name}",
        held_until=_timestamp(held_until_us),
        consecutive_failures=health.consecutive_failures,
        last_success_at=_timestamp(health.last_success_us),
        last_failure_at=_timestamp(health.last_failure_us),
        last_error=health.last_error,
        pending=status.counts.pending,
        oldest_pending_at=_timestamp(status.counts.oldest_pending_us),
        dead_letters=status.counts.dead,
    )


def attempt_to_message(attempt: Attempt) -> webhook_pb2.WebhookAttempt:
    """The message of an attempt."""
    return webhook_pb2.WebhookAttempt(
        message_id=attempt.message_id,
        message_type=attempt.message_type,
        delivery_id=attempt.delivery_id,
        attempt=attempt.number,
        started_at=_timestamp(attempt.started_at_us),
        took_ms=attempt.took_ms,
        status_code=attempt.result.status_code,
        error=attempt.result.error,
        response_excerpt=attempt.result.excerpt,
    )


def dead_letter_to_message(letter: DeadLetter) -> webhook_pb2.WebhookDeadLetter:
    """The message of a dead letter."""
    return webhook_pb2.WebhookDeadLetter(
        delivery_id=letter.delivery_id,
        message_id=letter.message_id,
        message_type=letter.message_type,
        session_id=letter.session_id,
        queued_at=_timestamp(letter.queued_at_us),
        died_at=_timestamp(letter.died_at_us),
        attempts=letter.attempts,
        reason=letter.reason,
        last_status_code=letter.last_status_code,
        last_error=letter.last_error,
        raw_body=letter.body,
    )


def keep_previous_seconds(request: webhook_service_pb2.RotateWebhookSecretRequest) -> int:
    """How long previous secrets are kept; fractions of a second don't count."""
    if not request.HasField("keep_previous"):
        return DEFAULT_KEEP_PREVIOUS_SECONDS
    return request.keep_previous.seconds


def _timestamp(microseconds: int | None) -> Timestamp | None:
    if microseconds is None:
        return None
    seconds, rest = divmod(microseconds, 1_000_000)
    return Timestamp(seconds=seconds, nanos=rest * 1000)
