"""The contract of BindingStore: which bindings stand in each other's way, also between concurrent writers."""

import asyncio
import random
from collections.abc import Awaitable
from dataclasses import replace

import pytest

from common.errors import AbortedError, AlreadyExistsError, AxbridgeError, FailedPreconditionError, InvalidArgumentError
from routing_service.domain.binding import Binding, BindingKind, BindingTarget, BindingTerms
from routing_service.domain.decision import RouteKey
from routing_service.domain.tenant import Tenant
from routing_service.patch import check_revision
from routing_service.ports import BindingFilter
from tests.contract.routing_store.test_bindings import candidate_ids, change, create, remove
from tests.support.routing_memory.stores import Stores
from tests.unit.routing_service.builders import (
    MINUTE,
    NOW,
    OTHER_TENANT,
    TENANT,
    X2,
    A,
    B,
    C,
    D,
    X,
    ax,
    axb,
    axe,
    axg,
    axyb,
    stored,
)


@pytest.mark.parametrize(
    ("first", "second", "conflict"),
    [
        pytest.param(axb(A, B), axb(A, C), True, id="the same A"),
        pytest.param(axb(A, B), axb(C, A), True, id="A as B"),
        pytest.param(axb(A, B), axb(C, B), True, id="the same B"),
        pytest.param(axb(A, B), axb(B, A), True, id="the pair turned round"),
        pytest.param(axb(A, B), axb(A, B), True, id="the same pair"),
        pytest.param(axb(A, B), axb(C, D), False, id="other numbers"),
        pytest.param(axb(A, B), axb(A, B, X2), False, id="another access number"),
        pytest.param(axb(A, B, one_way=True), axb(B, C), True, id="one-way takes B too"),
        pytest.param(ax(A), ax(B), True, id="two owners"),
        pytest.param(ax(A), ax(B, X2), False, id="owners of two access numbers"),
        pytest.param(ax(A), axb(A, B), False, id="an owner beside a pair"),
        pytest.param(axb(A, B, not_before=NOW + MINUTE), axb(A, C), True, id="one that has not begun"),
        pytest.param(
            axb(A, B, expires_at=NOW + MINUTE), axb(A, C, not_before=NOW + MINUTE), True, id="one after other"
        ),
        pytest.param(axb(A, B, expires_at=NOW), axb(A, C), False, id="one that has expired"),
        pytest.param(ax(A, expires_at=NOW), ax(B), False, id="an owner that has expired"),
        pytest.param(axb(A, B), axb(A, C, expires_at=NOW), False, id="one that is created expired"),
        pytest.param(axb(A, B), axyb(A, C), True, id="a pair with Y takes its numbers too"),
        pytest.param(axyb(A, B), axyb(C, D), False, id="pairs with one Y"),
        pytest.param(axb(A, B), axb(C, D, targets=(BindingTarget(A),)), False, id="a stand-in takes nothing"),
        pytest.param(axg([A, B]), axg([C, D]), True, id="two groups"),
        pytest.param(axg([A, B]), ax(C), True, id="a group and an owner"),
        pytest.param(axe(A), ax(C), True, id="an extension and an owner"),
        pytest.param(axe(A), axg([C]), True, id="an extension and a group"),
        pytest.param(axe(A), axe(A, "8002"), True, id="two extensions"),
        pytest.param(axe(A), axe(A, x=X2), False, id="one extension on two access numbers"),
        pytest.param(axg([A, B]), axb(A, B), False, id="a group beside a pair of its members"),
    ],
)
async def test_who_stands_in_whose_way(
    stores: Stores, first: BindingTerms, second: BindingTerms, conflict: bool
) -> None:
    await allow_foreign_display_numbers(stores)
    await create(stores, first, "b1")
    if not conflict:
        await create(stores, second, "b2")
        return
    with pytest.raises(AlreadyExistsError) as error:
        await create(stores, second, "b2")
    assert error.value.metadata == {"binding_id": "b1"}
    assert "13800001111" not in error.value.message
    assert await stores.bindings.get(TENANT, "b2") is None
    assert await candidate_ids(stores, A, first.access_number) == {"b1"}


async def allow_foreign_display_numbers(stores: Stores) -> None:
    def allow(current: Tenant, _: object) -> Tenant:
        return replace(current, settings=replace(current.settings, foreign_display_numbers_allowed=True))

    await stores.tenants.update(TENANT, allow, with_profiles=False)


async def test_tenants_do_not_meet_on_their_own_access_numbers(stores: Stores) -> None:
    await create(stores, axb(A, B, X), "b1", TENANT)
    await create(stores, axb(A, B, X2), "b2", OTHER_TENANT)

    assert await candidate_ids(stores, A, X) == {"b1"}
    assert await candidate_ids(stores, A, X2, OTHER_TENANT) == {"b2"}


