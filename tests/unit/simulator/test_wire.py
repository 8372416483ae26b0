"""What the simulator writes can be read back by other means, and what is wrong with an answer is seen."""

import json
import re
from random import Random
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.protocol_codes import EventCode, MemberState, MemberType
from simulator import wire_json, wire_xml
from simulator.encodings import usable_encoding
from simulator.messages import Event, EventMember, Query, UnreadableAnswerError
from simulator.wire_json import JsonListShape, JsonStyle
from simulator.wire_xml import NameCase, XmlListShape, XmlStyle

MEMBERS = (
    EventMember("0", "13800001111", MemberType.CALLER, MemberState.IN_CALL),
    EventMember("1", "13900001111", MemberType.CALLED, MemberState.RINGING, "13700001111"),
)
texts = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"),
    min_size=1,
    max_size=30,
).map(lambda text: "x" + text.strip() + "x")


def event(user_data: str) -> Event:
    return Event("s1", "100001", "c1", "2", "8001", EventCode.RINGING, MEMBERS, client_id="o-1", user_data=user_data)


def fields_of(message: Event | Query) -> dict[str, str]:
    return dict(message.fields())


def read_xml(body: bytes, style: XmlStyle) -> dict[str, Any]:
    """Read a request the way PROTOCOL.md tells: mark, declaration, UTF-8, GB18030."""
    body = body.removeprefix(b"\xef\xbb\xbf")
    declared = re.match(rb'<\?xml version="1.0" encoding="([^"]+)"\?>', body)
    if declared:
        text = body[declared.end() :].decode(declared.group(1).decode())
    else:
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError:
            text = body.decode("gb18030")
    root = ElementTree.fromstring(text)
    assert root.tag == style.root
    if style.wrapper is not None:
        (root,) = root
        assert root.tag == style.wrapper
    return {child.tag.lower(): child for child in root}


def read_members(element: ElementTree.Element) -> list[dict[str, str]]:
    text = (element.text or "").strip()
    if text.startswith("["):
        listed = json.loads(text)
        return [{name.lower(): value for name, value in member.items()} for member in listed]
    if text.startswith("<"):
        element = ElementTree.fromstring(text)
    return [{item.tag.lower(): item.text or "" for item in user} for user in element]


@given(texts, st.integers(0, 10_000))
def test_any_event_survives_xml_in_any_style(user_data: str, seed: int) -> None:
    style = wire_xml.choose_style(Random(seed))
    sent = event(user_data)
    request = wire_xml.write(sent.fields(), sent.members, style)
    assert (request.content_type, request.xml_root) == (style.content_type, style.root)
    read = read_xml(request.body, style)
    for name, text in sent.fields():
        assert read[name.lower()].text == text
    wanted = [{name.lower(): text for name, text in member.fields()} for member in MEMBERS]
    assert read_members(read["userlist"]) == wanted


@given(texts, st.integers(0, 10_000))
def test_any_event_survives_json_in_any_style(user_data: str, seed: int) -> None:
    style = wire_json.choose_style(Random(seed))
    sent = event(user_data)
    request = wire_json.write(sent.fields(), sent.members, style)
    body = request.body.removeprefix(b"\xef\xbb\xbf")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        text = body.decode("gb18030")
    # Numbers are kept as they are written.
    read = json.loads(text, parse_int=str)
    members = read.pop("userList")
    read.pop("platformNode", None)
    assert read == fields_of(sent)
    if isinstance(members, str):
        is_json = members.startswith("{")
        members = json.loads(members, parse_int=str) if is_json else read_members(ElementTree.fromstring(members))
    if isinstance(members, dict):
        members = members["user"]
    assert members == [dict(member.fields()) for member in MEMBERS]


def test_every_style_comes_up() -> None:
    xml = [wire_xml.choose_style(Random(seed)) for seed in range(500)]
    assert {style.name_case for style in xml} == set(NameCase)
    assert {style.list_shape for style in xml} == set(XmlListShape)
    assert {style.encoding for style in xml} == {"utf-8", "gb18030", "gbk", "gb2312"}
    assert {True, False} == {style.byte_order_mark for style in xml} == {style.declared is None for style in xml}
    assert None in {style.content_type for style in xml}
    json_styles = [wire_json.choose_style(Random(seed)) for seed in range(500)]
    assert {style.list_shape for style in json_styles} == set(JsonListShape)
    assert {style.encoding for style in json_styles} == {"utf-8", "gb18030"}
    assert {True, False} == {style.numbers for style in json_styles}


def test_one_member_without_its_array() -> None:
    request = wire_json.write((), MEMBERS[:1], JsonStyle(list_shape=JsonListShape.SINGLE))
    assert json.loads(request.body) == {"userList": {"user": dict(MEMBERS[0].fields())}}


