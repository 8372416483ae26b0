"""Named requests: carried out once, whatever happens to their answers."""

import asyncio
from datetime import timedelta

import pytest

from common.clock import SystemClock
from common.errors import AlreadyExistsError, InvalidArgumentError
from routing_service.domain.binding import Binding
from routing_service.domain.tenant import Tenant, TenantSettings
from routing_service.domain.write_origin import WriteOrigin
from routing_service.ports import BindingFilter
from routing_service.sql_store.requests import forget_old_requests
from tests.contract.routing_store.conftest import SqlStores
from tests.support.routing_memory.stores import Stores
from tests.unit.routing_service.builders import NOW, OTHER_TENANT, TENANT, FakeClock, axb, stored, tenant

FIRST = WriteOrigin("crm", "order-1", "content")


def new(binding_id: str, tenant_id: str = TENANT) -> Binding:
    return stored(axb(), binding_id, tenant_id)


async def test_a_repeated_creation_gets_the_same_binding_and_stores_nothing(stores: Stores) -> None:
    first = await stores.bindings.create(TENANT, lambda _: new("b1"), FIRST)
    again = await stores.bindings.create(TENANT, lambda _: new("b2"), FIRST)
    assert again == first
    assert await stores.bindings.list_page(BindingFilter(TENANT), None, 10) == [first]
    entries = await stores.audit.list_page(TENANT, "b1", None, 10)
    assert [(each.action, each.actor, each.request_id) for each in entries] == [("binding.create", "crm", "order-1")]
    assert await stores.changes.last_position(TENANT) == 1


async def test_the_same_request_many_times_at_once_is_carried_out_once(stores: Stores) -> None:
    made = await asyncio.gather(
        *(stores.bindings.create(TENANT, lambda _, place=place: new(f"b{place}"), FIRST) for place in range(8))
    )
    assert len({each.binding_id for each in made}) == 1


async def test_updates_and_deletions_are_repeatable_too(stores: Stores) -> None:
    await stores.bindings.create(TENANT, lambda _: new("b1"))

    def change(_: Tenant, current: Binding) -> Binding:
        return stored(axb(one_way=True), "b1", revision=current.revision + 1)

    update = WriteOrigin("crm", "change-1", "content")
    first = await stores.bindings.update(TENANT, "b1", change, update)
    assert await stores.bindings.update(TENANT, "b1", change, update) == first
    assert first.revision == 2
    delete = WriteOrigin("crm", "end-1", "content")
    for _ in range(2):
        await stores.bindings.delete(TENANT, "b1", lambda _: None, NOW, delete)


async def test_a_name_used_for_something_else_is_refused(stores: Stores) -> None:
    await stores.bindings.create(TENANT, lambda _: new("b1"), FIRST)
    with pytest.raises(InvalidArgumentError) as raised:
        await stores.bindings.delete(TENANT, "b1", lambda _: None, NOW, WriteOrigin("crm", "order-1", "other"))
    assert raised.value.reason == "REQUEST_ID_REUSED"
    assert await stores.bindings.get(TENANT, "b1") is not None


async def test_a_name_is_its_tenants_own(stores: Stores) -> None:
    await stores.bindings.create(TENANT, lambda _: new("b1"), FIRST)
    other = stored(axb(x="+862566000009"), "b2", OTHER_TENANT)
    assert (await stores.bindings.create(OTHER_TENANT, lambda _: other, FIRST)).binding_id == "b2"


async def test_what_was_refused_may_be_asked_again(stores: Stores) -> None:
    await stores.bindings.create(TENANT, lambda _: new("b1"))
    with pytest.raises(AlreadyExistsError):
        await stores.bindings.create(TENANT, lambda _: new("b2"), FIRST)
    await stores.bindings.delete(TENANT, "b1", lambda _: None, NOW)
    assert (await stores.bindings.create(TENANT, lambda _: new("b2"), FIRST)).binding_id == "b2"


async def test_after_a_day_a_name_is_free_again(stores: Stores) -> None:
    clock = FakeClock(SystemClock().now())
    bindings = stores.with_clock(clock).bindings
    await bindings.create(TENANT, lambda _: new("b1"), FIRST)
    clock.advance(timedelta(hours=23, minutes=59))
    assert (await bindings.create(TENANT, lambda _: new("b2"), FIRST)).binding_id == "b1"
    clock.advance(timedelta(minutes=2))
    other = stored(axb(x="+862566000009"), "b3")
    assert (await bindings.create(TENANT, lambda _: other, FIRST)).binding_id == "b3"


async def test_a_name_that_is_free_again_is_not_kept(sql_stores: SqlStores) -> None:
    clock = FakeClock(SystemClock().now())
    bindings = sql_stores.with_clock(clock).bindings
    await bindings.create(TENANT, lambda _: new("b1"), FIRST)
    clock.advance(timedelta(hours=23, minutes=59))
    assert await forget_old_requests(sql_stores.database, clock.now()) == 0
    clock.advance(timedelta(minutes=2))
    other = stored(axb(x="+862566000009"), "b3")
    assert (await bindings.create(TENANT, lambda _: other, FIRST)).binding_id == "b3"
    clock.advance(timedelta(hours=25))
    assert await forget_old_requests(sql_stores.database, clock.now()) == 1
    assert await forget_old_requests(sql_stores.database, clock.now()) == 0


async def test_writes_of_tenants_are_repeatable(stores: Stores) -> None:
    made, changed, gone = (WriteOrigin("crm", name, "content") for name in ("make", "change", "end"))

    def rename(current: Tenant, _: object) -> Tenant:
        return Tenant(current.tenant_id, TenantSettings(display_name="new"), current.revision + 1)

    for _ in range(2):
        assert await stores.tenants.create(tenant("t1"), made) == tenant("t1")
        second = await stores.tenants.update("t1", rename, with_profiles=False, origin=changed)
        assert (second.revision, second.settings.display_name) == (2, "new")
    assert await stores.tenants.get("t1") == second
    for _ in range(2):
        await stores.tenants.delete("t1", gone)
    assert await stores.tenants.create(tenant("t1"), made) == tenant("t1")
    assert await stores.tenants.get("t1") is None, "it was made before"
    with pytest.raises(InvalidArgumentError) as raised:
        await stores.tenants.create(tenant("t1"), WriteOrigin("crm", "end", "other"))
    assert raised.value.reason == "REQUEST_ID_REUSED"
    audited = await stores.audit.list_page("t1", "t1", None, 10)
    assert [(each.action, each.request_id) for each in audited] == [
        ("tenant.delete", "end"),
        ("tenant.update", "change"),
        ("tenant.create", "make"),
    ]


async def test_a_tenant_that_is_made_again_has_asked_for_nothing_yet(stores: Stores) -> None:
    await stores.bindings.create(TENANT, lambda _: new("b1"), FIRST)
    await stores.bindings.delete(TENANT, "b1", lambda _: None, NOW)
    await stores.tenants.delete(TENANT)
    await stores.tenants.create(tenant(TENANT))

    assert (await stores.bindings.create(TENANT, lambda _: new("b2"), FIRST)).binding_id == "b2"
