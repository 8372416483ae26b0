"""Shadow replays: what a proposal would change, with everything that it does not touch as it is."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from common.errors import AlreadyExistsError, AxbridgeError, InvalidArgumentError, NotFoundError, UnavailableError
from common.protocol_codes import ResultCode
from routing_service.domain.binding import Binding, BindingTerms
from routing_service.domain.decision import Candidates, RouteKey
from routing_service.domain.number_list import NumberListEntry
from routing_service.domain.number_pool import AccessNumber
from routing_service.domain.tenant import Tenant
from routing_service.ports import Known, ReadError
from routing_service.service.shadow import (
    MAX_PROPOSED,
    MAX_QUERIES_AT_ONCE,
    Proposal,
    ProposedBinding,
    ShadowDifference,
    ShadowQuery,
    ShadowService,
    ShadowStores,
)
from tests.support.routing_memory.stores import Stores, memory_stores
from tests.support.routing_memory.tables import MemoryDatabase
from tests.unit.routing_service.builders import (
    MINUTE,
    NOW,
    TENANT,
    X2,
    A,
    B,
    C,
    D,
    FakeClock,
    X,
    ax,
    axb,
    list_entry,
    stored,
    tenant,
)

Change = tuple[int, str, str]


class World:
    """What is stored: a tenant with bindings, a pool and lists. With a `failure` nothing can be read of its numbers."""

    def __init__(self, *bindings: Binding, pooled: Collection[str] = (), **settings: Any) -> None:
        self.bindings = bindings
        self.in_pools = [AccessNumber(each, TENANT) for each in pooled]
        self.known_tenant = tenant(TENANT, **settings)
        self.entries: tuple[NumberListEntry, ...] = ()
        self.failure: UnavailableError | None = None

    async def stores(self) -> Stores:
        stores = memory_stores(MemoryDatabase(), FakeClock())
        # What was stored before may show numbers that nothing new may show.
        await stores.tenants.create(tenant(TENANT, foreign_display_numbers_allowed=True))
        await stores.pools.add(TENANT, lambda _: self.in_pools, NOW)
        for binding in self.bindings:
            await stores.bindings.create(TENANT, lambda _, made=binding: made)  # type: ignore[misc]
        for entry in self.entries:
            await stores.lists.create(TENANT, lambda _, made=entry: made)  # type: ignore[misc]
        await stores.tenants.update(TENANT, lambda *_: self.known_tenant, with_profiles=False)
        return stores if self.failure is None else replace(stores, source=FailingSource(self.failure))


@dataclass(frozen=True, slots=True)
class FailingSource:
    """CandidateSource that can read nothing."""

    error: UnavailableError

    async def tenants(self, tenant_ids: Collection[str]) -> Mapping[str, Tenant | ReadError]:
        return dict.fromkeys(tenant_ids, self.error)

    async def candidates(self, keys: Collection[RouteKey]) -> Mapping[RouteKey, Candidates | ReadError]:
        return dict.fromkeys(keys, self.error)

    async def look_up(self, tenant_ids: Collection[str], keys: Collection[RouteKey]) -> Known:
        return Known(await self.tenants(tenant_ids), await self.candidates(keys))


def asked(calling: str, access: str = X, at: datetime = NOW) -> ShadowQuery:
    return ShadowQuery("s1", calling, access, at)


def proposed(*terms: BindingTerms | tuple[str, BindingTerms], deleted: Sequence[str] = ()) -> Proposal:
    bindings = [
        ProposedBinding("", each) if isinstance(each, BindingTerms) else ProposedBinding(*each) for each in terms
    ]
    return Proposal(TENANT, bindings, deleted)


async def differences(
    world: World, proposal: Proposal, *lots: Sequence[ShadowQuery]
) -> Sequence[Sequence[ShadowDifference]]:
    stores = await world.stores()
    read = ShadowStores(stores.source, stores.history, stores.bindings, stores.tenants, stores.pools)
    service = ShadowService(read, FakeClock())

    async def queries() -> AsyncIterator[Sequence[ShadowQuery]]:
        for each in lots:
            yield each

    return [each async for each in service.replay(proposal, queries())]


async def changes(world: World, proposal: Proposal, *queries: ShadowQuery) -> list[Change]:
    """Whom the queries reach now and then: a number, or the code of a failure."""
    (found,) = await differences(world, proposal, queries)
    return [
        (each.place, *(answer.members[0].number if answer.members else answer.result.text for answer in answers))
        for each in found
        for answers in [(each.present, each.proposed)]
    ]


async def refusal(world: World, proposal: Proposal) -> AxbridgeError:
    with pytest.raises(AxbridgeError) as raised:
        await differences(world, proposal, [asked(A)])
    return raised.value


async def test_a_new_binding_changes_the_answers_that_it_is_for() -> None:
    world = World(stored(axb(A, B)))

    assert await changes(
        world, proposed(axb(C, D)), asked(A), asked(C), asked("136 0000 1111"), asked("13500001111")
    ) == [
        (1, "1004", "13600001111"),
        (2, "1004", "13700001111"),
    ]


async def test_a_binding_in_the_place_of_another_one() -> None:
    world = World(stored(axb(A, B)))

    assert await changes(world, proposed(("b1", axb(A, C))), asked(A), asked(B), asked(C)) == [
        (0, "13900001111", "13700001111"),
        (1, "13800001111", "1004"),
        (2, "1004", "13800001111"),
    ]
    assert await changes(world, proposed(("b1", axb(A, B))), asked(A), asked(B)) == []


async def test_an_access_number_that_nothing_is_left_on_is_unknown() -> None:
    world = World(stored(axb(A, B)), stored(axb(A, B, X2), "b2"), stored(axb(C, D, X2), "b3"))

    assert await changes(world, proposed(deleted=["b1", "b2"]), asked(A), asked(A, X2)) == [
        (0, "13900001111", "1003"),
        (1, "13900001111", "1004"),
    ]
    moved = proposed(("b1", axb(A, B, "+862566000003")))
    assert await changes(world, moved, asked(A), asked(A, "02566000003")) == [
        (0, "13900001111", "1003"),
        (1, "1003", "13900001111"),
    ]


async def test_an_access_number_in_a_pool_stays_known() -> None:
    world = World(stored(axb(A, B)), pooled=[X])

    assert await changes(world, proposed(deleted=["b1"]), asked(A), asked(C)) == [(0, "13900001111", "1004")]


async def test_validity_counts_at_the_time_of_the_query() -> None:
    world = World(stored(axb(A, B)), pooled=[X2])
    proposal = proposed(ax(C, X2, not_before=NOW, expires_at=NOW + MINUTE))
    times = (NOW - MINUTE, NOW, NOW + MINUTE)

    assert await changes(world, proposal, *(asked(A, X2, each) for each in times)) == [
        (0, "1004", "1006"),
        (1, "1004", "13700001111"),
        (2, "1004", "1006"),
    ]


async def test_lists_and_the_fallback_count_on_both_sides() -> None:
    world = World(stored(axb(A, B)), fallback_number="+862566000009")
    assert await changes(world, proposed(deleted=["b1"]), asked(A)) == [(0, "13900001111", "1003")]
    assert await changes(world, proposed(axb(C, D)), asked(C)) == [(0, "02566000009", "13600001111")]
    world.entries = (list_entry(C),)
    assert await changes(world, proposed(axb(C, D)), asked(C)) == []


async def test_the_lists_count_on_an_access_number_that_only_the_proposal_makes_known() -> None:
    world = World()
    world.entries = (list_entry(C),)

    assert await changes(world, proposed(ax(D)), asked(A), asked(C)) == [
        (0, "1003", "13600001111"),
        (1, "1003", "1005"),
    ]


async def test_what_has_expired_gives_way_to_a_proposed_binding() -> None:
    """As it would when that is created: else it would answer for the time in which it was in force on both sides."""
    expired = [stored(axb(A, B, expires_at=NOW)), stored(ax(B, X2, expires_at=NOW), "b2")]
    before = NOW - MINUTE
    queries = [asked(A, at=before), asked(B, at=before), asked(C, X2, before)]

    assert await changes(World(*expired), proposed(axb(A, C), ax(D, X2)), *queries) == [
        (0, "13900001111", "13700001111"),
        (2, "13900001111", "13600001111"),
    ]
    # What has expired itself takes nothing from anybody.
    late = proposed(axb(A, C, not_before=NOW - 2 * MINUTE, expires_at=NOW))
    assert await changes(World(*expired), late, *queries) == []


async def test_only_what_the_tenant_may_show_is_proposed() -> None:
    world = World(stored(axb(A, B)), stored(axb(A, B, X2, display_number=D), "b2"), pooled=["+862566000003"])
    for display_number in (X, X2, "+862566000003", "+862566000004"):
        shown = proposed(axb(C, D, display_number=display_number), ax(A, "+862566000004"))
        assert await changes(world, shown, asked(C)) == [(0, "1004", "13600001111")]
    kept = proposed(("b2", axb(A, C, X2, display_number=D)))
    assert await changes(world, kept, asked(A, X2)) == [(0, "13900001111", "13700001111")]
    foreign = proposed(ax(A, "+862566000004"), axb(C, D, display_number=A))
    raised = await refusal(world, foreign)
    assert (raised.reason, raised.metadata) == (
        "FOREIGN_DISPLAY_NUMBER",
        {"field": "proposal.bindings[1].display_number"},
    )
    world.known_tenant = tenant(TENANT, foreign_display_numbers_allowed=True)
    assert await changes(world, foreign, asked(C)) == [(0, "1004", "13600001111")]


async def test_calls_get_their_turn_meanwhile() -> None:
    """The event loop comes round often while many bindings are checked and many queries decided."""
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    pairs = [axb(f"+861380000{n:04}", f"+861390000{n:04}") for n in range(1000)]
    await differences(World(), proposed(*pairs), [])
    after_the_proposal = turns
    await differences(World(stored(ax(A))), proposed(), [asked(f"+861380000{n:04}") for n in range(1000)])
    beside.cancel()

    assert after_the_proposal >= 50
    assert turns - after_the_proposal >= 100


async def test_numbers_that_can_not_be_read() -> None:
    world = World(stored(axb(A, B)))
    queries = [asked("withheld"), asked(A, "nothing")]

    assert await changes(world, proposed(ax(D)), *queries) == [(0, "1004", "13600001111")]


async def test_places_are_counted_in_each_lot() -> None:
    world = World(stored(axb(A, B)))
    found = await differences(world, proposed(axb(C, D)), [asked(A), asked(C)], [], [asked(C)])

    assert [[each.place for each in lot] for lot in found] == [[1], [], [0]]
    assert found[0][0].present.result is ResultCode.NO_BINDING


@pytest.mark.parametrize(
    ("proposal", "error", "field"),
    [
        (Proposal("", [], []), InvalidArgumentError, "proposal.tenant_id"),
        (Proposal("nobody", [], []), NotFoundError, ""),
        (proposed(axb(A, A, X2)), InvalidArgumentError, "proposal.bindings[0].b_number"),
        (proposed(axb(C, D), axb("12", "anonymous")), InvalidArgumentError, "proposal.bindings[1].b_number"),
        (proposed(("b9", axb(C, D))), NotFoundError, ""),
        (proposed(("b_1/", axb(C, D))), NotFoundError, ""),
        (proposed(deleted=["b9"]), NotFoundError, ""),
        (proposed(("b1", axb(A, C)), deleted=["b1"]), InvalidArgumentError, "proposal.deleted_binding_ids"),
        (proposed(deleted=["b1", "b1"]), InvalidArgumentError, "proposal.deleted_binding_ids"),
        (proposed(deleted=["b1"] * (MAX_PROPOSED + 1)), InvalidArgumentError, "proposal.bindings"),
    ],
)
async def test_a_proposal_that_makes_no_sense(proposal: Proposal, error: type[AxbridgeError], field: str) -> None:
    raised = await refusal(World(stored(axb(A, B))), proposal)

    assert (type(raised), raised.metadata.get("field", "")) == (error, field)


async def test_a_binding_in_the_way_of_a_proposed_one() -> None:
    world = World(stored(axb(A, B)), stored(axb(A, B, X2, expires_at=NOW), "b2"))
    with_a_stored_one = await refusal(world, proposed(axb(C, A)))
    with_another_proposed_one = await refusal(world, proposed(ax(C), ax(D)))

    assert isinstance(with_a_stored_one, AlreadyExistsError)
    assert with_a_stored_one.metadata == {"binding_id": "b1"}
    assert with_another_proposed_one.metadata == {"binding_id": "proposed-0"}
    for fine in (
        proposed(axb(A, C, X2)),
        proposed(axb(A, C), deleted=["b1"]),
        proposed(ax(C), ax(D, expires_at=NOW - MINUTE)),
    ):
        await differences(world, fine, [asked(A)])


async def test_what_is_taken_over_stays_as_it_is_in_another_region() -> None:
    """As when it is updated: numbers that are stored are not read again in a region that the tenant got since."""
    service_number = stored(axb("95500", B))
    world = World(service_number, default_region="GB")

    assert await changes(world, proposed(("b1", replace(service_number.terms, one_way=True))), asked(B)) == [
        (0, "95500", "1004")
    ]


async def test_a_store_that_does_not_answer_ends_it() -> None:
    world = World(stored(axb(A, B)))
    world.failure = UnavailableError("the store can't be reached")
    with pytest.raises(UnavailableError):
        await differences(world, proposed(deleted=["b1"]), [asked(A)])


async def test_a_lot_that_is_too_long() -> None:
    world = World(stored(axb(A, B)))
    with pytest.raises(InvalidArgumentError) as raised:
        await differences(world, proposed(), [asked(A)] * (MAX_QUERIES_AT_ONCE + 1))
    assert raised.value.field == "queries"
    assert await differences(world, proposed(), [asked(A)] * MAX_QUERIES_AT_ONCE) == [[]]


async def test_the_store_is_asked_in_parts() -> None:
    pairs = [(f"+861380000{n:04}", f"+861390000{n:04}") for n in range(600)]
    world = World(*(stored(axb(a, b), f"b{n}") for n, (a, b) in enumerate(pairs)))
    found = await changes(world, proposed(deleted=["b599"]), *(asked(a, at=NOW - timedelta(days=1)) for a, _ in pairs))

    assert found == [(599, "13900000599", "1004")]
