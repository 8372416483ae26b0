"""Phone numbers: one normal form to compare relationships on, and the tenant's dialling format to send.

The normal form is E.164 with its plus sign (`+8613800001111`). Service numbers and short codes, which can't be dialled
from abroad (`95500`, `1010xxxx`, `4008…`), are kept as bare digits.
"""

import re
from enum import Enum
from functools import lru_cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumber, PhoneNumberFormat, PhoneNumberType

DEFAULT_REGION = "CN"
MAX_NUMBER_LENGTH = 32

_SEPARATORS = re.compile(r"[\s\-().·]+")
_DIGITS = re.compile(r"\+?[0-9]{1,31}")
_REACHABLE_FROM_ABROAD = frozenset(
    {
        PhoneNumberType.FIXED_LINE,
        PhoneNumberType.MOBILE,
        PhoneNumberType.FIXED_LINE_OR_MOBILE,
        PhoneNumberType.VOIP,
        PhoneNumberType.PERSONAL_NUMBER,
        PhoneNumberType.PAGER,
    }
)


class DialingFormat(Enum):
    """How a number is written for the platform to dial."""

    NATIONAL = "national"
    E164 = "e164"
    ZERO_BEFORE_NON_LOCAL_MOBILE = "zero_before_non_local_mobile"


def is_region(region: str) -> bool:
    """Whether this is a region code (ISO 3166-1 alpha-2, upper case) that numbers can be parsed in."""
    return region in phonenumbers.SUPPORTED_REGIONS


def _chinese_mobile() -> re.Pattern[str]:
    metadata = PhoneMetadata.metadata_for_region("CN")
    if metadata is None or metadata.mobile is None or metadata.mobile.national_number_pattern is None:
        raise LookupError("phonenumbers has no pattern for Chinese mobiles")
    return re.compile(rf"(?:\+86|0086|86|0)?({metadata.mobile.national_number_pattern})")


# Nearly every caller is a Chinese mobile, and the library needs 34 µs for one; the pattern is the library's own.
_CHINESE_MOBILE = _chinese_mobile()


def normalize_number(text: str, region: str = DEFAULT_REGION) -> str:
    """The normal form of a number in any usual writing (`+86…`, `0086…`, `86…`, a 0 before a mobile, separators).

    `region` is where national numbers belong to. Raises ValueError, without the number in its message, for text that
    is not a phone number at all.
    """
    # Callers are many and different, so that remembering them would only drive out the few access numbers.
    if region == "CN" and (mobile := _CHINESE_MOBILE.fullmatch(text)):
        return "+86" + mobile.group(1)
    return _normalize(text, region)


@lru_cache(maxsize=65_536)
def _normalize(text: str, region: str) -> str:
    digits = _SEPARATORS.sub("", text)
    if not digits.isascii():
        digits = digits.translate(_FULL_WIDTH)
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    # No country code begins with 0.
    if len(text) > 2 * MAX_NUMBER_LENGTH or not _DIGITS.fullmatch(digits) or digits.startswith("+0"):
        raise ValueError("not a phone number: digits with an optional leading + are expected")
    number = _parse(digits, region)
    if number is None:
        return digits
    own = number.country_code == phonenumbers.country_code_for_region(region)
    national = phonenumbers.national_significant_number(number)
    if not phonenumbers.is_valid_number(number):
        # `+8695500` is 95500 behind our own country's prefix. Of another country's number nothing is known, and without
        # its + it could be mistaken for one of ours.
        own_service_number = own and digits.startswith("+") and _is_normal(national, region)
        return national if own_service_number else digits
    if own and phonenumbers.number_type(number) not in _REACHABLE_FROM_ABROAD:
        return national
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def dial_number(
    normalized: str, region: str, dialing_format: DialingFormat, local_mobile_prefixes: tuple[str, ...] = ()
) -> str:
    """A number in normal form, written as the platform dials it from `region`.

    National: 13800001111, 02566000001, 0012125550100 for another country. With ZERO_BEFORE_NON_LOCAL_MOBILE a mobile
    gets a leading 0 unless its national digits start with one of `local_mobile_prefixes` (see callResult 18). Service
    numbers and short codes are written as they are.
    """
    if dialing_format is DialingFormat.E164 or not normalized.startswith("+"):
        return normalized
    if region == "CN" and (mobile := _CHINESE_MOBILE.fullmatch(normalized)):
        national = mobile.group(1)
        needs_zero = dialing_format is DialingFormat.ZERO_BEFORE_NON_LOCAL_MOBILE
        return "0" + national if needs_zero and not national.startswith(local_mobile_prefixes) else national
    return _dial(normalized, region, dialing_format, local_mobile_prefixes)


@lru_cache(maxsize=65_536)
def _dial(normalized: str, region: str, dialing_format: DialingFormat, local_mobile_prefixes: tuple[str, ...]) -> str:
    number = _parse(normalized, region)
    if number is None:
        return normalized
    if number.country_code != phonenumbers.country_code_for_region(region):
        return "00" + normalized[1:]
    written = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
    national = re.sub(r"[^0-9]", "", written)
    if dialing_format is DialingFormat.ZERO_BEFORE_NON_LOCAL_MOBILE and not national.startswith(local_mobile_prefixes):
        is_mobile = phonenumbers.number_type(number) == PhoneNumberType.MOBILE
        return "0" + national if is_mobile else national
    return national


_FULL_WIDTH = {0xFF10 + digit: 0x30 + digit for digit in range(10)} | {0xFF0B: "+"}


def _is_normal(digits: str, region: str) -> bool:
    try:
        return normalize_number(digits, region) == digits
    except ValueError:
        return False


def _parse(digits: str, region: str) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(digits, region)
    except NumberParseException:
        return None
