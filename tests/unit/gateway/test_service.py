"""Use cases: every query gets its answer in time, every event is stored, refused or sent back."""

import asyncio
from dataclasses import replace

import pytest

from common.clock import SystemClock
from common.errors import (
    AxbridgeError,
    DeadlineExceededError,
    InvalidArgumentError,
    NotFoundError,
    ResourceExhaustedError,
    UnavailableError,
    UnexpectedError,
)
from common.protocol_codes import ResultCode
from common.telemetry.sampling import TraceSampler
from common.trace_ids import trace_id_for
from gateway.call_traces import CallTraces, KeepRules
from gateway.coalescer import Batch, Coalescer, CoalescerLimits
from gateway.domain import (
    AnswerStyle,
    CallAttributes,
    Event,
    Member,
    Query,
    Receipt,
    RejectedMessage,
    RouteDecision,
    TenantSettings,
)
from gateway.service import EventOptions, EventService, QueryOptions, QueryService
from gateway.tenants import DirectoryLimits, TenantDirectory
from tests.support.spans import CollectedSpans
from tests.unit.gateway.fakes import (
    ROUTED,
    FakeClock,
    FakePublisher,
    FakeQuarantine,
    FakeResolver,
    FakeSink,
    FakeTenants,
    settle,
)

QUERY = Query("s1", "100001", "c1", "13800001111", "02566000001", "7")
TENANT = TenantSettings("100001", AnswerStyle("answer"), "HK", "ext", {"9002": "later.wav", "default": "sorry.wav"})
EVENT = Event("s1", "100001", "15", "c1", "7", "e1")
RECEIPT = Receipt(1_772_352_000_000_000, b"<raw/>", "text/xml")


class Setting:
    """The services over fakes."""

    def __init__(self, *tenants: TenantSettings, resolver: FakeResolver | None = None, ratio: float = 1.0) -> None:
        self.clock = FakeClock()
        self.resolver = resolver or FakeResolver()
        self.sink = FakeSink()
        self.publisher, self.quarantine, self.tenants = FakePublisher(), FakeQuarantine(), FakeTenants(*tenants)
        self.directory = TenantDirectory(self.tenants, DirectoryLimits(), self.clock)
        self.spans = CollectedSpans()
        traces = CallTraces(
            self.spans.tracer(self.clock), TraceSampler(ratio), KeepRules(errors=True, slow_seconds=0.5)
        )
        self.queries = QueryService(self.resolver, self.directory, self.sink, QueryOptions(1.0, traces), self.clock)
        options = EventOptions(5.0, 0.01, traces)
        self.events = EventService(self.publisher, self.directory, self.quarantine, options, self.clock)


async def test_a_decision_becomes_an_answer_and_a_record() -> None:
    setting = Setting(TENANT)
    await setting.directory.refresh()
    setting.resolver.outcome = RouteDecision(
        ResultCode.SUCCESS,
        "e9",
        (Member("13900001111", "02566000001"),),
        CallAttributes(max_duration_seconds=60, client_id="id"),
        AnswerStyle("own"),
        "by a pair",
        "b1",
        3,
        "A_TO_B",
        "STORE",
    )
    started = setting.clock.monotonic()
    styled = await setting.queries.answer(QUERY, started)
    answer = styled.answer
    assert (answer.session_id, answer.tenant_id, answer.call_id, answer.seq) == ("s1", "100001", "c1", "7")
    assert (answer.result, answer.charge_ext, answer.reason) == (ResultCode.SUCCESS, "e9", "")
    assert answer.members == (Member("13900001111", "02566000001"),)
    assert answer.attributes.max_duration_seconds == 60
    assert styled.style == AnswerStyle("own")
    (record,) = setting.sink.answered
    assert (record.query, record.started, record.ended, record.default_region) == (QUERY, started, started, "HK")
    assert record.decision.binding_id == "b1"
    ((_, traceparent, deadline),) = setting.resolver.asked
    assert deadline == started + 1.0
    assert record.traceparent == traceparent
    assert traceparent.startswith(f"00-{trace_id_for('100001', 's1')}-")


