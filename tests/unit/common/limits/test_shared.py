"""Shared limits over a bucket that the test holds: leases, floods, and a Redis that goes and comes back."""

import asyncio
from collections import Counter

from redis.exceptions import ConnectionError as RedisConnectionError

from common.limits.shared import LEASE_SECONDS, PAUSE_SECONDS, SharedRateLimiter
from common.limits.token_bucket import RateLimit
from tests.support.clock import FakeClock

LIMIT = RateLimit(100, 100)


class Bucket:
    """What Redis does, with a stop."""

    def __init__(self, tokens: int = 100) -> None:
        self.tokens: Counter[str] = Counter()
        self.full = tokens
        self.asked = 0
        self.is_away = False
        self.open = asyncio.Event()
        self.open.set()

    async def take(self, key: str, limit: RateLimit, wanted: int) -> tuple[int, float]:
        self.asked += 1
        await self.open.wait()
        if self.is_away:
            raise RedisConnectionError("away")
        granted = min(wanted, self.full - self.tokens[key])
        self.tokens[key] += granted
        return granted, 0.0 if granted else 0.5


async def count_allowed(limiter: SharedRateLimiter, calls: int, key: str = "a") -> int:
    return sum([await limiter.allow(key, LIMIT) for _ in range(calls)])


async def test_replicas_together_get_what_there_is() -> None:
    bucket, clock = Bucket(), FakeClock()
    replicas = [SharedRateLimiter(bucket.take, clock) for _ in range(4)]
    allowed = sum([await count_allowed(replica, 50) for replica in replicas])
    # Each may have a tenth of a second's tokens in hand.
    assert 100 - 4 * 10 <= allowed <= 100
    assert bucket.tokens["a"] == 100
    assert await count_allowed(replicas[0], 50, "another tenant") == 50


async def test_a_flood_asks_redis_seldom() -> None:
    bucket, clock = Bucket(), FakeClock()
    limiter = SharedRateLimiter(bucket.take, clock)
    await count_allowed(limiter, 10_000)
    # A tenth of a second's tokens at a time, and one refusal that holds for the time it named.
    assert bucket.asked <= 12
    clock.advance(0.49)
    assert await count_allowed(limiter, 1000) == 0
    assert bucket.asked <= 12


async def test_those_who_come_at_once_share_a_fetch_and_none_cancels_it() -> None:
    bucket, clock = Bucket(), FakeClock()
    limiter = SharedRateLimiter(bucket.take, clock)
    bucket.open.clear()
    waiting = [asyncio.create_task(limiter.allow("a", LIMIT)) for _ in range(50)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    bucket.open.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert results.count(True) == 49
    assert bucket.asked <= 3


async def test_tokens_that_were_not_spent_in_time_are_forfeit() -> None:
    bucket, clock = Bucket(), FakeClock()
    limiter = SharedRateLimiter(bucket.take, clock)
    assert await limiter.allow("a", LIMIT)
    bucket.full = bucket.tokens["a"]
    clock.advance(LEASE_SECONDS)
    assert not await limiter.allow("a", LIMIT)


async def test_without_redis_each_replica_counts_for_itself() -> None:
    bucket, clock = Bucket(), FakeClock()
    limiter = SharedRateLimiter(bucket.take, clock)
    bucket.is_away = True
    assert await count_allowed(limiter, 150) == 100
    assert limiter.is_degraded
    assert bucket.asked == 1, "a Redis that failed is left alone for a while"
    clock.advance(PAUSE_SECONDS)
    bucket.is_away = False
    bucket.open.clear()
    assert await limiter.allow("a", LIMIT), "nobody waits while it is tried again"
    bucket.open.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not limiter.is_degraded
    await limiter.close()


async def test_keys_are_bounded() -> None:
    bucket, clock = Bucket(1), FakeClock()
    limiter = SharedRateLimiter(bucket.take, clock)
    for number in range(12_000):
        await limiter.allow(f"stranger {number}", LIMIT)
    assert len(limiter._leases) <= 10_000
