"""The feed of changes: every one, once, in the order of the commits."""

import asyncio
from dataclasses import replace

import orjson

from routing_service.domain.binding import Binding
from routing_service.domain.journal import ChangeType
from routing_service.domain.tenant import Tenant
from routing_service.domain.write_origin import WriteOrigin
from tests.support.routing_memory.stores import Stores
from tests.unit.routing_service.builders import NOW, OTHER_TENANT, TENANT, A, B, C, axb, stored


def changed(_: Tenant, current: Binding) -> Binding:
    return replace(current, terms=replace(current.terms, one_way=True), revision=current.revision + 1)


async def test_each_write_is_a_change_with_what_the_binding_said(stores: Stores) -> None:
    feed = stores.changes
    await stores.bindings.create(TENANT, lambda _: stored(axb(), "b1"))
    await stores.bindings.update(TENANT, "b1", changed)
    await stores.bindings.delete(TENANT, "b1", lambda _: None, NOW)
    changes = await feed.changes_after(TENANT, 0, 10)
    assert [(each.position, each.type, each.binding.revision) for each in changes] == [
        (1, ChangeType.CREATED, 1),
        (2, ChangeType.UPDATED, 2),
        (3, ChangeType.DELETED, 2),
    ]
    assert [each.binding.terms.one_way for each in changes] == [False, True, True]
    assert await feed.changes_after(TENANT, 1, 1) == changes[1:2]
    assert await feed.changes_after(OTHER_TENANT, 0, 10) == []
    assert await feed.last_position(TENANT) == 3


async def test_a_reader_beside_concurrent_writers_misses_nothing(stores: Stores) -> None:
    feed = stores.changes
    done = asyncio.Event()
    seen: list[int] = []

    async def follow() -> None:
        position = 0
        while True:
            was_done = done.is_set()
            changes = await feed.changes_after(TENANT, position, 7)
            seen.extend(each.position for each in changes)
            if changes:
                position = changes[-1].position
            elif was_done:
                return

    async def write(writer: int) -> None:
        for place in range(8):
            binding = stored(axb(x=f"+8625660{writer:02d}{place:03d}"), f"b{writer}x{place}")
            await stores.bindings.create(TENANT, lambda _, made=binding: made)

    async with asyncio.TaskGroup() as group:
        group.create_task(follow())
        await asyncio.gather(*(write(writer) for writer in range(6)))
        done.set()
    assert seen == list(range(1, 49))


async def test_the_audit_log_says_who_changed_what_newest_first(stores: Stores) -> None:
    log = stores.audit
    origin = WriteOrigin("crm", "r1", "content")
    await stores.bindings.create(TENANT, lambda _: stored(axb(), "b1"), origin)
    await stores.bindings.update(TENANT, "b1", changed)
    await stores.bindings.delete(TENANT, "b1", lambda _: None, NOW)
    entries = await log.list_page(TENANT, "b1", None, 10)
    assert [each.action for each in entries] == ["binding.delete", "binding.update", "binding.create"]
    assert [(each.actor, each.request_id) for each in entries][-1] == ("crm", "r1")
    created = orjson.loads(entries[-1].after_json)
    assert (created["a_number"], created["b_number"], created["revision"]) == (A, B, 1)
    assert entries[-1].before_json == "" and entries[0].after_json == ""
    assert orjson.loads(entries[1].before_json)["one_way"] is False
    assert orjson.loads(entries[1].after_json)["one_way"] is True
    assert await log.list_page(TENANT, "b1", entries[0].entry_id, 1) == entries[1:2]
    assert await log.list_page(OTHER_TENANT, "b1", None, 10) == []


async def test_what_is_rolled_back_is_in_neither(stores: Stores) -> None:
    feed, log = stores.changes, stores.audit
    await stores.bindings.create(TENANT, lambda _: stored(axb(), "b1"))
    try:
        await stores.bindings.create(TENANT, lambda _: stored(axb(b=C), "b2"))
    except Exception as error:
        assert "b1" in str(error)
    await stores.bindings.create(TENANT, lambda _: stored(axb(x="+862566000009"), "b3"))
    assert [each.position for each in await feed.changes_after(TENANT, 0, 10)] == [1, 2]
    assert await log.list_page(TENANT, "b2", None, 10) == []


async def test_tenants_are_in_the_audit_log(stores: Stores) -> None:
    def renamed(current: Tenant, _: object) -> Tenant:
        return replace(current, settings=replace(current.settings, display_name="New"), revision=2)

    await stores.tenants.update(TENANT, renamed, with_profiles=False, origin=WriteOrigin("admin"))
    await stores.tenants.delete(TENANT, WriteOrigin("admin"))
    entries = await stores.audit.list_page(TENANT, TENANT, None, 10)
    assert [(each.action, each.actor) for each in entries] == [
        ("tenant.delete", "admin"),
        ("tenant.update", "admin"),
        ("tenant.create", "anonymous"),
    ]
    assert orjson.loads(entries[1].after_json)["display_name"] == "New"