async def test_a_record_waits_without_what_the_platform_sent_beside_the_query() -> None:
    setting = Setting(TENANT)
    await setting.queries.answer(replace(QUERY, unknown_fields=(("note", "x" * 60_000),)), setting.clock.monotonic())
    (record,) = setting.sink.answered
    assert record.query == QUERY


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (DeadlineExceededError("late"), ResultCode.TIMED_OUT),
        (UnavailableError("gone"), ResultCode.UNAVAILABLE),
        (ResourceExhaustedError("full"), ResultCode.UNAVAILABLE),
        (UnexpectedError("bug"), ResultCode.INTERNAL),
        (InvalidArgumentError("x", "bug"), ResultCode.INTERNAL),
        (RuntimeError("bug"), ResultCode.INTERNAL),
    ],
)
async def test_failures_elsewhere_are_answered(error: Exception, result: ResultCode) -> None:
    setting = Setting(resolver=FakeResolver(error))
    styled = await setting.queries.answer(QUERY, setting.clock.monotonic())
    assert styled.answer.result is result
    assert (styled.answer.session_id, styled.answer.seq) == ("s1", "7")
    assert setting.sink.answered[0].decision.result is result


async def test_a_failure_here_speaks_as_the_tenant_wishes() -> None:
    setting = Setting(TENANT, resolver=FakeResolver(UnavailableError("gone")))
    await setting.directory.refresh()
    styled = await setting.queries.answer(QUERY, setting.clock.monotonic())
    assert styled.style == AnswerStyle("answer")
    assert styled.answer.charge_ext == "ext"
    assert styled.answer.attributes == CallAttributes(caller_prompt="later.wav")
    setting.resolver.outcome = DeadlineExceededError("late")
    styled = await setting.queries.answer(QUERY, setting.clock.monotonic())
    assert styled.answer.attributes == CallAttributes(caller_prompt="sorry.wav")


async def test_of_a_failure_only_the_prompt_is_sent() -> None:
    attributes = CallAttributes(client_id="x", caller_prompt="p.wav", max_duration_seconds=1)
    decision = RouteDecision(ResultCode.NO_BINDING, "e1", (Member("1", "2"),), attributes)
    setting = Setting(resolver=FakeResolver(decision))
    answer = (await setting.queries.answer(QUERY, 0.0)).answer
    assert answer.attributes == CallAttributes(caller_prompt="p.wav")
    assert (answer.members, answer.charge_ext) == ((), "e1")


async def test_calls_of_nobody_have_no_record() -> None:
    setting = Setting(resolver=FakeResolver(RouteDecision(ResultCode.UNKNOWN_TENANT)))
    assert (await setting.queries.answer(QUERY, 0.0)).answer.result is ResultCode.UNKNOWN_TENANT
    assert setting.sink.answered == []


async def test_a_routing_service_that_hangs_costs_the_budget_and_no_more() -> None:
    """The coalescer's own deadline, with the clock that runs: whatever the service does, there is an answer."""
    never: asyncio.Future[list[RouteDecision | AxbridgeError]] = asyncio.get_running_loop().create_future()

    async def hang(_batch: Batch[Query, RouteDecision]) -> list[RouteDecision | AxbridgeError]:
        return await never

    clock = SystemClock()
    coalescer: Coalescer[Query, RouteDecision] = Coalescer(hang, CoalescerLimits(), clock)

    class Resolver:
        async def resolve(self, query: Query, _traceparent: str, deadline: float) -> RouteDecision:
            return await coalescer.submit(query.tenant_id, query, deadline)

    directory = TenantDirectory(FakeTenants(), DirectoryLimits(), clock)
    queries = QueryService(
        Resolver(),
        directory,
        FakeSink(),
        QueryOptions(0.05, CallTraces(CollectedSpans().tracer(clock), TraceSampler(1))),
        clock,
    )
    started = clock.monotonic()
    styled = await queries.answer(QUERY, started)
    took = clock.monotonic() - started
    assert styled.answer.result is ResultCode.TIMED_OUT
    assert 0.05 <= took < 0.5
    never.set_result([])


