"""Number pools: an access number for those who may have it, and for nobody else at the same time."""

import asyncio
import itertools
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from common.errors import (
    AlreadyExistsError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    ResourceExhaustedError,
)
from routing_service.domain.binding import Binding, BindingTarget, BindingTerms
from routing_service.domain.decision import RouteKey
from routing_service.domain.number_pool import AccessNumber, AllocationWish, PreviousNumberPolicy
from routing_service.domain.write_origin import WriteOrigin
from routing_service.service.pools import NumberPoolService
from routing_service.sql_store import pool_uses
from tests.support.routing_memory.stores import Stores
from tests.unit.routing_service.builders import (
    NOW,
    OTHER_TENANT,
    TENANT,
    A,
    B,
    C,
    D,
    FakeClock,
    ax,
    axb,
    axg,
    axyb,
    stored,
)

X1, X2, X3 = "+862566000101", "+862566000102", "+862166000103"
COOL_DOWN = timedelta(minutes=10)
PLAIN = AllocationWish("", "", False, (), PreviousNumberPolicy.NO_MATTER, COOL_DOWN)


class Pool:
    """A number pool on a store, with a clock of its own."""

    def __init__(self, stores: Stores) -> None:
        self.clock = FakeClock(NOW)
        self._ids = (f"p{number}" for number in itertools.count())
        at_its_time = stores.with_clock(self.clock)
        self.bindings, self.store = at_its_time.bindings, at_its_time.pools
        self.service = NumberPoolService(
            self.store,
            stores.tenants,
            self.clock,
            lambda: next(self._ids),
            COOL_DOWN,
        )

    async def add(self, *numbers: str, tenant_id: str = TENANT, **fields: object) -> None:
        added = [replace(AccessNumber(each, tenant_id), **fields) for each in numbers]  # type: ignore[arg-type]
        await self.service.add(tenant_id, added)

    async def allocate(self, terms: BindingTerms | None = None, **wish: object) -> Binding:
        terms = axb(x="") if terms is None else terms
        return await self.service.allocate(TENANT, terms, replace(PLAIN, **wish))  # type: ignore[arg-type]

    async def end(self, binding: Binding) -> None:
        await self.bindings.delete(TENANT, binding.binding_id, lambda _: None, self.clock.now())


@pytest.fixture
def pool(stores: Stores) -> Pool:
    return Pool(stores)


async def test_a_number_in_a_pool_is_known_and_its_tenants(stores: Stores, pool: Pool) -> None:
    await pool.add(X1)
    key = RouteKey(TENANT, X1, A)
    found = (await stores.source.candidates([key]))[key]
    assert not isinstance(found, Exception) and found.access_number_known and found.bindings == ()
    other = stored(axb(x=X1), "b9", OTHER_TENANT)
    with pytest.raises(FailedPreconditionError):
        await stores.bindings.create(OTHER_TENANT, lambda _: other)
    with pytest.raises(FailedPreconditionError):
        await pool.add(X1, tenant_id=OTHER_TENANT)
    with pytest.raises(AlreadyExistsError):
        await pool.add(X2, X1)
    page = await pool.service.list_page(TENANT, "", "", 0, "")
    assert [each.number for each in page.access_numbers] == [X1]


async def test_a_number_stays_the_tenants_when_its_last_binding_ends(stores: Stores, pool: Pool) -> None:
    await pool.add(X1)
    await pool.end(await pool.allocate())
    key = RouteKey(TENANT, X1, A)
    found = (await stores.source.candidates([key]))[key]
    assert not isinstance(found, Exception) and found.access_number_known
    with pytest.raises(FailedPreconditionError):
        await pool.add(X1, tenant_id=OTHER_TENANT)
    await pool.service.remove(TENANT, [X1])
    found = (await stores.source.candidates([key]))[key]
    assert not isinstance(found, Exception) and not found.access_number_known
    await pool.add(X1, tenant_id=OTHER_TENANT)


async def test_a_number_with_live_bindings_stays(pool: Pool) -> None:
    await pool.add(X1)
    await pool.allocate()
    with pytest.raises(FailedPreconditionError) as raised:
        await pool.service.remove(TENANT, [X1])
    assert raised.value.reason == "ACCESS_NUMBER_HAS_BINDINGS"
    with pytest.raises(NotFoundError):
        await pool.service.remove(TENANT, [X2])


