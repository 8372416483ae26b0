"""The gateway's spans: of queries and events, of their way in a batch, and of the batches."""

import asyncio

import pytest

from common.errors import DeadlineExceededError, UnavailableError
from common.protocol_codes import ResultCode
from common.telemetry import names
from common.telemetry.names import SpanKind
from common.telemetry.sampling import TraceSampler
from common.telemetry.spans import SpanContext, parse_traceparent
from common.trace_ids import query_span_id, trace_id_bytes
from gateway.batch_traces import batch_span, item_span
from gateway.call_traces import CallTraces, KeepRules
from gateway.domain import Event, Query, Receipt, RouteDecision, TenantSettings
from gateway.service import EventOptions, EventService, QueryOptions, QueryService
from gateway.tenants import DirectoryLimits, TenantDirectory
from tests.support.spans import CollectedSpans, attributes_of, context_of, links_of
from tests.unit.gateway.fakes import (
    FakeClock,
    FakePublisher,
    FakeQuarantine,
    FakeResolver,
    FakeSink,
    FakeTenants,
)

TENANT = TenantSettings("100001")
QUERY = Query("s1", "100001", "c1", "13800001111", "02566000001", "7")
EVENT = Event("s1", "100001", "15", "c1", "7", "e1")
RECEIPT = Receipt(1_772_352_000_000_000, b"<raw/>", "text/xml")
TRACE_ID = trace_id_bytes("100001", "s1")
ROOT = SpanContext(TRACE_ID, query_span_id(TRACE_ID))
PLATFORMS = SpanContext(b"p" * 16, b"p" * 8)


class Gateway:
    """The use cases over fakes, with a tenant that is known."""

    def __init__(self, ratio: float = 1.0, rules: KeepRules | None = None) -> None:
        self.clock, self.spans = FakeClock(), CollectedSpans()
        self.resolver, self.publisher = FakeResolver(), FakePublisher()
        traces = CallTraces(self.spans.tracer(self.clock), TraceSampler(ratio), rules)
        directory = TenantDirectory(FakeTenants(TENANT), DirectoryLimits(), self.clock)
        self.directory = directory
        options = QueryOptions(1.0, traces)
        self.queries = QueryService(self.resolver, directory, FakeSink(), options, self.clock)
        event_options = EventOptions(5.0, 1.0, traces)
        self.events = EventService(self.publisher, directory, FakeQuarantine(), event_options, self.clock)

    async def ask(self, query: Query = QUERY, **headers: str) -> None:
        await self.queries.answer(query, self.clock.monotonic(), headers)

    async def tell(self, event: Event = EVENT, **headers: str) -> None:
        await self.events.take(event, RECEIPT, self.clock.monotonic(), headers)


@pytest.fixture
async def gateway() -> Gateway:
    made = Gateway()
    await made.directory.refresh()
    return made


async def test_a_query_begins_the_calls_trace(gateway: Gateway) -> None:
    gateway.resolver.outcome = RouteDecision(ResultCode.SUCCESS, decision_source="CACHE")
    await gateway.ask()
    span = gateway.spans.one(names.QUERY.name)
    assert (context_of(span), span.parent_span_id, span.kind) == (ROOT, b"", SpanKind.SERVER)
    assert attributes_of(span) == {
        "http.request.method": "POST",
        "http.route": "/v1/calls",
        "http.response.status_code": 200,
        "axbridge.result": "0000",
        "axbridge.access_number": "025****0001",
        "axbridge.tenant_id": "100001",
        "axbridge.decision_source": "CACHE",
    }
    assert span.status.code == span.status.STATUS_CODE_UNSET
    ((_, traceparent, _),) = gateway.resolver.asked
    assert parse_traceparent(traceparent) == ROOT


async def test_an_event_is_a_child_of_the_calls_query_whoever_took_that(gateway: Gateway) -> None:
    await gateway.tell()
    await gateway.tell()
    first, second = gateway.spans.all
    assert first.span_id != second.span_id
    for span in (first, second):
        assert (span.trace_id, span.parent_span_id, span.kind) == (*ROOT, SpanKind.SERVER)
    assert attributes_of(first)["axbridge.event_code"] == "15"
    assert [parse_traceparent(each.traceparent) for each in gateway.publisher.stored] == [
        context_of(first),
        context_of(second),
    ]


async def test_a_query_that_is_sent_again_is_a_span_below_the_first(gateway: Gateway) -> None:
    await gateway.ask()
    await gateway.ask()
    first, again = gateway.spans.all
    assert context_of(first) == ROOT
    assert (again.trace_id, again.parent_span_id) == ROOT
    assert again.span_id != first.span_id


async def test_the_platforms_own_trace_is_linked(gateway: Gateway) -> None:
    await gateway.ask(traceparent=PLATFORMS.traceparent)
    unsampled = PLATFORMS.traceparent[:-2] + "00"
    await gateway.tell(traceparent=unsampled)
    await gateway.tell(traceparent="rubbish")
    assert [links_of(span) for span in gateway.spans.all] == [[PLATFORMS], [PLATFORMS], []]


async def test_blanks_around_names_make_no_other_trace(gateway: Gateway) -> None:
    await gateway.ask(Query(" s1\n", "\t100001 ", "c1", "1", "2"))
    await gateway.tell(Event("s1 ", " 100001", "15"))
    assert {span.trace_id for span in gateway.spans.all} == {TRACE_ID}


async def test_an_unknown_enterprise_is_not_named(gateway: Gateway) -> None:
    gateway.resolver.outcome = RouteDecision(ResultCode.UNKNOWN_TENANT)
    await gateway.ask(Query("s1", "13800001111", "c1", "13900001111", "02566000001"))
    (span,) = gateway.spans.all
    assert "axbridge.tenant_id" not in attributes_of(span)
    assert b"13800001111" not in gateway.spans.wire


