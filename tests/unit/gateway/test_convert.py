"""Protobuf to domain and back."""

import pytest
from axbridge.events.v1 import event_service_pb2
from axbridge.routing.v1 import call_profile_pb2, decision_pb2, prompt_pb2, tenant_pb2
from hypothesis import given

from common.errors import InvalidArgumentError, UnavailableError, UnexpectedError
from common.protocol_codes import ConnectionType, RecordType, ResultCode, RingbackMode
from gateway.codec import encode_request
from gateway.convert import (
    answered_to_proto,
    decision_from_proto,
    event_to_proto,
    publish_error,
    query_to_proto,
    rejected_to_proto,
    tenant_from_proto,
)
from gateway.domain import (
    DEFAULT_STYLE,
    NO_ATTRIBUTES,
    AnsweredQuery,
    AnswerStyle,
    CallAttributes,
    Event,
    EventMember,
    Member,
    Query,
    Receipt,
    ReceivedEvent,
    RejectedMessage,
    RouteDecision,
)
from tests.unit.gateway.strategies import XML_FORM, events

QUERY = Query(" s1", "100001 ", "c1\n", "138 0000 1111", "02566000001", "7")
RECEIPT = Receipt(1_772_352_000_000_000, b"\x00raw\xff", "text/xml; charset=gbk")


def test_a_query() -> None:
    sent = query_to_proto(QUERY, "00-trace")
    assert (sent.tenant_id, sent.session_id) == ("100001", "s1")
    assert (sent.calling_number, sent.access_number) == ("138 0000 1111", "02566000001")
    assert sent.traceparent == "00-trace"


def test_a_whole_decision() -> None:
    decision = decision_pb2.RouteDecision(
        result=decision_pb2.ROUTE_RESULT_ROUTED,
        reason="by a pair",
        binding_id="b1",
        binding_revision=3,
        decision_source=decision_pb2.DECISION_SOURCE_CACHE,
        direction=decision_pb2.CALL_DIRECTION_FROM_OWNER,
        members=[
            decision_pb2.RouteMember(
                number="1", display_number="2", answer_prompt="3", disconnect_prompt="4", fail_prompt="5"
            ),
            decision_pb2.RouteMember(number="6"),
        ],
        attributes=decision_pb2.RouteAttributes(
            charge_ext="e1",
            client_id="",
            caller_prompt="a.wav",
            user_data="d",
            callback_url="http://x/",
            max_duration_seconds=0,
            record_type=call_profile_pb2.RECORD_TYPE_AFTER_ANSWER,
            warning_duration_seconds=60,
            warning_prompt="w.wav",
            connection_type=call_profile_pb2.CONNECTION_TYPE_BRIDGE,
            ringback_mode=call_profile_pb2.RINGBACK_MODE_LOCAL,
            ringback_prompt="r.wav",
        ),
        response_style=tenant_pb2.ResponseStyle(
            xml_root="answer",
            json_list_style=tenant_pb2.JSON_LIST_STYLE_PLAIN,
            prompt_style=tenant_pb2.PROMPT_STYLE_NESTED,
        ),
    )
    assert decision_from_proto(decision) == RouteDecision(
        ResultCode.SUCCESS,
        "e1",
        (Member("1", "2", "3", "4", "5"), Member("6", "")),
        CallAttributes(
            "",
            "a.wav",
            "d",
            "http://x/",
            0,
            RecordType.AFTER_ANSWER,
            60,
            "w.wav",
            ConnectionType.BRIDGE,
            RingbackMode.LOCAL,
            "r.wav",
        ),
        AnswerStyle("answer", plain_json_list=True, nested_prompts=True),
        "by a pair",
        "b1",
        3,
        "FROM_OWNER",
        "CACHE",
    )


def test_a_bare_decision() -> None:
    decision = decision_from_proto(decision_pb2.RouteDecision(result=decision_pb2.ROUTE_RESULT_NO_BINDING))
    assert decision == RouteDecision(ResultCode.NO_BINDING)
    assert decision.attributes is NO_ATTRIBUTES
    assert decision.style is None
    styled = decision_pb2.RouteDecision(response_style=tenant_pb2.ResponseStyle())
    assert decision_from_proto(styled).style is DEFAULT_STYLE


@pytest.mark.parametrize(("name", "number"), decision_pb2.RouteResult.items())
def test_every_result_has_its_code(name: str, number: decision_pb2.RouteResult) -> None:
    codes = {
        "ROUTED": "0000",
        "INVALID_QUERY": "1001",
        "UNKNOWN_TENANT": "1002",
        "UNKNOWN_ACCESS_NUMBER": "1003",
        "NO_BINDING": "1004",
        "CALLER_BLOCKED": "1005",
        "NOT_IN_FORCE": "1006",
        "NOT_AUTHORIZED": "1007",
        "TIMED_OUT": "9001",
        "UNAVAILABLE": "9002",
        "INTERNAL": "9999",
        "UNSPECIFIED": "9999",
    }
    decision = decision_from_proto(decision_pb2.RouteDecision(result=number))
    assert decision.result.text == codes[name.removeprefix("ROUTE_RESULT_")]


def test_a_result_of_a_newer_service_is_an_internal_error() -> None:
    newer = decision_pb2.RouteDecision.FromString(b"\x08\x63")
    assert decision_from_proto(newer).result is ResultCode.INTERNAL


