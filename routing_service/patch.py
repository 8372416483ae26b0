"""Partial updates: the fields that an update mask names, on the revision that the change is based on."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from common.errors import AbortedError, InvalidArgumentError

MASK_FIELD = "update_mask"
# The fields that an update may name, each with the fields below it that may be named alone (`profile` →
# `record_type`, …, written `profile.record_type`).
ChangeableFields = Mapping[str, Collection[str]]
_Value = TypeVar("_Value")


def is_changeable(path: str, changeable: ChangeableFields) -> bool:
    """Whether an update may name this field."""
    field, dot, below = path.partition(".")
    return field in changeable and (not dot or below in changeable[field])


def check_paths(paths: Collection[str], changeable: ChangeableFields) -> None:
    """Raises InvalidArgumentError naming `update_mask` for no path at all and for one that can't be changed."""
    if not paths:
        raise InvalidArgumentError(MASK_FIELD, "at least one field must be named")
    for path in paths:
        if not is_changeable(path, changeable):
            raise InvalidArgumentError(MASK_FIELD, f"{path[:80]!r} is no field that can be changed")


def patched(current: _Value, new: _Value, paths: Collection[str]) -> _Value:
    """`current` with the fields at `paths`, which were checked, taken from `new`; both are frozen dataclasses."""
    result: Any = current
    for path in paths:
        field, _, below = path.partition(".")
        value = getattr(new, field)
        if below:
            value = replace(getattr(result, field), **{below: getattr(value, below)})
        result = replace(result, **{field: value})
    return result  # type: ignore[no-any-return] # replace keeps the class of current


def check_revision(current: int, expected: int) -> None:
    """Raises AbortedError when a change is based on another revision than the current one; 0 is based on any."""
    if expected < 0:
        raise InvalidArgumentError("expected_revision", "a revision, or 0 for any")
    if expected not in (0, current):
        raise AbortedError(
            f"revision {expected} is no longer the current one, {current} is", metadata={"revision": str(current)}
        )
