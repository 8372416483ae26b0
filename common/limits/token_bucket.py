"""Token buckets: rates that allow a short burst."""

from dataclasses import dataclass
from typing import Protocol

from common.clock import Clock

MAX_BUCKETS = 10_000


@dataclass(frozen=True, slots=True)
class RateLimit:
    """`per_second` over time, `burst` at once (at least 1)."""

    per_second: float
    burst: float

    @classmethod
    def of(cls, per_second: float) -> "RateLimit":
        """A rate with the burst of one second, or of one call where that is less than one."""
        return cls(per_second, max(1.0, per_second))


class RateLimiter(Protocol):
    """Counts what is done under a key."""

    async def allow(self, key: str, limit: RateLimit) -> bool:
        """Whether one more may be done now; if so it is counted. Answers soon and never raises."""
        ...


class TokenBucket:
    """One bucket. Times are on a monotonic clock; a clock that goes back adds nothing."""

    __slots__ = ("_at", "_tokens")

    def __init__(self, limit: RateLimit, now: float) -> None:
        self._tokens = limit.burst
        self._at = now

    def take(self, limit: RateLimit, now: float) -> bool:
        """Take a token if there is one. The limit may differ from the last time's."""
        tokens = min(limit.burst, self._tokens + max(0.0, now - self._at) * limit.per_second)
        self._at = max(now, self._at)
        allowed = tokens >= 1.0
        self._tokens = tokens - 1.0 if allowed else tokens
        return allowed

    def is_full(self, limit: RateLimit, now: float) -> bool:
        """Whether the bucket is as good as a new one."""
        return self._tokens + max(0.0, now - self._at) * limit.per_second >= limit.burst


class LocalRateLimiter:
    """Buckets of this process. The number of them is bounded: full ones are forgotten, then those used longest ago."""

    def __init__(self, clock: Clock, max_buckets: int = MAX_BUCKETS) -> None:
        self._clock = clock
        self._max_buckets = max_buckets
        self._buckets: dict[str, tuple[TokenBucket, RateLimit]] = {}

    async def allow(self, key: str, limit: RateLimit) -> bool:
        return self.allow_now(key, limit)

    def allow_now(self, key: str, limit: RateLimit) -> bool:
        """The same, without the form of a coroutine."""
        now = self._clock.monotonic()
        kept = self._buckets.get(key)
        if kept is None:
            if len(self._buckets) >= self._max_buckets:
                self._make_room(now)
            bucket = TokenBucket(limit, now)
            self._buckets[key] = (bucket, limit)
        else:
            bucket = kept[0]
            if kept[1] is not limit:
                self._buckets[key] = (bucket, limit)
        return bucket.take(limit, now)

    def _make_room(self, now: float) -> None:
        self._buckets = {key: kept for key, kept in self._buckets.items() if not kept[0].is_full(kept[1], now)}
        while len(self._buckets) >= self._max_buckets:
            del self._buckets[next(iter(self._buckets))]
