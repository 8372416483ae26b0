"""The contract of CallMemoryStore."""

from datetime import timedelta

import pytest

from common.clock import to_microseconds
from common.errors import AbortedError
from routing_service.domain.call_memory import ORDER_LIFE, GroupCall, OwnerCall, WantedRecollection
from routing_service.domain.decision import Recollection
from tests.contract.routing_store.test_bindings import create, remove
from tests.support.routing_memory.stores import Stores
from tests.unit.routing_service.builders import NOW, OTHER_TENANT, TENANT, X2, A, B, C, D, X, ax

GROUP = WantedRecollection(TENANT, "b1", "s1", X, members=(A, B))
OWNER = WantedRecollection(TENANT, "b1", "s1", X, owner_number=A)
NOW_US = to_microseconds(NOW)


async def recalled(stores: Stores, wanted: WantedRecollection, at: timedelta = timedelta()) -> Recollection:
    return (await stores.memory.recall([wanted], NOW + at)).get(wanted, Recollection())


async def test_the_first_order_of_a_session_stays_for_its_time(stores: Stores) -> None:
    await stores.memory.store([GroupCall(TENANT, "b1", "s1", (A, B), NOW_US)], [], NOW)
    await stores.memory.store([GroupCall(TENANT, "b1", "s1", (B, A), NOW_US + 1)], [], NOW)

    assert (await recalled(stores, GROUP)).order == (A, B)
    assert (await recalled(stores, GROUP, ORDER_LIFE)).order == ()
    await stores.memory.store([GroupCall(TENANT, "b1", "s1", (B, A), NOW_US + 2)], [], NOW + ORDER_LIFE)
    assert (await recalled(stores, GROUP, ORDER_LIFE)).order == (B, A)


async def test_calls_of_one_write_are_remembered_as_those_of_several(stores: Stores) -> None:
    await create(stores, ax(A))
    groups = [GroupCall(TENANT, "b1", "s1", (A, B), NOW_US), GroupCall(TENANT, "b1", "s1", (B, A), NOW_US + 1)]
    groups += [GroupCall(TENANT, "b2", "", (A,), NOW_US + 9), GroupCall(TENANT, "b2", "", (A,), NOW_US + 5)]
    owners = [OwnerCall(TENANT, "b1", X, A, C, NOW_US + 5), OwnerCall(TENANT, "b1", X, A, D, NOW_US + 3)]
    await stores.memory.store(groups, owners, NOW)

    found = await recalled(stores, GROUP)
    assert found.order == (A, B)
    assert found.last_routed_at_us == {A: NOW_US + 9, B: NOW_US + 1}
    assert (await recalled(stores, OWNER)).last_caller == C


async def test_activity_is_the_latest_and_each_tenants_own(stores: Stores) -> None:
    await stores.memory.store([GroupCall(TENANT, "b1", "", (A, B), NOW_US + 5)], [], NOW)
    await stores.memory.store([GroupCall(TENANT, "b2", "", (A,), NOW_US + 3)], [], NOW)
    await stores.memory.store([GroupCall(OTHER_TENANT, "b3", "", (B,), NOW_US)], [], NOW)
    found = await recalled(stores, GROUP)

    assert found.last_routed_at_us == {A: NOW_US + 5}
    assert found.order == ()
    theirs = WantedRecollection(OTHER_TENANT, "b1", "s1", X, members=(A, B))
    assert (await recalled(stores, theirs)).last_routed_at_us == {B: NOW_US}


async def test_the_last_caller_belongs_to_binding_owner_and_access_number(stores: Stores) -> None:
    await create(stores, ax(A))
    await stores.memory.store([], [OwnerCall(TENANT, "b1", X, A, C, NOW_US + 5)], NOW)
    await stores.memory.store([], [OwnerCall(TENANT, "b1", X, A, D, NOW_US + 3)], NOW)

    assert (await recalled(stores, OWNER)).last_caller == C, "what came late changes nothing"
    for other in (
        WantedRecollection(TENANT, "b1", "s1", X, owner_number=B),
        WantedRecollection(TENANT, "b1", "s1", X2, owner_number=A),
        WantedRecollection(TENANT, "b2", "s1", X, owner_number=A),
    ):
        assert (await recalled(stores, other)).last_caller == ""


async def test_what_is_gone_is_not_remembered(stores: Stores) -> None:
    await create(stores, ax(A))
    await stores.memory.store([], [OwnerCall(TENANT, "b1", X, A, C, NOW_US)], NOW)
    await remove(stores)

    assert (await recalled(stores, OWNER)).last_caller == ""
    with pytest.raises(AbortedError):
        await stores.memory.store([], [OwnerCall(TENANT, "b1", X, A, C, NOW_US)], NOW)
    with pytest.raises(AbortedError):
        await stores.memory.store([GroupCall("nobody", "b1", "s1", (A,), NOW_US)], [], NOW)
    await stores.memory.store([GroupCall(TENANT, "b1", "s1", (A,), NOW_US)], [], NOW)
    await stores.tenants.delete(TENANT)
    assert (await recalled(stores, GROUP)) == Recollection()


async def test_many_at_once(stores: Stores) -> None:
    numbers = [f"+86138{place:08}" for place in range(500)]
    calls = [GroupCall(TENANT, "b1", f"s{place}", (number, A), NOW_US) for place, number in enumerate(numbers)]
    await stores.memory.store(calls, [], NOW)
    wanted = [
        WantedRecollection(TENANT, "b1", f"s{place}", X, members=(number,)) for place, number in enumerate(numbers)
    ]
    found = await stores.memory.recall(wanted, NOW)

    assert [found[each].order[0] for each in wanted] == numbers
