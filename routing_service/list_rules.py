"""The rules that an entry of a number list must keep."""

import re
from dataclasses import replace

from common.errors import InvalidArgumentError
from common.numbers import normalize_number
from routing_service.domain.number_list import NumberListTerms, NumberPatternType

MAX_NOTE_LENGTH = 200

_PREFIX = re.compile(r"\+?[0-9]{1,31}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def checked_list_terms(terms: NumberListTerms, region: str) -> NumberListTerms:
    """The terms with their numbers in normal form; a prefix is one already, since half a number has none.

    Raises InvalidArgumentError naming the field (`entry.pattern`).
    """
    access_number = terms.access_number
    if access_number:
        access_number = _normal_number(access_number, region, "entry.access_number")
    if terms.pattern_type is NumberPatternType.EXACT:
        pattern = _normal_number(terms.pattern, region, "entry.pattern")
    elif _PREFIX.fullmatch(terms.pattern):
        pattern = terms.pattern
    else:
        raise InvalidArgumentError("entry.pattern", "the first digits of a number's normal form, such as +8613")
    if len(terms.note) > MAX_NOTE_LENGTH or _UNPRINTABLE.search(terms.note):
        raise InvalidArgumentError("entry.note", f"at most {MAX_NOTE_LENGTH} characters, no control characters")
    return replace(terms, access_number=access_number, pattern=pattern)


def _normal_number(text: str, region: str, field: str) -> str:
    try:
        return normalize_number(text, region)
    except ValueError as error:
        raise InvalidArgumentError(field, str(error)) from error
