"""What a document holds before its fields are given a meaning: an ordered tree of names and texts.

The XML and JSON readers build it, `fields` reads it. A value is a text, or one of the shapes below.
"""

from collections.abc import Sequence
from json.encoder import encode_basestring
from typing import Protocol, TypeAlias

from gateway.codec.xml_text import escape_text


class NumberText(str):
    """A JSON number, as the text that was sent."""

    __slots__ = ()


class Group(Protocol):
    """A value with named values inside: an XML element with child elements, or a JSON object."""

    @property
    def pairs(self) -> "Sequence[tuple[str, RawValue]]":
        """The named values, in order; names may repeat in XML."""
        ...

    def text(self) -> str:
        """The inside as text: XML markup (`<msg>…</msg>`) or a JSON object."""
        ...


RawValue: TypeAlias = "str | bool | list[RawValue] | Group | None"
XmlPart: TypeAlias = "str | tuple[str, RawValue]"


class XmlGroup:
    """An element's content. Attributes are not part of the protocol.

    `pairs` are the child elements; `mixed` is the same with the texts between them, None when there are none.
    """

    __slots__ = ("mixed", "pairs")

    def __init__(self, pairs: "list[tuple[str, RawValue]]", mixed: list[XmlPart] | None = None) -> None:
        self.pairs = pairs
        self.mixed = mixed

    def text(self) -> str:
        written = []
        for part in self.mixed or self.pairs:
            if isinstance(part, str):
                written.append(escape_text(part))
            else:
                name, value = part
                inside = escape_text(value) if isinstance(value, str) else text_of(value)
                written.append(f"<{name}>{inside}</{name}>")
        return "".join(written)


class JsonGroup:
    """A JSON object. Its names are all different."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: "list[tuple[str, RawValue]]") -> None:
        self.pairs = pairs

    def text(self) -> str:
        return "{" + ",".join(f"{encode_basestring(name)}:{_json(value)}" for name, value in self.pairs) + "}"


def text_of(value: RawValue) -> str:
    """The text that stands for a value; `null` is empty, a boolean `true` or `false`."""
    if isinstance(value, str):
        return value if type(value) is str else str(value)
    if value is None:
        return ""
    if isinstance(value, (bool, list)):
        return _json(value)
    return value.text()


def _json(value: RawValue) -> str:
    if isinstance(value, NumberText):
        return str(value)
    if isinstance(value, str):
        return encode_basestring(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ",".join(map(_json, value)) + "]"
    return value.text()
