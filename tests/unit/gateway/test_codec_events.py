"""Events: what is missing or doubtful is flagged, members are read in every shape, nothing is lost for its form."""

import json

import pytest

from common.protocol_codes import CallResult, EventCode, ResultCode
from gateway.codec import InvalidEventError, decode_request
from gateway.domain import Event, EventMember

BASE = {
    "sid": "s1",
    "vccId": "100001",
    "callId": "c1",
    "seq": "3",
    "method": "event",
    "chargeExt": "e1",
    "code": "30",
}
MEMBERS = (EventMember("0", "13800001111", "0", "1", ""), EventMember("1", "13900001111", "1", "2", "02566000001"))
USERS = [
    {"line": "0", "number": "13800001111", "type": "0", "state": "1"},
    {"line": 1, "number": "13900001111", "type": "1", "state": "2", "translate": "02566000001"},
]
USERS_XML = (
    "<user><line>0</line><number>13800001111</number><type>0</type><state>1</state></user>"
    "<user><line>1</line><number>13900001111</number><type>1</type><state>2</state>"
    "<translate>02566000001</translate></user>"
)


def from_json(**fields: object) -> Event:
    command = decode_request("application/json", json.dumps({**BASE, **fields}).encode()).command
    assert isinstance(command, Event)
    return command


def from_xml(extra: str = "", **fields: str | None) -> Event:
    parts = [f"<{name}>{text}</{name}>" for name, text in {**BASE, **fields}.items() if text is not None]
    command = decode_request("text/xml", f"<request>{''.join(parts)}{extra}</request>".encode()).command
    assert isinstance(command, Event)
    return command


def test_every_field() -> None:
    event = from_xml(
        f"<userList>{USERS_XML}</userList>",
        clientId="our-1",
        callResult="02",
        reason="r",
        callData="d&amp;d",
        msServer="ms1",
        filePath="/rec/1.wav",
    )
    assert event == Event(
        "s1", "100001", "30", "c1", "3", "e1", "our-1", "02", "r", "d&d", MEMBERS, "ms1", "/rec/1.wav"
    )


@pytest.mark.parametrize("code", [*(code.text for code in EventCode), "99", "x-1"])
def test_known_and_unknown_codes_are_taken_alike(code: str) -> None:
    assert from_xml(code=code).code == code
    assert from_json(code=code).form_flags == ()


@pytest.mark.parametrize("result", [result.text for result in CallResult])
def test_call_results_keep_their_zeros(result: str) -> None:
    assert from_json(callResult=result).call_result == result
    assert from_xml(callResult=result).form_flags == ()


@pytest.mark.parametrize(
    "user_list",
    [
        USERS,
        {"user": USERS},
        {"User": USERS},
        [{"user": USERS[0]}, {"user": USERS[1]}],
        json.dumps(USERS),
        json.dumps({"user": USERS}),
        json.dumps({"userList": {"user": USERS}}),
        USERS_XML,
        f"<userList>{USERS_XML}</userList>",
        f'<?xml version="1.0" encoding="UTF-8"?><userList>{USERS_XML}</userList>',
        f"  {USERS_XML}\n",
    ],
)
def test_shapes_of_the_list_in_json(user_list: object) -> None:
    event = from_json(userList=user_list)
    assert event.members == MEMBERS
    assert event.form_flags == ()


@pytest.mark.parametrize(
    "content",
    [
        USERS_XML,
        f"\n  {USERS_XML}\n",
        USERS_XML.replace("user>", "USER>"),
        f"<![CDATA[{USERS_XML}]]>",
        USERS_XML.replace("<", "&lt;"),
        json.dumps(USERS),
        json.dumps({"user": USERS}),
    ],
)
def test_shapes_of_the_list_in_xml(content: str) -> None:
    event = from_xml(f"<userList>{content}</userList>")
    assert event.members == MEMBERS
    assert event.form_flags == ()


@pytest.mark.parametrize("single", [{"user": USERS[1]}, USERS[1], [USERS[1]], {"user": [USERS[1]]}])
def test_a_single_member(single: object) -> None:
    assert from_json(userList=single).members == (MEMBERS[1],)