async def test_neither_side_has_the_number_in_use(pool: Pool) -> None:
    await pool.add(X1, X2)
    first, second = await pool.allocate(axb(A, B, "")), await pool.allocate(axb(A, C, ""))
    assert {first.terms.access_number, second.terms.access_number} == {X1, X2}
    # C and D may use the first one, though not the one that C has.
    third = await pool.allocate(axb(C, D, ""))
    assert third.terms.access_number == first.terms.access_number
    with pytest.raises(ResourceExhaustedError) as raised:
        await pool.allocate(axb(D, A, ""))
    assert raised.value.reason == "POOL_EXHAUSTED"
    assert raised.value.metadata["total"] == "2" and raised.value.metadata["in_use"] == "2"


async def test_a_number_rests_for_those_who_used_it(pool: Pool) -> None:
    await pool.add(X1)
    await pool.end(await pool.allocate(axb(A, B, "")))
    pool.clock.advance(COOL_DOWN - timedelta(seconds=1))
    with pytest.raises(ResourceExhaustedError) as raised:
        await pool.allocate(axb(B, C, ""))
    assert raised.value.metadata["resting"] == "1"
    # For others it does not rest: nobody of them knows it.
    await pool.end(await pool.allocate(axb(C, D, "")))
    pool.clock.advance(timedelta(seconds=1))
    assert (await pool.allocate(axb(B, A, ""))).terms.access_number == X1


async def test_an_expired_binding_rests_from_its_expiry_on(pool: Pool) -> None:
    await pool.add(X1)
    await pool.allocate(axb(A, B, "", expires_at=NOW + timedelta(minutes=1)))
    pool.clock.advance(timedelta(minutes=10))
    with pytest.raises(ResourceExhaustedError):
        await pool.allocate(axb(A, C, ""))
    pool.clock.advance(timedelta(minutes=1))
    assert (await pool.allocate(axb(A, C, ""))).terms.access_number == X1


async def test_the_same_pair_may_have_its_number_back_at_once(pool: Pool) -> None:
    await pool.add(X1, X2, X3)
    first = await pool.allocate(axb(A, B, ""))
    await pool.end(first)
    again = await pool.allocate(axb(B, A, ""), previous_number_policy=PreviousNumberPolicy.STICKY)
    assert again.terms.access_number == first.terms.access_number
    await pool.end(again)
    pool.clock.advance(COOL_DOWN)
    for _ in range(3):
        other = await pool.allocate(axb(A, B, ""), previous_number_policy=PreviousNumberPolicy.AVOID)
        assert other.terms.access_number != again.terms.access_number
        await pool.end(other)
        pool.clock.advance(COOL_DOWN)
        again = other


async def test_an_owners_number_is_nobody_elses(pool: Pool) -> None:
    await pool.add(X1, X2)
    owned = await pool.allocate(ax(A, ""))
    pair = await pool.allocate(axb(C, D, ""))
    assert pair.terms.access_number != owned.terms.access_number
    with pytest.raises(ResourceExhaustedError):
        await pool.allocate(ax(B, ""))
    await pool.end(owned)
    # Whoever calls the owner late must not reach another one.
    with pytest.raises(ResourceExhaustedError):
        await pool.allocate(ax(B, ""))
    pool.clock.advance(COOL_DOWN)
    assert (await pool.allocate(ax(B, ""))).terms.access_number == owned.terms.access_number


async def test_cities_capabilities_and_pools(pool: Pool) -> None:
    await pool.add(X1, city_code="025", capabilities=("recording", "sms"))
    await pool.add(X2)
    await pool.add(X3, city_code="21", pool="other")
    in_city = await pool.allocate(axb(A, B, ""), city_code="25", capabilities=("sms",))
    assert in_city.terms.access_number == X1
    with pytest.raises(ResourceExhaustedError) as raised:
        await pool.allocate(axb(A, C, ""), city_code="25")
    assert raised.value.metadata["other_city"] == "1"
    nationwide = await pool.allocate(axb(A, C, ""), city_code="25", nationwide_fallback=True)
    assert nationwide.terms.access_number == X2
    assert (await pool.allocate(axb(A, D, ""), pool="other")).terms.access_number == X3
    with pytest.raises(ResourceExhaustedError):
        await pool.allocate(axb(C, D, ""), capabilities=("fax",))
    with pytest.raises(InvalidArgumentError):
        await pool.allocate(axb(C, D, X1))


async def test_many_at_once_never_share_what_they_may_not(stores: Stores, pool: Pool) -> None:
    numbers = [f"+86256601{place:04d}" for place in range(12)]
    await pool.add(*numbers)
    others = [f"+861390000{place:04d}" for place in range(16)]
    results = await asyncio.gather(*(pool.allocate(axb(A, other, "")) for other in others), return_exceptions=True)
    made = [each for each in results if isinstance(each, Binding)]
    refused = [each for each in results if isinstance(each, BaseException)]
    assert len(made) == len(numbers) == len({each.terms.access_number for each in made})
    # What is left over is refused because there is none, or because the last ones were contended.
    assert {getattr(each, "reason", repr(each)) for each in refused} <= {"POOL_EXHAUSTED", "CONCURRENT_CHANGE"}


