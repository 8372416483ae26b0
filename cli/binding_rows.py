"""Bindings in CSV files: one a row, with the contract's names as headings."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from axbridge.routing.v1 import binding_pb2

from cli.values import parse_moment, to_timestamp

_TEXTS = (
    "access_number",
    "a_number",
    "b_number",
    "callback_number",
    "display_number",
    "extension",
    "y_number",
)
_PROFILE_TEXTS = ("charge_ext", "client_id", "user_data")
_YES, _NO = ("1", "true", "yes"), ("", "0", "false", "no")


class RowError(Exception):
    """A row that can't be read."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


_KINDS = {
    "AXB": binding_pb2.BINDING_KIND_AXB,
    "AX": binding_pb2.BINDING_KIND_AX,
    "AXG": binding_pb2.BINDING_KIND_AXG,
    "AXE": binding_pb2.BINDING_KIND_AXE,
    "AXYB": binding_pb2.BINDING_KIND_AXYB,
}


def _kind(binding: binding_pb2.Binding, text: str) -> None:
    if text.upper() not in _KINDS:
        raise RowError("kind", f"one of {', '.join(_KINDS)} is expected")
    binding.kind = _KINDS[text.upper()]


def _flag(name: str) -> Callable[[binding_pb2.Binding, str], None]:
    def fill(binding: binding_pb2.Binding, text: str) -> None:
        if text.lower() not in (*_YES, *_NO):
            raise RowError(name, "yes or no is expected")
        setattr(binding, name, text.lower() in _YES)

    return fill


def _moment(name: str) -> Callable[[binding_pb2.Binding, str], None]:
    def fill(binding: binding_pb2.Binding, text: str) -> None:
        try:
            getattr(binding, name).CopyFrom(to_timestamp(parse_moment(text, name)))
        except typer.BadParameter as error:
            raise RowError(name, error.message) from error

    return fill


def _targets(binding: binding_pb2.Binding, text: str) -> None:
    binding.targets.extend(binding_pb2.BindingTarget(number=each.strip()) for each in text.split(";") if each.strip())


def _max_duration(binding: binding_pb2.Binding, text: str) -> None:
    if not text.isdigit() or int(text) > 2**31 - 1:
        raise RowError("max_duration_seconds", "whole seconds are expected")
    binding.profile.max_duration_seconds = int(text)


def _text(name: str) -> Callable[[Any, str], None]:
    return lambda binding, text: setattr(binding, name, text)


def _profile_text(name: str) -> Callable[[Any, str], None]:
    return lambda binding, text: setattr(binding.profile, name, text)


_FILLERS: Mapping[str, Callable[[binding_pb2.Binding, str], None]] = {
    "kind": _kind,
    **{name: _text(name) for name in _TEXTS},
    "one_way": _flag("one_way"),
    "callback_to_last_caller": _flag("callback_to_last_caller"),
    "targets": _targets,
    "not_before": _moment("not_before"),
    "expires_at": _moment("expires_at"),
    **{name: _profile_text(name) for name in _PROFILE_TEXTS},
    "max_duration_seconds": _max_duration,
}
COLUMNS = tuple(_FILLERS)


# What the file of refused rows says of each, in front of the row itself; not read when it is imported again.
RESULT_COLUMNS = ("row", "field", "error")


@dataclass(frozen=True, slots=True)
class CsvRow:
    """What a line says, by its columns; where it is too short or too long there are fewer or more values."""

    columns: Sequence[str]
    values: Sequence[str]


def read_rows(file: Path) -> Iterator[CsvRow]:
    """The rows of a file, without empty lines. Raises typer.BadParameter for headings that are not known, and for a
    file that is no CSV in UTF-8."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.reader(text, strict=True)
            headings = next(reader, [])
            _check_headings([each for each in headings if each not in RESULT_COLUMNS])
            ours = [place for place, each in enumerate(headings) if each in RESULT_COLUMNS]
            columns = _without(headings, ours)
            for values in reader:
                if values:
                    yield CsvRow(columns, _without(values, ours))
    except (csv.Error, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{file.name} is no CSV file in UTF-8: {error}", param_hint="FILE.csv") from error


def _check_headings(headings: Sequence[str]) -> None:
    wrong = ""
    unknown = [each for each in headings if each not in _FILLERS]
    doubled = [each for each in _FILLERS if headings.count(each) > 1]
    if unknown:
        wrong = f"unknown: {', '.join(unknown)}; "
    elif doubled:
        wrong = f"more than once: {', '.join(doubled)}; "
    if wrong or "kind" not in headings or "access_number" not in headings:
        raise typer.BadParameter(
            f"{wrong}the headings are kind, access_number and any of {', '.join(COLUMNS[2:])}", param_hint="FILE.csv"
        )


def _without(values: Sequence[str], places: Sequence[int]) -> Sequence[str]:
    return [each for place, each in enumerate(values) if place not in places] if places else values


def binding_of(row: CsvRow, tenant: str) -> binding_pb2.Binding:
    """The binding that a row says. Raises RowError."""
    if len(row.values) != len(row.columns):
        # A field more or less, and each of the others may stand in another's place; a line that was cut off may lack
        # the time at which its binding ends.
        more_or_fewer = "more" if len(row.values) > len(row.columns) else "fewer"
        raise RowError("", f"the row has {more_or_fewer} fields than there are headings")
    binding = binding_pb2.Binding(tenant_id=tenant)
    for name, text in zip(row.columns, row.values, strict=True):
        if text.strip():
            _FILLERS[name](binding, text.strip())
    return binding
