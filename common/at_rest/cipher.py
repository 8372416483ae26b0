"""How numbers, and texts with numbers in them, are written into a database."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from common.errors import AxbridgeError

# What a sealed value begins with; its number grows with its format.
SEALED_TEXT = "axs1."
SEALED_BYTES = b"axs1."


class KeysNeededError(AxbridgeError):
    """A tenant's keys are not in memory: whoever runs work on a database loads them and begins the work anew.

    `key_id` is empty, or the one data key that is missing. It never leaves a service.
    """

    reason = "KEYS_NEEDED"

    def __init__(self, tenant_id: str, key_id: str = "") -> None:
        super().__init__("a tenant's keys are not in memory")
        self.tenant_id = tenant_id
        self.key_id = key_id


class NumberCipher(Protocol):
    """Writes what must not stand in a database as it is.

    `place` names the one place where a value may stand: its table, and the key of its row. A value that is found
    anywhere else does not open. All methods may raise KeysNeededError.
    """

    is_plain: bool

    def number_key(self, tenant_id: str, number: str) -> str:
        """What stands for a number where it is looked for: the same for the same number of a tenant, empty for none."""
        ...

    def digest(self, tenant_id: str, content_hash: str) -> str:
        """What is kept of a hash of something with numbers in it: they are few enough to try them all."""
        ...

    def seal(self, tenant_id: str, place: tuple[str, ...], text: str) -> str:
        """A text as it is kept. Raises AbortedError for a tenant that has no keys."""
        ...

    def open(self, tenant_id: str, place: tuple[str, ...], sealed: str) -> str:
        """The text. Raises UnexpectedError: it was changed, moved, is not sealed, or its key was destroyed."""
        ...

    def seal_bytes(self, tenant_id: str, place: tuple[str, ...], content: bytes) -> bytes:
        """As `seal`, for bytes."""
        ...

    def open_bytes(self, tenant_id: str, place: tuple[str, ...], sealed: bytes) -> bytes:
        """As `open`, for bytes."""
        ...


class PlainCipher:
    """Leaves everything as it is."""

    is_plain = True

    def number_key(self, tenant_id: str, number: str) -> str:
        return number

    def digest(self, tenant_id: str, content_hash: str) -> str:
        return content_hash

    def seal(self, tenant_id: str, place: tuple[str, ...], text: str) -> str:
        return text

    def open(self, tenant_id: str, place: tuple[str, ...], sealed: str) -> str:
        return sealed

    def seal_bytes(self, tenant_id: str, place: tuple[str, ...], content: bytes) -> bytes:
        return content

    def open_bytes(self, tenant_id: str, place: tuple[str, ...], sealed: bytes) -> bytes:
        return sealed


PLAIN: NumberCipher = PlainCipher()

_current: ContextVar[NumberCipher] = ContextVar("axbridge_cipher", default=PLAIN)


def current_cipher() -> NumberCipher:
    """The cipher of the database that this task works with. Whoever runs work on a database says it by `using`."""
    return _current.get()


@contextmanager
def using(cipher: NumberCipher) -> Iterator[None]:
    """Let `cipher` be the current one while the context is open, in this task and those that it begins."""
    token = _current.set(cipher)
    try:
        yield
    finally:
        _current.reset(token)