async def test_a_repeated_allocation_gets_the_same_number(stores: Stores, pool: Pool) -> None:
    await pool.add(X1, X2)
    origin = WriteOrigin("crm", "order-1", "content")
    first = await pool.service.allocate(TENANT, axb(x=""), PLAIN, origin)
    assert await pool.service.allocate(TENANT, axb(x=""), PLAIN, origin) == first
    actions = [each.action for each in await stores.audit.list_page(TENANT, "", None, 10)]
    assert actions.count("pool.allocate") == 1 and actions.count("pool.add") == 2


async def test_numbers_are_listed_with_their_use(pool: Pool) -> None:
    await pool.add(X1, X2)
    first = await pool.allocate(axb(A, B, ""))
    page = await pool.service.list_page(TENANT, "", "", 1, "")
    rest = await pool.service.list_page(TENANT, "", "", 1, page.next_page_token)
    used = {each.number: each for each in [*page.access_numbers, *rest.access_numbers]}
    assert len(used) == 2 and rest.next_page_token == ""
    assert used[first.terms.access_number].live_bindings == 1
    await pool.end(first)
    listed = await pool.service.list_page(TENANT, "", "", 0, "")
    released = {each.number: each.last_released_at for each in listed.access_numbers}
    assert released[first.terms.access_number] == NOW


async def test_a_forecast_counts_overlaps_with_their_rest(pool: Pool) -> None:
    await pool.add(X1, X2, X3)
    first = await pool.allocate(axb(A, B, ""))
    await pool.allocate(axb(A, C, ""))
    pool.clock.advance(timedelta(minutes=5))
    await pool.end(first)
    pool.clock.advance(timedelta(minutes=5))
    await pool.allocate(axb(A, D, ""))
    forecast = await pool.service.forecast(TENANT, "", None)
    assert (forecast.access_numbers, forecast.needed, forecast.busiest_number) == (3, 3, A)
    assert forecast.peak_live_bindings == 2


async def test_an_access_number_was_known_while_it_was_in_a_pool(stores: Stores) -> None:
    pool = Pool(stores)

    async def known(moment: datetime) -> bool:
        return (await stores.history.candidates_at(RouteKey(TENANT, X1, A), moment)).access_number_known

    for _ in range(2):
        await pool.add(X1, X2)
        pool.clock.advance(COOL_DOWN)
        await pool.service.remove(TENANT, [X1, X2])
        pool.clock.advance(COOL_DOWN)

    times = [await known(NOW + place * COOL_DOWN) for place in range(-1, 4)]
    assert times == [False, True, False, True, False]
    await pool.add(X1)
    assert await known(pool.clock.now())


async def test_a_number_that_the_binding_names_is_not_picked(pool: Pool) -> None:
    await pool.add(X1, X2)
    for terms in (
        axyb(A, B, "", X1),
        axb(A, B, "", targets=(BindingTarget(X1),)),
        axb(A, X1, ""),
        ax(X1, ""),
        ax(A, "", callback_number="025 6600 0101"),
        axg([A, X1], ""),
    ):
        # Whatever place it begins to look from.
        for _ in range(4):
            made = await pool.allocate(terms)
            assert made.terms.access_number == X2
            await pool.end(made)
            pool.clock.advance(COOL_DOWN)


async def test_uses_are_read_a_few_at_a_time_however_many_there_are(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_uses, "_ROWS_AT_ONCE", 3)
    await pool.add(X1, X2, X3)
    made = []
    for place in range(10):
        terms = axb(f"+861380000{place:04d}", f"+861390000{place:04d}", "")
        made.append(await pool.allocate(terms))
        # Some at the same moment, which the pages must not lose.
        if place % 3 == 0:
            await pool.bindings.update(
                TENANT, made[-1].binding_id, lambda _, current: replace(current, revision=current.revision + 1)
            )
    for each in made[:6]:
        await pool.end(each)

    numbers, found = await pool.store.uses(TENANT, "", NOW - COOL_DOWN, 100)
    assert numbers == 3
    counts = Counter(each.binding_id for each in found)
    assert counts == {each.binding_id: 2 if place % 3 == 0 else 1 for place, each in enumerate(made)}
    assert {each.binding_id for each in found if each.ended_at is None} == {each.binding_id for each in made[6:]}
    _, some = await pool.store.uses(TENANT, "", NOW - COOL_DOWN, 5)
    assert len(some) == 5
