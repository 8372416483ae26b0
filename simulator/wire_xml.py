"""XML as platforms write it, and our answers in XML read back.

Requests come in every legal shape of PROTOCOL.md "Formats": any root, one wrapper, names in any case, encodings and
headers that disagree. Answers are read with xmltodict, but for nested prompts: xmltodict loses the order of their files
and variables, so those are read with ElementTree.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

import xmltodict

from simulator.encodings import usable_encoding
from simulator.messages import Answer, EventMember, Fields, UnreadableAnswerError, WireRequest

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'
PROMPT_FIELDS = frozenset(
    {"callerPrompt", "warningPrompt", "ringbackPrompt", "answerPrompt", "disconnectPrompt", "failPrompt"}
)

_ANSWER_ROOTS = {"request": "response", "Request": "Response", "req": "resp"}


class NameCase(Enum):
    """How field names are spelled."""

    AS_DOCUMENTED = "as documented"
    LOWER = "lower"
    UPPER = "upper"


class XmlListShape(Enum):
    """How `userList` is written."""

    NESTED = "elements"
    XML_TEXT = "escaped XML"
    JSON_TEXT = "JSON text"


@dataclass(frozen=True, slots=True)
class XmlStyle:
    """One way to write a request. `declared` is the encoding named in the XML declaration, None for no declaration."""

    root: str = "request"
    wrapper: str | None = None
    content_type: str | None = "application/xml; charset=UTF-8"
    encoding: str = "utf-8"
    declared: str | None = "UTF-8"
    byte_order_mark: bool = False
    indented: bool = False
    name_case: NameCase = NameCase.AS_DOCUMENTED
    list_shape: XmlListShape = XmlListShape.NESTED
    extra_field: bool = False


# (encoding of the bytes, encoding in the declaration, byte order mark): what the reader must find out by itself.
_ENCODINGS = (
    ("utf-8", "UTF-8", False),
    ("utf-8", "UTF-8", True),
    ("utf-8", None, False),
    ("gb18030", "GB18030", False),
    ("gbk", "GBK", False),
    ("gb2312", "GB2312", False),
    ("gb18030", None, False),
)
_CONTENT_TYPES = (
    "application/xml",
    "application/xml; charset=UTF-8",
    "text/xml",
    "text/xml;charset=utf-8",
    "Application/XML",
    "application/xml; charset=ISO-8859-1",
    "text/plain",
    None,
)


def choose_style(rng: Random) -> XmlStyle:
    """A legal way to write XML, drawn from all of them."""
    encoding, declared, byte_order_mark = rng.choice(_ENCODINGS)
    return XmlStyle(
        root=rng.choice(("request", "request", "Request", "req", "callInfo", "axb")),
        wrapper=rng.choice((None, None, "body", "data")),
        content_type=rng.choice(_CONTENT_TYPES),
        encoding=encoding,
        declared=declared,
        byte_order_mark=byte_order_mark,
        indented=rng.random() < 0.5,
        name_case=rng.choice((NameCase.AS_DOCUMENTED, *NameCase)),
        list_shape=rng.choice((XmlListShape.NESTED, XmlListShape.NESTED, *XmlListShape)),
        extra_field=rng.random() < 0.3,
    )


def write(fields: Fields, members: Sequence[EventMember], style: XmlStyle) -> WireRequest:
    """A request body. Values must be legal XML text; what the style's encoding can't hold goes out in UTF-8."""
    content: dict[str, Any] = {_spell(name, style): text for name, text in fields}
    if members:
        content[_spell("userList", style)] = _write_members(members, style)
    if style.extra_field:
        content[_spell("platformNode", style)] = "sim-1"
    inner = {style.wrapper: content} if style.wrapper is not None else content
    text = xmltodict.unparse({style.root: inner}, full_document=False, pretty=style.indented)
    encoding = usable_encoding(text, style.encoding, declared=style.declared is not None)
    if style.declared is not None:
        declared = style.declared if encoding == style.encoding else "UTF-8"
        text = f'<?xml version="1.0" encoding="{declared}"?>\n{text}'
    mark = b"\xef\xbb\xbf" if style.byte_order_mark else b""
    return WireRequest(mark + text.encode(encoding), style.content_type, style.root)


def answer_root(request_root: str) -> str:
    """The root of the answer to a request with this root, where the tenant has no name of its own for it."""
    return _ANSWER_ROOTS.get(request_root, request_root)


def read_answer(body: bytes) -> Answer:
    """Read a query's answer. Raises UnreadableAnswerError when it is not well-formed XML in UTF-8."""
    try:
        text = body.decode("utf-8")
        if "<!DOCTYPE" in text:
            raise UnreadableAnswerError("the answer has a DTD")
        document = xmltodict.parse(text, force_list=("user",))
        tree = ElementTree.fromstring(body)  # noqa: S314 - a DTD was refused above
    except UnicodeDecodeError as error:
        raise UnreadableAnswerError("the answer is not UTF-8") from error
    except (expat.ExpatError, ElementTree.ParseError, ValueError) as error:
        raise UnreadableAnswerError(f"the answer is not well-formed XML: {error}") from error
    faults = [] if text.startswith(DECLARATION) else [f"the body does not begin with {DECLARATION}"]
    (root, content), *_ = document.items()
    if not isinstance(content, dict):
        raise UnreadableAnswerError("the answer has no fields")
    fields: dict[str, str] = {}
    members: tuple[dict[str, str], ...] = ()
    for name, value in content.items():
        if name == "userList":
            members = _read_members(value, tree.find("userList"), faults)
        else:
            fields[name] = _read_value(name, value, tree, faults)
    return Answer(fields, members, root, tuple(faults))


def _spell(name: str, style: XmlStyle) -> str:
    if style.name_case is NameCase.LOWER:
        return name.lower()
    return name.upper() if style.name_case is NameCase.UPPER else name


def _write_members(members: Sequence[EventMember], style: XmlStyle) -> Any:
    if style.list_shape is XmlListShape.JSON_TEXT:
        return json.dumps([dict(member.fields()) for member in members])
    users = [{_spell(name, style): text for name, text in member.fields()} for member in members]
    nested = {_spell("user", style): users}
    if style.list_shape is XmlListShape.XML_TEXT:
        return xmltodict.unparse({_spell("userList", style): nested}, full_document=False)
    return nested


def _read_members(value: Any, element: ElementTree.Element | None, faults: list[str]) -> tuple[dict[str, str], ...]:
    if value is None:
        return ()
    if not isinstance(value, dict) or set(value) != {"user"} or element is None:
        faults.append("userList is not a list of <user> elements")
        return ()
    members = []
    for user, user_element in zip(value["user"], element.findall("user"), strict=True):
        if not isinstance(user, dict):
            faults.append("a <user> has no fields")
            continue
        members.append({name: _read_value(name, item, user_element, faults) for name, item in user.items()})
    return tuple(members)


def _read_value(name: str, value: Any, parent: ElementTree.Element, faults: list[str]) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and name in PROMPT_FIELDS:
        return _read_nested_prompt(parent.find(name))
    faults.append(f"{name} is not a text: {'repeated' if isinstance(value, list) else 'has elements in it'}")
    return ""


def _read_nested_prompt(element: ElementTree.Element | None) -> str:
    if element is None:
        return ""
    for child in element:
        child.tail = None
    return "".join(ElementTree.tostring(child, encoding="unicode") for child in element)
