"""A query goes in over HTTP as the platform sends it, through three real processes, and its answer comes out."""

import json
import time
import urllib.request
from typing import Any

import pytest
import xmltodict
from axbridge.routing.v1 import binding_service_pb2, call_profile_pb2, prompt_pb2

from tests.support.http import JSON, XML, post
from tests.support.stack import ACCESS, TENANT, A, B, Stack


def xml_query(
    calling: str = A, access: str = ACCESS, tenant: str = TENANT, sid: str = "s1", root: str = "request"
) -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><{root}><sid>{sid}</sid><vccId>{tenant}</vccId><callId>c1</callId>'
        f"<seq>7</seq><method>query</method><callingNumber>{calling}</callingNumber>"
        f"<accessNumber>{access}</accessNumber></{root}>"
    ).encode()


def json_query(calling: str = A, access: str = ACCESS, tenant: str = TENANT, sid: str = "s1") -> bytes:
    return json.dumps(
        {
            "sid": sid,
            "vccId": tenant,
            "callId": "c1",
            "seq": "7",
            "method": "query",
            "callingNumber": calling,
            "accessNumber": access,
        }
    ).encode()


def answer(stack: Stack, body: bytes, content_type: str) -> dict[str, Any]:
    """The answer's fields; the status and the format are checked on the way."""
    status, answered_type, answered = post(stack.calls_url, body, content_type)
    assert status == 200, answered
    assert answered_type.lower().replace(" ", "") == content_type.lower().replace(" ", "")
    if content_type == JSON:
        fields: dict[str, Any] = json.loads(answered)
    else:
        assert answered.startswith(b'<?xml version="1.0" encoding="UTF-8"?>')
        (fields,) = xmltodict.parse(answered).values()
    for mandatory in ("sid", "vccId", "callId", "seq", "result", "chargeExt"):
        assert mandatory in fields
    return fields


@pytest.mark.parametrize(("body", "content_type"), [(xml_query, XML), (json_query, JSON)])
@pytest.mark.parametrize(("caller", "callee"), [(A, B), (B, A), ("+86" + A, B), ("0" + A, B), ("0086" + B, A)])
def test_both_sides_reach_each_other_in_both_formats(
    shared_stack: Stack, body: Any, content_type: str, caller: str, callee: str
) -> None:
    fields = answer(shared_stack, body(calling=caller), content_type)
    assert fields["result"] == "0000"
    assert (fields["sid"], fields["vccId"], fields["callId"], fields["seq"]) == ("s1", TENANT, "c1", "7")
    user = fields["userList"]["user"]
    member = user[0] if isinstance(user, list) else user
    assert (member["number"], member["type"], member["displayNumber"]) == (callee, "1", ACCESS)


@pytest.mark.parametrize(
    ("change", "result"),
    [
        ({"tenant": "999999"}, "1002"),
        ({"access": "02566009999"}, "1003"),
        ({"calling": "13700001111"}, "1004"),
    ],
)
@pytest.mark.parametrize(("body", "content_type"), [(xml_query, XML), (json_query, JSON)])
def test_failures_are_told_by_their_code(
    shared_stack: Stack, body: Any, content_type: str, change: dict[str, str], result: str
) -> None:
    fields = answer(shared_stack, body(**change), content_type)
    assert fields["result"] == result
    assert fields["callId"] == "c1"
    assert not fields.get("userList")


