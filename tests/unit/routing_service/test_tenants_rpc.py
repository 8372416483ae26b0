"""Tenants over real gRPC."""

from typing import Any

import grpc.aio
import pytest
from axbridge.routing.v1 import (
    call_profile_pb2,
    prompt_pb2,
    tenant_pb2,
    tenant_service_pb2,
)
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from tests.unit.routing_service.builders import MINUTE, NOW, TENANT, A, B, C, X
from tests.unit.routing_service.conftest import TIMEOUT_SECONDS, Client
from tests.unit.routing_service.rpc import error_of, file_prompt, resolve, update

CallProfile = call_profile_pb2.CallProfile


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


async def test_a_binding_that_has_expired_stands_in_no_defaults_way(client: Client) -> None:
    await client.add_tenant()
    expires_at = Timestamp()
    expires_at.FromDatetime(NOW + MINUTE)
    binding = await client.bind(profile=CallProfile(warning_duration_seconds=60), expires_at=expires_at)
    new = tenant_pb2.Tenant(tenant_id=TENANT, default_profile=CallProfile(max_duration_seconds=30))
    code, _ = await error_of(update_tenant(client, new, "default_profile"))
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    client.clock.advance(MINUTE)

    assert (await update_tenant(client, new, "default_profile")).revision == 2
    binding.ClearField("expires_at")
    code, error = await error_of(update(client, binding, "expires_at"))
    assert (code, error.metadata) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        {"field": "binding.profile.warning_duration_seconds"},
    )


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


async def test_named_writes_of_tenants_are_carried_out_once(client: Client) -> None:
    tenant = tenant_pb2.Tenant(tenant_id=TENANT, display_name="first")
    make = tenant_service_pb2.CreateTenantRequest(tenant=tenant, request_id="make")
    change = tenant_service_pb2.UpdateTenantRequest(
        tenant=tenant_pb2.Tenant(tenant_id=TENANT, display_name="second"),
        update_mask=FieldMask(paths=["display_name"]),
        request_id="change",
    )
    delete = tenant_service_pb2.DeleteTenantRequest(tenant_id=TENANT, request_id="delete")
    made = [await client.tenants.CreateTenant(make, timeout=TIMEOUT_SECONDS) for _ in range(2)]
    changed = [await client.tenants.UpdateTenant(change, timeout=TIMEOUT_SECONDS) for _ in range(2)]
    for _ in range(2):
        await client.tenants.DeleteTenant(delete, timeout=TIMEOUT_SECONDS)

    assert made[0] == made[1]
    assert changed[0] == changed[1]
    assert (changed[0].tenant.revision, changed[0].tenant.display_name) == (2, "second")
    make.tenant.display_name = "other"
    code, error = await error_of(client.tenants.CreateTenant(make, timeout=TIMEOUT_SECONDS))
    assert (code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED")
    make.request_id = "x" * 129
    code, error = await error_of(client.tenants.CreateTenant(make, timeout=TIMEOUT_SECONDS))
    assert (code, error.metadata) == (grpc.StatusCode.INVALID_ARGUMENT, {"field": "request_id"})
