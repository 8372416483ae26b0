"""JSON into an ordered tree, stricter than the standard library, with limits that make hostile documents cheap.

Numbers keep the text that was sent (`2.50`, `1E3`). Names that repeat, NaN and infinities, lone surrogates and NUL are
refused: they mean different things to different readers.
"""

import json
import re
from typing import Any, NoReturn

import orjson

from gateway.codec.errors import MalformedBodyError
from gateway.codec.raw_tree import Group, JsonGroup, NumberText, RawValue

MAX_DEPTH = 16
MAX_VALUES = 2000

# The optional quote at the end makes a string without end match too, once, instead of being tried from every quote.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{},]', re.DOTALL)
_SUSPECT_ESCAPE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")


def read_json(text: str) -> RawValue:
    """The document's value. Raises MalformedBodyError for text that is no JSON or breaks a limit."""
    openings = text.count("{") + text.count("[")
    # Both counts are too high by what stands in strings, which the exact one then leaves out.
    if openings > MAX_DEPTH or openings + text.count(",") > MAX_VALUES:
        _check_limits(text)
    try:
        value: RawValue = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise MalformedBodyError(f"not JSON: {error.msg} at character {error.pos}") from error
    if "\\u" in text and _SUSPECT_ESCAPE.search(text):
        _check_texts(value)
    return value


def read_json_object(text: str) -> Group:
    """The document's value, which must be an object. Raises MalformedBodyError."""
    plain = _read_plain_object(text)
    if plain is not None:
        return plain
    value = read_json(text)
    if value is None or isinstance(value, (str, bool, list)):
        raise MalformedBodyError("a JSON object is expected")
    return value


def _read_plain_object(text: str) -> JsonGroup | None:
    """The short way to read what nearly every message is: names and texts, nothing nested and nothing escaped.

    It gives exactly what `read_json` gives, or None. Each of two names and texts has its two quotes and no other: so
    there are as many quotes as that exactly when no name came twice. What the faster reader makes of numbers does not
    matter, since they stay with the other one, which keeps their digits as they were sent.
    """
    if "\\" in text:
        return None
    try:
        fields = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if type(fields) is not dict or text.count('"') != 4 * len(fields) or len(fields) > MAX_VALUES:
        return None
    for value in fields.values():
        if type(value) is not str:
            return None
    return JsonGroup([*fields.items()])


def _check_limits(text: str) -> None:
    depth = values = 0
    for token in _TOKEN.finditer(text):
        character = token[0][0]
        if character in "{[":
            depth += 1
            values += 1
        elif character in "}]":
            depth -= 1
        elif character == ",":
            values += 1
        if depth > MAX_DEPTH or values > MAX_VALUES:
            raise MalformedBodyError("the JSON is nested too deeply or has too many values")


def _check_texts(value: RawValue) -> None:
    if isinstance(value, str):
        if _NO_TEXT.search(value):
            raise MalformedBodyError("NUL and lone surrogates are not accepted")
    elif isinstance(value, list):
        for item in value:
            _check_texts(item)
    elif value is not None and not isinstance(value, bool):
        for name, item in value.pairs:
            _check_texts(name)
            _check_texts(item)


def _object(pairs: list[tuple[str, Any]]) -> JsonGroup:
    if len(dict(pairs)) != len(pairs):
        raise MalformedBodyError("a JSON object has the same name twice")
    return JsonGroup(pairs)


def _constant(_name: str) -> NoReturn:
    raise MalformedBodyError("NaN and infinities are no JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=NumberText, parse_float=NumberText, parse_constant=_constant
)
