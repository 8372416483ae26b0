"""Spans as OTLP writes them, and what may stand in them.

This is the one place where a span becomes bytes: what is not allowed in `names.py` can't get past it, and numbers are
masked here. The bytes are written directly: a span object of the SDK and then its encoder cost twenty times as much
(docs/tracing.md), which would be felt at every traced call.
"""

import random
import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from common.logs import get_logger
from common.masking import mask_number, mask_text
from common.telemetry.names import ATTRIBUTES, Content, SpanType

_log = get_logger(__name__)

AttributeValue = str | int | float | bool
MAX_TEXT_CHARACTERS = 256
# As many as the SDK allows.
MAX_LINKS = 128
_LEAST_NUMBER = 1_000_000

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
# Digits as people write numbers: with blanks, dashes and brackets between them.
_LOOSE_NUMBER = re.compile(r"\d(?:[ ().\-]{1,2}\d|\d){6,}")
# Of a traceparent of version 0.
_PLAIN_LENGTH = 55
_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)
# Tags of the fields of an OTLP span: start and end (7 and 8, fixed64), flags (16, fixed32).
_TIMES = struct.Struct("<BQBQ")
_SAMPLED = b"\x85\x01\x01\x00\x00\x00"
_STATUS_ERROR = b"\x7a\x02\x18\x02"


class SpanContext(NamedTuple):
    """Which span of which trace: 16 and 8 bytes, neither all zero."""

    trace_id: bytes
    span_id: bytes

    @property
    def traceparent(self) -> str:
        """As W3C's Trace Context writes it, sampled."""
        return f"00-{self.trace_id.hex()}-{self.span_id.hex()}-01"


def parse_traceparent(text: str, *, sampled_only: bool = True) -> SpanContext | None:
    """The context in a W3C traceparent; None when it is none, or not sampled and only those are wanted."""
    if len(text) == _PLAIN_LENGTH and text.endswith("-01") and (plain := _plain(text)) is not None:
        return plain
    found = _TRACEPARENT.match(text)
    if found is None:
        return None
    version, trace_id, span_id, flags = found.groups()
    # Version 0 ends here; a later one may go on behind a dash. ff is no version.
    rest = text[found.end() :]
    if version == "ff" or (rest and (version == "00" or not rest.startswith("-"))):
        return None
    context = SpanContext(bytes.fromhex(trace_id), bytes.fromhex(span_id))
    if context.trace_id == _NO_TRACE or context.span_id == _NO_SPAN:
        return None
    return None if sampled_only and not int(flags, 16) & 1 else context


def _plain(text: str) -> SpanContext | None:
    """The context in a traceparent as this project writes it, quickly; None for every other."""
    if not text.islower() or not text.startswith("00-") or text[35] != "-":
        return None
    try:
        ids = bytes.fromhex(text[3:35] + text[36:52])
    except ValueError:
        return None
    # Blanks between the digits would make it shorter.
    context = SpanContext(ids[:16], ids[16:])
    return None if len(ids) != 24 or context.trace_id == _NO_TRACE or context.span_id == _NO_SPAN else context


def new_span_id() -> bytes:
    """A random span id."""
    return (random.getrandbits(64) or 1).to_bytes(8, "big")


def new_trace_id() -> bytes:
    """A random trace id, for what belongs to several calls."""
    return (random.getrandbits(128) or 1).to_bytes(16, "big")


