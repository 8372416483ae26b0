"""The short way to read the XML that nearly every message is: elements and plain text, nothing else.

It either gives exactly what `xml_reader` gives, or None, upon which the general reader decides; a property test holds
the two against each other. It takes a third of the general reader's time: the work is done by a few regular
expressions, none of which can backtrack.
"""

import re

from gateway.codec.raw_tree import RawValue, XmlGroup
from gateway.codec.xml_reader import MAX_DEPTH, MAX_ELEMENTS

# Characters that mean nothing but themselves: no markup, no carriage return (a reader turns it into a line feed), no
# control, surrogate or private use.
TEXT = "[\t\n\x20-\x25\x27-\x3b=\x3f-\x7e\xa0-\ud7ff\uf900-\ufffd]*+"
_NAME = "[A-Za-z][A-Za-z0-9]{0,63}+"
BLANK = "[ \t\r\n]*+"
_BLANKS = " \t\r\n"
# The declaration and the root's tag.
HEAD = rf'(?:<\?xml version="1\.0"(?: encoding="[A-Za-z][A-Za-z0-9._-]{{0,20}}+")?\?>)?{BLANK}<({_NAME})>{BLANK}'
_HEAD = re.compile(HEAD)
_FIELD = re.compile(f"<({_NAME})>({TEXT})</\\1>{BLANK}")
_FIELDS = re.compile(f"(?:<({_NAME})>{TEXT}</\\1>{BLANK})*+")
# A whole field, or a tag that begins or ends an element with others inside, or an empty one.
_TAG = re.compile(f"<(/?{_NAME})(/?)>({TEXT})(</\\1>)?{BLANK}")
_TAGS = re.compile(f"(?:<(/?{_NAME})/?>{TEXT}(?:</\\1>)?+{BLANK})*+")


def read_plain_xml(text: str) -> tuple[str, RawValue] | None:
    """The root's name and content, or None for a document that is not plain (which may be wrong or just different)."""
    head = _HEAD.match(text)
    if head is None:
        return None
    name = head[1]
    begin = head.end()
    fields = _FIELDS.match(text, begin)
    end = begin if fields is None else fields.end()
    parts: list[tuple[str, RawValue]] = _FIELD.findall(text, begin, end) if end > begin else []
    if text[end:].rstrip(_BLANKS) != f"</{name}>":
        return _read_rest(text, end, name, parts)
    return (name, XmlGroup(parts)) if parts and len(parts) < MAX_ELEMENTS else None


def _read_rest(text: str, begin: int, root: str, parts: list[tuple[str, RawValue]]) -> tuple[str, RawValue] | None:
    """The document, of which the root's first `parts` are read, with whatever elements stand from `begin` on."""
    if text.count("<", begin) > 2 * MAX_ELEMENTS:
        return None
    tags = _TAGS.match(text, begin)
    if tags is None or tags.end() != len(text):
        return None
    found = _TAG.findall(text, begin)
    if len(parts) + len(found) >= MAX_ELEMENTS:
        return None
    names = [root]
    outer: list[list[tuple[str, RawValue]]] = [[]]
    for name, empty, content, closed in found:
        if not names:
            return None
        if closed:
            if empty or name[0] == "/" or len(names) >= MAX_DEPTH:
                return None
            parts.append((name, content))
        elif content.strip(_BLANKS):
            return None
        elif name[0] == "/":
            if empty or not parts or names.pop() != name[1:]:
                return None
            inner = parts
            parts = outer.pop()
            parts.append((name[1:], XmlGroup(inner)))
        elif len(names) >= MAX_DEPTH:
            return None
        elif empty:
            parts.append((name, ""))
        else:
            names.append(name)
            outer.append(parts)
            parts = []
    if names or len(parts) != 1:
        return None
    return parts[0]
