"""The spans of publishing and of deliveries: who is whose parent, and that batches are linked with what they hold."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson
import pytest
from axbridge.events.v1 import event_service_pb2

from common.errors import UnavailableError
from common.telemetry import names
from common.telemetry.names import SpanKind
from common.telemetry.sampling import TraceSampler
from common.telemetry.spans import SpanContext, parse_traceparent
from common.trace_ids import query_span_id, trace_id_bytes
from event_service.convert import event_to_message
from event_service.delivery_traces import DeliveryTraces
from event_service.domain import CallEvent, LoggedDecision
from event_service.group_commit import GroupCommitter, GroupLimits
from event_service.ports import EventOutcome, EventStatus, LoggedEvent
from event_service.service import EventIntake, QuarantineDesk
from event_service.servicer import EventServicer
from event_service.webhooks.courier import Courier
from event_service.webhooks.domain import HttpResult
from event_service.webhooks.messages import event_message
from event_service.webhooks.schedule import RetrySchedule
from tests.support.clock import FakeClock
from tests.support.spans import CollectedSpans, attributes_of, context_of, links_of
from tests.unit.event_service.builders import event
from tests.unit.event_service_webhooks.fakes import SEALER, FakePoster, lease, webhook

CALLER = SpanContext(b"c" * 16, b"c" * 8)


class GatedLog:
    """Stores everything, when the gate is open."""

    def __init__(self) -> None:
        self.gate, self.entered = asyncio.Event(), asyncio.Event()
        self.failure: Exception | None = None

    async def append(self, events: Sequence[CallEvent], _decisions: Sequence[LoggedDecision]) -> list[EventOutcome]:
        self.entered.set()
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return [EventOutcome(EventStatus.STORED) for _ in events]


class Call:
    """What a servicer asks of a gRPC call."""

    def __init__(self, caller: SpanContext | None) -> None:
        self._caller = caller

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return () if self._caller is None else (("user-agent", "x"), ("traceparent", self._caller.traceparent))


class Publishing:
    """A servicer over a log that waits."""

    def __init__(self) -> None:
        clock, self.spans, self.log = FakeClock(), CollectedSpans(), GatedLog()
        log: Any = self.log
        nowhere: Any = None
        self.committer = GroupCommitter(log, GroupLimits(), "postgresql")
        intake = EventIntake(self.committer, clock)
        self.servicer = EventServicer(intake, QuarantineDesk(nowhere, clock), self.spans.tracer(clock))

    async def publish(self, *contexts: SpanContext | None, caller: SpanContext | None = None) -> None:
        events = [
            event("15", place, traceparent=each.traceparent if each else "") for place, each in enumerate(contexts)
        ]
        request = event_service_pb2.PublishBatchRequest(events=[event_to_message(each) for each in events])
        context: Any = Call(caller)
        await self.servicer.PublishBatch(request, context)


def item(number: int) -> SpanContext:
    return SpanContext(bytes([number]) * 16, bytes([number]) * 8)


async def test_the_only_traced_event_has_its_batch_and_its_transaction_in_its_own_trace() -> None:
    publishing = Publishing()
    publishing.log.gate.set()
    caller = SpanContext(item(1).trace_id, b"g" * 8)
    async with publishing.committer.running():
        await publishing.publish(None, item(1), None, caller=caller)
    spans = publishing.spans
    assert {span.trace_id for span in spans.all} == {item(1).trace_id}
    batch = spans.one(names.SERVE_PUBLISH_BATCH.name)
    assert (batch.parent_span_id, batch.kind, links_of(batch)) == (caller.span_id, SpanKind.SERVER, [])
    append = spans.one(names.APPEND.name)
    assert append.parent_span_id == batch.span_id
    assert attributes_of(append) == {"db.system.name": "postgresql", "db.operation.batch.size": 3}
    stored = spans.one(names.STORE.name)
    assert (stored.parent_span_id, links_of(stored)) == (item(1).span_id, [])
    assert attributes_of(stored) == {"axbridge.event_code": "15", "axbridge.publish_status": "STORED"}


async def test_a_transaction_of_several_traced_requests_is_linked_with_all_of_them() -> None:
    publishing = Publishing()
    async with publishing.committer.running():
        first = asyncio.create_task(publishing.publish(None))
        await publishing.log.entered.wait()
        # These two wait for the first one's transaction, and share the next.
        others = [asyncio.create_task(publishing.publish(item(number))) for number in (1, 2)]
        await asyncio.sleep(0)
        publishing.log.gate.set()
        await asyncio.gather(first, *others)
    spans = publishing.spans
    append = spans.one(names.APPEND.name)
    batches = [span for span in spans.all if span.name == names.SERVE_PUBLISH_BATCH.name]
    assert append.parent_span_id == b""
    assert sorted(links_of(append)) == sorted(map(context_of, batches))
    assert append.trace_id not in {span.trace_id for span in batches}


async def test_each_of_several_traced_events_is_linked_with_its_batch() -> None:
    publishing = Publishing()
    publishing.log.gate.set()
    async with publishing.committer.running():
        await publishing.publish(item(1), item(2), caller=CALLER)
    batch = publishing.spans.one(names.SERVE_PUBLISH_BATCH.name)
    # What the caller's span says of the items need not be said twice.
    assert links_of(batch) == []
    assert (batch.trace_id, batch.parent_span_id) == CALLER
    stored = [span for span in publishing.spans.all if span.name == names.STORE.name]
    assert [(span.trace_id, span.parent_span_id) for span in stored] == [item(1), item(2)]
    assert [links_of(span) for span in stored] == [[context_of(batch)]] * 2


async def test_a_transaction_that_fails_says_so() -> None:
    publishing = Publishing()
    publishing.log.gate.set()
    publishing.log.failure = UnavailableError("no room for 13800001111")
    async with publishing.committer.running():
        with pytest.raises(UnavailableError):
            await publishing.publish(item(1))
    append = publishing.spans.one(names.APPEND.name)
    assert append.status.code == append.status.STATUS_CODE_ERROR
    (exception,) = append.events
    assert attributes_of(exception) == {
        "exception.type": "UnavailableError",
        "exception.message": "no room for 138****1111",
    }


async def test_untraced_events_have_no_spans() -> None:
    publishing = Publishing()
    publishing.log.gate.set()
    async with publishing.committer.running():
        await publishing.publish(None, None, caller=CALLER)
    assert publishing.spans.all == []


def courier(poster: FakePoster, spans: CollectedSpans, ratio: float) -> Courier:
    clock = FakeClock()
    traces = DeliveryTraces(spans.tracer(clock), TraceSampler(ratio), clock)
    return Courier(poster, SEALER, RetrySchedule((5,), lambda: 0.5), clock, traces)


async def test_a_webhooks_attempt_is_a_child_of_the_events_publishing() -> None:
    trace_id = trace_id_bytes("100001", "s1")
    published = SpanContext(trace_id, b"p" * 8)
    told = event_message(LoggedEvent(event("15", 0, traceparent=published.traceparent), 0, 1, 0, 1, 0, 0, False))
    assert orjson.loads(told.body)["traceparent"] == published.traceparent
    spans, poster = CollectedSpans(), FakePoster()
    await courier(poster, spans, 1).deliver(webhook(), replace(lease(), body=told.body))
    span = spans.one(names.POST_WEBHOOK.name)
    assert (span.trace_id, span.parent_span_id, span.kind) == (*published, SpanKind.CLIENT)
    assert attributes_of(span) == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "messaging.destination.name": "wh_1",
        "axbridge.tenant_id": "100001",
        "axbridge.delivery_kind": "event",
        "axbridge.verdict": "delivered",
    }
    (request,) = poster.requests
    assert parse_traceparent(request.headers["traceparent"]) == context_of(span)


async def test_what_carries_no_context_is_a_child_of_the_calls_query() -> None:
    spans, poster = CollectedSpans(), FakePoster(HttpResult(500, "answered 13800001111", excerpt="oops"))
    await courier(poster, spans, 1).deliver(webhook(), replace(lease(attempt=2), message_type="call.completed"))
    span = spans.one(names.POST_WEBHOOK.name)
    trace_id = trace_id_bytes("100001", "s1")
    assert (span.trace_id, span.parent_span_id) == (trace_id, query_span_id(trace_id))
    attributes = attributes_of(span)
    assert (attributes["axbridge.delivery_kind"], attributes["axbridge.verdict"]) == ("call", "dead")
    assert (attributes["http.response.status_code"], attributes["http.request.resend_count"]) == (500, 1)
    assert attributes["error.type"] == "UnavailableError"
    assert b"13800001111" not in spans.wire


async def test_a_call_that_is_not_traced_tells_nobody_of_a_trace() -> None:
    spans, poster = CollectedSpans(), FakePoster()
    await courier(poster, spans, 0).deliver(webhook(), lease())
    assert spans.all == []
    assert "traceparent" not in poster.requests[0].headers
    untraced = event_message(LoggedEvent(event("15", 0), 0, 1, 0, 1, 0, 0, False))
    assert "traceparent" not in orjson.loads(untraced.body)
