"""What one tenant may ask of a gRPC service."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from common.errors import ResourceExhaustedError
from common.limits.token_bucket import RateLimit, RateLimiter


@dataclass(frozen=True, slots=True)
class RpcLimits:
    """A tenant's share of a service. None: no limit. The rates hold over all replicas that share a limiter, the number
    of open streams for each replica."""

    reads: RateLimit | None
    writes: RateLimit | None
    max_streams: int


class RpcLimiter:
    """Counts RPCs and open streams under a tenant's id, or under a caller's name where an RPC is about no tenant."""

    def __init__(self, limiter: RateLimiter, limits: RpcLimits) -> None:
        self._limiter = limiter
        self._limits = limits
        self._streams: Counter[str] = Counter()

    async def count_read(self, keys: Iterable[str]) -> None:
        """Raises ResourceExhaustedError when one of the keys has read enough for now."""
        if self._limits.reads is not None:
            await self._count("read", keys, self._limits.reads)

    async def count_write(self, keys: Iterable[str]) -> None:
        """Likewise for changes."""
        if self._limits.writes is not None:
            await self._count("write", keys, self._limits.writes)

    @contextmanager
    def stream(self, keys: frozenset[str]) -> Iterator[None]:
        """A stream that is open while the context is. Raises ResourceExhaustedError when a key has too many open."""
        for key in keys:
            if self._streams[key] >= self._limits.max_streams:
                raise ResourceExhaustedError(
                    f"{self._limits.max_streams} streams are open already", reason="TOO_MANY_STREAMS"
                )
        self._streams.update(keys)
        try:
            yield
        finally:
            for key in keys:
                self._streams[key] -= 1
                if self._streams[key] <= 0:
                    del self._streams[key]

    async def _count(self, kind: str, keys: Iterable[str], limit: RateLimit) -> None:
        for key in keys:
            if not await self._limiter.allow(f"{kind}:{key}", limit):
                raise ResourceExhaustedError(
                    f"over {limit.per_second:g} {kind}s per second, try again later", reason="RATE_LIMITED"
                )
