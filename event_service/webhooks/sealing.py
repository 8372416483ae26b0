"""Signing secrets at rest: sealed with a key from a file, or plain where no key is configured.

A sealed secret is text that begins with the name of how it was sealed, so that a database can hold both kinds and keys
can be changed: the first key in the file seals, all of them open.
"""

import base64
import binascii
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from common.errors import FailedPreconditionError

KEY_BYTES = 32
_PLAIN, _AES = "plain", "aesgcm"
_NONCE_BYTES = 12


class SecretSealer(Protocol):
    """Keeps signing secrets from whoever can read the database only.

    Another way of keeping keys, such as a key management service, is another implementation of this.
    """

    def seal(self, webhook_id: str, key: bytes) -> str:
        """The secret as it is stored. It opens for this webhook only."""
        ...

    def open(self, webhook_id: str, sealed: str) -> bytes:
        """The secret's key. Raises FailedPreconditionError when it can't be opened with what is configured."""
        ...


class PlainSealer:
    """Stores secrets as they are: the database has to be protected by other means."""

    def seal(self, webhook_id: str, key: bytes) -> str:
        return f"{_PLAIN}:{base64.b64encode(key).decode()}"

    def open(self, webhook_id: str, sealed: str) -> bytes:
        kind, _, content = sealed.partition(":")
        if kind != _PLAIN:
            raise _cannot_open("it was sealed with a key, and none is configured")
        return base64.b64decode(content)


class AesGcmSealer:
    """Seals with AES-256-GCM; the webhook's id is authenticated, so that a stored secret can't be moved to another.

    Secrets that were stored plain before are still opened.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"keys of {KEY_BYTES} bytes are needed, at least one")
        self._seal_id = _key_id(keys[0])
        self._ciphers = {_key_id(key): AESGCM(key) for key in keys}
        self._plain = PlainSealer()

    def seal(self, webhook_id: str, key: bytes) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        content = nonce + self._ciphers[self._seal_id].encrypt(nonce, key, webhook_id.encode())
        return f"{_AES}:{self._seal_id}:{base64.b64encode(content).decode()}"

    def open(self, webhook_id: str, sealed: str) -> bytes:
        kind, _, rest = sealed.partition(":")
        if kind != _AES:
            return self._plain.open(webhook_id, sealed)
        key_id, _, content = rest.partition(":")
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise _cannot_open("the key that it was sealed with is not in the key file")
        decoded = base64.b64decode(content)
        try:
            return cipher.decrypt(decoded[:_NONCE_BYTES], decoded[_NONCE_BYTES:], webhook_id.encode())
        except InvalidTag as error:
            raise _cannot_open("it was changed, or belongs to another webhook") from error


def open_sealer(key_file: Path | None) -> SecretSealer:
    """The sealer for the keys in a file, one on each line: the base64 of 32 bytes. None: secrets are stored plain.

    Raises FailedPreconditionError, without the file's content in it, when the file is not like that.
    """
    if key_file is None:
        return PlainSealer()
    try:
        lines = key_file.read_text(encoding="ascii").split()
        keys = [base64.b64decode(line, validate=True) for line in lines]
        return AesGcmSealer(keys)
    except (OSError, UnicodeDecodeError) as error:
        raise FailedPreconditionError(f"the webhooks' key file {key_file} can't be read") from error
    except (ValueError, binascii.Error) as error:
        # From None: the first error's message quotes the file.
        message = f"the webhooks' key file {key_file} has to hold the base64 of {KEY_BYTES} bytes on each line"
        raise FailedPreconditionError(message) from (None if isinstance(error, binascii.Error) else error)


def _key_id(key: bytes) -> str:
    return hashlib.blake2b(key, digest_size=4, person=b"axbridge-whkey").hexdigest()


def _cannot_open(why: str) -> FailedPreconditionError:
    return FailedPreconditionError(f"the signing secret can't be opened: {why}", reason="SECRET_NOT_READABLE")
