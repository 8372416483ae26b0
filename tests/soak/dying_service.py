"""A routing service that is killed between a commit and its invalidation, now and then."""

import os
import random
import signal
import sys
from collections.abc import Collection, Sequence

from common.clock import Clock
from routing_service.__main__ import main
from routing_service.cache.ports import CacheAnswer, CacheEntry, CacheKey
from routing_service.cache.redis_cache import RedisCache
from routing_service.cache_stats import CacheStats
from routing_service.domain.scope import CacheScope
from routing_service.settings import RoutingServiceSettings
from routing_service.wiring import open_redis_cache

DEATHS_PER_WRITE = 0.02


class DyingCache:
    """The cache, in a process that does not always live to tell it of a commit."""

    def __init__(self, inner: RedisCache) -> None:
        self._inner = inner
        self._random = random.Random()

    async def look_up(self, keys: Sequence[CacheKey]) -> Sequence[CacheAnswer]:
        return await self._inner.look_up(keys)

    async def fill(self, entries: Sequence[CacheEntry]) -> None:
        await self._inner.fill(entries)

    async def mark(self, scopes: Collection[CacheScope], write_id: str) -> bool:
        return await self._inner.mark(scopes, write_id)

    async def lift(self, scopes: Collection[CacheScope], write_id: str) -> bool:
        if self._random.random() < DEATHS_PER_WRITE:
            os.kill(os.getpid(), signal.SIGKILL)
        return await self._inner.lift(scopes, write_id)

    async def close(self) -> None:
        await self._inner.close()


def open_dying_cache(settings: RoutingServiceSettings, clock: Clock, stats: CacheStats) -> DyingCache:
    return DyingCache(open_redis_cache(settings, clock, stats))


if __name__ == "__main__":
    sys.exit(main(open_dying_cache))