async def test_an_access_number_belongs_to_one_tenant(stores: Stores) -> None:
    await create(stores, axb(A, B), "b1", TENANT)
    with pytest.raises(FailedPreconditionError) as error:
        await create(stores, ax(C), "b2", OTHER_TENANT)
    assert error.value.metadata == {"field": "binding.access_number"}
    assert TENANT not in error.value.message and "b1" not in error.value.message
    assert await candidate_ids(stores, C, tenant_id=OTHER_TENANT) is None

    await create(stores, axb(C, D, X2), "b3", OTHER_TENANT)
    with pytest.raises(FailedPreconditionError):
        await change(stores, axb(A, B, X2), "b1")
    assert await candidate_ids(stores, A) == {"b1"}


async def test_another_tenants_access_number_is_not_ones_own_to_show(stores: Stores) -> None:
    await create(stores, axb(C, D, X2), "theirs", OTHER_TENANT)
    with pytest.raises(InvalidArgumentError) as error:
        await create(stores, axb(A, B, display_number=X2))
    assert error.value.reason == "FOREIGN_DISPLAY_NUMBER"
    await create(stores, axb(A, B), "b1")
    with pytest.raises(InvalidArgumentError):
        await change(stores, axb(A, B, display_number=X2))


async def test_an_access_number_is_free_when_its_last_binding_is_gone(stores: Stores) -> None:
    await create(stores, axb(), "b1", TENANT)
    await remove(stores, "b1")
    await create(stores, axb(), "b2", OTHER_TENANT)

    assert await candidate_ids(stores, A, tenant_id=OTHER_TENANT) == {"b2"}


async def test_an_access_number_is_free_when_its_bindings_have_expired(stores: Stores) -> None:
    await create(stores, axb(expires_at=NOW + MINUTE), "b1", TENANT)
    with pytest.raises(FailedPreconditionError):
        await create(stores, axb(), "b2", OTHER_TENANT, NOW)
    await create(stores, axb(), "b2", OTHER_TENANT, NOW + MINUTE)

    assert await candidate_ids(stores, A, tenant_id=OTHER_TENANT) == {"b2"}
    assert await candidate_ids(stores, A) is None
    with pytest.raises(FailedPreconditionError):
        await change(stores, axb(), "b1", NOW + MINUTE)
    await change(stores, axb(expires_at=NOW), "b1", NOW + MINUTE)
    await remove(stores, "b1", NOW + MINUTE)
    assert await candidate_ids(stores, A, tenant_id=OTHER_TENANT) == {"b2"}


async def test_an_expired_binding_gives_way_only_where_it_must(stores: Stores) -> None:
    await create(stores, axb(A, B, expires_at=NOW), "old")
    await create(stores, axb(A, C), "new")

    assert await candidate_ids(stores, A) == {"new"}
    assert await candidate_ids(stores, B) == {"old"}, "B is still told that the relationship has expired"


async def test_an_expired_binding_comes_back_only_when_its_numbers_are_free(stores: Stores) -> None:
    await create(stores, axb(A, B, expires_at=NOW), "old")
    await create(stores, axb(A, C), "new")
    with pytest.raises(AlreadyExistsError) as error:
        await change(stores, axb(A, B), "old", NOW + MINUTE)
    assert error.value.metadata == {"binding_id": "new"}
    await change(stores, axb(A, B, expires_at=NOW, display_number=X), "old", NOW + MINUTE)
    assert await candidate_ids(stores, A) == {"new"}
    assert await candidate_ids(stores, B) == {"old"}
    await remove(stores, "new")
    await change(stores, axb(A, B), "old", NOW + 2 * MINUTE)

    assert await candidate_ids(stores, A) == {"old"}


async def test_a_binding_is_not_in_its_own_way(stores: Stores) -> None:
    await create(stores, axb(A, B))
    await change(stores, axb(B, A))
    await change(stores, axb(B, C))

    assert await candidate_ids(stores, B) == {"b1"}


async def test_an_update_into_somebodys_way_changes_nothing(stores: Stores) -> None:
    await create(stores, axb(A, B), "b1")
    await create(stores, axb(C, D), "b2")
    with pytest.raises(AlreadyExistsError) as error:
        await change(stores, axb(A, D), "b2")
    assert error.value.metadata == {"binding_id": "b1"}
    assert await stores.bindings.get(TENANT, "b2") == stored(axb(C, D), "b2")
    assert await candidate_ids(stores, C) == {"b2"}
    assert await candidate_ids(stores, D) == {"b2"}


async def outcomes(*writes: Awaitable[object]) -> list[object]:
    """The results of concurrent writes, each a value or an error of ours. Anything else is raised."""
    results = await asyncio.gather(*writes, return_exceptions=True)
    for each in results:
        if isinstance(each, BaseException) and not isinstance(each, AxbridgeError):
            raise each
    return list(results)


async def test_of_many_pairs_with_one_number_one_is_stored(stores: Stores) -> None:
    results = await outcomes(
        *(
            create(
                stores,
                axb(A, f"+86139000000{number:02}") if number % 2 else axb(f"+86139000000{number:02}", A),
                f"b{number}",
            )
            for number in range(16)
        )
    )
    winners = [each for each in results if isinstance(each, Binding)]

    assert len(winners) == 1
    assert {type(each) for each in results} == {Binding, AlreadyExistsError}
    assert await candidate_ids(stores, A) == {winners[0].binding_id}
    assert len(await stores.bindings.list_page(BindingFilter(TENANT), None, 100)) == 1