@pytest.mark.parametrize(
    ("outcome", "result", "error"),
    [
        (DeadlineExceededError("late"), "9001", "DeadlineExceededError"),
        (UnavailableError("gone"), "9002", "UnavailableError"),
        (RuntimeError("13800001111"), "9999", "UnexpectedError"),
        (RouteDecision(ResultCode.UNAVAILABLE, reason="the store"), "9002", "UnavailableError"),
    ],
)
async def test_failures_of_ours_are_errors(
    gateway: Gateway, outcome: RouteDecision | Exception, result: str, error: str
) -> None:
    gateway.resolver.outcome = outcome
    await gateway.ask()
    span = gateway.spans.one(names.QUERY.name)
    assert span.status.code == span.status.STATUS_CODE_ERROR
    assert (attributes_of(span)["axbridge.result"], attributes_of(span)["error.type"]) == (result, error)
    assert b"13800001111" not in gateway.spans.wire


async def test_no_binding_is_an_answer_like_any_other(gateway: Gateway) -> None:
    gateway.resolver.outcome = RouteDecision(ResultCode.NO_BINDING)
    await gateway.ask()
    span = gateway.spans.one(names.QUERY.name)
    assert span.status.code == span.status.STATUS_CODE_UNSET


async def test_an_event_that_is_not_stored_is_an_error(gateway: Gateway) -> None:
    gateway.publisher.error = UnavailableError("no disk")
    with pytest.raises(UnavailableError):
        await gateway.tell()
    attributes = attributes_of(gateway.spans.one(names.EVENT.name))
    assert attributes["error.type"] == "UnavailableError"
    assert "http.response.status_code" not in attributes


async def test_at_ratio_0_nothing_is_traced() -> None:
    gateway = Gateway(ratio=0)
    await gateway.ask()
    await gateway.tell()
    assert gateway.spans.all == []
    assert gateway.resolver.asked[0][1] == ""
    assert gateway.publisher.stored[0].traceparent == ""


async def test_what_fails_in_a_call_that_is_not_traced_is_kept() -> None:
    gateway = Gateway(0, KeepRules(errors=True))
    gateway.resolver.outcome = UnavailableError("gone")
    gateway.publisher.error = UnavailableError("gone")
    await gateway.ask()
    with pytest.raises(UnavailableError):
        await gateway.tell()
    query, event = gateway.spans.all
    assert (context_of(query), query.parent_span_id) == (ROOT, b"")
    assert (event.trace_id, event.parent_span_id) == ROOT
    assert [attributes_of(each)["axbridge.kept_for"] for each in (query, event)] == ["error", "error"]


async def test_what_is_slow_in_a_call_that_is_not_traced_is_kept() -> None:
    gateway = Gateway(0, KeepRules(slow_seconds=0.5))
    for started in (gateway.clock.monotonic() - 0.4, gateway.clock.monotonic() - 0.6):
        await gateway.queries.answer(QUERY, started)
        await gateway.events.take(EVENT, RECEIPT, started)
    query, event = gateway.spans.all
    assert [attributes_of(each)["axbridge.kept_for"] for each in (query, event)] == ["slow", "slow"]
    assert query.end_time_unix_nano - query.start_time_unix_nano == pytest.approx(600_000_000, abs=1000)


async def test_when_everything_fails_only_some_of_it_is_kept() -> None:
    gateway = Gateway(0, KeepRules(errors=True))
    gateway.resolver.outcome = UnavailableError("gone")
    for _ in range(200):
        await gateway.ask()
    assert len(gateway.spans.all) == 50
    gateway.clock.seconds += 1
    for _ in range(200):
        await gateway.ask()
    assert len(gateway.spans.all) == 60


def test_an_items_way_is_a_child_and_what_the_item_carries() -> None:
    spans = CollectedSpans()
    tracer = spans.tracer(FakeClock())
    own, span = item_span(tracer, names.ASK_ROUTING, ROOT.traceparent)
    with span:
        carried = parse_traceparent(own)
    _, span = item_span(tracer, names.PUBLISH, ROOT.traceparent)
    with pytest.raises(asyncio.CancelledError), span:
        raise asyncio.CancelledError
    asked, given_up = spans.all
    assert (context_of(asked), asked.parent_span_id) == (carried, ROOT.span_id)
    assert attributes_of(given_up) == {"error.type": "CancelledError"}


def test_a_batch_carries_its_span_and_is_linked_with_several_items() -> None:
    spans = CollectedSpans()
    tracer = spans.tracer(FakeClock())
    texts = [ROOT.traceparent, PLATFORMS.traceparent]
    metadata, writing = batch_span(tracer, names.CALL_RESOLVE_BATCH, texts, 7, is_retry=True)
    with writing:
        ((name, text),) = metadata
    span = spans.one(names.CALL_RESOLVE_BATCH.name)
    assert (name, parse_traceparent(text)) == ("traceparent", context_of(span))
    assert (links_of(span), span.parent_span_id) == ([ROOT, PLATFORMS], b"")
    assert attributes_of(span) == {"rpc.system.name": "grpc", "axbridge.batch_size": 7, "axbridge.is_retry": True}


def test_a_batch_with_one_traced_item_is_in_its_trace() -> None:
    spans = CollectedSpans()
    tracer = spans.tracer(FakeClock())
    _, writing = batch_span(tracer, names.CALL_PUBLISH_BATCH, [ROOT.traceparent], 7, is_retry=False)
    with writing:
        """It is sent."""
    span = spans.one(names.CALL_PUBLISH_BATCH.name)
    assert ((span.trace_id, span.parent_span_id), links_of(span)) == (ROOT, [])
