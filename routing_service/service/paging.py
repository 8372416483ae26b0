"""Lists in pages."""

import base64
import binascii
import hashlib
from collections.abc import Sequence

import orjson

from common.errors import InvalidArgumentError

DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1000


def page_limit(page_size: int) -> int:
    """How many to return for a requested size. Raises InvalidArgumentError naming `page_size`."""
    if not 0 <= page_size <= MAX_PAGE_SIZE:
        raise InvalidArgumentError("page_size", f"0 to {MAX_PAGE_SIZE} is expected, 0 for {DEFAULT_PAGE_SIZE}")
    return page_size or DEFAULT_PAGE_SIZE


def page_token(position: Sequence[str | int], listed: Sequence[str]) -> str:
    """An opaque token for going on behind `position` in the list that `listed` describes (its kind and filters)."""
    document = orjson.dumps([_fingerprint(listed), *position])
    return base64.urlsafe_b64encode(document).decode().rstrip("=")


def read_page_token(token: str, listed: Sequence[str], kinds: Sequence[type]) -> list[str | int]:
    """The position in a token. Raises InvalidArgumentError naming `page_token` when it belongs to another list."""
    try:
        padded = token.encode("ascii") + b"=" * (-len(token) % 4)
        content = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (UnicodeEncodeError, binascii.Error, orjson.JSONDecodeError) as error:
        raise InvalidArgumentError("page_token", "not a token of this service") from error
    if not isinstance(content, list) or [type(each) for each in content] != [str, *kinds]:
        raise InvalidArgumentError("page_token", "not a token of this service")
    if not all(_is_storable(each) for each in content):
        raise InvalidArgumentError("page_token", "not a token of this service")
    fingerprint, *position = content
    if fingerprint != _fingerprint(listed):
        raise InvalidArgumentError("page_token", "the token belongs to a list with other filters")
    return position


def _is_storable(value: str | int) -> bool:
    """Whether a database can be asked for it: somebody may have made up the token."""
    return value.isprintable() if isinstance(value, str) else -(2**63) <= value < 2**63


def _fingerprint(listed: Sequence[str]) -> str:
    return hashlib.blake2b(orjson.dumps(list(listed)), digest_size=8).hexdigest()
