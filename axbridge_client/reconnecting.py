"""When a stream that was cut is opened again."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from common.errors import (
    AxbridgeError,
    DeadlineExceededError,
    ResourceExhaustedError,
    UnavailableError,
    UnexpectedError,
)

# A service that is stopping or crashed, a connection that was cut, a consumer that was too slow. All other errors
# (NOT_FOUND, PERMISSION_DENIED, …) would come again.
_PASSING = (UnavailableError, DeadlineExceededError, ResourceExhaustedError, UnexpectedError)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait. `silence_seconds`: a connection without any sign of life for so long is dead; above the
    service's heartbeat. Pauses between attempts double from the first one to the longest."""

    silence_seconds: float = 15.0
    first_pause_seconds: float = 0.1
    longest_pause_seconds: float = 5.0


class Backoff:
    """The pauses between attempts; `random_share` is between 0 and 1."""

    def __init__(self, patience: Patience, random_share: Callable[[], float] = random.random) -> None:
        self._patience = patience
        self._random_share = random_share
        self._failures = 0

    def succeeded(self) -> None:
        """Something came: the next pause is the first one again."""
        self._failures = 0

    def next_pause_seconds(self) -> float:
        """How long to wait now: up to double the time before, by chance, so that consumers don't come all at once."""
        longest: float = self._patience.first_pause_seconds * 2 ** min(self._failures, 30)
        self._failures += 1
        pause: float = min(longest, self._patience.longest_pause_seconds)
        return pause * (0.5 + self._random_share() / 2)


def is_passing(error: AxbridgeError) -> bool:
    """Whether connecting again may help."""
    return isinstance(error, _PASSING)
