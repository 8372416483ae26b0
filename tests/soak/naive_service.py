"""A routing service with the plain cache: commit, then delete the keys. The proof that the checker can fail."""

import sys
from collections.abc import Collection, Sequence

from redis.asyncio import Redis

from common.clock import Clock, to_microseconds
from routing_service.__main__ import main
from routing_service.cache.ports import CacheAnswer, CacheEntry, CacheKey, Lease
from routing_service.cache_stats import CacheStats
from routing_service.domain.scope import CacheScope
from routing_service.settings import RoutingServiceSettings


class NaiveCache:
    """Values by access number, filled by whoever has read them and deleted by whoever has changed them."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._redis: Redis = Redis.from_url(url, socket_timeout=1.0)
        self._clock = clock

    async def look_up(self, keys: Sequence[CacheKey]) -> Sequence[CacheAnswer]:
        now_us = to_microseconds(self._clock.now())
        pipeline = self._redis.pipeline(transaction=False)
        for key in keys:
            pipeline.hget(_name(key.scope), key.calling_number)
        answers = []
        for value in await pipeline.execute():
            expires_at_us, _, document = (value or b"0 ").partition(b" ")
            found = document if int(expires_at_us) > now_us else None
            answers.append(CacheAnswer(found, Lease(b"", now_us)))
        return answers

    async def fill(self, entries: Sequence[CacheEntry]) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        for entry in entries:
            value = b"%d %b" % (entry.expires_at_us, entry.document)
            pipeline.hset(_name(entry.key.scope), entry.key.calling_number, value)
        await pipeline.execute()

    async def mark(self, scopes: Collection[CacheScope], write_id: str) -> bool:
        return True

    async def lift(self, scopes: Collection[CacheScope], write_id: str) -> bool:
        await self._redis.delete(*(_name(scope) for scope in scopes))
        return True

    async def close(self) -> None:
        await self._redis.aclose()


def _name(scope: CacheScope) -> str:
    return f"naive:{scope.tenant_id}/{scope.access_number}"


def open_naive_cache(settings: RoutingServiceSettings, clock: Clock, _stats: CacheStats) -> NaiveCache:
    return NaiveCache(settings.redis_url, clock)


if __name__ == "__main__":
    sys.exit(main(open_naive_cache))
