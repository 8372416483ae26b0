"""Signatures by the Standard Webhooks specification (standardwebhooks.com, version 1.0.0).

A signature is `v1,` and the base64 of HMAC-SHA256 over `{webhook-id}.{webhook-timestamp}.{body}`, keyed with the bytes
that the secret is the base64 of. Several signatures, one for each secret in use, stand behind each other with a space
between them: a receiver takes a message when one of them is right.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence

SECRET_PREFIX = "whsec_"  # noqa: S105 - what every secret begins with
# The specification wants 24 to 64 bytes.
SECRET_BYTES = 32


def new_secret() -> bytes:
    """The key of a new signing secret."""
    return secrets.token_bytes(SECRET_BYTES)


def secret_text(key: bytes) -> str:
    """The secret as integrators get it: `whsec_…`."""
    return SECRET_PREFIX + base64.b64encode(key).decode()


def sign(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """One signature; `timestamp` is the attempt's time in seconds since 1970 UTC."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def signature_headers(keys: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The specification's headers, with one signature for each key, the current key's first."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(sign(key, message_id, timestamp, body) for key in keys),
    }
