"""The rules that a binding's terms must keep by themselves; those between bindings are the store's to enforce."""

from dataclasses import dataclass, replace
from typing import Any

from common.errors import InvalidArgumentError
from common.numbers import normalize_number
from routing_service.domain.binding import BindingKind, BindingTerms
from routing_service.domain.tenant import Tenant
from routing_service.profile_rules import check_profile


@dataclass(frozen=True, slots=True)
class _KindRules:
    required: tuple[str, ...]
    forbidden: tuple[str, ...]
    # Numbers that must all differ from each other, where they are set.
    distinct: tuple[str, ...]


_KINDS = {
    BindingKind.AXB: _KindRules(
        required=("access_number", "a_number", "b_number"),
        forbidden=("callback_number",),
        distinct=("access_number", "a_number", "b_number"),
    ),
    BindingKind.AX: _KindRules(
        required=("access_number", "a_number"),
        forbidden=("b_number", "one_way"),
        distinct=("access_number", "a_number", "callback_number"),
    ),
}
_NUMBERS = ("access_number", "a_number", "b_number", "callback_number", "display_number")


def checked_terms(terms: BindingTerms, tenant: Tenant, current: BindingTerms | None = None) -> BindingTerms:
    """The terms with their numbers in normal form.

    `current` are the stored terms that these replace: a number taken over from them is in normal form already, and
    stays as it is even when the tenant's region has changed since. Raises InvalidArgumentError naming the field
    (`binding.a_number`, `binding.profile.record_type`).
    """
    rules = _KINDS[terms.kind]
    kind = terms.kind.value
    for name in rules.forbidden:
        if getattr(terms, name):
            raise InvalidArgumentError(f"binding.{name}", f"not used by a binding of kind {kind}")
    for name in rules.required:
        if not getattr(terms, name).strip():
            raise InvalidArgumentError(f"binding.{name}", f"needed by a binding of kind {kind}")
    numbers: dict[str, Any] = {name: _checked_number(name, terms, tenant, current) for name in _NUMBERS}
    terms = replace(terms, **numbers)
    _check_distinct(terms, rules.distinct)
    if terms.not_before is not None and terms.expires_at is not None and terms.expires_at <= terms.not_before:
        raise InvalidArgumentError("binding.expires_at", "must be later than not_before")
    check_profile(terms.profile, tenant.settings.default_profile, "binding.profile")
    return terms


def _checked_number(name: str, terms: BindingTerms, tenant: Tenant, current: BindingTerms | None) -> str:
    text: str = getattr(terms, name)
    if current is not None and text == getattr(current, name):
        return text
    if not text.strip():
        return ""
    try:
        return normalize_number(text, tenant.settings.default_region)
    except ValueError as error:
        raise InvalidArgumentError(f"binding.{name}", str(error)) from error


def _check_distinct(terms: BindingTerms, names: tuple[str, ...]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        number: str = getattr(terms, name)
        if number and number in seen:
            raise InvalidArgumentError(f"binding.{name}", f"must be another number than {seen[number]}")
        seen[number] = name
