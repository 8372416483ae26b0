"""The contract of BindingStore: what is stored, found, changed and kept."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from common.errors import AbortedError, NotFoundError
from routing_service.domain.binding import Binding, BindingTerms
from routing_service.domain.decision import RouteKey
from routing_service.domain.tenant import Tenant
from routing_service.ports import BindingFilter, BindingPosition, BindingState
from routing_service.service.bindings import BindingService
from tests.support.clock import FakeClock
from tests.support.routing_memory.stores import Stores
from tests.unit.routing_service.builders import (
    FULL_MEMBER_PROMPTS,
    FULL_PROFILE,
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
    stored,
    tenant,
)

FULL = axb(
    display_number=X,
    member_prompts=FULL_MEMBER_PROMPTS,
    profile=FULL_PROFILE,
    not_before=NOW,
    expires_at=NOW + MINUTE,
    one_way=True,
)


async def create(
    stores: Stores, terms: BindingTerms, binding_id: str = "b1", tenant_id: str = TENANT, at: datetime = NOW
) -> Binding:
    return await stores.bindings.create(tenant_id, lambda _: stored(terms, binding_id, tenant_id, at))


async def change(stores: Stores, terms: BindingTerms, binding_id: str = "b1", at: datetime = NOW) -> Binding:
    return await stores.bindings.update(
        TENANT,
        binding_id,
        lambda _, current: replace(current, terms=terms, revision=current.revision + 1, updated_at=at),
    )


async def remove(stores: Stores, binding_id: str = "b1", at: datetime = NOW) -> None:
    await stores.bindings.delete(TENANT, binding_id, lambda _: None, at)


async def candidate_ids(stores: Stores, caller: str, x: str = X, tenant_id: str = TENANT) -> set[str] | None:
    """The ids of a caller's candidates, None when the access number is unknown."""
    key = RouteKey(tenant_id, x, caller)
    found = (await stores.source.candidates([key]))[key]
    assert not isinstance(found, Exception)
    return {each.binding_id for each in found.bindings} if found.access_number_known else None


@pytest.mark.parametrize("terms", [FULL, axb(), ax(), ax(callback_number=C)])
async def test_a_binding_comes_back_as_it_was_stored(stores: Stores, terms: BindingTerms) -> None:
    created = await create(stores, terms)
    key = RouteKey(TENANT, X, A)

    assert created == stored(terms)
    assert await stores.bindings.get(TENANT, "b1") == created
    assert await stores.bindings.list_page(BindingFilter(TENANT), None, 10) == [created]
    found = (await stores.source.candidates([key]))[key]
    assert not isinstance(found, Exception)
    assert found.bindings == (created,)


async def test_the_tenant_is_shown_to_whoever_makes_a_binding(stores: Stores) -> None:
    seen = []

    def make(owner: Tenant) -> Binding:
        seen.append(owner)
        return stored(axb())

    await stores.bindings.create(TENANT, make)
    assert seen == [tenant(TENANT)]


async def test_other_tenants_bindings_do_not_exist(stores: Stores) -> None:
    await create(stores, axb())

    assert await stores.bindings.get(OTHER_TENANT, "b1") is None
    assert await stores.bindings.list_page(BindingFilter(OTHER_TENANT), None, 10) == []
    with pytest.raises(NotFoundError):
        await stores.bindings.update(OTHER_TENANT, "b1", lambda _, current: current)
    with pytest.raises(NotFoundError):
        await stores.bindings.delete(OTHER_TENANT, "b1", lambda _: None, NOW)
    assert await candidate_ids(stores, A, tenant_id=OTHER_TENANT) is None


async def test_what_is_not_there(stores: Stores) -> None:
    assert await stores.bindings.get(TENANT, "b1") is None
    with pytest.raises(NotFoundError):
        await change(stores, axb())
    with pytest.raises(NotFoundError):
        await remove(stores)


