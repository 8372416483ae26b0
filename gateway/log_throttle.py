"""Log lines about what can happen thousands of times a second."""

from common.clock import Clock


class LogThrottle:
    """Lets one line through in a period, and says how many were held back before it."""

    def __init__(self, clock: Clock, period_seconds: float = 1.0) -> None:
        self._clock = clock
        self._period_seconds = period_seconds
        self._next = float("-inf")
        self._held_back = 0

    def admit(self) -> int | None:
        """None to stay silent, else how many lines were held back since the last one."""
        now = self._clock.monotonic()
        if now < self._next:
            self._held_back += 1
            return None
        self._next = now + self._period_seconds
        held_back, self._held_back = self._held_back, 0
        return held_back