def test_a_tenant() -> None:
    tenant = tenant_pb2.Tenant(
        tenant_id="100001",
        default_region="HK",
        default_profile=call_profile_pb2.CallProfile(charge_ext="e1"),
        response_style=tenant_pb2.ResponseStyle(xml_root="answer"),
        failure_prompts={
            "default": prompt_pb2.Prompt(segments=[prompt_pb2.PromptSegment(file="sorry.wav")]),
            "1004": prompt_pb2.Prompt(
                segments=[
                    prompt_pb2.PromptSegment(file="1.wav"),
                    prompt_pb2.PromptSegment(
                        variable=prompt_pb2.PromptVariable(type=prompt_pb2.PROMPT_VARIABLE_TYPE_TEXT, value="a<b")
                    ),
                ]
            ),
        },
    )
    settings = tenant_from_proto(tenant)
    assert (settings.tenant_id, settings.default_region, settings.charge_ext) == ("100001", "HK", "e1")
    assert settings.style == AnswerStyle("answer")
    assert settings.failure_prompts == {
        "default": "sorry.wav",
        "1004": "<msg><file>1.wav</file><var>7_a&lt;b</var></msg>",
    }


def test_every_prompt_variable_type_is_known() -> None:
    for name, number in prompt_pb2.PromptVariableType.items():
        variable = prompt_pb2.PromptVariable(type=number, value="v")
        prompts = {"default": prompt_pb2.Prompt(segments=[prompt_pb2.PromptSegment(variable=variable)])}
        text = tenant_from_proto(tenant_pb2.Tenant(failure_prompts=prompts)).failure_prompts["default"]
        assert text == f"<msg><var>{number or 7}_v</var></msg>", name


def test_an_event() -> None:
    event = Event(
        " s1 ",
        "100001",
        "30\n",
        " c1",
        "7 ",
        "e1",
        "our-1",
        " 02",
        "r",
        " d ",
        (EventMember("0", "1", "2", "3", "4"),),
        "ms",
        "/f",
        (("a", "1"), ("b", "2"), ("a", "3"), ("a", "4")),
        ("missing:x",),
    )
    sent = event_to_proto(ReceivedEvent(event, RECEIPT, "HK", "00-trace"))
    assert (sent.tenant_id, sent.session_id, sent.call_id, sent.seq, sent.code) == ("100001", "s1", "c1", "7", "30")
    assert (sent.charge_ext, sent.client_id, sent.call_result, sent.reason) == ("e1", "our-1", "02", "r")
    assert (sent.user_data, sent.media_server, sent.file_path) == (" d ", "ms", "/f")
    (member,) = sent.members
    assert (member.line, member.number, member.type, member.state, member.translated_number) == tuple("01234")
    assert dict(sent.unknown_fields) == {"a": "1", "b": "2", "a[2]": "3", "a[3]": "4"}
    assert list(sent.form_flags) == ["missing:x"]
    assert (sent.raw_body, sent.content_type) == (RECEIPT.raw_body, RECEIPT.content_type)
    assert (sent.received_at_us, sent.default_region, sent.traceparent) == (RECEIPT.received_at_us, "HK", "00-trace")


@given(events)
def test_every_event_can_be_sent(event: Event) -> None:
    receipt = Receipt(1, encode_request(XML_FORM, event), "text/xml")
    event_to_proto(ReceivedEvent(event, receipt)).SerializeToString()


def test_outcomes_of_publishing() -> None:
    def outcome(status: event_service_pb2.PublishStatus, error: str = "") -> object:
        return publish_error(event_service_pb2.PublishResult(status=status, error=error))

    assert outcome(event_service_pb2.PUBLISH_STATUS_STORED) is None
    assert outcome(event_service_pb2.PUBLISH_STATUS_DUPLICATE) is None
    assert outcome(event_service_pb2.PUBLISH_STATUS_CONFLICT) is None
    assert isinstance(outcome(event_service_pb2.PUBLISH_STATUS_UNSPECIFIED), UnavailableError)
    invalid = outcome(event_service_pb2.PUBLISH_STATUS_INVALID, "code: is missing")
    assert isinstance(invalid, InvalidArgumentError)
    assert (invalid.field, invalid.message) == ("code", "code: is missing")
    assert isinstance(outcome(event_service_pb2.PUBLISH_STATUS_INVALID, "bad"), InvalidArgumentError)
    newer = event_service_pb2.PublishResult.FromString(b"\x08\x63")
    assert isinstance(publish_error(newer), UnexpectedError)


def test_a_rejected_message() -> None:
    sent = rejected_to_proto(RejectedMessage(RECEIPT, "sid: missing", "100001"))
    assert (sent.received_at_us, sent.reason, sent.tenant_id) == (RECEIPT.received_at_us, "sid: missing", "100001")
    assert (sent.raw_body, sent.content_type) == (RECEIPT.raw_body, RECEIPT.content_type)


def test_an_answered_query() -> None:
    decision = RouteDecision(
        ResultCode.SUCCESS,
        members=(Member("13900001111", "x"), Member("13700001111", "x")),
        attributes=CallAttributes(max_duration_seconds=60),
        reason="by a pair",
        binding_id="b1",
        binding_revision=2,
        direction="A_TO_B",
        decision_source="STORE",
    )
    sent = answered_to_proto(AnsweredQuery(QUERY, decision, 5.0, 5.000006, "CN", "00-trace"), 1_000_000)
    assert (sent.tenant_id, sent.session_id, sent.call_id) == ("100001", "s1", "c1")
    assert (sent.calling_number, sent.access_number) == ("138 0000 1111", "02566000001")
    assert list(sent.called_numbers) == ["13900001111", "13700001111"]
    assert (sent.result, sent.reason, sent.binding_id, sent.binding_revision) == ("0000", "by a pair", "b1", 2)
    assert (sent.direction, sent.decision_source) == ("A_TO_B", "STORE")
    assert (sent.received_at_us, sent.took_us, sent.max_duration_seconds) == (6_000_000, 6, 60)
    assert (sent.default_region, sent.traceparent) == ("CN", "00-trace")
