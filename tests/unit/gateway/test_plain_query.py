"""The shortest way of a query, and the short one of JSON, read what the general ways read, and take nothing more."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.codec import encode_request, json_reader
from gateway.codec.errors import MalformedBodyError, MessageError
from gateway.codec.fields import MAX_ID_LENGTH, read_request
from gateway.codec.json_reader import MAX_VALUES, read_json, read_json_object
from gateway.codec.plain_query import read_plain_query
from gateway.codec.raw_tree import JsonGroup
from gateway.codec.xml_reader import read_xml
from gateway.domain import MessageForm, WireFormat
from tests.unit.gateway.strategies import XML_FORM, queries

FORM = MessageForm(WireFormat.XML, "application/xml")
NAMES = ("sid", "vccId", "callId", "seq", "method", "callingNumber", "accessNumber")
PARTS = [
    f"<{name}>{text}</{name}>"
    for name, text in zip(NAMES, ("s1", "100001", "c1", "7", "query", "13800001111", "02566000001"), strict=True)
]
values = st.one_of(
    st.text(st.sampled_from("a1 \n\t\r<>&;]你\u3000\x85\xa0\ufeff\ue000\x00\x7f"), max_size=4),
    st.sampled_from(["query", "event", " ", "\u3000", "x" * MAX_ID_LENGTH, "x" * (MAX_ID_LENGTH + 1), "<a/>", "&amp;"]),
)
fields = st.tuples(st.sampled_from((*NAMES, "Sid", "other")), values)


def check(text: str) -> bool:
    plain = read_plain_query(text)
    if plain is None:
        return False
    try:
        name, root = read_xml(text)
        message = read_request(FORM, root)
    except (MalformedBodyError, MessageError) as error:
        raise AssertionError(f"taken by the short reader only: {error}") from error
    assert plain == (name, message.command)
    return True


@settings(max_examples=500)
@given(st.lists(st.one_of(st.sampled_from(PARTS), fields.map(lambda f: f"<{f[0]}>{f[1]}</{f[0]}>")), max_size=9))
def test_fields_in_any_order(parts: list[str]) -> None:
    check(f"<request>{''.join(parts)}</request>")


@settings(max_examples=500)
@given(st.integers(0, 6), values)
@example(4, "event")
@example(3, "")
@example(0, "")
@example(0, "x" * (MAX_ID_LENGTH + 1))
def test_a_query_with_another_value(place: int, value: str) -> None:
    parts = [*PARTS]
    parts[place] = f"<{NAMES[place]}>{value}</{NAMES[place]}>"
    check(f"<request>{''.join(parts)}</request>")


@settings(max_examples=300)
@given(st.integers(0, 300), st.sampled_from(["", " ", "<", ">", "/", "x", "<!-- -->", "<sid>1</sid>", "\x00"]))
def test_a_query_with_something_in_the_wrong_place(place: int, piece: str) -> None:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<request>\n{"".join(PARTS)}</request>\n'
    check(text[:place] + piece + text[place:])
    check(text[:place] + text[place + 1 :])


@given(queries)
def test_queries_as_they_are_sent(query: Any) -> None:
    check(encode_request(XML_FORM, query).decode())


def test_that_queries_are_read_the_short_way() -> None:
    assert check(f"<request>{''.join(PARTS)}</request>")
    assert check(
        f'<?xml version="1.0" encoding="UTF-8"?>\r\n<req>\r\n {"  ".join(PARTS[:3] + PARTS[4:])}\r\n</req>\r\n'
    )


# ---- JSON

scalars = st.one_of(values, st.integers(), st.floats(), st.booleans(), st.none(), st.just(["a"]), st.just({"a": "b"}))
objects = st.dictionaries(st.text(max_size=3), scalars, max_size=4).map(lambda d: json.dumps(d, ensure_ascii=False))
pieces = st.sampled_from(
    [
        "{",
        "}",
        '"a"',
        '"b"',
        ":",
        ",",
        '"',
        "\\",
        '\\"',
        '"a":"b"',
        '"a":1',
        " ",
        "\x00",
        "\x7f",
        "\ud800",
        "\ufeff",
        "null",
        "[",
        "]",
        "\\u0000",
        "NaN",
    ]
)


def check_json(text: str) -> bool:
    plain = json_reader._read_plain_object(text)
    if plain is None:
        return False
    try:
        general = read_json(text)
    except MalformedBodyError as error:
        raise AssertionError(f"taken by the short reader only: {error.message}") from error
    assert isinstance(general, JsonGroup)
    assert plain.pairs == general.pairs
    return True


@settings(max_examples=1000)
@given(st.one_of(st.lists(pieces, max_size=9).map("".join), objects))
@example('{"a":"b","a":"c"}')
@example('{"a":"b","a":"b"}')
@example('{"a":"\\"","b":""}')
@example('{"a":"b"}x')
@example("{}")
def test_json(text: str) -> None:
    check_json(text)


@pytest.mark.parametrize("count", [1, MAX_VALUES, MAX_VALUES + 1])
def test_that_json_is_read_the_short_way(count: int) -> None:
    text = json.dumps({f"n{number}": "x" for number in range(count)})
    assert check_json(text) is (count <= MAX_VALUES)
    if count > MAX_VALUES:
        with pytest.raises(MalformedBodyError):
            read_json_object(text)
