"""Ids of bindings: opaque to everyone, unique, and made so that newer ones sort behind older ones."""

import secrets

from common.clock import Clock

_RANDOM_BYTES = 10


class BindingIds:
    """Makes ids. The time in front keeps a database's index compact, the 80 random bits make them unique."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self) -> str:
        milliseconds = int(self._clock.now().timestamp() * 1000)
        return f"{milliseconds:012x}{secrets.token_hex(_RANDOM_BYTES)}"
