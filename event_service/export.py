"""Call records as text: CSV for people, NDJSON for whoever makes columns of it."""

import csv
import io
from collections.abc import Sequence
from dataclasses import fields
from enum import Enum
from typing import Any

import orjson

from common.clock import from_microseconds
from event_service.domain import Call, CallRevision

# Every record has every field, and each field always the same type, so that a reader can make columns of them.
FIELD_NAMES = (*(field.name.removesuffix("_us") for field in fields(Call)), "revision")
_US_FIELDS = frozenset(field.name for field in fields(Call) if field.name.endswith("_us"))


def csv_header() -> bytes:
    """The first line of a CSV file."""
    return _csv_lines([FIELD_NAMES])


def csv_lines(records: Sequence[CallRevision]) -> bytes:
    """The records as lines of RFC 4180. What a spreadsheet would take for a formula gets a leading apostrophe."""
    return _csv_lines([[_csv_text(value) for value in _values(record)] for record in records])


def ndjson_lines(records: Sequence[CallRevision]) -> bytes:
    """The records as JSON objects, one a line; absent times and durations are null, times ISO 8601 UTC."""
    return b"".join(
        orjson.dumps(dict(zip(FIELD_NAMES, _values(record), strict=True)), option=orjson.OPT_APPEND_NEWLINE)
        for record in records
    )


def _values(record: CallRevision) -> list[Any]:
    return [*(_plain(field.name, getattr(record.call, field.name)) for field in fields(Call)), record.revision]


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
    # Numbers begin with a + and are no formulas.
    if text.startswith(("=", "@", "-", "\t", "\r")) or (text.startswith("+") and not text[1:].isdigit()):
        return "'" + text
    return text


def _csv_lines(rows: Sequence[Sequence[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue().encode()
