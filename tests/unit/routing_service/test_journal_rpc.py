"""The change feed and the audit log over real gRPC."""

import asyncio
import json
from typing import Any

import grpc
import pytest
from axbridge.routing.v1 import binding_pb2, binding_service_pb2, tenant_service_pb2
from axbridge.routing.v1 import number_list_service_pb2 as lists_pb2
from axbridge.routing.v1 import number_pool_service_pb2 as pools_pb2

from tests.unit.routing_service.builders import MINUTE, NOW, OTHER_TENANT, TENANT, X
from tests.unit.routing_service.conftest import TIMEOUT_SECONDS, Client
from tests.unit.routing_service.rpc import error_of, updated

CREATED, UPDATED, DELETED = (
    binding_service_pb2.BINDING_CHANGE_TYPE_CREATED,
    binding_service_pb2.BINDING_CHANGE_TYPE_UPDATED,
    binding_service_pb2.BINDING_CHANGE_TYPE_DELETED,
)


class Watcher:
    """Somebody who watches a tenant's bindings."""

    def __init__(self, client: Client, after: int, tenant_id: str = TENANT) -> None:
        request = binding_service_pb2.WatchBindingsRequest(tenant_id=tenant_id, after_position=after)
        self.call: Any = client.bindings.WatchBindings(request)
        self._heard: list[binding_service_pb2.BindingChange] = []

    async def hear(self, count: int) -> list[binding_service_pb2.BindingChange]:
        """The next changes, as many as this."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while len(self._heard) < count:
                answer = await self.call.read()
                assert answer is not grpc.aio.EOF
                self._heard += answer.changes
        heard, self._heard = self._heard[:count], self._heard[count:]
        return heard


async def delete(client: Client, binding: binding_pb2.Binding, request_id: str = "") -> None:
    request = binding_service_pb2.DeleteBindingRequest(
        tenant_id=binding.tenant_id, binding_id=binding.binding_id, request_id=request_id
    )
    await client.bindings.DeleteBinding(request, timeout=TIMEOUT_SECONDS)


async def test_a_watcher_hears_what_was_and_what_comes(client: Client) -> None:
    await client.add_tenant()
    await client.add_tenant(OTHER_TENANT)
    first = await client.bind()
    await client.bind(tenant_id=OTHER_TENANT, access_number="02566000002")
    watcher, late = Watcher(client, 0), Watcher(client, -1)
    (made,) = await watcher.hear(1)
    client.clock.advance(MINUTE)
    first.one_way = True
    changed = await updated(client, first, "one_way")
    await delete(client, first)
    moved, gone = await watcher.hear(2)

    assert [(each.position, each.type) for each in (made, moved, gone)] == [(1, CREATED), (2, UPDATED), (3, DELETED)]
    assert made.changed_at.ToDatetime(NOW.tzinfo) == NOW
    assert (made.binding.revision, made.binding.one_way) == (1, False)
    assert moved.binding == gone.binding == changed
    # Whoever begins now hears of nothing before.
    assert [each.position for each in await Watcher(client, 1).hear(2)] == [2, 3]
    third = await client.bind()
    assert (await late.hear(1))[0].position <= 4
    assert (await Watcher(client, 3).hear(1))[0].binding == third


async def test_a_stream_says_at_once_where_it_begins(client: Client) -> None:
    """Whoever begins with what comes, and is cut before the first change, goes on from there without a gap."""
    await client.add_tenant()
    await client.bind()
    for after, begins in ((-1, 1), (0, 0), (1, 1)):
        async with asyncio.timeout(TIMEOUT_SECONDS):
            watcher = Watcher(client, after)
            first = await watcher.call.read()
        assert (list(first.changes), first.position) == ([], begins)
        watcher.call.cancel()
    late = Watcher(client, -1)
    begun = (await late.call.read()).position
    late.call.cancel()
    await client.bind(access_number="02566000002")
    resumed = Watcher(client, begun)
    await resumed.call.read()
    answer = await resumed.call.read()
    assert ([each.position for each in answer.changes], answer.position) == ([2], 2)


async def test_the_changes_of_an_import_come_one_by_one(client: Client) -> None:
    await client.add_tenant()
    rows = [
        binding_pb2.Binding(kind=binding_pb2.BINDING_KIND_AX, access_number=f"025660{n:05}", a_number=f"138{n:08}")
        for n in range(300)
    ]
    request = binding_service_pb2.ImportBindingsRequest(
        options=binding_service_pb2.ImportOptions(tenant_id=TENANT), bindings=rows
    )
    watcher = Watcher(client, 0)
    async for _ in client.bindings.ImportBindings(iter([request]), timeout=TIMEOUT_SECONDS):
        pass
    changes = await watcher.hear(300)

    assert [each.position for each in changes] == list(range(1, 301))
    assert [each.binding.a_number[-3:] for each in changes] == [f"{n:03}" for n in range(300)]


@pytest.mark.parametrize(
    ("tenant_id", "after", "code", "field"),
    [
        ("", 0, grpc.StatusCode.INVALID_ARGUMENT, "tenant_id"),
        (TENANT, -2, grpc.StatusCode.INVALID_ARGUMENT, "after_position"),
        (TENANT, 1, grpc.StatusCode.INVALID_ARGUMENT, "after_position"),
        ("nobody", 0, grpc.StatusCode.NOT_FOUND, None),
    ],
)
async def test_watching_that_is_refused(
    client: Client, tenant_id: str, after: int, code: grpc.StatusCode, field: str | None
) -> None:
    await client.add_tenant()
    status, error = await error_of(Watcher(client, after, tenant_id).hear(1))

    assert (status, error.metadata.get("field")) == (code, field)


async def entries(client: Client, **fields: object) -> binding_service_pb2.ListAuditEntriesResponse:
    request = binding_service_pb2.ListAuditEntriesRequest(**{"tenant_id": TENANT, **fields})  # type: ignore[arg-type]
    return await client.bindings.ListAuditEntries(request, timeout=TIMEOUT_SECONDS)


async def test_every_write_is_in_the_audit_log(client: Client) -> None:
    await client.add_tenant()
    binding = await client.bind()
    client.clock.advance(MINUTE)
    binding.one_way = True
    await updated(client, binding, "one_way")
    await delete(client, binding, "end-1")
    entry = lists_pb2.NumberListEntry(
        tenant_id=TENANT,
        action=lists_pb2.NUMBER_LIST_ACTION_BLOCK,
        pattern_type=lists_pb2.NUMBER_PATTERN_TYPE_EXACT,
        pattern="13800001111",
    )
    create = lists_pb2.CreateNumberListEntryRequest(entry=entry)
    entry_id = (await client.lists.CreateNumberListEntry(create, timeout=TIMEOUT_SECONDS)).entry.entry_id
    remove = lists_pb2.DeleteNumberListEntryRequest(tenant_id=TENANT, entry_id=entry_id)
    await client.lists.DeleteNumberListEntry(remove, timeout=TIMEOUT_SECONDS)
    number = pools_pb2.AccessNumber(number="02566000001")
    add = pools_pb2.AddAccessNumbersRequest(tenant_id=TENANT, access_numbers=[number])
    await client.pools.AddAccessNumbers(add, timeout=TIMEOUT_SECONDS)
    take_out = pools_pb2.RemoveAccessNumbersRequest(tenant_id=TENANT, numbers=["02566000001"])
    await client.pools.RemoveAccessNumbers(take_out, timeout=TIMEOUT_SECONDS)
    await client.tenants.DeleteTenant(tenant_service_pb2.DeleteTenantRequest(tenant_id=TENANT), timeout=TIMEOUT_SECONDS)
    found = list((await entries(client)).entries)

    assert [(each.action, each.object_id) for each in found] == [
        ("tenant.delete", TENANT),
        ("pool.remove", X),
        ("pool.add", X),
        ("list.delete", entry_id),
        ("list.create", entry_id),
        ("binding.delete", binding.binding_id),
        ("binding.update", binding.binding_id),
        ("binding.create", binding.binding_id),
        ("tenant.create", TENANT),
    ]
    assert {each.actor for each in found} == {"anonymous"}
    assert [each.entry_id for each in found] == sorted((each.entry_id for each in found), reverse=True)
    ended, changed, made = found[5:8]
    assert (ended.request_id, changed.request_id) == ("end-1", "")
    assert made.at.ToDatetime(NOW.tzinfo) == NOW
    assert changed.at.ToDatetime(NOW.tzinfo) == NOW + MINUTE
    assert (made.before_json, ended.after_json) == ("", "")
    before, after = json.loads(changed.before_json), json.loads(changed.after_json)
    assert {name for name in after if after[name] != before.get(name)} == {"one_way", "revision", "updated_at"}
    assert json.loads(ended.before_json) == after
    of_binding = await entries(client, object_id=binding.binding_id)
    assert list(of_binding.entries) == found[5:8]
    assert not (await entries(client, tenant_id=OTHER_TENANT)).entries


async def test_the_lists_that_go_with_a_tenant_are_in_the_audit_log(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("routing_service.sql_store.tenant_store._ENTRIES_AT_ONCE", 7)
    await client.add_tenant()
    made = []
    for number in range(20):
        entry = lists_pb2.NumberListEntry(
            tenant_id=TENANT,
            action=lists_pb2.NUMBER_LIST_ACTION_BLOCK,
            pattern_type=lists_pb2.NUMBER_PATTERN_TYPE_EXACT,
            pattern=f"138000011{number:02}",
        )
        create = lists_pb2.CreateNumberListEntryRequest(entry=entry)
        made.append((await client.lists.CreateNumberListEntry(create, timeout=TIMEOUT_SECONDS)).entry.entry_id)
    end = tenant_service_pb2.DeleteTenantRequest(tenant_id=TENANT, request_id="end-1")
    await client.tenants.DeleteTenant(end, timeout=TIMEOUT_SECONDS)
    found = list((await entries(client)).entries)[:21]

    assert found[0].action == "tenant.delete"
    assert {(each.action, each.object_id) for each in found[1:]} == {("list.delete", each) for each in made}
    assert {each.request_id for each in found} == {"end-1"}
    (of_one,) = (each for each in found if each.object_id == made[3])
    assert json.loads(of_one.before_json)["pattern"] == "+8613800001103"


async def test_pages_of_the_audit_log(client: Client) -> None:
    await client.add_tenant()
    for number in range(4):
        await client.bind(a_number=f"138{number:08}", b_number=f"139{number:08}")
    first = await entries(client, page_size=2)
    await client.bind()
    second = await entries(client, page_size=2, page_token=first.next_page_token)
    third = await entries(client, page_size=2, page_token=second.next_page_token)

    ids = [each.entry_id for page in (first, second, third) for each in page.entries]
    assert ids == sorted(ids, reverse=True) and len(ids) == 5
    assert third.next_page_token == ""


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"tenant_id": ""}, "tenant_id"),
        ({"page_size": 1001}, "page_size"),
        ({"page_token": "x"}, "page_token"),
        ({"object_id": "a\x00b"}, "object_id"),
        ({"object_id": "x" * 129}, "object_id"),
    ],
)
async def test_audit_lists_that_are_refused(client: Client, fields: dict[str, object], field: str) -> None:
    code, error = await error_of(entries(client, **fields))

    assert (code, error.metadata) == (grpc.StatusCode.INVALID_ARGUMENT, {"field": field})
