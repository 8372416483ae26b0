"""A batch of queries: each with its own answer, its own failure and its own time."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from common.errors import InvalidArgumentError, NotFoundError, UnavailableError, UnexpectedError
from common.protocol_codes import ResultCode
from routing_service.answer import RouteAnswer
from routing_service.domain.binding import Binding
from routing_service.domain.decision import Candidates, DecisionSource, RouteKey
from routing_service.domain.tenant import Tenant
from routing_service.ports import Known, ReadError
from routing_service.service.routing import IncomingQuery, RoutingLimits, RoutingService
from tests.support.routing_memory.stores import Stores, memory_stores
from tests.support.routing_memory.tables import MemoryDatabase
from tests.unit.routing_service.builders import (
    FILE_PROMPT,
    MINUTE,
    NOW,
    TENANT,
    A,
    B,
    FakeClock,
    X,
    ax,
    axb,
    stored,
    tenant,
)


@dataclass
class WatchedSource:
    """A source that can be broken, slowed down and watched, and that answers as a cache does."""

    stores: Stores
    clock: FakeClock
    broken_tenants: dict[str, ReadError] = field(default_factory=dict)
    broken_keys: dict[RouteKey, ReadError] = field(default_factory=dict)
    look_ups: list[tuple[set[str], set[RouteKey]]] = field(default_factory=list)
    tenants_fail: Exception | None = None
    candidates_fail: Exception | None = None
    hang: asyncio.Event | None = None
    takes: timedelta = timedelta()
    tenant_reads: list[set[str]] = field(default_factory=list)
    candidate_reads: list[set[RouteKey]] = field(default_factory=list)

    async def tenants(self, tenant_ids: Collection[str]) -> Mapping[str, Tenant | ReadError]:
        self.tenant_reads.append(set(tenant_ids))
        if self.tenants_fail is not None:
            raise self.tenants_fail
        found = await self.stores.source.tenants(tenant_ids)
        return {**found, **{each: error for each, error in self.broken_tenants.items() if each in tenant_ids}}

    async def candidates(self, keys: Collection[RouteKey]) -> Mapping[RouteKey, Candidates | ReadError]:
        self.candidate_reads.append(set(keys))
        if self.candidates_fail is not None:
            raise self.candidates_fail
        if self.hang is not None:
            await self.hang.wait()
        self.clock.advance(self.takes)
        found = await self.stores.source.candidates(keys)
        return {key: self.broken_keys.get(key) or _as_cached(each) for key, each in found.items()}

    async def look_up(self, tenant_ids: Collection[str], keys: Collection[RouteKey]) -> Known:
        self.look_ups.append((set(tenant_ids), set(keys)))
        return Known(await self.tenants(tenant_ids), await self.candidates(keys) if keys else {})


def _as_cached(found: Candidates | ReadError) -> Candidates | ReadError:
    if isinstance(found, Candidates) and found.access_number_known:
        return replace(found, source=DecisionSource.CACHE)
    return found


async def bind(stores: Stores, binding: Binding) -> None:
    await stores.bindings.create(binding.tenant_id, lambda _: binding)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def stores(clock: FakeClock) -> Stores:
    stores = memory_stores(MemoryDatabase(), clock)
    await stores.tenants.create(tenant(failure_prompts={"default": FILE_PROMPT}))
    await bind(stores, stored(axb()))
    return stores


@pytest.fixture
def source(stores: Stores, clock: FakeClock) -> WatchedSource:
    return WatchedSource(stores, clock)


@pytest.fixture
def service(source: WatchedSource, clock: FakeClock) -> RoutingService:
    return RoutingService(source, source.stores.history, clock, RoutingLimits(max_batch_queries=8))


def query(
    calling: str = "13800001111", access: str = "02566000001", tenant_id: str = TENANT, budget: float | None = None
) -> IncomingQuery:
    return IncomingQuery(tenant_id, "s1", calling, access, budget)


def results(answers: list[RouteAnswer]) -> list[ResultCode]:
    return [each.result for each in answers]


async def test_answers_come_in_the_order_of_the_queries(service: RoutingService) -> None:
    answers = await service.resolve_batch([query("13900001111"), query("13700001111"), query()], None)

    assert results(answers) == [ResultCode.SUCCESS, ResultCode.NO_BINDING, ResultCode.SUCCESS]
    assert [each.members[0].number for each in answers if each.members] == ["13800001111", "13900001111"]
    assert answers[0].source is DecisionSource.CACHE


async def test_each_answer_says_where_it_was_read_what_is_bound(service: RoutingService, source: WatchedSource) -> None:
    source.broken_keys[RouteKey(TENANT, X, B)] = UnavailableError("away")
    answers = await service.resolve_batch(
        [query(), query("13700001111"), query(access="02566000009"), query(access="x"), query("13900001111")], None
    )

    assert results(answers)[1:4] == [
        ResultCode.NO_BINDING,
        ResultCode.UNKNOWN_ACCESS_NUMBER,
        ResultCode.MALFORMED_REQUEST,
    ]
    assert [each.source for each in answers] == [
        DecisionSource.CACHE,
        DecisionSource.CACHE,
        DecisionSource.STORE,
        None,
        None,
    ]


@pytest.mark.parametrize("written", ["+8613800001111", "0086 138-0000-1111", "8613800001111", "013800001111"])
async def test_the_caller_is_recognised_however_it_is_written(service: RoutingService, written: str) -> None:
    assert results(await service.resolve_batch([query(written)], None)) == [ResultCode.SUCCESS]


@pytest.mark.parametrize("hidden", ["", "anonymous", "unknown", "*31#", "1" * 90])
async def test_a_hidden_caller_reaches_owners_only(service: RoutingService, stores: Stores, hidden: str) -> None:
    await bind(stores, stored(ax(A, "+862566000002"), "b2"))
    answers = await service.resolve_batch([query(hidden), query(hidden, "02566000002")], None)

    assert results(answers) == [ResultCode.NO_BINDING, ResultCode.SUCCESS]


async def test_each_item_fails_alone(service: RoutingService, source: WatchedSource) -> None:
    source.broken_tenants["broken"] = UnexpectedError("unreadable")
    source.broken_keys[RouteKey(TENANT, X, "+8613500001111")] = UnexpectedError("unreadable")
    answers = await service.resolve_batch(
        [
            query(),
            query(tenant_id="nobody"),
            query(tenant_id=""),
            query(tenant_id="no\x00body"),
            query(access="x"),
            query(access="02566000009"),
            query("13500001111"),
            query(tenant_id="broken"),
        ],
        None,
    )

    assert results(answers) == [
        ResultCode.SUCCESS,
        ResultCode.UNKNOWN_TENANT,
        ResultCode.MALFORMED_REQUEST,
        ResultCode.UNKNOWN_TENANT,
        ResultCode.MALFORMED_REQUEST,
        ResultCode.UNKNOWN_ACCESS_NUMBER,
        ResultCode.INTERNAL,
        ResultCode.INTERNAL,
    ]
    assert answers[4].attributes.caller_prompt == "1.wav"
    assert source.tenant_reads == [{TENANT, "nobody", "broken"}], "what can't be an id is not looked for"


async def test_the_store_is_read_once_for_a_batch(service: RoutingService, source: WatchedSource) -> None:
    await service.resolve_batch([query(), query("+8613800001111"), query("13900001111")], None)

    assert source.tenant_reads == [{TENANT}]
    assert source.candidate_reads == [{RouteKey(TENANT, X, A), RouteKey(TENANT, X, B)}]


async def test_store_down(service: RoutingService, source: WatchedSource) -> None:
    source.tenants_fail = UnavailableError("down")

    assert results(await service.resolve_batch([query(), query(tenant_id="x")], None)) == [ResultCode.UNAVAILABLE] * 2


async def test_store_going_down_half_way_still_answers_what_needs_no_binding(
    service: RoutingService, source: WatchedSource
) -> None:
    source.candidates_fail = UnavailableError("down")
    answers = await service.resolve_batch([query(), query(tenant_id="nobody"), query(access="x")], None)

    assert results(answers) == [ResultCode.UNAVAILABLE, ResultCode.UNKNOWN_TENANT, ResultCode.MALFORMED_REQUEST]
    assert answers[0].attributes.caller_prompt == "1.wav", "the enterprise's prompt for when we can't decide"


async def test_an_item_is_timed_out_by_its_own_budget(service: RoutingService, source: WatchedSource) -> None:
    source.takes = timedelta(milliseconds=40)
    answers = await service.resolve_batch([query(budget=0.03), query(budget=0.05), query()], 0.045)

    assert results(answers) == [ResultCode.TIMED_OUT, ResultCode.SUCCESS, ResultCode.SUCCESS]


async def test_a_hanging_store_is_given_up_when_the_time_is_up(service: RoutingService, source: WatchedSource) -> None:
    source.hang = asyncio.Event()

    assert results(await service.resolve_batch([query(), query(budget=0.001)], 0.01)) == [ResultCode.TIMED_OUT] * 2


async def test_the_default_budget_applies_without_a_deadline(source: WatchedSource, clock: FakeClock) -> None:
    source.hang = asyncio.Event()
    service = RoutingService(source, source.stores.history, clock, RoutingLimits(default_budget_seconds=0.01))

    assert results(await service.resolve_batch([query()], None)) == [ResultCode.TIMED_OUT]


async def test_a_batch_that_is_too_long(service: RoutingService) -> None:
    with pytest.raises(InvalidArgumentError) as error:
        await service.resolve_batch([query()] * 9, None)
    assert error.value.field == "queries"


async def test_an_empty_batch(service: RoutingService, source: WatchedSource) -> None:
    assert await service.resolve_batch([], None) == []
    assert source.tenant_reads == []


async def test_explain_answers_as_resolve_does(service: RoutingService) -> None:
    for calling in ("13800001111", "13700001111", "anonymous"):
        for access in ("02566000001", "02566000009", "x"):
            (answer,) = await service.resolve_batch([query(calling, access)], None)
            explanation = await service.explain(query(calling, access), None)
            assert explanation.answer == answer
            assert explanation.considered[0].rule == "tenant"
            assert explanation.considered[-1].detail == answer.reason


async def test_explain_of_the_past_uses_what_was_bound_then(service: RoutingService, stores: Stores) -> None:
    await stores.bindings.delete(TENANT, "b1", lambda _: None, NOW)
    await bind(stores, stored(axb(A, "+8613700001111"), "b0", at=NOW - 2 * MINUTE))
    await stores.bindings.delete(TENANT, "b0", lambda _: None, NOW)
    await bind(stores, stored(axb(), "b2"))
    then = await service.explain(query(), NOW - MINUTE)

    assert then.answer.members[0].number == "13700001111"
    assert then.at == NOW - MINUTE
    assert (await service.explain(query(), NOW)).answer.members[0].number == "13900001111"


async def test_explain_of_the_future_judges_what_is_bound_now(service: RoutingService, stores: Stores) -> None:
    await stores.bindings.update(TENANT, "b1", lambda *_: stored(axb(expires_at=NOW + MINUTE), revision=2))

    assert (await service.explain(query(), NOW + MINUTE)).answer.result is ResultCode.NOT_IN_FORCE


async def test_explain_for_an_unknown_tenant(service: RoutingService) -> None:
    for tenant_id in ("nobody", "no\x00body", ""):
        with pytest.raises(NotFoundError):
            await service.explain(query(tenant_id=tenant_id), None)


async def test_explain_while_the_store_is_down(service: RoutingService, source: WatchedSource) -> None:
    source.candidates_fail = UnavailableError("down")
    with pytest.raises(UnavailableError):
        await service.explain(query(), None)


async def test_tenants_and_bindings_are_read_together_once_the_region_is_known(
    service: RoutingService, source: WatchedSource
) -> None:
    await service.resolve_batch([query()], None)
    assert len(source.candidate_reads) == 1
    source.look_ups.clear()
    await service.resolve_batch([query(), query("13900001111")], None)

    assert [len(keys) for _, keys in source.look_ups] == [2]
    assert len(source.candidate_reads) == 2


async def test_a_region_that_has_changed_is_noticed(service: RoutingService, stores: Stores) -> None:
    await service.resolve_batch([query()], None)
    # The same digits are other numbers now, and those have another binding.
    abroad = axb(a="+85291234567", b="+85298765432", x="+85223456789")
    await stores.tenants.update(TENANT, lambda *_: tenant(default_region="HK"), with_profiles=False)
    await bind(stores, stored(abroad, "b2"))
    (answer,) = await service.resolve_batch([query("91234567", "23456789")], None)

    assert answer.binding_id == "b2"


async def test_a_key_that_can_not_be_read_now_fails_alone_and_with_the_tenants_prompt(
    service: RoutingService, source: WatchedSource
) -> None:
    source.broken_keys[RouteKey(TENANT, X, A)] = UnavailableError("away")
    answers = await service.resolve_batch([query(), query("13900001111")], None)

    assert results(answers) == [ResultCode.UNAVAILABLE, ResultCode.SUCCESS]
    assert answers[0].attributes.caller_prompt == "1.wav"


async def test_a_tenant_that_can_not_be_read_now(service: RoutingService, source: WatchedSource) -> None:
    source.broken_tenants[TENANT] = UnavailableError("away")

    assert results(await service.resolve_batch([query()], None)) == [ResultCode.UNAVAILABLE]
