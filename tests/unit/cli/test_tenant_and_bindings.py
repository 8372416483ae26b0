"""Tenants and bindings: what is typed is what the service is asked, what it says is what is shown."""

import shlex
from datetime import UTC, datetime, timedelta

import pytest
from axbridge.routing.v1 import (
    binding_pb2,
    binding_service_pb2,
    call_profile_pb2,
    prompt_pb2,
    tenant_pb2,
    tenant_service_pb2,
)

from tests.unit.cli.conftest import Cli, FakeServices

A, B, X = "13800001111", "13900001111", "02566000001"


def stored(**changes: object) -> binding_pb2.Binding:
    given: dict[str, object] = {
        "binding_id": "b1",
        "tenant_id": "100001",
        "kind": binding_pb2.BINDING_KIND_AXB,
        "access_number": "+862566000001",
        "a_number": "+8613800001111",
        "b_number": "+8613900001111",
        "revision": 1,
    }
    return binding_pb2.Binding(**(given | changes))  # type: ignore[arg-type]


def created(request: binding_service_pb2.CreateBindingRequest) -> binding_service_pb2.CreateBindingResponse:
    answer = binding_service_pb2.CreateBindingResponse(binding=request.binding)
    answer.binding.binding_id = "b1"
    answer.binding.revision = 1
    return answer


def test_a_pair_with_every_option(cli: Cli, services: FakeServices) -> None:
    services.answers["CreateBinding"] = created
    options = shlex.split(
        "--one-way --display 02566000009 --not-before 2026-03-01T08:00+08:00 --expires-at 2026-03-02T00:00Z "
        "--charge-ext 8001 --client-id order-1 --user-data data --max-duration 600 --record-type after-answer "
        "--warning-duration 60 --warning-prompt warn.wav --conn-type bridge --ringback-mode local "
        "--ringback-prompt ring.wav --answer-prompt a.wav --disconnect-prompt d.wav --fail-prompt f.wav"
    )
    prompt = ("--caller-prompt", "<msg><file>1.wav</file><var>7_你好_吗</var></msg>")
    numbers = ("--tenant", "100001", "--access", X, "--a", A, "--b", B)
    cli.ok("bind", "axb", *numbers, *options, *prompt)
    (request,) = services.requests
    assert isinstance(request, binding_service_pb2.CreateBindingRequest)
    file = prompt_pb2.PromptSegment
    assert request.binding == binding_pb2.Binding(
        tenant_id="100001",
        kind=binding_pb2.BINDING_KIND_AXB,
        access_number=X,
        a_number=A,
        b_number=B,
        one_way=True,
        display_number="02566000009",
        not_before=datetime(2026, 3, 1, tzinfo=UTC),
        expires_at=datetime(2026, 3, 2, tzinfo=UTC),
        profile=call_profile_pb2.CallProfile(
            charge_ext="8001",
            client_id="order-1",
            user_data="data",
            max_duration_seconds=600,
            record_type=call_profile_pb2.RECORD_TYPE_AFTER_ANSWER,
            warning_duration_seconds=60,
            warning_prompt=prompt_pb2.Prompt(segments=[file(file="warn.wav")]),
            connection_type=call_profile_pb2.CONNECTION_TYPE_BRIDGE,
            ringback_mode=call_profile_pb2.RINGBACK_MODE_LOCAL,
            ringback_prompt=prompt_pb2.Prompt(segments=[file(file="ring.wav")]),
            caller_prompt=prompt_pb2.Prompt(
                segments=[
                    file(file="1.wav"),
                    file(
                        variable=prompt_pb2.PromptVariable(type=prompt_pb2.PROMPT_VARIABLE_TYPE_TEXT, value="你好_吗")
                    ),
                ]
            ),
        ),
        member_prompts=binding_pb2.MemberPrompts(
            answer_prompt=prompt_pb2.Prompt(segments=[file(file="a.wav")]),
            disconnect_prompt=prompt_pb2.Prompt(segments=[file(file="d.wav")]),
            fail_prompt=prompt_pb2.Prompt(segments=[file(file="f.wav")]),
        ),
    )