async def test_a_refused_change_changes_nothing(stores: Stores) -> None:
    created = await create(stores, axb())

    def refuse(*_: object) -> Any:
        raise AbortedError("no")

    with pytest.raises(AbortedError):
        await stores.bindings.update(TENANT, "b1", refuse)
    with pytest.raises(AbortedError):
        await stores.bindings.delete(TENANT, "b1", refuse, NOW)
    assert await stores.bindings.get(TENANT, "b1") == created
    assert await candidate_ids(stores, A) == {"b1"}


async def test_an_update_counts_for_the_next_query(stores: Stores) -> None:
    await create(stores, axb(A, B))
    changed = await change(stores, axb(A, C))

    assert await stores.bindings.get(TENANT, "b1") == changed
    assert await candidate_ids(stores, A) == {"b1"}
    assert await candidate_ids(stores, C) == {"b1"}
    assert await candidate_ids(stores, B) == set()


async def test_moving_to_another_access_number(stores: Stores) -> None:
    await create(stores, axb(x=X))
    await change(stores, axb(x=X2))

    assert await candidate_ids(stores, A, X) is None
    assert await candidate_ids(stores, A, X2) == {"b1"}


async def test_a_deleted_binding_is_gone_for_the_next_query(stores: Stores) -> None:
    await create(stores, axb())
    await create(stores, ax(C), "b2")
    await remove(stores, "b1")

    assert await stores.bindings.get(TENANT, "b1") is None
    assert await candidate_ids(stores, A) == {"b2"}
    await remove(stores, "b2")
    assert await candidate_ids(stores, A) is None


async def test_candidates_of_a_batch(stores: Stores) -> None:
    await create(stores, axb(A, B), "pair")
    await create(stores, ax(D), "owner")
    await create(stores, axb(A, C, X2), "elsewhere")
    keys = {
        RouteKey(TENANT, X, A): {"pair", "owner"},
        RouteKey(TENANT, X, B): {"pair", "owner"},
        RouteKey(TENANT, X, C): {"owner"},
        RouteKey(TENANT, X, ""): {"owner"},
        RouteKey(TENANT, X2, A): {"elsewhere"},
        RouteKey(TENANT, X2, B): set(),
        RouteKey(TENANT, X2, ""): set(),
        RouteKey(TENANT, "+862566000009", A): None,
        RouteKey(OTHER_TENANT, X, A): None,
        RouteKey("nobody", X, A): None,
    }
    found = await stores.source.candidates(list(keys))

    assert {
        key: {each.binding_id for each in value.bindings} if value.access_number_known else None
        for key, value in found.items()
        if not isinstance(value, Exception)
    } == keys


async def test_a_batch_may_be_longer_than_a_database_has_variables(stores: Stores) -> None:
    await create(stores, axb())
    keys = [RouteKey(TENANT, X, f"+86136{number:08}") for number in range(12_000)]
    found = await stores.source.candidates([*keys, RouteKey(TENANT, X, A)])

    assert len(found) == 12_001
    assert sum(len(value.bindings) for value in found.values() if not isinstance(value, Exception)) == 1


async def test_candidates_out_of_force_are_candidates(stores: Stores) -> None:
    await create(stores, axb(expires_at=NOW))
    await create(stores, axb(C, D, not_before=NOW + MINUTE), "b2")

    assert await candidate_ids(stores, A) == {"b1"}
    assert await candidate_ids(stores, C) == {"b2"}