async def test_of_many_tenants_on_one_access_number_one_gets_it(stores: Stores) -> None:
    results = await outcomes(
        *(
            create(stores, axb(f"+86138000000{number:02}", f"+86139000000{number:02}"), f"b{number}", owner)
            for number, owner in enumerate([TENANT, OTHER_TENANT] * 8)
        )
    )
    owners = {each.tenant_id for each in results if isinstance(each, Binding)}

    assert len(owners) == 1
    assert sum(isinstance(each, FailedPreconditionError) for each in results) == 8


async def test_of_many_changes_on_one_revision_one_is_stored(stores: Stores) -> None:
    await create(stores, axb())

    def based_on_first(_: Tenant, current: Binding) -> Binding:
        check_revision(current.revision, 1)
        return replace(current, revision=current.revision + 1)

    results = await outcomes(*(stores.bindings.update(TENANT, "b1", based_on_first) for _ in range(10)))

    assert sum(isinstance(each, Binding) for each in results) == 1
    assert sum(isinstance(each, AbortedError) for each in results) == 9


async def test_crossing_moves_do_not_wait_for_each_other(stores: Stores) -> None:
    await create(stores, axb(A, B, X), "b1")
    await create(stores, axb(C, D, X2), "b2")
    for _ in range(5):
        results = await outcomes(
            change(stores, axb(A, B, X2), "b1"),
            change(stores, axb(C, D, X), "b2"),
            change(stores, axb(A, B, X), "b1"),
            change(stores, axb(C, D, X2), "b2"),
        )
        assert all(isinstance(each, Binding) for each in results)


async def test_any_mixture_of_writers_leaves_no_two_live_bindings_with_one_claim(stores: Stores) -> None:
    rng = random.Random(20260504)
    numbers, access = [A, B, C, D], [X, X2]
    writes = []
    for place in range(60):
        a, b = rng.sample(numbers, 2)
        terms = axb(a, b, rng.choice(access)) if rng.random() < 0.7 else ax(a, rng.choice(access))
        if rng.random() < 0.2:
            terms = replace(terms, expires_at=NOW)
        earlier = f"b{rng.randrange(place + 1)}"
        match rng.randrange(4):
            case 0 | 1:
                writes.append(create(stores, terms, f"b{place}", rng.choice([TENANT, OTHER_TENANT])))
            case 2:
                writes.append(_change_keeping_kind(stores, terms, earlier))
            case _:
                writes.append(remove(stores, earlier))  # type: ignore[arg-type]
    await outcomes(*writes)

    taken: dict[tuple[str, str], str] = {}
    owners: dict[str, str] = {}
    for tenant_id in (TENANT, OTHER_TENANT):
        for binding in await stores.bindings.list_page(BindingFilter(tenant_id), None, 100):
            x = binding.terms.access_number
            if binding.terms.has_expired(NOW):
                continue
            assert owners.setdefault(x, tenant_id) == tenant_id
            for claim in binding.terms.claims():
                assert taken.setdefault((x, claim), binding.binding_id) == binding.binding_id
                found = await candidate_ids(stores, claim, x, tenant_id)
                assert found is not None
                assert binding.binding_id in found, "every live binding is found by its claims"


async def test_callers_that_go_away_leave_no_lock_behind(stores: Stores) -> None:
    for attempt in range(30):
        writers = [
            asyncio.create_task(
                create(stores, axb(f"+861380000{attempt:02}{n:02}", C, f"+8625660000{n:02}"), f"{attempt}-{n}")
            )
            for n in range(3)
        ]
        readers = [asyncio.create_task(stores.source.candidates([RouteKey(TENANT, X, A)])) for _ in range(3)]
        for _ in range(attempt):
            # The further the attempt, the further into its transaction the writer is cut off.
            await asyncio.sleep(0)
        for task in (*writers, *readers):
            task.cancel()
        await asyncio.gather(*writers, *readers, return_exceptions=True)

    async with asyncio.timeout(10):
        await create(stores, axb(A, B, X2), "last")
        await remove(stores, "last", NOW)


async def _change_keeping_kind(stores: Stores, terms: BindingTerms, binding_id: str) -> Binding:
    def new(_: Tenant, current: Binding) -> Binding:
        kept = terms if terms.kind is current.terms.kind else current.terms
        return replace(current, terms=kept, revision=current.revision + 1)

    return await stores.bindings.update(TENANT, binding_id, new)


async def test_a_deleted_pair_and_its_successor_in_a_race_leave_one_or_none(stores: Stores) -> None:
    await create(stores, axb(A, B), "b1")
    results = await outcomes(remove(stores, "b1"), create(stores, axb(A, C), "b2"))
    key = RouteKey(TENANT, X, A)
    found = (await stores.source.candidates([key]))[key]
    assert not isinstance(found, Exception)

    assert [each.binding_id for each in found.bindings] == (["b2"] if isinstance(results[1], Binding) else [])
    assert all(each.terms.kind is BindingKind.AXB for each in found.bindings)
