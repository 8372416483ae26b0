"""The contracts over real gRPC: statuses with their details, masks, pages, and batches."""

from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

import grpc.aio
import pytest
from axbridge.routing.v1 import (
    binding_pb2,
    binding_service_pb2,
    call_profile_pb2,
    decision_pb2,
    prompt_pb2,
    routing_service_pb2,
    tenant_pb2,
    tenant_service_pb2,
)
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from common.errors import AxbridgeError, UnavailableError
from common.grpc_errors import from_rpc_error
from tests.unit.routing_service.builders import MINUTE, NOW, OTHER_TENANT, TENANT, A, B, C, X
from tests.unit.routing_service.conftest import TIMEOUT_SECONDS, Client

CallProfile = call_profile_pb2.CallProfile
AXB, AX = binding_pb2.BINDING_KIND_AXB, binding_pb2.BINDING_KIND_AX
NO_SUCH_ID = "0" * 32


async def error_of(call: Awaitable[object]) -> tuple[grpc.StatusCode, AxbridgeError]:
    """The status of a call that must fail, and the error with its details."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return raised.value.code(), from_rpc_error(raised.value)


def file_prompt(name: str = "1.wav") -> prompt_pb2.Prompt:
    return prompt_pb2.Prompt(segments=[prompt_pb2.PromptSegment(file=name)])


def update(client: Client, binding: binding_pb2.Binding, *paths: str, revision: int = 0) -> Awaitable[object]:
    return client.bindings.UpdateBinding(
        binding_service_pb2.UpdateBindingRequest(
            binding=binding, update_mask=FieldMask(paths=paths), expected_revision=revision
        ),
        timeout=TIMEOUT_SECONDS,
    )


async def updated(client: Client, binding: binding_pb2.Binding, *paths: str, revision: int = 0) -> binding_pb2.Binding:
    response = await update(client, binding, *paths, revision=revision)
    assert isinstance(response, binding_service_pb2.UpdateBindingResponse)
    return response.binding


async def resolve(client: Client, *queries: tuple[str, str, str]) -> list[decision_pb2.RouteDecision]:
    """Decisions for (tenant, caller, access number)."""
    request = routing_service_pb2.ResolveBatchRequest(
        queries=[
            routing_service_pb2.ResolveQuery(tenant_id=tenant, calling_number=caller, access_number=access)
            for tenant, caller, access in queries
        ]
    )
    return list((await client.routing.ResolveBatch(request, timeout=TIMEOUT_SECONDS)).decisions)


async def test_a_binding_is_stored_in_normal_form_and_read_again(client: Client) -> None:
    await client.add_tenant()
    expires_at = Timestamp(seconds=1_900_000_000, nanos=123_456_789)
    created = await client.bind(
        binding_id="ignored",
        revision=77,
        profile=CallProfile(
            charge_ext="",
            max_duration_seconds=0,
            record_type=call_profile_pb2.RECORD_TYPE_NONE,
            caller_prompt=prompt_pb2.Prompt(
                segments=[
                    prompt_pb2.PromptSegment(
                        variable=prompt_pb2.PromptVariable(type=prompt_pb2.PROMPT_VARIABLE_TYPE_DIGITS, value="0042")
                    )
                ]
            ),
        ),
        member_prompts=binding_pb2.MemberPrompts(answer_prompt=file_prompt()),
        expires_at=expires_at,
    )

    assert (created.access_number, created.a_number, created.b_number) == (X, A, B)
    assert created.revision == 1
    assert created.binding_id not in ("", "ignored")
    assert created.expires_at == Timestamp(seconds=1_900_000_000, nanos=123_456_000)
    assert created.created_at.ToDatetime(NOW.tzinfo) == NOW
    assert created.profile.HasField("charge_ext"), "set to empty is not the same as not set"
    assert created.profile.HasField("max_duration_seconds")
    assert not created.profile.HasField("client_id")
    assert created.profile.caller_prompt.segments[0].variable.value == "0042"
    request = binding_service_pb2.GetBindingRequest(tenant_id=TENANT, binding_id=created.binding_id)
    assert (await client.bindings.GetBinding(request, timeout=TIMEOUT_SECONDS)).binding == created


def wrong_prompt() -> prompt_pb2.Prompt:
    return prompt_pb2.Prompt(
        segments=[
            prompt_pb2.PromptSegment(file="1.wav"),
            prompt_pb2.PromptSegment(
                variable=prompt_pb2.PromptVariable(type=prompt_pb2.PROMPT_VARIABLE_TYPE_TIME, value="2460")
            ),
        ]
    )


@pytest.mark.parametrize(
    ("fields", "wrong_field"),
    [
        ({"tenant_id": ""}, "binding.tenant_id"),
        ({"tenant_id": "a b"}, "binding.tenant_id"),
        ({"kind": 0}, "binding.kind"),
        ({"kind": 99}, "binding.kind"),
        ({"a_number": "anonymous"}, "binding.a_number"),
        ({"b_number": "13800001111"}, "binding.b_number"),
        ({"expires_at": Timestamp(seconds=1, nanos=-1)}, "binding.expires_at"),
        ({"not_before": Timestamp(seconds=10**15)}, "binding.not_before"),
        ({"profile": CallProfile(record_type=42)}, "binding.profile.record_type"),  # type: ignore[arg-type]
        (
            {"profile": CallProfile(max_duration_seconds=10, warning_duration_seconds=11)},
            "binding.profile.warning_duration_seconds",
        ),
        ({"profile": CallProfile(caller_prompt=prompt_pb2.Prompt())}, "binding.profile.caller_prompt"),
        ({"profile": CallProfile(warning_prompt=wrong_prompt())}, "binding.profile.warning_prompt.segments[1]"),
        (
            {"profile": CallProfile(caller_prompt=prompt_pb2.Prompt(segments=[prompt_pb2.PromptSegment()]))},
            "binding.profile.caller_prompt.segments[0]",
        ),
        (
            {"member_prompts": binding_pb2.MemberPrompts(fail_prompt=prompt_pb2.Prompt())},
            "binding.member_prompts.fail_prompt",
        ),
    ],
)
async def test_a_wrong_field_is_named(client: Client, fields: dict[str, object], wrong_field: str) -> None:
    await client.add_tenant()
    code, error = await error_of(client.bind(**fields))

    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert error.metadata == {"field": wrong_field}
    assert "13800001111" not in error.message


async def test_a_rule_is_checked_on_the_profile_over_the_tenants_defaults(client: Client) -> None:
    await client.add_tenant(default_profile=CallProfile(max_duration_seconds=30))
    code, error = await error_of(client.bind(profile=CallProfile(warning_duration_seconds=31)))

    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert error.metadata == {"field": "binding.profile.warning_duration_seconds"}
    await client.bind(profile=CallProfile(warning_duration_seconds=31, max_duration_seconds=0))


async def test_a_binding_in_the_way_is_named(client: Client) -> None:
    await client.add_tenant()
    first = await client.bind()
    code, error = await error_of(client.bind(b_number="13700001111"))

    assert (code, error.reason) == (grpc.StatusCode.ALREADY_EXISTS, "BINDING_IN_THE_WAY")
    assert error.metadata == {"binding_id": first.binding_id}


async def test_another_enterprises_access_number(client: Client) -> None:
    await client.add_tenant()
    await client.add_tenant(OTHER_TENANT)
    await client.bind()
    code, error = await error_of(client.bind(tenant_id=OTHER_TENANT))

    assert (code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "ACCESS_NUMBER_TAKEN")
    assert error.metadata == {"field": "binding.access_number"}


async def test_what_is_not_found(client: Client) -> None:
    code, error = await error_of(client.bind())
    assert (code, error.reason) == (grpc.StatusCode.NOT_FOUND, "TENANT_NOT_FOUND")
    await client.add_tenant()
    for binding_id in (NO_SUCH_ID, "", "a\x00b", "x" * 1000):
        for call in (
            client.bindings.GetBinding(
                binding_service_pb2.GetBindingRequest(tenant_id=TENANT, binding_id=binding_id), timeout=TIMEOUT_SECONDS
            ),
            client.bindings.DeleteBinding(
                binding_service_pb2.DeleteBindingRequest(tenant_id=TENANT, binding_id=binding_id),
                timeout=TIMEOUT_SECONDS,
            ),
            update(client, binding_pb2.Binding(tenant_id=TENANT, binding_id=binding_id), "one_way"),
        ):
            code, error = await error_of(call)
            assert (code, error.reason) == (grpc.StatusCode.NOT_FOUND, "BINDING_NOT_FOUND")


async def test_an_update_changes_what_the_mask_names(client: Client) -> None:
    await client.add_tenant()
    created = await client.bind(
        profile=CallProfile(client_id="order-1", max_duration_seconds=60, caller_prompt=file_prompt()),
        member_prompts=binding_pb2.MemberPrompts(fail_prompt=file_prompt("fail.wav")),
    )
    client.clock.advance(MINUTE)
    new = binding_pb2.Binding(
        tenant_id=TENANT,
        binding_id=created.binding_id,
        b_number="0086 137 0000 1111",
        profile=CallProfile(record_type=call_profile_pb2.RECORD_TYPE_AT_ONCE, client_id="not looked at"),
        member_prompts=binding_pb2.MemberPrompts(answer_prompt=file_prompt("answer.wav")),
        # Not in the mask, so not even wrong.
        a_number="anonymous",
        kind=AX,
    )
    changed = await updated(
        client,
        new,
        "b_number",
        "profile.record_type",
        "profile.caller_prompt",
        "member_prompts.answer_prompt",
        revision=1,
    )

    expected = binding_pb2.Binding()
    expected.CopyFrom(created)
    expected.b_number = C
    expected.profile.record_type = call_profile_pb2.RECORD_TYPE_AT_ONCE
    expected.profile.ClearField("caller_prompt")
    expected.member_prompts.answer_prompt.CopyFrom(file_prompt("answer.wav"))
    expected.revision = 2
    expected.updated_at.FromDatetime(NOW + MINUTE)
    assert changed == expected


async def test_an_update_may_clear_a_whole_field(client: Client) -> None:
    await client.add_tenant()
    created = await client.bind(
        expires_at=Timestamp(seconds=1_900_000_000), profile=CallProfile(client_id="x"), one_way=True
    )
    bare = binding_pb2.Binding(tenant_id=TENANT, binding_id=created.binding_id)
    changed = await updated(client, bare, "expires_at", "profile", "one_way")

    assert not changed.HasField("expires_at")
    assert not changed.HasField("profile")
    assert not changed.one_way
    assert changed.a_number == A


@pytest.mark.parametrize(
    ("paths", "wrong_field"),
    [
        ((), "update_mask"),
        (("kind",), "update_mask"),
        (("tenant_id",), "update_mask"),
        (("b_number", "revision"), "update_mask"),
        (("profile.nothing",), "update_mask"),
        (("profile.caller_prompt.segments",), "update_mask"),
        (("access_number",), "binding.access_number"),
        (("callback_number",), None),
    ],
)
async def test_what_a_mask_may_name(client: Client, paths: tuple[str, ...], wrong_field: str | None) -> None:
    await client.add_tenant()
    created = await client.bind()
    bare = binding_pb2.Binding(tenant_id=TENANT, binding_id=created.binding_id)
    if wrong_field is None:
        await updated(client, bare, *paths)
        return
    code, error = await error_of(update(client, bare, *paths))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert error.metadata == {"field": wrong_field}


async def test_a_change_of_an_old_revision_is_aborted(client: Client) -> None:
    await client.add_tenant()
    created = await client.bind()
    created.one_way = True
    await updated(client, created, "one_way", revision=1)
    code, error = await error_of(update(client, created, "one_way", revision=1))
    assert (code, error.metadata) == (grpc.StatusCode.ABORTED, {"revision": "2"})
    delete = binding_service_pb2.DeleteBindingRequest(
        tenant_id=TENANT, binding_id=created.binding_id, expected_revision=1
    )
    code, error = await error_of(client.bindings.DeleteBinding(delete, timeout=TIMEOUT_SECONDS))
    assert (code, error.metadata) == (grpc.StatusCode.ABORTED, {"revision": "2"})
    delete.expected_revision = 2
    await client.bindings.DeleteBinding(delete, timeout=TIMEOUT_SECONDS)
    code, _ = await error_of(client.bindings.DeleteBinding(delete, timeout=TIMEOUT_SECONDS))
    assert code is grpc.StatusCode.NOT_FOUND


async def test_a_clock_that_was_set_back_does_not_turn_history_round(client: Client) -> None:
    await client.add_tenant()
    created = await client.bind()
    client.clock.advance(-MINUTE)
    changed = await updated(client, created, "one_way")

    assert changed.updated_at == created.updated_at


async def list_bindings(client: Client, **fields: object) -> binding_service_pb2.ListBindingsResponse:
    request = binding_service_pb2.ListBindingsRequest(**{"tenant_id": TENANT, **fields})  # type: ignore[arg-type]
    return await client.bindings.ListBindings(request, timeout=TIMEOUT_SECONDS)


async def test_pages_of_bindings(client: Client) -> None:
    await client.add_tenant()
    for number in range(5):
        await client.bind(a_number=f"1380000{number:04}", b_number=f"1390000{number:04}")
        client.clock.advance(timedelta(microseconds=1))
    first = await list_bindings(client, page_size=2)
    second = await list_bindings(client, page_size=2, page_token=first.next_page_token)
    await client.bindings.DeleteBinding(
        binding_service_pb2.DeleteBindingRequest(tenant_id=TENANT, binding_id=second.bindings[1].binding_id),
        timeout=TIMEOUT_SECONDS,
    )
    third = await list_bindings(client, page_size=2, page_token=second.next_page_token)

    pages = [[each.a_number[-1] for each in page.bindings] for page in (first, second, third)]
    assert pages == [["0", "1"], ["2", "3"], ["4"]]
    assert third.next_page_token == ""
    assert (await list_bindings(client, page_size=4)).next_page_token == "", "a full page may be the last"


async def test_filters_take_numbers_in_any_writing(client: Client) -> None:
    await client.add_tenant()
    created = await client.bind()
    await client.bind(kind=AX, b_number="", a_number="13700001111", callback_number="13600001111")

    found = await list_bindings(client, number="008613900001111", access_number="025-66000001")
    assert list(found.bindings) == [created]
    assert len((await list_bindings(client, number="13600001111")).bindings) == 1
    assert len((await list_bindings(client)).bindings) == 2


@pytest.mark.parametrize(
    ("fields", "code", "wrong_field"),
    [
        ({"page_size": -1}, grpc.StatusCode.INVALID_ARGUMENT, "page_size"),
        ({"page_size": 1001}, grpc.StatusCode.INVALID_ARGUMENT, "page_size"),
        ({"page_token": "x"}, grpc.StatusCode.INVALID_ARGUMENT, "page_token"),
        ({"number": "anonymous"}, grpc.StatusCode.INVALID_ARGUMENT, "number"),
        ({"access_number": "x"}, grpc.StatusCode.INVALID_ARGUMENT, "access_number"),
        ({"tenant_id": ""}, grpc.StatusCode.INVALID_ARGUMENT, "tenant_id"),
        ({"tenant_id": "nobody"}, grpc.StatusCode.NOT_FOUND, None),
    ],
)
async def test_lists_that_are_refused(
    client: Client, fields: dict[str, object], code: grpc.StatusCode, wrong_field: str | None
) -> None:
    await client.add_tenant()
    status, error = await error_of(list_bindings(client, **fields))

    assert status is code
    assert error.metadata.get("field") == wrong_field


async def test_a_token_serves_its_own_list_only(client: Client) -> None:
    await client.add_tenant()
    await client.add_tenant(OTHER_TENANT)
    for number in range(2):
        await client.bind(a_number=f"1380000{number:04}", b_number=f"1390000{number:04}")
    token = (await list_bindings(client, page_size=1)).next_page_token
    for other in ({"tenant_id": OTHER_TENANT}, {"number": "13800000000"}):
        code, error = await error_of(list_bindings(client, page_token=token, **other))
        assert (code, error.metadata) == (grpc.StatusCode.INVALID_ARGUMENT, {"field": "page_token"})


async def test_a_tenant_is_stored_with_its_defaults_spelt_out(client: Client) -> None:
    created = await client.add_tenant(failure_prompts={"1004": file_prompt()}, local_mobile_prefixes=["1380000"])

    assert created == tenant_pb2.Tenant(
        tenant_id=TENANT,
        response_style=tenant_pb2.ResponseStyle(
            json_list_style=tenant_pb2.JSON_LIST_STYLE_WRAPPED, prompt_style=tenant_pb2.PROMPT_STYLE_ESCAPED
        ),
        default_region="CN",
        dialing_format=tenant_pb2.DIALING_FORMAT_NATIONAL,
        default_profile=CallProfile(),
        failure_prompts={"1004": file_prompt()},
        local_mobile_prefixes=["1380000"],
        revision=1,
    )
    request = tenant_service_pb2.GetTenantRequest(tenant_id=TENANT)
    assert (await client.tenants.GetTenant(request, timeout=TIMEOUT_SECONDS)).tenant == created
    code, error = await error_of(client.add_tenant())
    assert (code, error.reason) == (grpc.StatusCode.ALREADY_EXISTS, "TENANT_EXISTS")


@pytest.mark.parametrize(
    ("fields", "wrong_field"),
    [
        ({"tenant_id": "a/b"}, "tenant.tenant_id"),
        ({"default_region": "ZZ"}, "tenant.default_region"),
        ({"callback_url": "example.com"}, "tenant.callback_url"),
        ({"dialing_format": 9}, "tenant.dialing_format"),
        ({"response_style": tenant_pb2.ResponseStyle(xml_root="<a>")}, "tenant.response_style.xml_root"),
        (
            {"response_style": tenant_pb2.ResponseStyle(prompt_style=7)},  # type: ignore[arg-type]
            "tenant.response_style.prompt_style",
        ),
        ({"failure_prompts": {"busy": file_prompt()}}, "tenant.failure_prompts"),
        ({"failure_prompts": {"1004": prompt_pb2.Prompt()}}, "tenant.failure_prompts[1004]"),
        (
            {"default_profile": CallProfile(ringback_prompt=file_prompt(), ringback_mode=2)},  # type: ignore[arg-type]
            "tenant.default_profile.ringback_prompt",
        ),
    ],
)
async def test_a_wrong_setting_is_named(client: Client, fields: dict[str, Any], wrong_field: str) -> None:
    code, error = await error_of(client.add_tenant(**fields))

    assert (code, error.metadata) == (grpc.StatusCode.INVALID_ARGUMENT, {"field": wrong_field})


async def update_tenant(client: Client, tenant: tenant_pb2.Tenant, *paths: str, revision: int = 0) -> tenant_pb2.Tenant:
    request = tenant_service_pb2.UpdateTenantRequest(
        tenant=tenant, update_mask=FieldMask(paths=paths), expected_revision=revision
    )
    return (await client.tenants.UpdateTenant(request, timeout=TIMEOUT_SECONDS)).tenant


async def test_an_update_of_a_tenant_counts_for_the_next_query(client: Client) -> None:
    await client.add_tenant(display_name="kept")
    await client.bind()
    new = tenant_pb2.Tenant(
        tenant_id=TENANT,
        dialing_format=tenant_pb2.DIALING_FORMAT_E164,
        default_profile=CallProfile(charge_ext="9001"),
        failure_prompts={"default": file_prompt("sorry.wav")},
        local_mobile_prefixes=["138"],
    )
    paths = ("dialing_format", "default_profile.charge_ext", "failure_prompts", "local_mobile_prefixes")
    changed = await update_tenant(client, new, *paths, revision=1)
    routed, refused = await resolve(client, (TENANT, A, X), (TENANT, C, X))

    assert (changed.display_name, changed.revision) == ("kept", 2)
    assert routed.members[0].number == B
    assert routed.attributes.charge_ext == "9001"
    assert refused.attributes.caller_prompt == "sorry.wav"
    code, _ = await error_of(update_tenant(client, new, "display_name", revision=1))
    assert code is grpc.StatusCode.ABORTED
    code, error = await error_of(update_tenant(client, new, "tenant_id"))
    assert (code, error.metadata) == (grpc.StatusCode.INVALID_ARGUMENT, {"field": "update_mask"})


async def test_defaults_that_would_break_a_binding_are_refused(client: Client) -> None:
    await client.add_tenant()
    binding = await client.bind(profile=CallProfile(warning_duration_seconds=60))
    new = tenant_pb2.Tenant(tenant_id=TENANT, default_profile=CallProfile(max_duration_seconds=30))
    for path in ("default_profile", "default_profile.max_duration_seconds"):
        code, error = await error_of(update_tenant(client, new, path))
        assert code is grpc.StatusCode.FAILED_PRECONDITION
        assert error.metadata == {
            "field": "tenant.default_profile.max_duration_seconds",
            "binding_id": binding.binding_id,
        }
    new.default_profile.max_duration_seconds = 60
    assert (await update_tenant(client, new, "default_profile")).revision == 2


async def test_pages_of_tenants_and_deletion(client: Client) -> None:
    for tenant_id in ("c", "a", "b"):
        await client.add_tenant(tenant_id)
    list_request = tenant_service_pb2.ListTenantsRequest(page_size=2)
    first = await client.tenants.ListTenants(list_request, timeout=TIMEOUT_SECONDS)
    list_request.page_token = first.next_page_token
    second = await client.tenants.ListTenants(list_request, timeout=TIMEOUT_SECONDS)
    assert [each.tenant_id for each in (*first.tenants, *second.tenants)] == ["a", "b", "c"]
    assert second.next_page_token == ""

    await client.bind(tenant_id="a")
    delete = tenant_service_pb2.DeleteTenantRequest(tenant_id="a")
    code, error = await error_of(client.tenants.DeleteTenant(delete, timeout=TIMEOUT_SECONDS))
    assert (code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "TENANT_HAS_BINDINGS")
    delete.tenant_id = "b"
    await client.tenants.DeleteTenant(delete, timeout=TIMEOUT_SECONDS)
    code, _ = await error_of(client.tenants.DeleteTenant(delete, timeout=TIMEOUT_SECONDS))
    assert code is grpc.StatusCode.NOT_FOUND


async def test_a_batch_answers_every_query_on_its_own(client: Client) -> None:
    await client.add_tenant(failure_prompts={"1004": file_prompt("no.wav")}, foreign_display_numbers_allowed=True)
    binding = await client.bind(
        display_number="95500", member_prompts=binding_pb2.MemberPrompts(answer_prompt=file_prompt())
    )
    await client.bind(access_number="02566000002", kind=AX, b_number="", expires_at=Timestamp(seconds=1))
    decisions = await resolve(
        client,
        (TENANT, "+8613800001111", "02566000001"),
        (TENANT, "anonymous", "02566000001"),
        ("nobody", "13800001111", "02566000001"),
        (TENANT, "13800001111", ""),
        (TENANT, "13800001111", "02566000003"),
        (TENANT, "", "02566000002"),
        ("", "13800001111", "02566000001"),
        (TENANT, "13900001111", "02566000001"),
    )

    assert [each.result for each in decisions] == [
        decision_pb2.ROUTE_RESULT_ROUTED,
        decision_pb2.ROUTE_RESULT_NO_BINDING,
        decision_pb2.ROUTE_RESULT_UNKNOWN_TENANT,
        decision_pb2.ROUTE_RESULT_INVALID_QUERY,
        decision_pb2.ROUTE_RESULT_UNKNOWN_ACCESS_NUMBER,
        decision_pb2.ROUTE_RESULT_NOT_IN_FORCE,
        decision_pb2.ROUTE_RESULT_INVALID_QUERY,
        decision_pb2.ROUTE_RESULT_ROUTED,
    ]
    assert decisions[0].binding_id == binding.binding_id
    assert decisions[0].binding_revision == 1
    assert decisions[0].decision_source == decision_pb2.DECISION_SOURCE_STORE
    assert decisions[0].direction == decision_pb2.CALL_DIRECTION_A_TO_B
    assert list(decisions[0].members) == [
        decision_pb2.RouteMember(number="13900001111", display_number="95500", answer_prompt="1.wav")
    ]
    assert decisions[7].direction == decision_pb2.CALL_DIRECTION_B_TO_A
    assert decisions[1].attributes == decision_pb2.RouteAttributes(caller_prompt="no.wav")
    assert not decisions[2].HasField("response_style")


async def test_a_deleted_binding_answers_no_later_query(client: Client) -> None:
    await client.add_tenant()
    for _ in range(5):
        binding = await client.bind()
        assert (await resolve(client, (TENANT, A, X)))[0].result == decision_pb2.ROUTE_RESULT_ROUTED
        await client.bindings.DeleteBinding(
            binding_service_pb2.DeleteBindingRequest(tenant_id=TENANT, binding_id=binding.binding_id),
            timeout=TIMEOUT_SECONDS,
        )
        assert (await resolve(client, (TENANT, A, X)))[0].result == decision_pb2.ROUTE_RESULT_UNKNOWN_ACCESS_NUMBER


async def test_a_binding_expires_by_the_clock(client: Client) -> None:
    await client.add_tenant()
    expires_at = Timestamp()
    expires_at.FromDatetime(NOW + MINUTE)
    await client.bind(expires_at=expires_at)
    client.clock.advance(MINUTE - timedelta(microseconds=1))
    assert (await resolve(client, (TENANT, A, X)))[0].result == decision_pb2.ROUTE_RESULT_ROUTED
    client.clock.advance(timedelta(microseconds=1))

    assert (await resolve(client, (TENANT, A, X)))[0].result == decision_pb2.ROUTE_RESULT_NOT_IN_FORCE
    await client.bind(b_number="13700001111")
    assert (await resolve(client, (TENANT, A, X)))[0].members[0].number == "13700001111"


async def test_a_batch_that_is_too_long(client: Client) -> None:
    await client.add_tenant()
    code, error = await error_of(resolve(client, *[(TENANT, A, X)] * 1025))
    assert (code, error.metadata) == (grpc.StatusCode.INVALID_ARGUMENT, {"field": "queries"})
    assert len(await resolve(client, *[(TENANT, A, X)] * 1024)) == 1024


async def test_a_store_that_is_gone_makes_every_item_unavailable(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    await client.add_tenant()

    async def gone(_: object) -> None:
        raise UnavailableError("the store can't be reached")

    monkeypatch.setattr(client.database, "read", gone)
    decisions = await resolve(client, (TENANT, A, X), ("nobody", A, X))
    assert [each.result for each in decisions] == [decision_pb2.ROUTE_RESULT_UNAVAILABLE] * 2
    code, _ = await error_of(list_bindings(client))
    assert code is grpc.StatusCode.UNAVAILABLE


async def explain(client: Client, caller: str, at: Timestamp | None = None) -> routing_service_pb2.ExplainResponse:
    request = routing_service_pb2.ExplainRequest(
        tenant_id=TENANT, calling_number=caller, access_number="02566000001", at=at
    )
    return await client.routing.Explain(request, timeout=TIMEOUT_SECONDS)


async def test_explain_shows_the_rules_and_the_same_decision(client: Client) -> None:
    await client.add_tenant()
    pair = await client.bind(one_way=True)
    owner = await client.bind(kind=AX, a_number="13700001111", b_number="")
    for caller in ("13800001111", "13900001111", "13600001111", "withheld"):
        explanation = await explain(client, caller)
        assert [explanation.decision] == await resolve(client, (TENANT, caller, "02566000001"))
    explanation = await explain(client, "0086-139-0000-1111")

    assert (explanation.calling_number, explanation.access_number) == (B, X)
    assert explanation.at.ToDatetime(NOW.tzinfo) == NOW
    assert [(each.rule, each.binding_id, each.outcome) for each in explanation.considered] == [
        ("tenant", "", routing_service_pb2.RULE_OUTCOME_PASSED),
        ("access_number", "", routing_service_pb2.RULE_OUTCOME_PASSED),
        ("validity", pair.binding_id, routing_service_pb2.RULE_OUTCOME_PASSED),
        ("axb", pair.binding_id, routing_service_pb2.RULE_OUTCOME_DECIDED),
    ]
    assert (await explain(client, "withheld")).decision.binding_id == owner.binding_id
    assert (await explain(client, "withheld")).calling_number == ""


async def test_explain_of_a_past_minute(client: Client) -> None:
    await client.add_tenant()
    before = Timestamp()
    before.FromDatetime(NOW)
    binding = await client.bind()
    client.clock.advance(MINUTE)
    await client.bindings.DeleteBinding(
        binding_service_pb2.DeleteBindingRequest(tenant_id=TENANT, binding_id=binding.binding_id),
        timeout=TIMEOUT_SECONDS,
    )
    client.clock.advance(MINUTE)

    assert (await explain(client, A, before)).decision.members[0].number == "13900001111"
    assert (await explain(client, A)).decision.result == decision_pb2.ROUTE_RESULT_UNKNOWN_ACCESS_NUMBER


async def test_explain_for_an_unknown_tenant(client: Client) -> None:
    code, error = await error_of(explain(client, A))
    assert (code, error.reason) == (grpc.StatusCode.NOT_FOUND, "TENANT_NOT_FOUND")
