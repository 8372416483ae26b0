"""What webhooks speak of: endpoints, messages, deliveries, attempts. Pure values.

Times are microseconds since 1970 UTC.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import Enum

TEST_MESSAGE_TYPE = "webhook.test"


class MessageType(Enum):
    """What is posted. The values go over the wire and are stored."""

    CALL_EVENT = "call.event"
    CALL_COMPLETED = "call.completed"


class WebhookState(Enum):
    """Whether messages are posted. The values are stored."""

    ENABLED = "enabled"
    # Messages gather.
    PAUSED = "paused"
    # New messages pass by, the others become dead letters.
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class WebhookLimits:
    """Bounds on what an endpoint gets at a time, over all replicas. `max_per_second` 0: no bound."""

    max_in_flight: int = 8
    max_per_second: int = 0
    timeout_ms: int = 15_000


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """A signing secret as it is stored. `expires_at_us` None: the current one."""

    sealed: str = field(repr=False)
    created_at_us: int
    expires_at_us: int | None = None

    def signs_at(self, now_us: int) -> bool:
        """Whether messages are signed with it now."""
        return self.expires_at_us is None or now_us < self.expires_at_us


@dataclass(frozen=True, slots=True)
class Webhook:
    """An endpoint. Fields and their meaning: events/v1/webhook.proto."""

    webhook_id: str
    tenant_id: str
    url: str
    description: str = ""
    # Empty: every type.
    message_types: frozenset[MessageType] = frozenset()
    # Empty: every code.
    event_codes: frozenset[str] = frozenset()
    state: WebhookState = WebhookState.ENABLED
    state_reason: str = ""
    limits: WebhookLimits = WebhookLimits()
    # The current one first.
    secrets: tuple[SealedSecret, ...] = ()
    created_at_us: int = 0
    updated_at_us: int = 0
    revision: int = 1

    def wants(self, message: "WebhookMessage") -> bool:
        """Whether this message is to be posted here."""
        if self.tenant_id != message.tenant_id or (
            self.message_types and message.message_type not in self.message_types
        ):
            return False
        if message.message_type is MessageType.CALL_EVENT and self.event_codes:
            return message.event_code in self.event_codes
        return True


@dataclass(frozen=True, slots=True)
class WebhookMessage:
    """One message, before it is known who gets it. `body` is the JSON that is posted, the same to everyone."""

    message_id: str
    message_type: MessageType
    tenant_id: str
    session_id: str
    call_key: bytes
    body: bytes
    # Of an event; else empty.
    event_code: str = ""


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A message for one endpoint, to be queued."""

    webhook_id: str
    message: WebhookMessage


@dataclass(frozen=True, slots=True)
class LeasedDelivery:
    """A delivery that is ours to attempt until the lease ends; `attempt` is this attempt's number, from 1."""

    delivery_id: int
    webhook_id: str
    message_id: str
    message_type: str
    session_id: str
    body: bytes
    attempt: int
    # After this an attempt that fails is the last one.
    expires_at_us: int
    lease_token: str
    leased_until_us: int
    queued_at_us: int = 0


@dataclass(frozen=True, slots=True)
class HttpResult:
    """What came of one request. `error` is empty when the endpoint answered with a status from 200 to 299."""

    status_code: int = 0
    error: str = ""
    retry_after_seconds: float | None = None
    excerpt: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request and what came of it, for the attempt log. `delivery_id` 0: a test."""

    webhook_id: str
    delivery_id: int
    message_id: str
    message_type: str
    number: int
    started_at_us: int
    took_ms: int
    result: HttpResult
    # Given by the log.
    attempt_id: int = 0


class Verdict(Enum):
    """What becomes of a delivery after an attempt."""

    DELIVERED = "delivered"
    RETRY = "retry"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Settlement:
    """What an attempt came to. `retry_at_us` counts for RETRY, `reason` for DEAD. `gone`: the endpoint answered that it
    wants no more."""

    lease: LeasedDelivery
    attempt: Attempt
    verdict: Verdict
    retry_at_us: int = 0
    reason: str = ""
    gone: bool = False


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A delivery that was given up. `body` is empty where it was not asked for."""

    delivery_id: int
    message_id: str
    message_type: str
    session_id: str
    queued_at_us: int
    died_at_us: int
    attempts: int
    reason: str
    last_status_code: int
    last_error: str
    body: bytes = b""


def message_id_of(prefix: str, *parts: bytes) -> str:
    """The `webhook-id` of what these parts name: always the same for the same parts."""
    digest = hashlib.blake2b(digest_size=16, person=b"axbridge-whmsg")
    for part in parts:
        # The length prefix keeps ("ab", "c") and ("a", "bc") apart.
        digest.update(len(part).to_bytes(4, "big") + part)
    return f"{prefix}_{digest.hexdigest()}"


def wanted(webhooks: Collection[Webhook], message: WebhookMessage) -> list[NewDelivery]:
    """One delivery for each endpoint that wants the message."""
    return [NewDelivery(webhook.webhook_id, message) for webhook in webhooks if webhook.wants(message)]