def encode_span(
    type_: SpanType,
    context: SpanContext,
    parent_id: bytes,
    times_ns: tuple[int, int],
    attributes: Mapping[str, AttributeValue],
    links: Sequence[SpanContext] = (),
    error: BaseException | None = None,
) -> bytes:
    """A span that is over, as a field of OTLP's ScopeSpans. Lots are made by putting these behind one another.

    Times are nanoseconds since 1970 UTC; `parent_id` empty: the trace's first span.
    """
    start_ns, end_ns = times_ns
    parts = [b"\x0a\x10", context.trace_id, b"\x12\x08", context.span_id]
    if parent_id:
        parts += (b"\x22\x08", parent_id)
    parts += (_fixed(type_), _TIMES.pack(0x39, start_ns, 0x41, end_ns if end_ns > start_ns else start_ns))
    parts += [_attribute(name, value) for name, value in attributes.items()]
    if error is not None:
        # The class stands on the span itself too, as the conventions want it.
        parts += (_attribute("error.type", type(error).__name__), _exception(error, end_ns), _STATUS_ERROR)
    if links:
        parts += [b"\x6a\x1c\x0a\x10" + link.trace_id + b"\x12\x08" + link.span_id for link in links[:MAX_LINKS]]
    parts.append(_SAMPLED)
    return _field(b"\x12", b"".join(parts))


@lru_cache(maxsize=64)
def _fixed(type_: SpanType) -> bytes:
    """What all spans of a type have alike."""
    named = _field(b"\x2a", type_.name.encode()) + b"\x30" + bytes([type_.kind])
    return named + b"".join(_attribute(name, value) for name, value in type_.fixed.items())


# The same few values come with every span; typed, since 1, 1.0 and True are equal.
@lru_cache(maxsize=4096, typed=True)
def _attribute(name: str, value: AttributeValue) -> bytes:
    """An attribute as a field of a span; empty for one that may not leave the process."""
    return _key_value(b"\x4a", name, value)


def _key_value(tag: bytes, name: str, value: AttributeValue) -> bytes:
    content = ATTRIBUTES.get(name)
    if content is None:
        _log.error("an attribute that is not allowed was kept back", attribute=name)
        return b""
    if isinstance(value, str):
        text = _allowed_text(content, value).encode("utf-8", "replace")
        wire = _field(b"\x0a", text)
    elif isinstance(value, bool):
        wire = b"\x10\x01" if value else b"\x10\x00"
    elif content is Content.NUMBER or abs(value) >= _LEAST_NUMBER:
        # As many digits as a phone number has.
        return _key_value(tag, name, f"{value:.0f}")
    elif isinstance(value, int):
        wire = b"\x18" + _varint(value & 0xFFFFFFFFFFFFFFFF)
    else:
        wire = b"\x21" + struct.pack("<d", value)
    return _field(tag, _field(b"\x0a", name.encode()) + _field(b"\x12", wire))


def _allowed_text(content: Content, text: str) -> str:
    if content is Content.IDENTIFIER:
        return text[:MAX_TEXT_CHARACTERS]
    if content is Content.NUMBER:
        # However it was written: blanks and dashes must not hide that it is one.
        digits = "".join(letter for letter in text if letter.isdecimal())
        return mask_number(digits[:32])
    if content is Content.TEXT:
        text = _LOOSE_NUMBER.sub(lambda run: mask_number("".join(filter(str.isdecimal, run.group()))), text)
    # Masked before it is cut: half a number may be too short to be taken for one.
    return mask_text(text)[:MAX_TEXT_CHARACTERS]


def _exception(error: BaseException, at_ns: int) -> bytes:
    """The event `exception`, as the conventions have it, without the stack: that stands in the log."""
    attributes = _key_value(b"\x1a", "exception.type", type(error).__name__) + _key_value(
        b"\x1a", "exception.message", str(error)
    )
    return _field(b"\x5a", b"\x09" + struct.pack("<Q", at_ns) + b"\x12\x09exception" + attributes)


def _field(tag: bytes, content: bytes) -> bytes:
    size = len(content)
    return tag + (bytes((size,)) if size < 128 else _varint(size)) + content


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def encode_lot(resource: bytes, scope: bytes, spans: Iterable[bytes]) -> bytes:
    """An ExportTraceServiceRequest. `resource` and `scope` are those messages' own bytes."""
    scope_spans = _field(b"\x12", _field(b"\x0a", scope) + b"".join(spans))
    return _field(b"\x0a", _field(b"\x0a", resource) + scope_spans)