def test_codes_with_leading_zeros_never_become_numbers() -> None:
    style = JsonStyle(numbers=True)
    body = json.loads(wire_json.write((("callResult", "02"), ("code", "15"), ("sid", "12")), (), style).body)
    assert body == {"callResult": "02", "code": 15, "sid": "12"}


@pytest.mark.parametrize(
    ("text", "wanted", "declared", "used"),
    [
        ("plain", "gb2312", False, "gb2312"),
        ("用户忙", "gb18030", False, "gb18030"),
        ("用户忙", "gbk", True, "gbk"),
        # Without a declaration these bytes are valid UTF-8 for something else.
        ("茅台", "gbk", False, "utf-8"),
        ("茅台", "gbk", True, "gbk"),
        ("😀", "gb2312", True, "utf-8"),
    ],
)
def test_no_reader_is_asked_to_guess_what_cannot_be_guessed(text: str, wanted: str, declared: bool, used: str) -> None:
    assert usable_encoding(text, wanted, declared=declared) == used


DECLARATION = wire_xml.DECLARATION


def test_answers_in_xml_are_read_with_their_members() -> None:
    answer = wire_xml.read_answer(
        f"{DECLARATION}<response><sid>s1</sid><seq/><userList><user><number>1</number><answerPrompt/></user>"
        "<user><number>2</number></user></userList></response>".encode()
    )
    assert answer.xml_root == "response"
    assert answer.fields == {"sid": "s1", "seq": ""}
    assert answer.members == ({"number": "1", "answerPrompt": ""}, {"number": "2"})
    assert answer.faults == ()


PROMPT = "<msg><file>1.wav</file><var>7_你好</var><file>2.wav</file><var>1_3</var></msg>"


@pytest.mark.parametrize("written", [PROMPT, PROMPT.replace("<", "&lt;").replace(">", "&gt;")])
def test_prompts_in_xml_keep_their_order_nested_or_escaped(written: str) -> None:
    answer = wire_xml.read_answer(
        f"{DECLARATION}<r><callerPrompt>{written}</callerPrompt><userList><user><failPrompt>{written}</failPrompt>"
        "</user></userList></r>".encode()
    )
    assert answer.fields["callerPrompt"] == PROMPT
    assert answer.members[0]["failPrompt"] == PROMPT
    assert answer.faults == ()


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("<r><sid>1</sid></r>", "does not begin with"),
        (f"\ufeff{DECLARATION}<r><sid>1</sid></r>", "does not begin with"),
        (f"{DECLARATION}<r><sid>1</sid><sid>2</sid></r>", "sid is not a text: repeated"),
        (f"{DECLARATION}<r><sid><x>1</x></sid></r>", "sid is not a text: has elements"),
        (f"{DECLARATION}<r><userList><member/></userList></r>", "userList is not a list"),
        (f"{DECLARATION}<r><userList>text</userList></r>", "userList is not a list"),
        (f"{DECLARATION}<r><userList><user>text</user></userList></r>", "a <user> has no fields"),
        (f'{DECLARATION}<r><sid a="1">1</sid></r>', "sid is not a text"),
    ],
)
def test_deviations_in_xml_are_seen(body: str, fault: str) -> None:
    (found,) = wire_xml.read_answer(body.encode()).faults
    assert fault in found


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not xml",
        b"<r>",
        b"<r/>",
        f"{DECLARATION}<r>\xe4</r>".encode("latin-1"),
        b'<!DOCTYPE r [<!ENTITY a "b">]><r><sid>&a;</sid></r>',
    ],
)
def test_answers_that_are_no_xml_are_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableAnswerError):
        wire_xml.read_answer(body)


def test_answers_in_json_are_read_in_both_list_styles() -> None:
    for users in ([{"number": "1"}], {"user": [{"number": "1"}]}):
        answer = wire_json.read_answer(json.dumps({"sid": "s1", "userList": users}).encode())
        assert (answer.fields, answer.members, answer.faults) == ({"sid": "s1"}, ({"number": "1"},), ())


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('{"maxDuration": 60}', "maxDuration is not a string"),
        ('{"clientId": null}', "clientId is not a string"),
        ('{"sid": "1", "sid": "2"}', "twice"),
        ('{"userList": [{"type": 1}]}', "type is not a string"),
        ('{"userList": {"user": {"number": "1"}}}', "userList"),
        ('{"userList": "[]"}', "userList"),
    ],
)
def test_deviations_in_json_are_seen(body: str, fault: str) -> None:
    (found,) = wire_json.read_answer(body.encode()).faults
    assert fault in found


@pytest.mark.parametrize("body", [b"", b"<r/>", b"[]", b'"text"', b'{"sid": NaN}', b'{"sid": "\xff"}', b"[" * 100_000])
def test_answers_that_are_no_json_object_are_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableAnswerError):
        wire_json.read_answer(body)
