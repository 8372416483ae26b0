"""The rules that access numbers in pools and wishes for them must keep."""

import re
from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta

from common.errors import InvalidArgumentError
from common.numbers import normalize_number
from routing_service.domain.binding import PAIR_KINDS, BindingTerms
from routing_service.domain.number_pool import AccessNumber, Parties
from routing_service.domain.tenant import Tenant

MAX_NUMBERS_AT_ONCE = 1000
MAX_CAPABILITIES = 16
MAX_COOL_DOWN = timedelta(days=30)

_POOL = re.compile(r"[A-Za-z0-9_.-]{0,64}")
_CITY_CODE = re.compile(r"[1-9][0-9]{1,4}")
_CAPABILITY = re.compile(r"[a-z0-9_-]{1,32}")


def check_pool(pool: str, field: str) -> None:
    """Raises InvalidArgumentError naming `field`."""
    if not _POOL.fullmatch(pool):
        raise InvalidArgumentError(field, "at most 64 of A-Z, a-z, 0-9, '_', '-' and '.' are expected")


def checked_city_code(city_code: str, field: str) -> str:
    """The area code without a leading 0. Raises InvalidArgumentError naming `field`."""
    code = city_code.strip().removeprefix("0")
    if city_code and not _CITY_CODE.fullmatch(code):
        raise InvalidArgumentError(field, "an area code such as 25 is expected")
    return code


def checked_capabilities(capabilities: Collection[str], field: str) -> tuple[str, ...]:
    """The capabilities, each once, sorted. Raises InvalidArgumentError naming `field`."""
    if len(capabilities) > MAX_CAPABILITIES or any(not _CAPABILITY.fullmatch(each) for each in capabilities):
        raise InvalidArgumentError(
            field, f"at most {MAX_CAPABILITIES} names of 1 to 32 of a-z, 0-9, '_' and '-' are expected"
        )
    return tuple(sorted(set(capabilities)))


def checked_access_numbers(numbers: Collection[AccessNumber], tenant: Tenant) -> list[AccessNumber]:
    """The access numbers as they are stored. Raises InvalidArgumentError naming the field of the wrong one."""
    _check_count(len(numbers), "access_numbers")
    checked: dict[str, AccessNumber] = {}
    for place, each in enumerate(numbers):
        field = f"access_numbers[{place}]"
        check_pool(each.pool, f"{field}.pool")
        if each.tenant_id not in ("", tenant.tenant_id):
            raise InvalidArgumentError(f"{field}.tenant_id", "numbers of one enterprise only can be added at once")
        number = _normal_number(each.number, tenant, f"{field}.number")
        if number in checked:
            raise InvalidArgumentError(f"{field}.number", "the number stands here twice")
        checked[number] = replace(
            each,
            number=number,
            tenant_id=tenant.tenant_id,
            city_code=checked_city_code(each.city_code, f"{field}.city_code"),
            capabilities=checked_capabilities(each.capabilities, f"{field}.capabilities"),
        )
    return list(checked.values())


def checked_numbers(numbers: Collection[str], tenant: Tenant) -> list[str]:
    """The numbers in normal form, each once. Raises InvalidArgumentError naming the field of the wrong one."""
    _check_count(len(numbers), "numbers")
    return list(dict.fromkeys(_normal_number(each, tenant, f"numbers[{place}]") for place, each in enumerate(numbers)))


def parties_of(terms: BindingTerms, tenant: Tenant) -> Parties:
    """Whom an access number is wanted for. Raises InvalidArgumentError naming the field of the wrong number."""
    sides = {f"binding.{name}": getattr(terms, name) for name in ("a_number", "b_number")}
    others = {f"binding.{name}": getattr(terms, name) for name in ("callback_number", "y_number")}
    others |= {f"binding.targets[{place}].number": each.number for place, each in enumerate(terms.targets)}
    pair: tuple[str, ...] = ()
    if terms.kind in PAIR_KINDS:
        pair = tuple(_normal_number(text, tenant, field) for field, text in sides.items())
    else:
        others |= sides
    # What is missing is found out when the binding is made.
    named = (_normal_number(text, tenant, field) for field, text in others.items() if text.strip())
    return Parties(pair, frozenset((*pair, *named)))


def _check_count(count: int, field: str) -> None:
    if not 1 <= count <= MAX_NUMBERS_AT_ONCE:
        raise InvalidArgumentError(field, f"1 to {MAX_NUMBERS_AT_ONCE} numbers are expected")


def _normal_number(text: str, tenant: Tenant, field: str) -> str:
    try:
        return normalize_number(text, tenant.settings.default_region)
    except ValueError as error:
        raise InvalidArgumentError(field, str(error)) from error
