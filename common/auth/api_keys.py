"""API keys: how they are made, written and compared.

A key is `axb_ID_SECRET`: the id says which entry of the credentials file it belongs to and is no secret, the secret is
256 random bits. Kept is an HMAC-SHA256 of the secret under a pepper that stands in a file of its own. A slow KDF would
add nothing: it makes guessing dear, and there is no guessing 256 random bits; it would cost every RPC tens of
milliseconds. The pepper makes a stolen credentials file useless for telling whether a leaked key is in it.
"""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from common.errors import InvalidArgumentError, UnauthenticatedError

SECRET_BYTES = 32
MIN_PEPPER_BYTES = 32
HASH_PREFIX = "hmac-sha256:"

_KEY = re.compile(r"axb_([a-z2-7]{10})_([A-Za-z0-9_-]{43})")
_KEY_ID = re.compile(r"[a-z2-7]{10}")
# More than a key ever has; nothing longer is looked at.
_MAX_KEY_LENGTH = 128


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A whole key. Its `repr` leaves the secret out."""

    key_id: str
    secret: bytes

    def __repr__(self) -> str:
        return f"ApiKey({self.key_id})"

    @property
    def text(self) -> str:
        """The key as its holder is given it, once."""
        return f"axb_{self.key_id}_{base64.urlsafe_b64encode(self.secret).decode().rstrip('=')}"


def generate_api_key() -> ApiKey:
    """A new key from the system's random numbers."""
    key_id = base64.b32encode(secrets.token_bytes(7)).decode().lower()[:10]
    return ApiKey(key_id, secrets.token_bytes(SECRET_BYTES))


def parse_api_key(text: str) -> ApiKey:
    """Read a key. Raises UnauthenticatedError, without a word of the text, when it is none."""
    match = _KEY.fullmatch(text) if len(text) <= _MAX_KEY_LENGTH else None
    if match is None:
        raise UnauthenticatedError("this is not an API key", reason="MALFORMED_CREDENTIAL")
    return ApiKey(match.group(1), base64.urlsafe_b64decode(match.group(2) + "="))


def is_key_id(text: str) -> bool:
    """Whether a key's id can look like this."""
    return _KEY_ID.fullmatch(text) is not None


class Pepper:
    """The secret under which keys are hashed. Its `repr` says nothing."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        if len(secret) < MIN_PEPPER_BYTES:
            raise InvalidArgumentError("pepper", f"needs at least {MIN_PEPPER_BYTES} bytes")
        self._secret = secret

    def __repr__(self) -> str:
        return "Pepper()"

    def hash(self, key: ApiKey) -> str:
        """The text to keep of a key. The id is hashed with it, so that hashes can't be swapped between entries."""
        digest = hmac.digest(self._secret, key.key_id.encode() + b"\x00" + key.secret, hashlib.sha256)
        return HASH_PREFIX + base64.b64encode(digest).decode()

    def matches(self, key: ApiKey, kept: str) -> bool:
        """Whether `kept` is this key's hash, in a time that does not tell how much of it is."""
        return hmac.compare_digest(self.hash(key), kept)


def read_pepper(path: Path) -> Pepper:
    """The pepper in a file: its bytes, but for white space around them. Raises OSError, InvalidArgumentError."""
    return Pepper(path.read_bytes().strip())


def is_key_hash(text: str) -> bool:
    """Whether this can be what `Pepper.hash` returned."""
    if not text.startswith(HASH_PREFIX):
        return False
    try:
        return len(base64.b64decode(text[len(HASH_PREFIX) :], validate=True)) == hashlib.sha256().digest_size
    except ValueError:
        return False