async def test_pages_visit_everything_once_while_rows_change(stores: Stores) -> None:
    for number in range(9):
        # Three share each instant: the id decides between them.
        await create(
            stores,
            axb(f"+861380000{number:04}", f"+861390000{number:04}"),
            f"b{number}",
            at=NOW + (number // 3) * MINUTE,
        )
    visited: list[str] = []
    after: BindingPosition | None = None
    while page := await stores.bindings.list_page(BindingFilter(TENANT), after, 2):
        visited += [each.binding_id for each in page]
        after = BindingPosition(page[-1].created_at, page[-1].binding_id)
        if len(visited) == 2:
            await remove(stores, "b0")
            await remove(stores, "b1")
            await change(stores, axb("+8613800000004", C), "b4", NOW + 10 * MINUTE)
            await create(stores, axb("+8613800009999", D), "b9", at=NOW + 3 * MINUTE)

    assert visited == [f"b{number}" for number in range(10)]


async def test_filters(stores: Stores) -> None:
    await create(stores, axb(A, B), "pair", at=NOW)
    await create(stores, ax(C, callback_number=A), "owner", at=NOW + MINUTE)
    await create(stores, axb(B, D, X2), "elsewhere", at=NOW + 2 * MINUTE)

    async def ids(access_number: str = "", number: str = "") -> list[str]:
        which = BindingFilter(TENANT, access_number, number)
        return [each.binding_id for each in await stores.bindings.list_page(which, None, 10)]

    assert await ids() == ["pair", "owner", "elsewhere"]
    assert await ids(access_number=X) == ["pair", "owner"]
    assert await ids(number=A) == ["pair", "owner"]
    assert await ids(number=B) == ["pair", "elsewhere"]
    assert await ids(X2, B) == ["elsewhere"]
    assert await ids(X2, A) == []


async def test_states(stores: Stores) -> None:
    validity: dict[str, dict[str, Any]] = {
        "always": {},
        "ended": {"expires_at": NOW},
        "ends": {"expires_at": NOW + MINUTE},
        "begins": {"not_before": NOW + MINUTE},
        "began": {"not_before": NOW},
        "never": {"not_before": NOW - 2 * MINUTE, "expires_at": NOW - MINUTE},
    }
    numbers = {name: f"+862566000020{place}" for place, name in enumerate(validity)}
    for place, name in enumerate(validity):
        terms = axb(A, B if place < 3 else C, numbers[name], **validity[name])
        await create(stores, terms, name, at=NOW - MINUTE + timedelta(seconds=place))

    async def names(state: BindingState, **where: str) -> list[str]:
        which = BindingFilter(TENANT, state=state, now=NOW, **where)
        return [each.binding_id for each in await stores.bindings.list_page(which, None, 10)]

    assert await names(BindingState.IN_FORCE) == ["always", "ends", "began"]
    assert await names(BindingState.PENDING) == ["begins"]
    assert await names(BindingState.EXPIRED) == ["ended", "never"]
    assert await names(BindingState.IN_FORCE, access_number=numbers["ends"]) == ["ends"]
    assert await names(BindingState.IN_FORCE, access_number=numbers["ended"]) == []
    assert await names(BindingState.IN_FORCE, number=C) == ["began"]
    assert await names(BindingState.EXPIRED, access_number=numbers["never"], number=C) == ["never"]


async def test_positions_a_number_of_bindings_away(stores: Stores) -> None:
    for number in range(4):
        # Two share each instant.
        at = NOW + (number // 2) * MINUTE
        terms = axb(f"+861380000{number:04}", f"+861390000{number:04}", X if number != 1 else X2)
        await create(stores, terms, f"b{number}", at=at)

    async def away(count: int, after: BindingPosition | None = None, access_number: str = "") -> str | None:
        found = await stores.bindings.position_after(BindingFilter(TENANT, access_number), after, count)
        return None if found is None else found.binding_id

    assert [await away(count) for count in (1, 3, 4, 5)] == ["b0", "b2", "b3", None]
    assert await away(2, BindingPosition(NOW, "b0")) == "b2"
    assert await away(2, access_number=X) == "b2"
    until = BindingPosition(NOW + MINUTE, "b2")
    page = await stores.bindings.list_page(BindingFilter(TENANT, until=until), BindingPosition(NOW, "b0"), 10)
    assert [each.binding_id for each in page] == ["b1", "b2"]


async def test_bindings_in_a_state_are_looked_for_some_at_a_time(stores: Stores) -> None:
    """Among a million that have expired, those in force are not found within a read's time by one statement."""
    for number in range(12):
        ends = None if number in (4, 10, 11) else NOW
        terms = axb(f"+861380000{number:04}", f"+861390000{number:04}", expires_at=ends)
        await create(stores, terms, f"b{number:02}", at=NOW - MINUTE)
    service = BindingService(stores.bindings, stores.tenants, FakeClock(NOW), str, looked_through_at_once=3)
    pages: list[list[str]] = []
    token = ""
    while token or not pages:
        page = await service.list_page(BindingFilter(TENANT, state=BindingState.IN_FORCE), 1, token)
        pages.append([each.binding_id for each in page.bindings])
        token = page.next_page_token
    assert pages == [[], ["b04"], [], ["b10"], ["b11"]]
    whole = await service.list_page(BindingFilter(TENANT), 100, "")
    assert (len(whole.bindings), whole.next_page_token) == (12, "")


async def test_history_tells_who_was_bound_when(stores: Stores) -> None:
    await create(stores, axb(A, B), at=NOW)
    await change(stores, axb(A, C), at=NOW + 2 * MINUTE)
    await remove(stores, at=NOW + 4 * MINUTE)
    await create(stores, axb(A, D), "b2", at=NOW + 6 * MINUTE)

    async def partner(minutes: int, caller: str = A) -> str | None:
        found = await stores.history.candidates_at(RouteKey(TENANT, X, caller), NOW + minutes * MINUTE)
        if not found.access_number_known:
            return None
        return ",".join(f"{each.terms.b_number}@{each.revision}" for each in found.bindings)

    assert [await partner(minutes) for minutes in (-1, 0, 1, 2, 3, 4, 5, 6, 7)] == [
        None,
        f"{B}@1",
        f"{B}@1",
        f"{C}@2",
        f"{C}@2",
        None,
        None,
        f"{D}@1",
        f"{D}@1",
    ]
    assert await partner(1, B) == f"{B}@1"
    assert await partner(3, B) == ""
    assert await partner(1, "") == ""


@pytest.mark.parametrize("kind", [axb, ax])
async def test_history_knows_whose_claim_an_expired_binding_lost(stores: Stores, kind: Any) -> None:
    """Also after the one that took it has gone: what was a candidate at each minute, the past has as one."""
    seen: list[set[str] | None] = []

    async def look() -> None:
        seen.append(await candidate_ids(stores, A))

    times = [NOW + minutes * MINUTE for minutes in range(6)]
    await create(stores, kind(A, expires_at=times[1]), at=times[0])
    await look()
    # It has expired, and gives way one minute later.
    await look()
    await create(stores, kind(A, one_way=False), "b2", at=times[2])
    await look()
    await remove(stores, "b2", at=times[3])
    await look()
    await change(stores, kind(A, expires_at=times[5]), at=times[4])
    await look()
    await look()

    assert seen == [{"b1"}, {"b1"}, {"b2"}, set(), {"b1"}, {"b1"}]
    found = [await stores.history.candidates_at(RouteKey(TENANT, X, A), each) for each in times]
    assert [{binding.binding_id for binding in each.bindings} for each in found] == seen


async def test_a_clock_that_was_set_back_ends_no_version_before_it_began(stores: Stores) -> None:
    await create(stores, axb(), at=NOW)
    await remove(stores, at=NOW - MINUTE)

    for moment in (NOW - 2 * MINUTE, NOW - MINUTE, NOW):
        found = await stores.history.candidates_at(RouteKey(TENANT, X, A), moment)
        assert not found.access_number_known
    (_, deleted) = await stores.changes.changes_after(TENANT, 0, 10)
    assert deleted.changed_at == NOW


async def test_history_keeps_tenants_apart_and_owners_for_everyone(stores: Stores) -> None:
    await create(stores, ax(C))
    await remove(stores, at=NOW + MINUTE)

    mine = await stores.history.candidates_at(RouteKey(TENANT, X, ""), NOW)
    assert [each.terms.a_number for each in mine.bindings] == [C]
    theirs = await stores.history.candidates_at(RouteKey(OTHER_TENANT, X, A), NOW)
    assert not theirs.access_number_known
