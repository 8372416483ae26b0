"""Voice prompts: recorded files and spoken variables in order (PROTOCOL: "所有的prompt音都可以设置为扩展格式").

On the wire a prompt is a plain file name, or `<msg><file>1.wav</file><var>7_你好</var></msg>`. The order of files and
variables is what is heard, so the reader here is an ordered one.
"""

import re
from dataclasses import dataclass
from datetime import date
from xml.etree import ElementTree
from xml.parsers import expat

from common.errors import InvalidArgumentError
from common.protocol_codes import PromptVariableType

MAX_SEGMENTS = 32
MAX_TEXT_LENGTH = 1000

_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_FORMATS = {
    PromptVariableType.INTEGER: (re.compile(r"-?[0-9]{1,18}"), "an integer such as -12"),
    PromptVariableType.DIGITS: (re.compile(r"[0-9]{1,64}"), "digits"),
    PromptVariableType.TIME: (re.compile(r"([01][0-9]|2[0-3])[0-5][0-9]"), "a time of day as HHMM"),
    PromptVariableType.DATE: (re.compile(r"[0-9]{8}"), "a date as YYYYMMDD"),
    PromptVariableType.PRICE: (re.compile(r"[0-9]{7}"), "a price as YYYYYJF, 12.34 yuan is 0001234"),
    # HHHH hours, MMM minutes, SS seconds, as the protocol spells it.
    PromptVariableType.DURATION: (re.compile(r"[0-9]{7}[0-5][0-9]"), "a duration as HHHHMMMSS"),
    PromptVariableType.TEXT: (re.compile(r".+", re.DOTALL), "text to speak"),
}


@dataclass(frozen=True, slots=True)
class FileSegment:
    """A recorded file that the platform knows by this name."""

    name: str


@dataclass(frozen=True, slots=True)
class VariableSegment:
    """A value that the platform speaks, in the format of its type."""

    type: PromptVariableType
    value: str


Segment = FileSegment | VariableSegment


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is played, first to last; at least one segment. Build it with `checked_prompt` or `parse_prompt`."""

    segments: tuple[Segment, ...]

    def to_wire(self) -> str:
        """The text that goes over the wire: the bare name of a single file, a `<msg>` document otherwise."""
        if len(self.segments) == 1 and isinstance(self.segments[0], FileSegment):
            return self.segments[0].name
        parts = []
        for segment in self.segments:
            if isinstance(segment, FileSegment):
                parts.append(f"<file>{escape_text(segment.name)}</file>")
            else:
                parts.append(f"<var>{segment.type.text}_{escape_text(segment.value)}</var>")
        return f"<msg>{''.join(parts)}</msg>"


def escape_text(text: str) -> str:
    """`text` as XML character data."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def checked_prompt(segments: tuple[Segment, ...], field: str) -> Prompt:
    """The prompt of these segments. Raises InvalidArgumentError naming `field` when one of them can't be played."""
    if not segments:
        raise InvalidArgumentError(field, "a prompt needs at least one segment")
    if len(segments) > MAX_SEGMENTS:
        raise InvalidArgumentError(field, f"a prompt has at most {MAX_SEGMENTS} segments")
    for number, segment in enumerate(segments):
        _check_segment(segment, f"{field}.segments[{number}]")
    return Prompt(segments)


def parse_prompt(text: str, field: str) -> Prompt:
    """Read a prompt from its wire text. Raises InvalidArgumentError naming `field` when it is none."""
    stripped = text.strip()
    if not stripped.startswith("<"):
        return checked_prompt((FileSegment(stripped),), field)
    return checked_prompt(_read_document(stripped, field), field)


def _read_document(text: str, field: str) -> tuple[Segment, ...]:
    if "<!" in text or "<?" in text:
        raise InvalidArgumentError(field, "declarations and comments don't belong into a prompt")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - no DTD can be in the text, see above
    except (ElementTree.ParseError, expat.ExpatError, ValueError) as error:
        raise InvalidArgumentError(field, "not a well-formed <msg> document") from error
    if root.tag.lower() != "msg":
        raise InvalidArgumentError(field, "a prompt is a file name or a <msg> document")
    segments: list[Segment] = []
    for child in root:
        content = child.text or ""
        if len(child):
            raise InvalidArgumentError(field, "<file> and <var> hold text only")
        if child.tag.lower() == "file":
            segments.append(FileSegment(content.strip()))
        elif child.tag.lower() == "var":
            segments.append(parse_variable(content, field))
        else:
            raise InvalidArgumentError(field, "a <msg> document holds <file> and <var> only")
    return tuple(segments)


def parse_variable(text: str, field: str) -> VariableSegment:
    """Read `type_value`, split at the first underscore. Raises InvalidArgumentError naming `field`."""
    type_text, underscore, value = text.partition("_")
    variable_type = PromptVariableType.lookup(type_text.strip())
    if not underscore or variable_type is None:
        raise InvalidArgumentError(field, "a <var> is written type_value with a type from 1 to 7")
    return VariableSegment(variable_type, value)


def _check_segment(segment: Segment, field: str) -> None:
    text = segment.name if isinstance(segment, FileSegment) else segment.value
    if len(text) > MAX_TEXT_LENGTH:
        raise InvalidArgumentError(field, f"at most {MAX_TEXT_LENGTH} characters")
    if _CONTROL.search(text):
        raise InvalidArgumentError(field, "control characters can't be sent")
    if isinstance(segment, FileSegment):
        if not text.strip() or text != text.strip() or text.startswith("<"):
            raise InvalidArgumentError(field, "a file needs a name, without spaces around it")
        return
    pattern, wanted = _FORMATS[segment.type]
    if not pattern.fullmatch(text):
        raise InvalidArgumentError(field, f"type {segment.type.text} takes {wanted}")
    if segment.type is PromptVariableType.DATE:
        try:
            date(int(text[:4]), int(text[4:6]), int(text[6:]))
        except ValueError as error:
            raise InvalidArgumentError(field, "no such date") from error