@pytest.mark.parametrize(
    ("option", "choice", "expected"),
    [
        ("--record-type", "none", call_profile_pb2.CallProfile(record_type=call_profile_pb2.RECORD_TYPE_NONE)),
        ("--record-type", "at-once", call_profile_pb2.CallProfile(record_type=call_profile_pb2.RECORD_TYPE_AT_ONCE)),
        (
            "--conn-type",
            "conference",
            call_profile_pb2.CallProfile(connection_type=call_profile_pb2.CONNECTION_TYPE_CONFERENCE),
        ),
        (
            "--ringback-mode",
            "pass-through",
            call_profile_pb2.CallProfile(ringback_mode=call_profile_pb2.RINGBACK_MODE_PASS_THROUGH),
        ),
        ("--charge-ext", "", call_profile_pb2.CallProfile(charge_ext="")),
        ("--max-duration", "0", call_profile_pb2.CallProfile(max_duration_seconds=0)),
    ],
)
def test_each_choice_of_the_profile(
    cli: Cli, services: FakeServices, option: str, choice: str, expected: call_profile_pb2.CallProfile
) -> None:
    services.answers["CreateBinding"] = created
    cli.ok("bind", "ax", "--tenant", "100001", "--access", X, "--a", A, "--callback", B, option, choice)
    (request,) = services.requests
    assert isinstance(request, binding_service_pb2.CreateBindingRequest)
    assert (request.binding.kind, request.binding.callback_number) == (binding_pb2.BINDING_KIND_AX, B)
    assert request.binding.profile == expected


def test_what_is_not_given_is_not_sent(cli: Cli, services: FakeServices) -> None:
    services.answers["CreateBinding"] = created
    cli.ok("bind", "axb", "--tenant", "100001", "--access", X, "--a", A, "--b", B)
    (request,) = services.requests
    assert isinstance(request, binding_service_pb2.CreateBindingRequest)
    set_fields = {field.name for field, _ in request.binding.ListFields()}
    numbers = {"access_number", "a_number", "b_number"}
    assert set_fields - {"profile", "member_prompts"} == {"tenant_id", "kind", *numbers}
    assert not request.binding.profile.ListFields()
    assert not request.binding.member_prompts.ListFields()


def test_expiry_from_now(cli: Cli, services: FakeServices) -> None:
    services.answers["CreateBinding"] = created
    before = datetime.now(UTC)
    cli.ok("bind", "axb", "--tenant", "100001", "--access", X, "--a", A, "--b", B, "--expires-in", "1d2h30m5s")
    (request,) = services.requests
    assert isinstance(request, binding_service_pb2.CreateBindingRequest)
    span = timedelta(days=1, hours=2, minutes=30, seconds=5)
    assert before + span <= request.binding.expires_at.ToDatetime(UTC) <= datetime.now(UTC) + span


def test_numbers_are_masked_unless_asked_for(cli: Cli, services: FakeServices) -> None:
    listed = binding_service_pb2.ListBindingsResponse(bindings=[stored(display_number="+862566000001")])
    services.answers["ListBindings"] = listed
    services.answers["GetBinding"] = binding_service_pb2.GetBindingResponse(binding=stored())
    for command in (("bindings", "list"), ("bindings", "show", "b1")):
        for as_json in ((), ("--json",)):
            shown = cli.ok(*command, "--tenant", "100001", *as_json)
            assert "+86138****1111" in shown
            assert "+862566000001" in shown
            assert A not in shown
            assert B not in shown
            assert "+86" + A in cli.ok(*command, "--tenant", "100001", *as_json, "--unmask")
    (listed_json,) = cli.json("bindings", "list", "--tenant", "100001")
    assert listed_json["display_number"] == "+862566000001"
    assert (listed_json["one_way"], listed_json["revision"]) == (False, "1")


