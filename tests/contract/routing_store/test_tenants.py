"""The contract of TenantStore."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from common.errors import AlreadyExistsError, FailedPreconditionError, InvalidArgumentError, NotFoundError
from common.numbers import DialingFormat
from routing_service.binding_ids import BindingIds
from routing_service.domain.binding import Binding
from routing_service.domain.profile import CallProfile
from routing_service.domain.tenant import JsonListStyle, PromptStyle, ResponseStyle, Tenant, TenantSettings
from routing_service.ports import BindingFilter
from routing_service.profile_rules import RuledFields
from routing_service.service.bindings import BindingService
from routing_service.service.tenants import TenantService
from routing_service.sql_schema import tenant_history
from tests.contract.routing_store.conftest import SqlStores
from tests.support.routing_memory.stores import Stores
from tests.unit.routing_service.builders import (
    FILE_PROMPT,
    FULL_PROFILE,
    MINUTE,
    NOW,
    OTHER_TENANT,
    SPOKEN_PROMPT,
    TENANT,
    X2,
    A,
    B,
    C,
    D,
    FakeClock,
    axb,
    stored,
    tenant,
)

FULL_SETTINGS = TenantSettings(
    display_name='企业 "1"',
    response_style=ResponseStyle("Antwort", JsonListStyle.PLAIN, PromptStyle.NESTED),
    default_region="GB",
    dialing_format=DialingFormat.ZERO_BEFORE_NON_LOCAL_MOBILE,
    default_profile=FULL_PROFILE,
    failure_prompts={"1004": SPOKEN_PROMPT, "default": FILE_PROMPT},
    callback_url="https://calls.example.com/v1/events",
    local_mobile_prefixes=("1380000", "1390000"),
)


async def test_a_tenant_comes_back_as_it_was_stored(empty_stores: Stores) -> None:
    for each in (Tenant("full", FULL_SETTINGS), tenant("plain")):
        assert await empty_stores.tenants.create(each) == each
        assert await empty_stores.tenants.get(each.tenant_id) == each
        assert await empty_stores.source.tenants([each.tenant_id]) == {each.tenant_id: each}


async def test_an_absent_tenant(stores: Stores) -> None:
    assert await stores.tenants.get("nobody") is None
    assert await stores.source.tenants(["nobody", TENANT]) == {TENANT: tenant(TENANT)}
    assert await stores.source.tenants([]) == {}


async def test_an_id_is_given_once(stores: Stores) -> None:
    with pytest.raises(AlreadyExistsError):
        await stores.tenants.create(tenant(TENANT, display_name="another"))
    assert await stores.tenants.get(TENANT) == tenant(TENANT)


async def test_ids_are_compared_exactly(empty_stores: Stores) -> None:
    for tenant_id in ("abc", "ABC", "a-c", "a_c", "10", "9"):
        await empty_stores.tenants.create(tenant(tenant_id))

    assert [each.tenant_id for each in await empty_stores.tenants.list_page("", 10)] == [
        "10",
        "9",
        "ABC",
        "a-c",
        "a_c",
        "abc",
    ]


async def test_pages_go_on_behind_a_tenant_that_is_gone(empty_stores: Stores) -> None:
    for number in range(5):
        await empty_stores.tenants.create(tenant(f"t{number}"))
    first = await empty_stores.tenants.list_page("", 2)
    await empty_stores.tenants.delete("t1")

    assert [each.tenant_id for each in first] == ["t0", "t1"]
    assert [each.tenant_id for each in await empty_stores.tenants.list_page("t1", 10)] == ["t2", "t3", "t4"]


async def test_an_update_is_read_at_once(stores: Stores) -> None:
    changed = await stores.tenants.update(
        TENANT, lambda current, _: replace(current, settings=FULL_SETTINGS, revision=2), with_profiles=False
    )

    assert changed == Tenant(TENANT, FULL_SETTINGS, 2)
    assert await stores.tenants.get(TENANT) == changed
    assert await stores.source.tenants([TENANT]) == {TENANT: changed}


async def test_the_settings_of_the_past_are_known(stores: Stores) -> None:
    before = await stores.tenants.get(TENANT)
    changed = await stores.tenants.update(
        TENANT, lambda current, _: replace(current, settings=FULL_SETTINGS, revision=2), with_profiles=False
    )

    assert await stores.history.tenant_at(TENANT, datetime(2000, 1, 1, tzinfo=UTC)) == before
    assert await stores.history.tenant_at(TENANT, datetime.now(UTC) + timedelta(days=1)) == changed
    assert await stores.history.tenant_at("nobody", NOW) is None


async def change_and_delete_in_one_moment(stores: Stores) -> None:
    """Twice: what a tenant was called, and made again, at a time that stands still."""
    tenants = stores.with_clock(FakeClock(NOW)).tenants
    for _ in range(2):
        for name in ("second", "third"):
            await tenants.update(
                TENANT,
                lambda current, _, name=name: Tenant(  # type: ignore[misc]
                    TENANT, TenantSettings(display_name=name), current.revision + 1
                ),
                with_profiles=False,
            )
        # Made again, its revisions begin anew.
        await tenants.delete(TENANT)
        await tenants.create(tenant(TENANT))


async def test_versions_that_end_in_the_same_microsecond_are_all_kept(sql_stores: SqlStores) -> None:
    await change_and_delete_in_one_moment(sql_stores)
    ended = sa.select(tenant_history.c.display_name).order_by(tenant_history.c.ended_at_us)

    async with sql_stores.database.writers.connect() as connection:
        assert (await connection.execute(ended)).scalars().all() == ["", "second", "third"] * 2


async def test_versions_that_end_in_the_same_microsecond_follow_each_other(stores: Stores) -> None:
    await change_and_delete_in_one_moment(stores)

    first = await stores.history.tenant_at(TENANT, NOW - MINUTE)
    assert first is not None and first.settings.display_name == ""
    names = []
    for place in range(6):
        then = await stores.history.tenant_at(TENANT, NOW + timedelta(microseconds=place))
        names.append(None if then is None else then.settings.display_name)
    assert names == ["second", "third", "", "second", "third", ""]


async def test_an_update_that_is_refused_changes_nothing(stores: Stores) -> None:
    def refuse(current: Tenant, _: object) -> Tenant:
        raise FailedPreconditionError("no")

    with pytest.raises(FailedPreconditionError):
        await stores.tenants.update(TENANT, refuse, with_profiles=True)
    assert await stores.tenants.get(TENANT) == tenant(TENANT)


async def test_updating_nobody(stores: Stores) -> None:
    with pytest.raises(NotFoundError):
        await stores.tenants.update("nobody", lambda current, _: current, with_profiles=False)


async def test_profiles_in_use_are_each_distinct_one_of_this_tenant(stores: Stores) -> None:
    profiles = [CallProfile(), CallProfile(client_id="x"), FULL_PROFILE, CallProfile(max_duration_seconds=1)]
    for place, (number, profile) in enumerate(zip((A, B, C, D), profiles, strict=True)):
        terms = axb(number, f"+86139100000{place:02}", profile=profile)
        await stores.bindings.create(TENANT, lambda _, i=f"b{place}", t=terms: stored(t, i))  # type: ignore[misc]
    theirs = stored(axb(x="+862566000009", profile=CallProfile(max_duration_seconds=2)), "theirs", OTHER_TENANT)
    await stores.bindings.create(OTHER_TENANT, lambda _: theirs)
    expired = axb(A, "+8613910000099", X2, profile=CallProfile(max_duration_seconds=2), expires_at=NOW)
    await stores.bindings.create(TENANT, lambda _: stored(expired, "b4"))
    seen = []

    def look(current: Tenant, in_use: object) -> Tenant:
        seen.append(in_use)
        return current

    await stores.tenants.update(TENANT, look, with_profiles=True)
    await stores.tenants.update(TENANT, look, with_profiles=False)
    (in_use, nothing) = seen
    assert {(each.fields, each.binding_id) for each in in_use} == {  # type: ignore[attr-defined]
        (RuledFields(), "b0"),
        (RuledFields.of(FULL_PROFILE), "b2"),
        (RuledFields(max_duration_seconds=1), "b3"),
    }
    assert list(nothing) == []  # type: ignore[call-overload]


async def test_of_new_defaults_and_a_binding_that_they_would_break_one_is_stored(stores: Stores) -> None:
    clock = FakeClock()
    bindings = BindingService(stores.bindings, stores.tenants, clock, BindingIds(clock))
    tenants = TenantService(stores.tenants)
    short = TenantSettings(default_profile=CallProfile(max_duration_seconds=30))
    early = axb(profile=CallProfile(warning_duration_seconds=60))
    for attempt in range(10):
        writes = [
            tenants.update(TENANT, short, ["default_profile"], 0),
            bindings.create(TENANT, early),
        ]
        # Either may be the first to begin.
        order = writes if attempt % 2 else writes[::-1]
        results = await asyncio.gather(*order, return_exceptions=True)
        changed, created = results if attempt % 2 else results[::-1]
        assert isinstance(changed, Tenant) is not isinstance(created, Binding)
        if isinstance(created, Binding):
            assert isinstance(changed, FailedPreconditionError)
            await bindings.delete(TENANT, created.binding_id, 0)
        else:
            assert isinstance(created, InvalidArgumentError)
            assert created.field == "binding.profile.warning_duration_seconds"
            await tenants.update(TENANT, TenantSettings(), ["default_profile"], 0)


async def test_no_update_is_lost_between_concurrent_writers(stores: Stores) -> None:
    def count(current: Tenant, _: object) -> Tenant:
        return replace(current, revision=current.revision + 1)

    await asyncio.gather(*(stores.tenants.update(TENANT, count, with_profiles=False) for _ in range(12)))

    assert await stores.tenants.get(TENANT) == tenant(TENANT).__class__(TENANT, TenantSettings(), 13)


async def test_deleting(stores: Stores) -> None:
    await stores.tenants.delete(TENANT)

    assert await stores.tenants.get(TENANT) is None
    with pytest.raises(NotFoundError):
        await stores.tenants.delete(TENANT)
    with pytest.raises(NotFoundError):
        await stores.bindings.create(TENANT, lambda _: stored(axb()))


async def test_a_tenant_with_bindings_stays_even_when_they_have_expired(stores: Stores) -> None:
    await stores.bindings.create(TENANT, lambda _: stored(axb(expires_at=NOW)))
    with pytest.raises(FailedPreconditionError):
        await stores.tenants.delete(TENANT)
    await stores.bindings.delete(TENANT, "b1", lambda _: None, NOW)
    await stores.tenants.delete(TENANT)

    assert await stores.bindings.list_page(BindingFilter(TENANT), None, 10) == []
