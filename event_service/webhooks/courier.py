"""One attempt: sign the message, post it, and judge what came back."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from common.clock import Clock, to_microseconds
from common.errors import FailedPreconditionError
from common.logs import get_logger
from event_service.delivery_traces import DeliveryTraces
from event_service.webhooks.domain import (
    TEST_MESSAGE_TYPE,
    Attempt,
    HttpResult,
    LeasedDelivery,
    Settlement,
    Verdict,
    Webhook,
)
from event_service.webhooks.http_sender import HttpRequest
from event_service.webhooks.messages import body_of_test
from event_service.webhooks.schedule import GONE, RetrySchedule
from event_service.webhooks.sealing import SecretSealer
from event_service.webhooks.signing import signature_headers

CONTENT_TYPE = "application/json"
NO_HEADERS: Mapping[str, str] = {}

_log = get_logger(__name__)


class Poster(Protocol):
    """Makes HTTP requests."""

    async def post(self, request: HttpRequest) -> HttpResult:
        """Make one. Whatever goes wrong with it is told in the result."""
        ...


@dataclass(frozen=True, slots=True)
class _Posted:
    result: HttpResult
    started_at_us: int
    took_ms: int


class Courier:
    """Delivers messages to endpoints, one request at a time."""

    def __init__(
        self,
        poster: Poster,
        sealer: SecretSealer,
        schedule: RetrySchedule,
        clock: Clock,
        traces: DeliveryTraces | None = None,
    ) -> None:
        """`traces` None: no attempt is traced."""
        self._poster = poster
        self._sealer = sealer
        self._schedule = schedule
        self._clock = clock
        self._traces = traces

    async def deliver(self, webhook: Webhook, lease: LeasedDelivery) -> Settlement:
        """Attempt a delivery, and say what it came to."""
        trace = None if self._traces is None else self._traces.attempt(webhook, lease)
        # The endpoint's own trace can go on from here.
        more = {} if trace is None else {"traceparent": trace.context.traceparent}
        posted = await self._post(webhook, lease.message_id, lease.body, more)
        attempt = Attempt(
            webhook_id=webhook.webhook_id,
            delivery_id=lease.delivery_id,
            message_id=lease.message_id,
            message_type=lease.message_type,
            number=lease.attempt,
            started_at_us=posted.started_at_us,
            took_ms=posted.took_ms,
            result=posted.result,
        )
        settlement = self._judge(lease, attempt)
        if trace is not None and self._traces is not None:
            self._traces.attempted(trace, webhook, settlement)
        return settlement

    async def test(self, webhook: Webhook) -> Attempt:
        """Post a test message."""
        message_id = f"test_{secrets.token_hex(16)}"
        now_us = to_microseconds(self._clock.now())
        body = body_of_test(message_id, webhook.tenant_id, webhook.webhook_id, now_us)
        posted = await self._post(webhook, message_id, body)
        return Attempt(
            webhook_id=webhook.webhook_id,
            delivery_id=0,
            message_id=message_id,
            message_type=TEST_MESSAGE_TYPE,
            number=1,
            started_at_us=posted.started_at_us,
            took_ms=posted.took_ms,
            result=posted.result,
        )

    def _judge(self, lease: LeasedDelivery, attempt: Attempt) -> Settlement:
        result = attempt.result
        if not result.error:
            return Settlement(lease, attempt, Verdict.DELIVERED)
        if result.status_code == GONE:
            return Settlement(lease, attempt, Verdict.DEAD, reason="the endpoint is gone", gone=True)
        now_us = to_microseconds(self._clock.now())
        retry_at_us = self._schedule.next_attempt_us(lease.attempt, now_us, result)
        if retry_at_us is None:
            return Settlement(lease, attempt, Verdict.DEAD, reason="every attempt failed")
        if now_us >= lease.expires_at_us:
            return Settlement(lease, attempt, Verdict.DEAD, reason="not delivered in time")
        return Settlement(lease, attempt, Verdict.RETRY, retry_at_us=min(retry_at_us, lease.expires_at_us))

    async def _post(
        self, webhook: Webhook, message_id: str, body: bytes, more_headers: Mapping[str, str] = NO_HEADERS
    ) -> _Posted:
        started_at_us = to_microseconds(self._clock.now())
        began = self._clock.monotonic()
        try:
            keys = self._keys(webhook, started_at_us)
        except FailedPreconditionError as error:
            _log.error("a webhook's messages can't be signed", webhook_id=webhook.webhook_id, problem=error.message)
            return _Posted(HttpResult(error=error.message), started_at_us, 0)
        headers = signature_headers(keys, message_id, started_at_us // 1_000_000, body)
        result = await self._poster.post(
            HttpRequest(
                url=webhook.url,
                headers={"Content-Type": CONTENT_TYPE, **headers, **more_headers},
                body=body,
                timeout_seconds=webhook.limits.timeout_ms / 1000,
            )
        )
        return _Posted(result, started_at_us, round((self._clock.monotonic() - began) * 1000))

    def _keys(self, webhook: Webhook, now_us: int) -> list[bytes]:
        """The keys to sign with, the current one's first. A previous secret that can't be opened, as when its key was
        lost and the secret rotated for that, keeps nothing from being signed with the current one."""
        keys: list[bytes] = []
        for secret in webhook.secrets:
            if not secret.signs_at(now_us):
                continue
            try:
                keys.append(self._sealer.open(webhook.webhook_id, secret.sealed))
            except FailedPreconditionError:
                if not keys:
                    raise
        return keys
