"""Every kind of binding and the lists, over real gRPC."""

import grpc
import pytest
from axbridge.routing.v1 import (
    binding_pb2,
    binding_service_pb2,
    decision_pb2,
    routing_service_pb2,
    tenant_pb2,
    tenant_service_pb2,
)
from axbridge.routing.v1 import number_list_service_pb2 as lists_pb2
from google.protobuf.field_mask_pb2 import FieldMask

from tests.unit.routing_service.builders import OTHER_TENANT, TENANT
from tests.unit.routing_service.conftest import TIMEOUT_SECONDS, Client

X, A, B, C = "02566000001", "13800001111", "13900001111", "13700001111"
SCHEDULE = binding_pb2.WeeklySchedule(
    time_zone="Asia/Shanghai",
    hours=[binding_pb2.WeeklyHours(days_of_week=[1, 2, 3, 4, 5], start="22:00", end="06:00")],
    holidays=["2026-10-01", "2026-10-02"],
)
OWN = {"a_number": A, "b_number": ""}
NOBODY = {"a_number": "", "b_number": ""}
KINDS = {
    "AXG": {
        "kind": binding_pb2.BINDING_KIND_AXG,
        "targets": [binding_pb2.BindingTarget(number="+8613800001111"), binding_pb2.BindingTarget(number="95500")],
        "hunt_strategy": binding_pb2.HUNT_STRATEGY_LONGEST_IDLE,
        "max_members": 1,
        **NOBODY,
    },
    "AXE": {
        "kind": binding_pb2.BINDING_KIND_AXE,
        "extension": "8001",
        "callback_to_last_caller": True,
        "schedule": SCHEDULE,
        **OWN,
    },
    "AXYB": {"kind": binding_pb2.BINDING_KIND_AXYB, "y_number": "95500"},
}


async def resolve(client: Client, caller: str) -> decision_pb2.RouteDecision:
    query = routing_service_pb2.ResolveQuery(tenant_id=TENANT, session_id="s1", calling_number=caller, access_number=X)
    request = routing_service_pb2.ResolveBatchRequest(queries=[query])
    return (await client.routing.ResolveBatch(request, timeout=TIMEOUT_SECONDS)).decisions[0]


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_written_is_what_is_read(client: Client, kind: str) -> None:
    await client.add_tenant(foreign_display_numbers_allowed=True)
    created = await client.bind(**KINDS[kind])
    request = binding_service_pb2.GetBindingRequest(tenant_id=TENANT, binding_id=created.binding_id)
    read = (await client.bindings.GetBinding(request, timeout=TIMEOUT_SECONDS)).binding

    assert read == created
    for field in ("kind", "targets", "hunt_strategy", "max_members", "extension", "y_number", "schedule"):
        if field in KINDS[kind]:
            value = getattr(read, field)
            assert (list(value) if field == "targets" else value) == KINDS[kind][field]


async def test_updating_what_only_a_group_has(client: Client) -> None:
    await client.add_tenant()
    created = await client.bind(**KINDS["AXG"])
    changed = binding_pb2.Binding(
        tenant_id=TENANT,
        binding_id=created.binding_id,
        targets=[binding_pb2.BindingTarget(number=B)],
        schedule=SCHEDULE,
        max_members=7,
    )
    mask = FieldMask(paths=["targets", "hunt_strategy", "schedule"])
    request = binding_service_pb2.UpdateBindingRequest(binding=changed, update_mask=mask)
    stored = (await client.bindings.UpdateBinding(request, timeout=TIMEOUT_SECONDS)).binding

    assert [each.number for each in stored.targets] == ["+8613900001111"]
    assert stored.hunt_strategy == binding_pb2.HUNT_STRATEGY_SEQUENTIAL
    assert (stored.max_members, stored.schedule) == (1, SCHEDULE)