def test_lists_follow_their_pages_up_to_the_limit(cli: Cli, services: FakeServices) -> None:
    def page(request: binding_service_pb2.ListBindingsRequest) -> binding_service_pb2.ListBindingsResponse:
        first = int(request.page_token or 0)
        bindings = [stored(binding_id=f"b{number}") for number in range(first, first + min(request.page_size, 2))]
        return binding_service_pb2.ListBindingsResponse(bindings=bindings, next_page_token=str(first + len(bindings)))

    services.answers["ListBindings"] = page
    shown = cli.json("bindings", "list", "--tenant", "100001", "--limit", "5", "--access", X, "--number", A)
    assert [binding["binding_id"] for binding in shown] == ["b0", "b1", "b2", "b3", "b4"]
    for request in services.requests:
        assert isinstance(request, binding_service_pb2.ListBindingsRequest)
        assert (request.tenant_id, request.access_number, request.number) == ("100001", X, A)
    assert "more than 5" in cli.ok("bindings", "list", "--tenant", "100001", "--limit", "5")


def test_an_update_names_exactly_what_is_given(cli: Cli, services: FakeServices) -> None:
    services.answers["UpdateBinding"] = binding_service_pb2.UpdateBindingResponse(binding=stored(revision=2))
    changes = ("--b", B, "--both-ways", "--max-duration", "60", "--conn-type", "conference", "--answer-prompt", "a.wav")
    rest = ("--clear", "expires_at", "--clear", "profile.client_id", "--if-revision", "1")
    cli.ok("bindings", "update", "b1", "--tenant", "100001", *changes, *rest)
    (request,) = services.requests
    assert isinstance(request, binding_service_pb2.UpdateBindingRequest)
    assert sorted(request.update_mask.paths) == [
        "b_number",
        "expires_at",
        "member_prompts.answer_prompt",
        "one_way",
        "profile.client_id",
        "profile.connection_type",
        "profile.max_duration_seconds",
    ]
    assert request.expected_revision == 1
    assert (request.binding.binding_id, request.binding.b_number) == ("b1", B)
    assert request.binding.profile.max_duration_seconds == 60


def test_delete(cli: Cli, services: FakeServices) -> None:
    services.answers["DeleteBinding"] = binding_service_pb2.DeleteBindingResponse()
    assert "b1 deleted" in cli.ok("bindings", "delete", "b1", "--tenant", "100001", "--if-revision", "3")
    assert services.requests == [
        binding_service_pb2.DeleteBindingRequest(tenant_id="100001", binding_id="b1", expected_revision=3)
    ]
    assert cli.json("bindings", "delete", "b1", "--tenant", "100001") == {"deleted": "b1"}


def test_a_tenant_with_every_setting(cli: Cli, services: FakeServices) -> None:
    services.answers["CreateTenant"] = lambda request: tenant_service_pb2.CreateTenantResponse(tenant=request.tenant)
    shown = cli.ok(
        *("tenant", "add", "100001", "--name", "Demo", "--region", "CN", "--dialing", "zero-before-non-local-mobile"),
        *("--local-prefix", "1380000", "--local-prefix", "1390000", "--callback-url", "https://us.example/calls"),
        *("--xml-root", "answer", "--json-list", "plain", "--prompt-style", "nested", "--record-type", "at-once"),
        *("--failure-prompt", "1004=sorry.wav", "--failure-prompt", "default=<msg><var>7_抱歉</var></msg>"),
    )
    (request,) = services.requests
    assert isinstance(request, tenant_service_pb2.CreateTenantRequest)
    sorry = prompt_pb2.Prompt(segments=[prompt_pb2.PromptSegment(file="sorry.wav")])
    spoken = prompt_pb2.PromptVariable(type=prompt_pb2.PROMPT_VARIABLE_TYPE_TEXT, value="抱歉")
    assert request.tenant == tenant_pb2.Tenant(
        tenant_id="100001",
        display_name="Demo",
        default_region="CN",
        dialing_format=tenant_pb2.DIALING_FORMAT_ZERO_BEFORE_NON_LOCAL_MOBILE,
        local_mobile_prefixes=["1380000", "1390000"],
        callback_url="https://us.example/calls",
        response_style=tenant_pb2.ResponseStyle(
            xml_root="answer",
            json_list_style=tenant_pb2.JSON_LIST_STYLE_PLAIN,
            prompt_style=tenant_pb2.PROMPT_STYLE_NESTED,
        ),
        default_profile=call_profile_pb2.CallProfile(record_type=call_profile_pb2.RECORD_TYPE_AT_ONCE),
        failure_prompts={
            "1004": sorry,
            "default": prompt_pb2.Prompt(segments=[prompt_pb2.PromptSegment(variable=spoken)]),
        },
    )
    for said in ("Demo", "zero-before-non-local-mobile", "1380000, 1390000", "sorry.wav", "at-once"):
        assert said in shown


