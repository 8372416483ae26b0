"""The spans of deliveries: of what is sent to subscribers and posted to webhooks."""

from collections.abc import Sequence
from typing import NamedTuple

import orjson

from common.clock import Clock, to_microseconds
from common.errors import UnavailableError
from common.telemetry import names
from common.telemetry.sampling import TraceSampler
from common.telemetry.spans import AttributeValue, SpanContext, new_span_id, parse_traceparent
from common.telemetry.tracing import Tracer
from common.trace_ids import query_span_id
from event_service.ports import LoggedEvent
from event_service.subscriptions.domain import Delivery, Subscription
from event_service.webhooks.domain import LeasedDelivery, Settlement, Webhook


class AttemptTrace(NamedTuple):
    """The span of an attempt that is going on: its parent, its own context, and since when."""

    parent_id: bytes
    context: SpanContext
    began: float


class DeliveryTraces:
    """Writes the spans of deliveries of those calls that are traced.

    An event carries the context that it was published with. What has none, a call's record, is a child of the call's
    query: whether it is traced follows from the call's name, as everywhere.
    """

    def __init__(self, tracer: Tracer, sampler: TraceSampler, clock: Clock) -> None:
        self._tracer = tracer
        self._sampler = sampler
        self._clock = clock

    def now(self) -> float:
        """The monotonic clock."""
        return self._tracer.now()

    def sent(self, subscription: Subscription, deliveries: Sequence[Delivery], began: float) -> None:
        """Write the spans of what was sent to a subscriber since `began`."""
        if not self._tracer.is_on:
            return
        times = (began, self.now())
        for delivery in deliveries:
            parent = self._parent_of(delivery)
            if parent is None:
                continue
            attributes: dict[str, AttributeValue] = {
                "messaging.destination.name": subscription.name,
                "axbridge.tenant_id": subscription.tenant_id,
                "axbridge.delivery_kind": "call",
            }
            if isinstance(delivery.content, LoggedEvent):
                lag_us = to_microseconds(self._clock.now()) - delivery.content.event.received_at_us
                attributes["axbridge.delivery_kind"] = "event"
                attributes["axbridge.event_code"] = delivery.content.event.code
                attributes["axbridge.delivery_lag_seconds"] = lag_us / 1_000_000
            self._tracer.write_child(names.SEND_TO_SUBSCRIBER, parent, times, attributes)

    def attempt(self, webhook: Webhook, lease: LeasedDelivery) -> AttemptTrace | None:
        """The span of an attempt that begins, None where the call is not traced."""
        if not self._tracer.is_on:
            return None
        trace_id = self._sampler.sampled(webhook.tenant_id, lease.session_id)
        if trace_id is None:
            return None
        parent = _context_in(lease.body)
        if parent is None or parent.trace_id != trace_id:
            parent = SpanContext(trace_id, query_span_id(trace_id))
        return AttemptTrace(parent.span_id, SpanContext(trace_id, new_span_id()), self.now())

    def attempted(self, trace: AttemptTrace, webhook: Webhook, settlement: Settlement) -> None:
        """Write the span of an attempt that is over."""
        attempt = settlement.attempt
        attributes: dict[str, AttributeValue] = {
            "messaging.destination.name": webhook.webhook_id,
            "axbridge.tenant_id": webhook.tenant_id,
            "axbridge.delivery_kind": "event" if attempt.message_type == "call.event" else "call",
            "axbridge.verdict": settlement.verdict.value,
        }
        if attempt.result.status_code:
            attributes["http.response.status_code"] = attempt.result.status_code
        if attempt.number > 1:
            attributes["http.request.resend_count"] = attempt.number - 1
        error = UnavailableError(attempt.result.error) if attempt.result.error else None
        times = (trace.began, self.now())
        self._tracer.write(names.POST_WEBHOOK, trace.context, trace.parent_id, times, attributes, (), error)

    def _parent_of(self, delivery: Delivery) -> SpanContext | None:
        content = delivery.content
        if isinstance(content, LoggedEvent):
            return parse_traceparent(content.event.traceparent) if content.event.traceparent else None
        trace_id = self._sampler.sampled(content.call.tenant_id, content.call.session_id)
        return None if trace_id is None else SpanContext(trace_id, query_span_id(trace_id))


def _context_in(body: bytes) -> SpanContext | None:
    """The context that a message tells of, in the attribute of CloudEvents' extension for tracing."""
    traceparent = orjson.loads(body).get("traceparent")
    return parse_traceparent(traceparent) if isinstance(traceparent, str) else None