@pytest.mark.parametrize(
    ("hours", "holiday", "field"),
    [
        (binding_pb2.WeeklyHours(days_of_week=[1], start="9:00", end="18:00"), "", "binding.schedule.hours[0].start"),
        (binding_pb2.WeeklyHours(days_of_week=[1], start="09:00", end="24:01"), "", "binding.schedule.hours[0].end"),
        (binding_pb2.WeeklyHours(start="09:00", end="18:00"), "", "binding.schedule.hours[0].days_of_week"),
        (SCHEDULE.hours[0], "2026-02-30", "binding.schedule.holidays[0]"),
        (SCHEDULE.hours[0], "20261001", "binding.schedule.holidays[0]"),
    ],
)
async def test_schedules_that_are_refused(
    client: Client, hours: binding_pb2.WeeklyHours, holiday: str, field: str
) -> None:
    await client.add_tenant()
    schedule = binding_pb2.WeeklySchedule(
        time_zone="Asia/Shanghai", hours=[hours], holidays=[holiday] if holiday else []
    )
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await client.bind(schedule=schedule)
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert str(error.value.details()).startswith(field + ":")


async def test_lists_decide_the_next_query(client: Client) -> None:
    await client.add_tenant()
    await client.add_tenant(OTHER_TENANT)
    await client.bind(kind=binding_pb2.BINDING_KIND_AX, **OWN)
    entry = lists_pb2.NumberListEntry(
        tenant_id=TENANT,
        action=lists_pb2.NUMBER_LIST_ACTION_BLOCK,
        pattern_type=lists_pb2.NUMBER_PATTERN_TYPE_EXACT,
        pattern=C,
        note="spam",
    )
    create = lists_pb2.CreateNumberListEntryRequest(entry=entry, request_id="r1")
    stored = (await client.lists.CreateNumberListEntry(create, timeout=TIMEOUT_SECONDS)).entry
    again = (await client.lists.CreateNumberListEntry(create, timeout=TIMEOUT_SECONDS)).entry

    assert again == stored
    assert (stored.pattern, stored.note) == ("+8613700001111", "spam")
    assert (await resolve(client, C)).result == decision_pb2.ROUTE_RESULT_CALLER_BLOCKED
    assert (await resolve(client, B)).result == decision_pb2.ROUTE_RESULT_ROUTED
    for tenant_id, entries in ((TENANT, [stored]), (OTHER_TENANT, [])):
        request = lists_pb2.ListNumberListEntriesRequest(tenant_id=tenant_id)
        assert list((await client.lists.ListNumberListEntries(request, timeout=TIMEOUT_SECONDS)).entries) == entries
    delete = lists_pb2.DeleteNumberListEntryRequest(tenant_id=OTHER_TENANT, entry_id=stored.entry_id)
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await client.lists.DeleteNumberListEntry(delete, timeout=TIMEOUT_SECONDS)
    assert error.value.code() is grpc.StatusCode.NOT_FOUND
    delete.tenant_id = TENANT
    await client.lists.DeleteNumberListEntry(delete, timeout=TIMEOUT_SECONDS)
    assert (await resolve(client, C)).result == decision_pb2.ROUTE_RESULT_ROUTED


async def test_the_display_policy(client: Client) -> None:
    await client.add_tenant()
    await client.bind(access_number="02566000002")
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await client.bind(display_number=C)
    assert str(error.value.details()).startswith("binding.display_number:")
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await client.bind(targets=[binding_pb2.BindingTarget(number=C, display_number="95500")])
    assert str(error.value.details()).startswith("binding.targets[0].display_number:")
    await client.bind(display_number="02566000002")
    update = tenant_service_pb2.UpdateTenantRequest(
        tenant=tenant_pb2.Tenant(
            tenant_id=TENANT, foreign_display_numbers_allowed=True, fallback_number="138 0000 1111"
        ),
        update_mask=FieldMask(paths=["foreign_display_numbers_allowed", "fallback_number"]),
    )
    stored = (await client.tenants.UpdateTenant(update, timeout=TIMEOUT_SECONDS)).tenant
    assert stored.fallback_number == "+8613800001111"
    await client.bind(access_number="02566000003", display_number=C)
    decision = await resolve(client, C)
    assert [each.number for each in decision.members] == [A]
