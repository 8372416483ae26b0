"""What commands print: tables for people, JSON for programs, numbers masked unless asked for."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, TextIO

import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from rich.box import SIMPLE_HEAD
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from cli.security import is_unmasking
from common.auth.number_redaction import NUMBER_FIELDS, RAW_FIELDS, TEXT_FIELDS
from common.masking import mask_number, mask_text

# Without a terminal nobody can see that a line was wrapped, so there is room for a whole row.
PLAIN_WIDTH = 140


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """Options: how the result is shown."""

    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False
    unmask: Annotated[bool, typer.Option("--unmask", help="Show whole phone numbers.")] = False


def stdout_console() -> Console:
    """The console for results, made when it is needed: tests and redirections change what stdout is."""
    return _console(sys.stdout)


def stderr_console() -> Console:
    """The console for progress and remarks."""
    return _console(sys.stderr)


def _console(file: TextIO) -> Console:
    width = None if file.isatty() or "COLUMNS" in os.environ else PLAIN_WIDTH
    # Names and ids come from outside: brackets and colons in them are text, not markup or emoji.
    return Console(file=file, width=width, highlight=False, markup=False, emoji=False)


def printable(text: str) -> str:
    """`text` in which nothing can command a terminal: control characters are shown as `\\x1b`."""
    if text.isprintable():
        return text
    return "".join(mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in text)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def message_dict(message: Message, *, unmask: bool) -> dict[str, Any]:
    """A message as plain JSON types, with the contract's own names; masked unless told otherwise."""
    content: dict[str, Any] = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return content if unmask else _masked(content)


def print_message(message: Message, *, unmask: bool) -> None:
    print_json(message_dict(message, unmask=unmask))


def print_messages(messages: Sequence[Message], *, unmask: bool) -> None:
    print_json([message_dict(message, unmask=unmask) for message in messages])


def _masked(content: dict[str, Any], access_number: str = "") -> dict[str, Any]:
    access_number = content.get("access_number", access_number)
    return {
        name: _masked_value(name, value, access_number) for name, value in content.items() if name not in RAW_FIELDS
    }


def _masked_value(name: str, value: Any, access_number: str) -> Any:
    if isinstance(value, list):
        return [_masked_value(name, item, access_number) for item in value]
    if isinstance(value, dict):
        if name in TEXT_FIELDS:
            # A map of texts, whose keys are names.
            return {key: _masked_value(name, text, access_number) for key, text in value.items()}
        return _masked(value, access_number)
    if not isinstance(value, str):
        return value
    if name in NUMBER_FIELDS:
        return value if is_access_number(value, access_number) else mask_number(value)
    return mask_text(value) if name in TEXT_FIELDS else value


def is_access_number(number: str, access_number: str) -> bool:
    """Whether a number in an answer is the access number, which the dialling format may write without its prefix."""
    national = number.lstrip("+0")
    return len(national) >= 5 and access_number.endswith(national)


# Half a number or half an id is of no use to anybody; sentences may wrap.
_WHOLE_COLUMNS = frozenset(
    {"started", "received", "sid", "A", "X", "B", "state", "binding", "access", "calls", "message", "webhook"}
)


def person(number: str, *, unmask: bool) -> str:
    """A person's number as it may be shown."""
    return number if unmask or not number else mask_number(number)


def free_text(text: str) -> str:
    """Text that came from outside, or quotes it, as it may be shown: without numbers unless --unmask was given."""
    return text if is_unmasking() else mask_text(text)


def local_time(moment: Timestamp | datetime) -> str:
    """A moment in local time to the second, with its offset where that is not obvious."""
    value = moment.ToDatetime(UTC) if isinstance(moment, Timestamp) else moment
    return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def table(title: str, columns: Sequence[str | tuple[str, JustifyMethod]]) -> Table:
    """An empty table; a column is its heading, or (heading, justification)."""
    made = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="bold",
        box=SIMPLE_HEAD,
        show_edge=False,
        collapse_padding=True,
        pad_edge=False,
    )
    for column in columns:
        heading, justification = column if isinstance(column, tuple) else (column, "left")
        made.add_column(heading, justify=justification, overflow="fold", no_wrap=heading in _WHOLE_COLUMNS)
    return made


def add_row(listing: Table, *cells: str | Text) -> None:
    """Add a row; texts from outside may be in it."""
    listing.add_row(*(printable(cell) if isinstance(cell, str) else cell for cell in cells))


def facts_table(facts: Mapping[str, str]) -> Table:
    """Names and values below each other; empty values are left out."""
    made = Table.grid(padding=(0, 2))
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in facts.items():
        if value:
            made.add_row(name, printable(value))
    return made
