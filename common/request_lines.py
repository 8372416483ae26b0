"""One log line a request, as long as there are not so many that writing them is what a process does."""

from common.limits.token_bucket import RateLimit, TokenBucket

# Of requests that failed here. When everything fails at full load, writing it all down would make it worse.
FAILURES_PER_SECOND = 1000.0


class RequestLines:
    """Says which requests get their line. `held_back` counts those that got none. Times are on the monotonic clock."""

    def __init__(self, per_second: float, now: float) -> None:
        """`per_second` is the bound for requests that went well; 0: none of them."""
        self._fine = _Allowance(per_second, now)
        self._failed = _Allowance(FAILURES_PER_SECOND, now)
        self.held_back = 0

    def admit(self, now: float, *, failed: bool) -> bool:
        """Whether a request that is over gets its line."""
        if (self._failed if failed else self._fine).admit(now):
            return True
        self.held_back += 1
        return False


class _Allowance:
    __slots__ = ("_bucket", "_empty_until", "_limit")

    def __init__(self, per_second: float, now: float) -> None:
        self._limit = RateLimit.of(per_second or 1.0)
        self._bucket = TokenBucket(self._limit, now)
        self._empty_until = now if per_second else float("inf")

    def admit(self, now: float) -> bool:
        # Nobody looks into an empty bucket.
        if now < self._empty_until:
            return False
        if self._bucket.take(self._limit, now):
            return True
        self._empty_until = now + 1 / self._limit.per_second
        return False
