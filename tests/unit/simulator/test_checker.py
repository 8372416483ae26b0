"""The checker finds nothing in right answers and something in each wrong one: a table of wrong answers."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from simulator.checker import (
    ANY_RESULT,
    ANY_ROOT,
    Expectation,
    Rule,
    check_event_answer,
    check_query_answer,
    same_route,
)
from simulator.messages import Answer, Query, WireAnswer, WireRequest
from simulator.wire_xml import DECLARATION

A, B, X = "13800001111", "13900001111", "02566000001"
QUERY = Query("s1", "100001", "c1", "7", A, X)
XML_REQUEST = WireRequest(b"", "application/xml; charset=UTF-8", "request")
JSON_REQUEST = WireRequest(b"", "application/json; charset=UTF-8")
XML_TYPE = "application/xml; charset=UTF-8"
JSON_TYPE = "application/json; charset=UTF-8"
PROMPT = "<msg><file>1.wav</file><var>7_你好</var></msg>"

Fields = dict[str, Any]


def good_fields() -> Fields:
    """A right answer that says everything there is to say."""
    return {
        "sid": "s1",
        "vccId": "100001",
        "callId": "c1",
        "seq": "7",
        "result": "0000",
        "chargeExt": "8001",
        "clientId": "order-1",
        "callerPrompt": PROMPT,
        "userList": [
            {
                "number": B,
                "type": "1",
                "displayNumber": X,
                "answerPrompt": "answer.wav",
                "disconnectPrompt": "",
                "failPrompt": PROMPT,
            }
        ],
        "callData": "a<b&c",
        "callBackUrl": "https://platform.example/calls",
        "maxDuration": "600",
        "recordType": "2",
        "warningDuration": "60",
        "warningPrompt": "warning.wav",
        "connType": "1",
        "ringbackMode": "0",
        "ringbackPrompt": "ring.wav",
    }


def escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def as_xml(fields: Fields, root: str = "response") -> bytes:
    parts = []
    for name, value in fields.items():
        if name == "userList":
            users = "".join(
                f"<user>{''.join(f'<{key}>{escape(text)}</{key}>' for key, text in user.items())}</user>"
                for user in value
            )
            parts.append(f"<userList>{users}</userList>")
        else:
            parts.append(f"<{name}>{escape(value)}</{name}>")
    return f"{DECLARATION}<{root}>{''.join(parts)}</{root}>".encode()


def as_json(fields: Fields) -> bytes:
    return json.dumps(fields).encode()


def rules_of(
    fields: Fields, expectation: Expectation | None = None, query: Query = QUERY
) -> tuple[set[Rule], set[Rule]]:
    """What is found in an answer in XML and in JSON."""
    expected = expectation or Expectation(callee=B)
    in_xml = check_query_answer(query, XML_REQUEST, WireAnswer(200, XML_TYPE, as_xml(fields)), expected)
    in_json = check_query_answer(query, JSON_REQUEST, WireAnswer(200, JSON_TYPE, as_json(fields)), expected)
    return {finding.rule for finding in in_xml.findings}, {finding.rule for finding in in_json.findings}


def test_a_complete_right_answer_is_right() -> None:
    assert rules_of(good_fields()) == (set(), set())


def test_the_least_right_answer_is_right() -> None:
    fields = {name: good_fields()[name] for name in ("sid", "vccId", "callId", "result", "userList")}
    fields |= {"seq": "", "chargeExt": ""}
    fields["userList"] = [{"number": B, "type": "1", "displayNumber": X}]
    query = Query("s1", "100001", "c1", None, A, X)
    assert rules_of(fields, query=query) == (set(), set())


def test_a_right_failure_is_right() -> None:
    fields = {name: good_fields()[name] for name in ("sid", "vccId", "callId", "seq", "chargeExt", "callerPrompt")}
    fields["result"] = "1004"
    for expectation in (Expectation(result="1004"), Expectation(result=ANY_RESULT)):
        assert rules_of(fields, expectation) == (set(), set())


def change(**changes: Any) -> Callable[[Fields], None]:
    return lambda fields: fields.update(changes)


def drop(name: str) -> Callable[[Fields], None]:
    def dropped(fields: Fields) -> None:
        del fields[name]

    return dropped


def member(**changes: Any) -> Callable[[Fields], None]:
    return lambda fields: fields["userList"][0].update(changes)


def drop_from_member(name: str) -> Callable[[Fields], None]:
    def dropped(fields: Fields) -> None:
        del fields["userList"][0][name]

    return dropped


WRONG_ANSWERS: list[tuple[str, Callable[[Fields], None], Rule]] = [
    *[(f"no {name}", drop(name), Rule.MANDATORY) for name in ("sid", "vccId", "callId", "seq", "chargeExt")],
    ("no result", drop("result"), Rule.MANDATORY),
    ("another sid", change(sid="s2"), Rule.ECHO),
    ("another vccId", change(vccId="100002"), Rule.ECHO),
    ("another callId", change(callId="C1"), Rule.ECHO),
    ("another seq", change(seq="8"), Rule.ECHO),
    ("an empty seq although one was sent", change(seq=""), Rule.ECHO),
    ("a short result", change(result="000"), Rule.RESULT),
    ("a result of five digits", change(result="00000"), Rule.RESULT),
    ("a result in letters", change(result="ok"), Rule.RESULT),
    ("an unexpected failure", change(result="1004", userList=[]), Rule.UNEXPECTED_RESULT),
    ("a failure that connects somebody", change(result="1004"), Rule.USER_LIST),
    ("success without a list", drop("userList"), Rule.USER_LIST),
    ("success with an empty list", change(userList=[]), Rule.USER_LIST),
    ("a member without a number", drop_from_member("number"), Rule.USER_LIST),
    ("a member without a type", drop_from_member("type"), Rule.USER_LIST),
    ("a member without a displayNumber", drop_from_member("displayNumber"), Rule.USER_LIST),
    ("a member who is the caller", member(type="0"), Rule.USER_LIST),
    ("an empty number", member(number=""), Rule.NUMBER),
    ("a number with a dash", member(number="138-0000-1111"), Rule.NUMBER),
    ("a masked number", member(number="139****1111"), Rule.NUMBER),
    ("an empty displayNumber", member(displayNumber=""), Rule.NUMBER),
    ("the wrong callee", member(number="13900001112"), Rule.WRONG_CALLEE),
    ("the caller as callee", member(number=A), Rule.WRONG_CALLEE),
    ("a field in other letters", change(Sid="s1"), Rule.UNKNOWN_FIELD),
    ("a field of ours", change(bindingId="b1"), Rule.UNKNOWN_FIELD),
    ("a member's field of ours", member(line="0"), Rule.UNKNOWN_FIELD),
    ("an unknown recordType", change(recordType="3"), Rule.VALUE_RANGE),
    ("an empty recordType", change(recordType=""), Rule.VALUE_RANGE),
    ("an unknown connType", change(connType="2"), Rule.VALUE_RANGE),
    ("an unknown ringbackMode", change(ringbackMode="true"), Rule.VALUE_RANGE),
    ("a negative maxDuration", change(maxDuration="-1"), Rule.VALUE_RANGE),
    ("a maxDuration in minutes", change(maxDuration="10m"), Rule.VALUE_RANGE),
    ("an empty maxDuration", change(maxDuration=""), Rule.VALUE_RANGE),
    ("a broken warningDuration", change(warningDuration="1.5"), Rule.VALUE_RANGE),
    ("a callBackUrl without a scheme", change(callBackUrl="platform.example/calls"), Rule.VALUE_RANGE),
    ("a warning above the maximum", change(warningDuration="601"), Rule.WARNING_DURATION),
    ("recording at once in bridge mode", change(recordType="1"), Rule.BRIDGE_RECORDING),
    ("a ringback prompt that is never heard", change(ringbackMode="1"), Rule.RINGBACK_PROMPT),
    ("a prompt that is no msg", change(callerPrompt="<file>1.wav</file>"), Rule.PROMPT),
    ("a prompt of an unknown type", change(warningPrompt="<msg><var>9_x</var></msg>"), Rule.PROMPT),
    ("a prompt with a bad price", change(ringbackPrompt="<msg><var>5_12.34</var></msg>"), Rule.PROMPT),
    ("a broken prompt", member(answerPrompt="<msg><file>1.wav</msg>"), Rule.PROMPT),
    ("a member's prompt of nothing", member(failPrompt="<msg></msg>"), Rule.PROMPT),
]


@pytest.mark.parametrize(
    ("mutate", "rule"), [(m, r) for _, m, r in WRONG_ANSWERS], ids=[n for n, _, _ in WRONG_ANSWERS]
)
def test_each_wrong_answer_is_caught_in_both_formats(mutate: Callable[[Fields], None], rule: Rule) -> None:
    fields = good_fields()
    mutate(fields)
    in_xml, in_json = rules_of(fields)
    assert rule in in_xml
    assert rule in in_json


@pytest.mark.parametrize(
    "mutate",
    [
        change(warningDuration="600"),
        change(maxDuration="0", warningDuration="601"),
        drop("maxDuration"),
        change(warningDuration=""),
        change(connType="0", recordType="1"),
        drop("ringbackMode"),
        member(number="+86" + B),
        member(number="0" + B),
        member(displayNumber="+862566000001"),
    ],
)
def test_what_looks_odd_but_is_allowed_is_not_found(mutate: Callable[[Fields], None]) -> None:
    fields = good_fields()
    mutate(fields)
    assert rules_of(fields) == (set(), set())


def found(request: WireRequest, answer: WireAnswer, expectation: Expectation | None = None) -> set[Rule]:
    verdict = check_query_answer(QUERY, request, answer, expectation or Expectation(callee=B))
    return {finding.rule for finding in verdict.findings}


@pytest.mark.parametrize(
    ("request_sent", "answer", "rule"),
    [
        (XML_REQUEST, WireAnswer(500, XML_TYPE, as_xml(good_fields())), Rule.STATUS),
        (XML_REQUEST, WireAnswer(400, XML_TYPE, as_xml(good_fields())), Rule.STATUS),
        (XML_REQUEST, WireAnswer(200, "application/xml", as_xml(good_fields())), Rule.CONTENT_TYPE),
        (XML_REQUEST, WireAnswer(200, "text/html; charset=UTF-8", as_xml(good_fields())), Rule.CONTENT_TYPE),
        (XML_REQUEST, WireAnswer(200, JSON_TYPE, as_xml(good_fields())), Rule.CONTENT_TYPE),
        (JSON_REQUEST, WireAnswer(200, XML_TYPE, as_json(good_fields())), Rule.CONTENT_TYPE),
        (JSON_REQUEST, WireAnswer(200, "application/json; charset=GBK", as_json(good_fields())), Rule.CONTENT_TYPE),
        (XML_REQUEST, WireAnswer(200, XML_TYPE, as_json(good_fields())), Rule.READABLE),
        (JSON_REQUEST, WireAnswer(200, JSON_TYPE, as_xml(good_fields())), Rule.READABLE),
        (XML_REQUEST, WireAnswer(200, XML_TYPE, b""), Rule.READABLE),
        (XML_REQUEST, WireAnswer(200, XML_TYPE, as_xml(good_fields()).decode().encode("gbk")), Rule.READABLE),
        (XML_REQUEST, WireAnswer(200, XML_TYPE, as_xml(good_fields()).removeprefix(DECLARATION.encode())), Rule.FORM),
        (JSON_REQUEST, WireAnswer(200, JSON_TYPE, as_json(good_fields() | {"maxDuration": 600})), Rule.FORM),
        (XML_REQUEST, WireAnswer(200, XML_TYPE, as_xml(good_fields(), root="request")), Rule.ROOT),
        (XML_REQUEST, WireAnswer(200, XML_TYPE, as_xml(good_fields(), root="Response")), Rule.ROOT),
    ],
)
def test_what_is_wrong_around_the_fields_is_caught(request_sent: WireRequest, answer: WireAnswer, rule: Rule) -> None:
    assert rule in found(request_sent, answer)


@pytest.mark.parametrize(
    ("sent", "answered"),
    [("request", "response"), ("Request", "Response"), ("req", "resp"), ("callInfo", "callInfo"), ("axb", "axb")],
)
def test_the_root_follows_from_the_request(sent: str, answered: str) -> None:
    request = WireRequest(b"", XML_TYPE, sent)
    assert found(request, WireAnswer(200, XML_TYPE, as_xml(good_fields(), root=answered))) == set()
    assert found(request, WireAnswer(200, XML_TYPE, as_xml(good_fields(), root="other"))) == {Rule.ROOT}


def test_a_tenant_may_have_a_root_of_its_own() -> None:
    answer = WireAnswer(200, "text/xml;charset=utf-8", as_xml(good_fields(), root="answer"))
    assert found(XML_REQUEST, answer, Expectation(xml_root="answer")) == set()
    assert found(XML_REQUEST, answer, Expectation(xml_root=ANY_ROOT)) == set()
    assert found(XML_REQUEST, answer, Expectation(xml_root="response")) == {Rule.ROOT}


def test_findings_hold_no_whole_number() -> None:
    fields = good_fields()
    fields["userList"][0]["number"] = "13900001112x"
    fields["sid"] = "13800001111"
    verdict = check_query_answer(
        QUERY, JSON_REQUEST, WireAnswer(200, JSON_TYPE, as_json(fields)), Expectation(callee=B)
    )
    assert verdict.findings
    for finding in verdict.findings:
        assert not any(number in finding.detail for number in (A, B, "13900001112"))


def test_an_unreadable_answer_routes_nobody() -> None:
    verdict = check_query_answer(QUERY, XML_REQUEST, WireAnswer(200, XML_TYPE, b"?"), Expectation())
    assert (verdict.answer, verdict.result, verdict.routed) == (None, "", False)


@pytest.mark.parametrize(
    ("answer", "rules"),
    [
        (WireAnswer(200, XML_TYPE, b""), set()),
        (WireAnswer(200, "application/xml", b""), set()),
        (WireAnswer(503, XML_TYPE, b""), {Rule.STATUS}),
        (WireAnswer(204, XML_TYPE, b""), {Rule.STATUS}),
        (WireAnswer(200, XML_TYPE, b"<ok/>"), {Rule.EMPTY_BODY}),
        (WireAnswer(200, JSON_TYPE, b""), {Rule.CONTENT_TYPE}),
        (WireAnswer(200, "", b""), {Rule.CONTENT_TYPE}),
    ],
)
def test_answers_to_events(answer: WireAnswer, rules: set[Rule]) -> None:
    assert {finding.rule for finding in check_event_answer(XML_REQUEST, answer)} == rules


def test_the_same_route_is_the_same_result_and_the_same_members() -> None:
    def answer(result: str, number: str) -> Answer:
        return Answer({"result": result}, ({"number": number},), None)

    assert same_route(answer("0000", B), answer("0000", B))
    assert not same_route(answer("0000", B), answer("0000", A))
    assert not same_route(answer("0000", B), answer("1004", B))
