"""Call records as text: CSV for people, NDJSON for whoever makes columns of it. Numbers are masked unless wanted."""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from enum import Enum
from typing import Any

import orjson

from common.auth.number_redaction import NUMBER_FIELDS, TEXT_FIELDS
from common.clock import from_microseconds
from common.masking import mask_number, mask_text
from event_service.domain import Call, CallRevision

# Of the texts of any length in one piece of an export. A character takes up to six bytes in JSON.
PIECE_CHARACTERS = 1_000_000

# What spreadsheets take for the beginning of a formula, or skip before one; the wide ones in Chinese and Japanese ones.
_FORMULA_MARKS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_NUMBER = re.compile(r"\+[0-9*]+")

# Every record has every field, and each field always the same type, so that a reader can make columns of them.
FIELD_NAMES = (*(field.name.removesuffix("_us") for field in fields(Call)), "revision")
_US_FIELDS = frozenset(field.name for field in fields(Call) if field.name.endswith("_us"))


def in_pieces(records: Sequence[CallRevision]) -> Iterator[Sequence[CallRevision]]:
    """The records, in order, cut so that the text of each piece fits into a message."""
    piece: list[CallRevision] = []
    length = 0
    for record in records:
        call = record.call
        own_length = sum(len(text) for text in (call.user_data, call.recording_path, call.client_id, call.charge_ext))
        if piece and length + own_length > PIECE_CHARACTERS:
            yield piece
            piece, length = [], 0
        piece.append(record)
        length += own_length
    if piece:
        yield piece


def csv_header() -> bytes:
    """The first line of a CSV file."""
    return _csv_lines([FIELD_NAMES])


def csv_lines(records: Sequence[CallRevision], *, whole_numbers: bool) -> bytes:
    """The records as lines of RFC 4180. What a spreadsheet would take for a formula gets a leading apostrophe."""
    return _csv_lines([[_csv_text(value) for value in _values(record, whole_numbers)] for record in records])


def ndjson_lines(records: Sequence[CallRevision], *, whole_numbers: bool) -> bytes:
    """The records as JSON objects, one a line; absent times and durations are null, times ISO 8601 UTC."""
    return b"".join(
        orjson.dumps(
            dict(zip(FIELD_NAMES, _values(record, whole_numbers), strict=True)), option=orjson.OPT_APPEND_NEWLINE
        )
        for record in records
    )


def _values(record: CallRevision, whole_numbers: bool) -> list[Any]:
    values = ((field.name, _plain(field.name, getattr(record.call, field.name))) for field in fields(Call))
    return [*(value if whole_numbers else _masked(name, value) for name, value in values), record.revision]


def _masked(name: str, value: Any) -> Any:
    mask: Callable[[str], str] | None = None
    if name in NUMBER_FIELDS:
        mask = mask_number
    elif name in TEXT_FIELDS:
        mask = mask_text
    if mask is None:
        return value
    if isinstance(value, list):
        return [mask(each) for each in value]
    return mask(value) if isinstance(value, str) else value


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if name in _US_FIELDS:
        return None if value is None else from_microseconds(value).isoformat(timespec="microseconds")
    return list(value) if isinstance(value, tuple) else value


def _csv_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        value = " ".join(value)
    text = str(value)
    # Numbers begin with a + and are no formulas, masked ones neither.
    if text.startswith(_FORMULA_MARKS) and not _NUMBER.fullmatch(text):
        return "'" + text
    return text


def _csv_lines(rows: Sequence[Sequence[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue().encode()