def test_tenants_are_listed_shown_changed_and_deleted(cli: Cli, services: FakeServices) -> None:
    tenant = tenant_pb2.Tenant(tenant_id="100001", display_name="Demo", revision=4)
    services.answers["ListTenants"] = tenant_service_pb2.ListTenantsResponse(tenants=[tenant])
    services.answers["GetTenant"] = tenant_service_pb2.GetTenantResponse(tenant=tenant)
    services.answers["UpdateTenant"] = tenant_service_pb2.UpdateTenantResponse(tenant=tenant)
    services.answers["DeleteTenant"] = tenant_service_pb2.DeleteTenantResponse()
    assert "Demo" in cli.ok("tenant", "list")
    assert cli.json("tenant", "show", "100001")["display_name"] == "Demo"
    update = ("--region", "HK", "--json-list", "wrapped", "--max-duration", "9", "--clear", "callback_url")
    cli.ok("tenant", "update", "100001", *update, "--if-revision", "3")
    request = services.requests[-1]
    assert isinstance(request, tenant_service_pb2.UpdateTenantRequest)
    assert sorted(request.update_mask.paths) == [
        "callback_url",
        "default_profile.max_duration_seconds",
        "default_region",
        "response_style.json_list_style",
    ]
    assert (request.expected_revision, request.tenant.default_region) == (3, "HK")
    assert "deleted" in cli.ok("tenant", "delete", "100001")


def test_empty_lists_say_what_to_do(cli: Cli, services: FakeServices) -> None:
    services.answers["ListTenants"] = tenant_service_pb2.ListTenantsResponse()
    services.answers["ListBindings"] = binding_service_pb2.ListBindingsResponse()
    assert "axbridge tenant add" in cli.ok("tenant", "list")
    assert "axbridge bind axb" in cli.ok("bindings", "list", "--tenant", "1")
    assert cli.json("tenant", "list") == []


PAIR = ("bind", "axb", "--tenant", "100001", "--access", X, "--a", A, "--b", B)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (PAIR[:-2], "Missing option '--b'"),
        ((*PAIR, "--record-type", "always"), "--record-type"),
        ((*PAIR, "--max-duration", "-1"), "--max-duration"),
        ((*PAIR, "--max-duration", "ten"), "--max-duration"),
        ((*PAIR, "--expires-in", "soon"), "90s, 30m, 2h30m or 7d"),
        ((*PAIR, "--expires-in", ""), "90s, 30m, 2h30m or 7d"),
        ((*PAIR, "--expires-in", "99999999d"), "beyond the calendar"),
        ((*PAIR, "--expires-at", "tomorrow"), "2026-03-01T08:00"),
        ((*PAIR, "--expires-in", "1h", "--expires-at", "2026-03-01"), "give one of them"),
        ((*PAIR, "--caller-prompt", "<msg><file>1.wav</msg>"), "--caller-prompt"),
        ((*PAIR, "--caller-prompt", "<msg><var>5_12.34</var></msg>"), "0001234"),
        ((*PAIR, "--answer-prompt", ""), "--answer-prompt"),
        (("tenant", "add", "1", "--failure-prompt", "sorry.wav"), "RESULT=PROMPT"),
        (("tenant", "update", "1"), "nothing to change"),
        (("bindings", "update", "b1", "--tenant", "1"), "nothing to change"),
        (("tenant", "addd", "1"), "Did you mean"),
        (("tenant", "list", "--jsn"), "No such option"),
    ],
)
def test_wrong_command_lines_are_told_in_one_line(
    cli: Cli, services: FakeServices, arguments: tuple[str, ...], said: str
) -> None:
    line = cli.error(*arguments, code=2)
    assert said in line
    assert line.startswith("axbridge")
    assert services.requests == []