def test_the_whole_profile_is_answered_with_its_prompts_in_order(shared_stack: Stack) -> None:
    prompt = prompt_pb2.Prompt(
        segments=[
            prompt_pb2.PromptSegment(file="1.wav"),
            prompt_pb2.PromptSegment(
                variable=prompt_pb2.PromptVariable(type=prompt_pb2.PROMPT_VARIABLE_TYPE_TEXT, value="你好")
            ),
            prompt_pb2.PromptSegment(file="2.wav"),
        ]
    )
    profile = call_profile_pb2.CallProfile(
        charge_ext="9001",
        client_id="order-1",
        caller_prompt=prompt,
        user_data="a<b&c",
        max_duration_seconds=600,
        record_type=call_profile_pb2.RECORD_TYPE_AFTER_ANSWER,
        warning_duration_seconds=60,
        connection_type=call_profile_pb2.CONNECTION_TYPE_BRIDGE,
        ringback_mode=call_profile_pb2.RINGBACK_MODE_PASS_THROUGH,
    )
    shared_stack.bind_axb("13800002222", "13900002222", profile=profile)
    expected = {
        "result": "0000",
        "chargeExt": "9001",
        "clientId": "order-1",
        "callerPrompt": "<msg><file>1.wav</file><var>7_你好</var><file>2.wav</file></msg>",
        "callData": "a<b&c",
        "maxDuration": "600",
        "recordType": "2",
        "warningDuration": "60",
        "connType": "1",
        "ringbackMode": "1",
    }
    for body, content_type in ((xml_query, XML), (json_query, JSON)):
        fields = answer(shared_stack, body(calling="13800002222"), content_type)
        assert {name: fields[name] for name in expected} == expected


def test_a_deleted_binding_is_gone_with_the_next_query(shared_stack: Stack) -> None:
    binding = shared_stack.bind_axb("13800003333", "13900003333")
    assert answer(shared_stack, json_query(calling="13800003333"), JSON)["result"] == "0000"
    shared_stack.bindings.DeleteBinding(
        binding_service_pb2.DeleteBindingRequest(tenant_id=TENANT, binding_id=binding.binding_id), timeout=5
    )
    assert answer(shared_stack, json_query(calling="13800003333"), JSON)["result"] == "1004"


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"", XML, 400),
        (b"<request><sid>", XML, 400),
        (b'<!DOCTYPE r [<!ENTITY a "aaaa">]><r><sid>&a;</sid></r>', XML, 400),
        (b"<a>" * 10_000, XML, 400),
        (b'{"a":' * 10_000, JSON, 400),
        (b'{"sid": NaN}', JSON, 400),
        (b'{"sid": "1", "sid": "2"}', JSON, 400),
        (b'{"sid": "\\ud800"}', JSON, 400),
        (b'{"sid": "\\u0000"}', JSON, 400),
        (b"\xe4\xbd", XML, 400),
        (b"x" * 10_000_000, XML, 413),
        (b"sid=1", "application/x-www-form-urlencoded", 415),
    ],
)
def test_hostile_bodies_are_refused(shared_stack: Stack, body: bytes, content_type: str, status: int) -> None:
    answered_status, _, answered = post(shared_stack.calls_url, body, content_type)
    assert answered_status == status
    assert b"1001" in answered
    assert answer(shared_stack, json_query(), JSON)["result"] == "0000"


def test_a_query_is_answered_in_its_budget_whatever_the_services_do(stack: Stack) -> None:
    stack.routing.child.freeze()
    started = time.monotonic()
    assert answer(stack, xml_query(), XML)["result"] == "9001"
    assert time.monotonic() - started < 2.0
    stack.routing.child.thaw()
    stack.routing.child.kill()
    started = time.monotonic()
    assert answer(stack, xml_query(), XML)["result"] in {"9001", "9002"}
    assert time.monotonic() - started < 2.0
    stack.routing.start()
    deadline = time.monotonic() + 10
    while answer(stack, xml_query(), XML)["result"] != "0000":
        assert time.monotonic() < deadline, "no recovery"


def test_health_tells_what_is_missing(stack: Stack) -> None:
    with urllib.request.urlopen(f"http://{stack.gateway.address}/healthz", timeout=5) as response:
        assert response.status == 200
    with urllib.request.urlopen(f"http://{stack.gateway.address}/readyz", timeout=5) as response:
        assert response.status == 200
    stack.routing.child.kill()
    deadline = time.monotonic() + 10
    while True:
        try:
            urllib.request.urlopen(f"http://{stack.gateway.address}/readyz", timeout=5).close()
        except urllib.error.HTTPError as error:
            assert error.code == 503
            assert b"routing" in error.read()
            break
        assert time.monotonic() < deadline, "readyz never noticed"
