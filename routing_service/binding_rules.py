"""The rules that a binding's terms must keep by themselves; those between bindings are the store's to enforce."""

from dataclasses import dataclass, replace
from typing import Any

from common.errors import InvalidArgumentError
from common.numbers import normalize_number
from routing_service.domain.binding import BindingKind, BindingTarget, BindingTerms, HuntStrategy
from routing_service.domain.tenant import Tenant
from routing_service.profile_rules import check_profile
from routing_service.schedule_rules import check_schedule

MAX_TARGETS = 32
MAX_EXTENSION_LENGTH = 16

_ONLY_IN_GROUPS = ("max_members", "hunt_strategy")


@dataclass(frozen=True, slots=True)
class _KindRules:
    required: tuple[str, ...]
    forbidden: tuple[str, ...]
    # Numbers that must all differ from each other, where they are set, and from those of all targets.
    distinct: tuple[str, ...]


_OWNER_DISTINCT = ("access_number", "a_number", "callback_number")
_KINDS = {
    BindingKind.AXB: _KindRules(
        required=("access_number", "a_number", "b_number"),
        forbidden=("callback_number", "callback_to_last_caller", "extension", "y_number", *_ONLY_IN_GROUPS),
        distinct=("access_number", "a_number", "b_number"),
    ),
    BindingKind.AX: _KindRules(
        required=("access_number", "a_number"),
        forbidden=("b_number", "one_way", "extension", "y_number", *_ONLY_IN_GROUPS),
        distinct=_OWNER_DISTINCT,
    ),
    BindingKind.AXG: _KindRules(
        required=("access_number", "targets"),
        forbidden=(
            *("a_number", "b_number", "callback_number", "callback_to_last_caller"),
            *("one_way", "extension", "y_number"),
        ),
        distinct=("access_number",),
    ),
    BindingKind.AXE: _KindRules(
        required=("access_number", "a_number", "extension"),
        forbidden=("b_number", "one_way", "y_number", *_ONLY_IN_GROUPS),
        distinct=_OWNER_DISTINCT,
    ),
    BindingKind.AXYB: _KindRules(
        required=("access_number", "a_number", "b_number", "y_number"),
        forbidden=("callback_number", "callback_to_last_caller", "extension", "display_number", *_ONLY_IN_GROUPS),
        distinct=("access_number", "a_number", "b_number", "y_number"),
    ),
}
_NUMBERS = ("access_number", "a_number", "b_number", "callback_number", "display_number", "y_number")


def checked_terms(terms: BindingTerms, tenant: Tenant, current: BindingTerms | None = None) -> BindingTerms:
    """The terms with their numbers in normal form.

    `current` are the stored terms that these replace: a number taken over from them is in normal form already, and
    stays as it is even when the tenant's region has changed since. Raises InvalidArgumentError naming the field
    (`binding.a_number`, `binding.targets[0].number`, `binding.profile.record_type`).
    """
    rules = _KINDS[terms.kind]
    kind = terms.kind.value
    for name in rules.forbidden:
        if _is_set(terms, name):
            raise InvalidArgumentError(f"binding.{name}", f"not used by a binding of kind {kind}")
    for name in rules.required:
        value = getattr(terms, name)
        if not (value.strip() if isinstance(value, str) else value):
            raise InvalidArgumentError(f"binding.{name}", f"needed by a binding of kind {kind}")
    region = tenant.settings.default_region
    numbers: dict[str, Any] = {
        name: _checked_number(getattr(terms, name), f"binding.{name}", region, {getattr(current, name, "")})
        for name in _NUMBERS
    }
    terms = replace(terms, **numbers, targets=_checked_targets(terms, region, current))
    _check_distinct(terms, rules.distinct)
    _check_group(terms)
    if terms.extension and not (
        terms.extension.isascii() and terms.extension.isdigit() and len(terms.extension) <= MAX_EXTENSION_LENGTH
    ):
        raise InvalidArgumentError("binding.extension", f"1 to {MAX_EXTENSION_LENGTH} digits are expected")
    if terms.not_before is not None and terms.expires_at is not None and terms.expires_at <= terms.not_before:
        raise InvalidArgumentError("binding.expires_at", "must be later than not_before")
    if terms.schedule is not None:
        check_schedule(terms.schedule, "binding.schedule")
    check_profile(terms.profile, tenant.settings.default_profile, "binding.profile")
    return terms


def display_numbers(terms: BindingTerms) -> dict[str, str]:
    """The numbers that a binding shows besides its own access number, each with the field that says so."""
    shown = {
        "binding.y_number": terms.y_number,
        "binding.display_number": terms.display_number,
        **{f"binding.targets[{place}].display_number": each.display_number for place, each in enumerate(terms.targets)},
    }
    return {number: field for field, number in reversed(shown.items()) if number not in ("", terms.access_number)}


def newly_shown(terms: BindingTerms, current: BindingTerms | None) -> dict[str, str]:
    """Of `display_numbers` those that `current`, the terms before, did not show already: they stay as they are."""
    kept = {} if current is None else display_numbers(current)
    return {number: field for number, field in display_numbers(terms).items() if number not in kept}


def _is_set(terms: BindingTerms, name: str) -> bool:
    value = getattr(terms, name)
    return value is not HuntStrategy.SEQUENTIAL if name == "hunt_strategy" else bool(value)


def _checked_number(text: str, field: str, region: str, taken_over: set[str]) -> str:
    if text in taken_over:
        return text
    if not text.strip():
        return ""
    try:
        return normalize_number(text, region)
    except ValueError as error:
        raise InvalidArgumentError(field, str(error)) from error


def _checked_targets(terms: BindingTerms, region: str, current: BindingTerms | None) -> tuple[BindingTarget, ...]:
    if len(terms.targets) > MAX_TARGETS:
        raise InvalidArgumentError("binding.targets", f"at most {MAX_TARGETS} targets")
    before = current.targets if current is not None else ()
    numbers = {each.number for each in before}
    shown = {each.display_number for each in before}
    checked = []
    for place, target in enumerate(terms.targets):
        field = f"binding.targets[{place}]"
        if not target.number.strip():
            raise InvalidArgumentError(f"{field}.number", "a target has a number")
        number = _checked_number(target.number, f"{field}.number", region, numbers)
        display_number = _checked_number(target.display_number, f"{field}.display_number", region, shown)
        checked.append(replace(target, number=number, display_number=display_number))
    return tuple(checked)


def _check_distinct(terms: BindingTerms, names: tuple[str, ...]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        number: str = getattr(terms, name)
        if number and number in seen:
            raise InvalidArgumentError(f"binding.{name}", f"must be another number than {seen[number]}")
        seen[number] = name
    # An owner may call back one of those who stand in for it.
    seen = {number: name for number, name in seen.items() if name != "callback_number"}
    for place, target in enumerate(terms.targets):
        if target.number in seen:
            raise InvalidArgumentError(
                f"binding.targets[{place}].number", f"must be another number than {seen[target.number]}"
            )
        seen[target.number] = f"targets[{place}]"


def _check_group(terms: BindingTerms) -> None:
    if not 0 <= terms.max_members <= MAX_TARGETS:
        raise InvalidArgumentError("binding.max_members", f"0 to {MAX_TARGETS} is expected, 0 for all")
