"""The contract of NumberListStore, and of what it makes of candidates."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from common.errors import AlreadyExistsError, InvalidArgumentError, NotFoundError
from routing_service.domain.decision import Candidates, RouteKey
from routing_service.domain.number_list import NumberListAction, NumberListEntry, list_verdict
from routing_service.domain.tenant import Tenant
from routing_service.domain.write_origin import WriteOrigin
from routing_service.ports import BindingPosition, ListFilter
from tests.contract.routing_store.test_bindings import create
from tests.contract.routing_store.test_conflicts import outcomes
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
    X,
    ax,
    list_entry,
    tenant,
)

ALLOW, BLOCK = NumberListAction.ALLOW, NumberListAction.BLOCK
FULL = list_entry(A, ALLOW, x=X, entry_id="full", expires_at=NOW + MINUTE)


async def put(stores: Stores, entry: NumberListEntry, origin: WriteOrigin | None = None) -> NumberListEntry:
    def make(owner: Tenant) -> NumberListEntry:
        assert owner.tenant_id == entry.tenant_id
        return entry

    if origin is None:
        return await stores.lists.create(entry.tenant_id, make)
    return await stores.lists.create(entry.tenant_id, make, origin)


async def entries_of(stores: Stores, caller: str, x: str = X, tenant_id: str = TENANT) -> set[str]:
    key = RouteKey(tenant_id, x, caller)
    found = (await stores.source.candidates([key]))[key]
    assert isinstance(found, Candidates)
    return {each.entry_id for each in found.list_entries}


async def listed(stores: Stores, which: ListFilter) -> Sequence[str]:
    return [each.entry_id for each in await stores.lists.list_page(which, None, 100)]


async def test_an_entry_comes_back_as_it_was_stored(stores: Stores) -> None:
    full = replace(FULL, terms=replace(FULL.terms, note="测试 note"))
    await create(stores, ax(B))

    assert await put(stores, full) == full
    assert await stores.lists.list_page(ListFilter(TENANT), None, 10) == [full]
    key = RouteKey(TENANT, X, A)
    found = (await stores.source.candidates([key]))[key]
    assert isinstance(found, Candidates)
    assert found.list_entries == (full,)


async def test_one_entry_for_each_place_and_pattern(stores: Stores) -> None:
    await put(stores, list_entry(A, entry_id="e1"))
    with pytest.raises(AlreadyExistsError) as error:
        await put(stores, list_entry(A, ALLOW, entry_id="e2"))
    assert error.value.metadata == {"entry_id": "e1"}
    assert "13800001111" not in error.value.message
    await put(stores, list_entry(A, prefix=True, entry_id="e3"))
    await put(stores, list_entry(A, x=X, entry_id="e4"))
    await put(stores, list_entry(A, tenant_id=OTHER_TENANT, entry_id="e5"))

    assert await listed(stores, ListFilter(TENANT)) == ["e1", "e3", "e4"]
    assert await listed(stores, ListFilter(TENANT, X)) == ["e4"]
    assert await listed(stores, ListFilter(OTHER_TENANT)) == ["e5"]


async def test_an_expired_entry_gives_way(stores: Stores) -> None:
    await put(stores, list_entry(A, entry_id="old", expires_at=NOW))
    await put(stores, list_entry(A, entry_id="new"))

    assert await listed(stores, ListFilter(TENANT)) == ["new"]


async def test_a_request_is_carried_out_once(stores: Stores) -> None:
    origin = WriteOrigin("crm", "request-1", "content")
    first = await put(stores, list_entry(A, entry_id="e1"), origin)
    again = await put(stores, list_entry(A, entry_id="e2"), origin)

    assert again == first
    assert await listed(stores, ListFilter(TENANT)) == ["e1"]
    with pytest.raises(InvalidArgumentError):
        await put(stores, list_entry(B, entry_id="e3"), WriteOrigin("crm", "request-1", "other content"))


async def test_pages(stores: Stores) -> None:
    for place in range(5):
        await put(stores, list_entry(f"+8613800000{place:03}", entry_id=f"e{place}", at=NOW + (place // 2) * MINUTE))
    first = await stores.lists.list_page(ListFilter(TENANT), None, 2)
    await stores.lists.delete(TENANT, "e1", NOW)
    rest = await stores.lists.list_page(ListFilter(TENANT), BindingPosition(first[-1].created_at, "e1"), 10)

    assert [each.entry_id for each in (*first, *rest)] == ["e0", "e1", "e2", "e3", "e4"]


async def test_what_is_not_there(stores: Stores) -> None:
    await put(stores, list_entry(A, entry_id="e1"))
    with pytest.raises(NotFoundError):
        await stores.lists.delete(TENANT, "e2", NOW)
    with pytest.raises(NotFoundError):
        await stores.lists.delete(OTHER_TENANT, "e1", NOW)
    with pytest.raises(NotFoundError):
        await stores.lists.create("nobody", lambda _: list_entry(A))
    assert await listed(stores, ListFilter(TENANT)) == ["e1"]


async def test_candidates_hold_what_matches_and_one_that_allows(stores: Stores) -> None:
    await create(stores, ax(B))
    await create(stores, ax(B, X2), "b2")
    for entry in (
        list_entry(A, entry_id="exact"),
        list_entry("+861", prefix=True, entry_id="prefix"),
        list_entry("+8613900", prefix=True, entry_id="another prefix"),
        list_entry(C, x=X, entry_id="of X"),
        list_entry(A, x=X2, entry_id="of X2"),
        list_entry("+8613700", ALLOW, prefix=True, x=X2, entry_id="allow for a time", expires_at=NOW + MINUTE),
        list_entry("+8613600", ALLOW, prefix=True, x=X2, entry_id="allow for ever"),
        list_entry("+8613500", ALLOW, prefix=True, x=X2, entry_id="allow for a moment", expires_at=NOW),
        list_entry(A, entry_id="not mine", tenant_id=OTHER_TENANT),
    ):
        await put(stores, entry)

    assert await entries_of(stores, A) == {"exact", "prefix"}
    assert await entries_of(stores, C) == {"prefix", "of X"}
    assert await entries_of(stores, "") == set()
    assert await entries_of(stores, "95500") == set()
    assert await entries_of(stores, A, X2) == {"exact", "prefix", "of X2", "allow for ever"}
    assert await entries_of(stores, "", X2) == {"allow for ever"}
    past = await stores.history.candidates_at(RouteKey(TENANT, X, A), NOW)
    assert {each.entry_id for each in past.list_entries} == {"exact", "prefix"}


async def test_a_batch_of_many_callers(stores: Stores) -> None:
    await create(stores, ax(B))
    callers = [f"+861380000{place:04}" for place in range(600)]
    for caller in callers[::100]:
        await put(stores, list_entry(caller))
    await put(stores, list_entry("+86138", ALLOW, prefix=True))
    keys = [RouteKey(TENANT, X, each) for each in callers]
    found = await stores.source.candidates(keys)
    blocked = {
        key.calling_number
        for key, value in found.items()
        if isinstance(value, Candidates) and list_verdict(value.list_entries, key.calling_number, NOW).blocked
    }

    assert blocked == set(callers[::100])


@pytest.mark.parametrize("x", ["", X])
async def test_what_is_written_counts_for_the_next_query(stores: Stores, x: str) -> None:
    await create(stores, ax(B))
    for entry_id in ("e1", "e2", "e3"):
        assert await entries_of(stores, A) == set()
        await put(stores, list_entry(A, x=x, entry_id=entry_id))
        assert await entries_of(stores, A) == {entry_id}
        assert await entries_of(stores, A) == {entry_id}
        await stores.lists.delete(TENANT, entry_id, NOW)
    assert await entries_of(stores, A) == set()


async def test_of_concurrent_writers_of_one_pattern_one_wins(stores: Stores) -> None:
    results = await outcomes(*(put(stores, list_entry(A, entry_id=f"e{place}")) for place in range(8)))

    assert sum(isinstance(each, NumberListEntry) for each in results) == 1
    assert sum(isinstance(each, AlreadyExistsError) for each in results) == 7


async def test_a_tenants_lists_go_with_it(stores: Stores) -> None:
    await put(stores, list_entry(A))
    await stores.tenants.delete(TENANT)

    assert await stores.lists.list_page(ListFilter(TENANT), None, 10) == []
    await stores.tenants.create(tenant(TENANT))
    await create(stores, ax(B), at=NOW + timedelta(days=1))
    assert await entries_of(stores, A) == set()


async def past(stores: Stores, caller: str, moment: datetime, x: str = X) -> list[str]:
    """The ids of the entries that a query of that time was decided from."""
    key = RouteKey(TENANT, x, caller)
    return [each.entry_id for each in (await stores.history.candidates_at(key, moment)).list_entries]


async def test_the_lists_of_the_past_are_known(stores: Stores) -> None:
    await put(stores, list_entry(A, x=X, entry_id="exact", at=NOW))
    await put(stores, list_entry("+8613", prefix=True, entry_id="prefix", at=NOW + MINUTE))
    await put(stores, list_entry(B, ALLOW, entry_id="short", at=NOW + MINUTE, expires_at=NOW + 9 * MINUTE))
    await put(stores, list_entry(C, ALLOW, entry_id="long", at=NOW + 2 * MINUTE))
    await put(stores, list_entry(A, entry_id="foreign", tenant_id=OTHER_TENANT, at=NOW))
    for entry_id in ("exact", "long", "short"):
        await stores.lists.delete(TENANT, entry_id, NOW + 3 * MINUTE)

    assert await past(stores, A, NOW - MINUTE) == []
    assert await past(stores, A, NOW) == ["exact"]
    assert await past(stores, A, NOW, X2) == []
    assert await past(stores, A, NOW + MINUTE) == ["exact", "prefix", "short"]
    assert sorted(await past(stores, A, NOW + 2 * MINUTE)) == ["exact", "long", "prefix"]
    assert sorted(await past(stores, B, NOW + 2 * MINUTE)) == ["long", "prefix", "short"]
    assert await past(stores, A, NOW + 3 * MINUTE) == ["prefix"]
    assert await past(stores, "", NOW + 2 * MINUTE) == ["long"]


async def test_an_entry_that_gave_way_is_of_the_past(stores: Stores) -> None:
    await put(stores, list_entry(A, entry_id="first", expires_at=NOW + MINUTE))
    await put(stores, list_entry(A, ALLOW, entry_id="second", at=NOW + MINUTE))

    assert await past(stores, A, NOW) == ["first"]
    assert await past(stores, A, NOW + MINUTE) == ["second"]


async def test_a_clock_that_was_set_back_ends_no_entry_before_it_began(stores: Stores) -> None:
    await put(stores, list_entry(A, entry_id="e1", at=NOW))
    await stores.lists.delete(TENANT, "e1", NOW - MINUTE)

    for moment in (NOW - 2 * MINUTE, NOW - MINUTE, NOW):
        assert await past(stores, A, moment) == []


async def test_the_lists_of_a_tenant_that_was_deleted(stores: Stores) -> None:
    await put(stores, list_entry(A, entry_id="e1", at=NOW))
    await stores.tenants.delete(TENANT)
    await stores.tenants.create(tenant(TENANT))

    assert await past(stores, A, NOW + MINUTE) == ["e1"]
    assert await past(stores, A, datetime.now(UTC) + MINUTE) == []
