"""One log line a request, as long as there are not so many that writing them is what a process does."""

from common.limits.token_bucket import RateLimit, TokenBucket


class RequestLines:
    """Says which requests get their line: all that failed here, and so many a second of the others.

    `held_back` counts those that got none. Times are on the monotonic clock.
    """

    def __init__(self, per_second: float, now: float) -> None:
        """`per_second` 0: none but failures."""
        self._limit = RateLimit.of(per_second or 1.0)
        self._bucket = TokenBucket(self._limit, now)
        self._empty_until = now if per_second else float("inf")
        self.held_back = 0

    def admit(self, now: float, *, failed: bool) -> bool:
        """Whether a request that is over gets its line."""
        if failed:
            return True
        if now >= self._empty_until:
            if self._bucket.take(self._limit, now):
                return True
            # Nobody looks into an empty bucket.
            self._empty_until = now + 1 / self._limit.per_second
        self.held_back += 1
        return False
