"""The keys that the data keys are wrapped with. They never stand in a database."""

import base64
import binascii
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from common.errors import FailedPreconditionError

KEY_BYTES = 32
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A data key as it may be stored, and which master key opens it."""

    master_key_id: str
    content: str


class MasterKeys(Protocol):
    """Wraps and unwraps data keys: a file, or a key management service. May take as long as a network call does."""

    @property
    def current_id(self) -> str:
        """Which master key wraps now."""
        ...

    async def wrap(self, key: bytes, context: str) -> WrappedKey:
        """Wrap a key; it can be unwrapped with this context only. Raises UnavailableError."""
        ...

    async def unwrap(self, wrapped: WrappedKey, context: str) -> bytes:
        """The key. Raises FailedPreconditionError when the master key is not there or it does not fit, and
        UnavailableError."""
        ...


class FileMasterKeys:
    """Master keys from a file. The first one wraps, all of them unwrap."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"keys of {KEY_BYTES} bytes are needed, at least one")
        self._ciphers = {_key_id(key): AESGCM(key) for key in keys}
        self._current_id = _key_id(keys[0])

    @property
    def current_id(self) -> str:
        return self._current_id

    async def wrap(self, key: bytes, context: str) -> WrappedKey:
        nonce = os.urandom(_NONCE_BYTES)
        content = nonce + self._ciphers[self._current_id].encrypt(nonce, key, context.encode())
        return WrappedKey(self._current_id, base64.b64encode(content).decode())

    async def unwrap(self, wrapped: WrappedKey, context: str) -> bytes:
        cipher = self._ciphers.get(wrapped.master_key_id)
        if cipher is None:
            raise FailedPreconditionError(
                f"the master key {wrapped.master_key_id} is not in the key file", reason="MASTER_KEY_MISSING"
            )
        content = base64.b64decode(wrapped.content)
        try:
            return cipher.decrypt(content[:_NONCE_BYTES], content[_NONCE_BYTES:], context.encode())
        except InvalidTag as error:
            raise FailedPreconditionError("a wrapped key was changed or moved", reason="KEY_NOT_READABLE") from error


def open_master_keys(path: Path) -> FileMasterKeys:
    """The master keys in a file, one on each line: the base64 of 32 bytes.

    Raises FailedPreconditionError, without the file's content in it, when the file is not like that.
    """
    try:
        lines = path.read_text(encoding="ascii").split()
        return FileMasterKeys([base64.b64decode(line, validate=True) for line in lines])
    except OSError as error:
        raise FailedPreconditionError(f"the master key file {path} can't be read: {error.strerror}") from error
    except (ValueError, binascii.Error):
        # From None: the first error's message quotes the file.
        message = f"the master key file {path} has to hold the base64 of {KEY_BYTES} bytes on each line"
        raise FailedPreconditionError(message) from None


def new_master_key() -> str:
    """A line for a master key file."""
    return base64.b64encode(os.urandom(KEY_BYTES)).decode()


def _key_id(key: bytes) -> str:
    return hashlib.blake2b(key, digest_size=6, person=b"axbridge-master").hexdigest()