@pytest.mark.parametrize("nothing", [None, "", " ", [], {}, {"user": []}, {"user": None}, {"user": ""}, "[]", [None]])
def test_no_members(nothing: object) -> None:
    event = from_json(userList=nothing)
    assert event.members == ()
    assert event.form_flags == ()


def test_no_members_in_xml() -> None:
    for content in ("<userList/>", "<userList></userList>", "<userList> <user/> </userList>", ""):
        assert from_xml(content).members == ()
        assert from_xml(content).form_flags == ()


@pytest.mark.parametrize("broken", ["nobody", "<user>", "[1", 7, True, [1], {"user": "13800001111"}, "[" * 40])
def test_a_list_that_is_none_is_kept_and_flagged(broken: object) -> None:
    event = from_json(userList=broken)
    assert event.members == ()
    assert event.form_flags == ("unreadable:userList",)
    assert dict(event.unknown_fields)["userList"]


def test_too_many_members() -> None:
    event = from_json(userList=[USERS[0]] * 70)
    assert len(event.members) == 64
    assert event.form_flags == ("length:userList",)


def test_doubtful_members() -> None:
    users = [{"line": "left", "state": "1", "number": {"n": 1}, "weight": "5"}, {"type": "one", "line": True}]
    event = from_json(userList=users)
    assert event.members == (EventMember("left", '{"n":1}', "", "1"), EventMember("true", "", "one"))
    assert set(event.form_flags) == {
        *("number:userList.line", "nested:userList.number", "number:userList.type", "boolean:userList.line"),
    }
    assert event.unknown_fields == (("userList.0.weight", "5"),)


@pytest.mark.parametrize("name", ["callId", "seq", "chargeExt"])
def test_what_is_missing_is_flagged(name: str) -> None:
    assert from_xml(**{name: None}).form_flags == (f"missing:{name}",)
    assert from_json(**{name: None}).form_flags == (f"missing:{name}",)


def test_an_empty_charge_extension_is_not_missing_but_an_empty_seq_is() -> None:
    assert from_xml(chargeExt="").form_flags == ()
    assert from_xml(seq=" ").form_flags == ("missing:seq",)


@pytest.mark.parametrize(
    ("fields", "flag"),
    [
        ({"seq": "one"}, "number:seq"),
        ({"callResult": "busy"}, "number:callResult"),
        ({"callData": True}, "boolean:callData"),
        ({"callData": {"a": 1}}, "nested:callData"),
        ({"reason": ["a"]}, "nested:reason"),
        ({"callId": "c" * 300}, "length:callId"),
        ({"SEQ": "4"}, "repeated:seq"),
    ],
)
def test_doubtful_values_are_flagged(fields: dict[str, object], flag: str) -> None:
    assert from_json(**fields).form_flags == (flag,)


def test_doubtful_values_are_kept() -> None:
    assert from_json(callData={"a": [1.50, "x"]}).user_data == '{"a":[1.5,"x"]}'
    assert from_json(callId="c" * 300).call_id == "c" * 256
    assert from_json(SEQ="4").seq == "3"
    assert from_xml(callData="<order><id>7</id>&amp;</order>").user_data == "<order><id>7</id>&amp;</order>"


def test_unknown_fields_are_kept_up_to_a_bound() -> None:
    event = from_json(**{f"x{number}": number for number in range(300)})
    assert len(event.unknown_fields) == 256
    assert event.unknown_fields[7] == ("x7", "7")
    assert event.form_flags == ("length:unknown_fields",)
    assert from_xml("<note>1</note><note>2</note>").unknown_fields == (("note", "1"), ("note", "2"))


def test_fields_of_a_query_are_unknown_to_an_event() -> None:
    assert from_json(callingNumber="1").unknown_fields == (("callingNumber", "1"),)


@pytest.mark.parametrize("name", ["sid", "vccId", "code"])
@pytest.mark.parametrize("value", [None, "", " ", True, {"a": 1}, ["15"], "x" * 257])
def test_without_its_names_an_event_is_refused(name: str, value: object) -> None:
    with pytest.raises(InvalidEventError) as caught:
        from_json(**{name: value})
    error = caught.value
    assert (error.field, error.http_status) == (name, 400)
    assert error.answer.reason.startswith(f"{name}: ")
    assert error.answer.result is ResultCode.MALFORMED_REQUEST
    assert error.answer.call_id == "c1"
