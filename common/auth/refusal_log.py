"""A log of refused calls that nobody can flood."""

from typing import Any

from common.clock import Clock
from common.errors import AxbridgeError
from common.limits.token_bucket import RateLimit, TokenBucket
from common.logs import get_logger

LINES = RateLimit(per_second=5.0, burst=20.0)
_log = get_logger(__name__)


class RefusalLog:
    """Says who was refused what, and how many lines were left out."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._bucket = TokenBucket(LINES, clock.monotonic())
        self._left_out = 0
        self.total = 0

    def add(self, method: str, context: Any, error: AxbridgeError, caller: str = "") -> None:
        """Note a refusal. The peer is an address; nothing of what it sent is written."""
        self.total += 1
        if not self._bucket.take(LINES, self._clock.monotonic()):
            self._left_out += 1
            return
        _log.warning(
            "call refused",
            rpc_method=method,
            peer=context.peer(),
            caller=caller,
            reason=error.reason,
            detail=error.message,
            left_out=self._left_out,
        )
        self._left_out = 0
