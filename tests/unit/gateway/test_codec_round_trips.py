"""Whatever is said in one format is understood as it was meant."""

from dataclasses import replace

import pytest
import xmltodict
from hypothesis import example, given
from hypothesis import strategies as st

from common.protocol_codes import ResultCode
from gateway.codec import decode_answer, decode_request, encode_answer, encode_request
from gateway.domain import DEFAULT_STYLE, AnswerStyle, CallAttributes, Event, Member, MessageForm, Query, QueryAnswer
from tests.unit.gateway.strategies import JSON_FORM, XML_FORM, answers, events, prompts, queries, styles

FORMS = pytest.mark.parametrize("form", [XML_FORM, JSON_FORM], ids=["xml", "json"])


@FORMS
@given(query=queries)
@example(Query(session_id="02", tenant_id="2", call_id="1E3", calling_number="+86138", access_number="0", seq="\r\n"))
def test_a_query_survives(form: MessageForm, query: Query) -> None:
    message = decode_request(form.content_type, encode_request(form, query))
    assert message.command == query
    assert message.form == form


@FORMS
@given(event=events)
def test_an_event_survives(form: MessageForm, event: Event) -> None:
    message = decode_request(form.content_type, encode_request(form, event))
    assert isinstance(message.command, Event)
    assert replace(message.command, form_flags=()) == event
    assert message.form == form


@given(query=queries, event=events)
def test_both_formats_say_the_same(query: Query, event: Event) -> None:
    for command in (query, event):
        as_xml = decode_request("text/xml", encode_request(XML_FORM, command))
        as_json = decode_request("application/json", encode_request(JSON_FORM, command))
        assert as_xml.command == as_json.command


@FORMS
@given(answer=answers, style=styles)
def test_an_answer_survives_in_every_style(form: MessageForm, answer: QueryAnswer, style: AnswerStyle) -> None:
    _, read = decode_answer(form.content_type, encode_answer(form, answer, style))
    assert read == answer


@given(answer=answers, style=styles)
def test_another_reader_reads_the_same_answer(answer: QueryAnswer, style: AnswerStyle) -> None:
    document = xmltodict.parse(
        encode_answer(XML_FORM, answer, replace(style, nested_prompts=False)), strip_whitespace=False
    )
    (root, fields), *others = document.items()
    assert not others
    assert root == (style.xml_root or "response")
    assert fields["sid"] == (answer.session_id or None)
    assert fields["result"] == answer.result.text
    assert fields["chargeExt"] == (answer.charge_ext or None)
    assert fields.get("callerPrompt") == (answer.attributes.caller_prompt or None)
    users = fields.get("userList") or {"user": []}
    listed = users["user"] if isinstance(users["user"], list) else [users["user"]]
    assert [user["displayNumber"] for user in listed] == [member.display_number or None for member in answer.members]


@pytest.mark.parametrize("nested", [False, True], ids=["escaped", "nested"])
@given(prompt=prompts)
@example("<msg><file>1.wav</file><var>7_你好</var><file>2.wav</file></msg>")
def test_prompts_keep_the_order_of_their_files_and_variables(nested: bool, prompt: str) -> None:
    answer = QueryAnswer(
        "s", "v", "c", "", ResultCode.SUCCESS, "", (Member("1", "2", prompt),), CallAttributes(caller_prompt=prompt)
    )
    body = encode_answer(XML_FORM, answer, replace(DEFAULT_STYLE, nested_prompts=nested))
    assert (b"<callerPrompt><msg>" in body) == (nested and prompt.startswith("<msg>"))
    assert decode_answer("application/xml", body)[1] == answer


@given(text=st.text(max_size=30))
def test_no_text_can_make_an_answer_that_readers_refuse(text: str) -> None:
    """Controls and surrogates can't stand in XML: they are replaced, whatever brought them here."""
    attributes = CallAttributes(client_id=text, caller_prompt=f"<msg><file>{text}</file></msg>", user_data=text)
    answer = QueryAnswer(text, text, text, text, ResultCode.SUCCESS, text, (Member(text, text, text),), attributes)
    body = encode_answer(XML_FORM, answer, AnswerStyle(nested_prompts=True))
    fields = xmltodict.parse(body, strip_whitespace=False)["response"]
    assert (fields["sid"] or "") == "".join("�" if not _is_xml(character) else character for character in text)


def _is_xml(character: str) -> bool:
    code = ord(character)
    return code in (9, 10, 13) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code >= 0x10000