async def test_an_event_is_published_with_what_is_known() -> None:
    setting = Setting(TENANT)
    await setting.directory.refresh()
    await setting.events.take(EVENT, RECEIPT, setting.clock.monotonic())
    (received,) = setting.publisher.stored
    assert (received.event, received.receipt, received.default_region) == (EVENT, RECEIPT, "HK")
    assert received.traceparent.startswith(f"00-{trace_id_for('100001', 's1')}-")
    assert setting.publisher.deadlines == [setting.clock.monotonic() + 5.0]
    assert setting.tenants.asked == []


async def test_an_event_of_a_new_tenant_is_looked_up() -> None:
    setting = Setting(TENANT)
    await setting.events.take(EVENT, RECEIPT, setting.clock.monotonic())
    assert setting.publisher.stored[0].event.form_flags == ()
    assert setting.tenants.asked == ["100001"]


async def test_blanks_around_the_tenants_name_do_not_matter() -> None:
    setting = Setting(TENANT)
    await setting.events.take(Event("s1", " 100001\n", "15"), RECEIPT, setting.clock.monotonic())
    assert setting.tenants.asked == ["100001"]


async def test_an_event_of_nobody_is_refused() -> None:
    setting = Setting()
    with pytest.raises(NotFoundError, match="vccId"):
        await setting.events.take(EVENT, RECEIPT, setting.clock.monotonic())
    assert setting.publisher.stored == []


@pytest.mark.parametrize("hangs", [True, False], ids=["hangs", "down"])
async def test_an_event_is_stored_unverified_when_tenants_cannot_be_looked_up(hangs: bool) -> None:
    setting = Setting(TENANT)
    if hangs:
        setting.tenants.gate.clear()
    else:
        setting.tenants.error = UnavailableError("down")
    event = Event("s1", "100001", "15", form_flags=("missing:seq",))
    await setting.events.take(event, RECEIPT, setting.clock.monotonic())
    assert setting.publisher.stored[0].event.form_flags == ("missing:seq", "tenant_unverified")
    await setting.directory.close()


@pytest.mark.parametrize("error", [UnavailableError("x"), DeadlineExceededError("x"), ResourceExhaustedError("x")])
async def test_what_is_not_stored_is_told(error: AxbridgeError) -> None:
    setting = Setting(TENANT)
    setting.publisher.error = error
    with pytest.raises(type(error)):
        await setting.events.take(EVENT, RECEIPT, setting.clock.monotonic())


async def test_the_quarantine_is_best_effort_within_the_budget() -> None:
    setting = Setting()
    message = RejectedMessage(RECEIPT, "sid: missing", "100001")
    started = setting.clock.monotonic()
    setting.clock.seconds += 2
    await setting.events.put_away(message, started)
    assert setting.quarantine.kept == [message]
    assert setting.quarantine.timeouts == [3.0]
    setting.quarantine.error = UnavailableError("down")
    await setting.events.put_away(message, started)
    assert len(setting.quarantine.kept) == 1


async def test_rubbish_does_not_keep_the_quarantine_busy() -> None:
    setting = Setting()
    setting.quarantine.gate.clear()
    message = RejectedMessage(RECEIPT, "sid: missing")
    waiting = [asyncio.create_task(setting.events.put_away(message, 1000.0)) for _ in range(80)]
    await settle(lambda: sum(task.done() for task in waiting) == 16)
    setting.quarantine.gate.set()
    await asyncio.gather(*waiting)
    assert len(setting.quarantine.kept) == 64


async def test_routed_is_what_the_fake_says() -> None:
    setting = Setting()
    assert (await setting.queries.answer(QUERY, 0.0)).answer.members == ROUTED.members
