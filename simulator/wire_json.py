"""JSON as platforms write it, and our answers in JSON read back.

Requests come in every legal shape of PROTOCOL.md "Formats": strings or numbers, every shape of `userList`, encodings
that only the bytes tell.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Any

import xmltodict

from simulator.encodings import usable_encoding
from simulator.messages import Answer, EventMember, Fields, UnreadableAnswerError, WireRequest

# Fields that a platform may send as numbers without losing anything: no leading zeros.
_NUMERIC_FIELDS = frozenset({"seq", "code", "line", "type", "state"})


class JsonListShape(Enum):
    """How `userList` is written. `SINGLE` drops the array around one member and is `WRAPPED` for more."""

    ARRAY = "array"
    WRAPPED = "object with an array"
    SINGLE = "object with one member"
    JSON_TEXT = "JSON text"
    XML_TEXT = "XML text"


@dataclass(frozen=True, slots=True)
class JsonStyle:
    """One way to write a request."""

    content_type: str | None = "application/json; charset=UTF-8"
    encoding: str = "utf-8"
    byte_order_mark: bool = False
    escaped: bool = False
    indented: bool = False
    numbers: bool = False
    list_shape: JsonListShape = JsonListShape.WRAPPED
    extra_field: bool = False


_CONTENT_TYPES = (
    "application/json",
    "application/json; charset=UTF-8",
    "application/json;charset=utf-8",
    "Application/JSON",
    "application/json; charset=ISO-8859-1",
    "text/plain",
    None,
)


def choose_style(rng: Random) -> JsonStyle:
    """A legal way to write JSON, drawn from all of them."""
    encoding, byte_order_mark = rng.choice((("utf-8", False), ("utf-8", True), ("gb18030", False)))
    return JsonStyle(
        content_type=rng.choice(_CONTENT_TYPES),
        encoding=encoding,
        byte_order_mark=byte_order_mark,
        escaped=rng.random() < 0.5,
        indented=rng.random() < 0.3,
        numbers=rng.random() < 0.3,
        list_shape=rng.choice(tuple(JsonListShape)),
        extra_field=rng.random() < 0.3,
    )


def write(fields: Fields, members: Sequence[EventMember], style: JsonStyle) -> WireRequest:
    """A request body. What the style's encoding can't hold goes out in UTF-8."""
    content: dict[str, Any] = {name: _write_value(name, text, style) for name, text in fields}
    if members:
        content["userList"] = _write_members(members, style)
    if style.extra_field:
        content["platformNode"] = {"name": "sim-1", "load": 0.25}
    text = json.dumps(content, ensure_ascii=style.escaped, indent=2 if style.indented else None)
    mark = b"\xef\xbb\xbf" if style.byte_order_mark else b""
    encoding = usable_encoding(text, style.encoding, declared=False)
    return WireRequest(mark + text.encode(encoding), style.content_type)


def read_answer(body: bytes) -> Answer:
    """Read a query's answer. Raises UnreadableAnswerError when it is not a JSON object in UTF-8."""
    faults: list[str] = []

    def without_repetitions(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        content = dict(pairs)
        if len(content) != len(pairs):
            faults.append("a name stands twice in one object")
        return content

    try:
        content = json.loads(
            body.decode("utf-8"), object_pairs_hook=without_repetitions, parse_constant=_refuse_constant
        )
    except UnicodeDecodeError as error:
        raise UnreadableAnswerError("the answer is not UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise UnreadableAnswerError(f"the answer is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise UnreadableAnswerError("the answer is not a JSON object")
    users = content.pop("userList", None)
    return Answer(
        fields={name: _read_value(name, value, faults) for name, value in content.items()},
        members=_read_members(users, faults),
        xml_root=None,
        faults=tuple(faults),
    )


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _write_value(name: str, text: str, style: JsonStyle) -> str | int:
    return int(text) if style.numbers and name in _NUMERIC_FIELDS and text.isdigit() else text


def _write_members(members: Sequence[EventMember], style: JsonStyle) -> Any:
    users = [{name: _write_value(name, text, style) for name, text in member.fields()} for member in members]
    if style.list_shape is JsonListShape.ARRAY:
        return users
    if style.list_shape is JsonListShape.JSON_TEXT:
        return json.dumps({"user": users}, ensure_ascii=style.escaped)
    if style.list_shape is JsonListShape.XML_TEXT:
        return xmltodict.unparse({"userList": {"user": users}}, full_document=False)
    if style.list_shape is JsonListShape.SINGLE and len(users) == 1:
        return {"user": users[0]}
    return {"user": users}


def _read_members(users: Any, faults: list[str]) -> tuple[dict[str, str], ...]:
    if users is None:
        return ()
    if isinstance(users, dict) and set(users) == {"user"}:
        users = users["user"]
    if not isinstance(users, list) or not all(isinstance(user, dict) for user in users):
        faults.append('userList is neither {"user": [..]} nor an array of objects')
        return ()
    return tuple({name: _read_value(name, value, faults) for name, value in user.items()} for user in users)


def _read_value(name: str, value: Any, faults: list[str]) -> str:
    if isinstance(value, str):
        return value
    faults.append(f"{name} is not a string")
    return "" if value is None else str(value)
