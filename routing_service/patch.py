"""Partial updates: the fields that an update mask names, taken over from one value into another."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from common.errors import InvalidArgumentError

MASK_FIELD = "update_mask"
_Value = TypeVar("_Value")


def patched(
    current: _Value, new: _Value, paths: Collection[str], changeable: Mapping[str, Collection[str]], what: str
) -> _Value:
    """`current` with the fields at `paths` taken from `new`; both are frozen dataclasses.

    `changeable` names the fields that may change, each with the fields below it that may change alone (`profile` →
    `record_type`, …, written `profile.record_type`). `what` names the value in messages. Raises InvalidArgumentError
    naming `update_mask` for no path at all and for one that can't be changed.
    """
    if not paths:
        raise InvalidArgumentError(MASK_FIELD, "at least one field must be named")
    result: Any = current
    for path in paths:
        field, _, below = path.partition(".")
        if field not in changeable or (below and below not in changeable[field]):
            raise InvalidArgumentError(MASK_FIELD, f"{_printable(path)} is no field of {what} that can be changed")
        value = getattr(new, field)
        if below:
            value = replace(getattr(result, field), **{below: getattr(value, below)})
        result = replace(result, **{field: value})
    return result  # type: ignore[no-any-return] # replace keeps the class of current


def _printable(path: str) -> str:
    return repr(path[:80])
