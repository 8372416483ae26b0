"""Bindings over real gRPC: statuses with their details, masks and revisions."""

import grpc.aio
import pytest
from axbridge.routing.v1 import (
    binding_pb2,
    binding_service_pb2,
    call_profile_pb2,
    prompt_pb2,
)
from google.protobuf.timestamp_pb2 import Timestamp

from tests.unit.routing_service.builders import MINUTE, NOW, OTHER_TENANT, TENANT, A, B, C, X
from tests.unit.routing_service.conftest import TIMEOUT_SECONDS, Client
from tests.unit.routing_service.rpc import error_of, file_prompt, update, updated

CallProfile = call_profile_pb2.CallProfile
AX = binding_pb2.BINDING_KIND_AX
NO_SUCH_ID = "0" * 32


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
