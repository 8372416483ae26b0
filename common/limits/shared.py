"""Limits that replicas share: buckets in Redis, of which each replica takes tokens in advance.

A round trip for each query would cost more than the query. So a replica takes a tenth of a second's tokens at once and
spends them by itself; what it did not spend within a second is forfeit. The sum over all replicas never exceeds the
limit by more than what was taken in that second. Where Redis does not answer, each replica counts for itself, with the
whole limit: a limit that is too loose for a while is better than calls that fail.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from common.clock import Clock
from common.errors import InvalidArgumentError
from common.limits.token_bucket import MAX_BUCKETS, LocalRateLimiter, RateLimit
from common.logs import get_logger

KEY_PREFIX = "axbridge:limit:"
REDIS_TIMEOUT_SECONDS = 0.1
# How long Redis is left alone after it failed.
PAUSE_SECONDS = 1.0
LEASE_SECONDS = 1.0
_LEASE_SHARE = 0.1
_log = get_logger(__name__)

# Takes up to ARGV[3] whole tokens; returns how many, and the milliseconds until there is one when there was none.
TAKE_SCRIPT = """
local rate, burst, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = burst
if kept[1] and kept[2] then
  tokens = math.min(burst, tonumber(kept[1]) + math.max(0, now - tonumber(kept[2])) * rate)
end
local granted = math.min(wanted, math.floor(tokens))
tokens = tokens - granted
redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens), 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(burst / rate * 1000) + 1000)
if granted > 0 then return {granted, 0} end
return {0, math.ceil((1 - tokens) / rate * 1000)}
"""

Take = Callable[[str, RateLimit, int], Awaitable[tuple[int, float]]]
"""Takes up to so many tokens of a key; how many it got, and when it got none the seconds until there is one."""


class _Lease:
    """What this replica holds of a bucket. Times are on the monotonic clock."""

    __slots__ = ("fetching", "refused_until", "tokens", "valid_until", "waiting")

    def __init__(self) -> None:
        self.tokens = 0
        self.valid_until = 0.0
        self.refused_until = 0.0
        self.waiting = 0
        self.fetching: asyncio.Task[bool] | None = None


class SharedRateLimiter:
    """A limiter over tokens that `take` gives out."""

    def __init__(self, take: Take, clock: Clock) -> None:
        self._take = take
        self._clock = clock
        self._local = LocalRateLimiter(clock)
        self._leases: dict[str, _Lease] = {}
        self._paused_until = 0.0
        self.is_degraded = False

    async def allow(self, key: str, limit: RateLimit) -> bool:
        lease = self._leases.get(key)
        if lease is None:
            lease = self._new_lease(key)
        while True:
            now = self._clock.monotonic()
            if lease.tokens > 0 and now < lease.valid_until:
                lease.tokens -= 1
                if lease.tokens * 2 < _chunk(limit) and lease.fetching is None and not self.is_degraded:
                    # The next ones are there before these are spent.
                    self._start_fetch(key, limit, lease)
                return True
            if now < lease.refused_until:
                return False
            if self.is_degraded:
                # Redis is asked again in the background: nobody waits for what did not answer the last time.
                if now >= self._paused_until and lease.fetching is None:
                    self._start_fetch(key, limit, lease)
                return self._local.allow_now(key, limit)
            fetching = lease.fetching or self._start_fetch(key, limit, lease)
            lease.waiting += 1
            try:
                # Somebody who gives up must not take the others' tokens with him.
                fetched = await asyncio.shield(fetching)
            finally:
                lease.waiting -= 1
            if not fetched:
                return self._local.allow_now(key, limit)

    async def close(self) -> None:
        """End what is under way."""
        tasks = [lease.fetching for lease in self._leases.values() if lease.fetching is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start_fetch(self, key: str, limit: RateLimit, lease: _Lease) -> "asyncio.Task[bool]":
        task = asyncio.create_task(self._fetch(key, limit, lease))
        lease.fetching = task
        return task

    async def _fetch(self, key: str, limit: RateLimit, lease: _Lease) -> bool:
        """Take tokens; whether that could be asked."""
        wanted = max(_chunk(limit), min(lease.waiting, int(limit.burst)))
        try:
            granted, wait_seconds = await self._take(key, limit, wanted)
        except (RedisError, OSError, TimeoutError) as error:
            self._paused_until = self._clock.monotonic() + PAUSE_SECONDS
            if not self.is_degraded:
                _log.warning("limits are not shared at the moment, each replica counts for itself", detail=repr(error))
            self.is_degraded = True
            return False
        finally:
            lease.fetching = None
        if self.is_degraded:
            _log.info("limits are shared again")
        self.is_degraded = False
        now = self._clock.monotonic()
        if granted:
            lease.tokens = granted + (lease.tokens if now < lease.valid_until else 0)
            lease.valid_until = now + LEASE_SECONDS
        else:
            lease.refused_until = now + wait_seconds
        return True

    def _new_lease(self, key: str) -> _Lease:
        if len(self._leases) >= MAX_BUCKETS:
            now = self._clock.monotonic()
            self._leases = {
                kept: lease
                for kept, lease in self._leases.items()
                if lease.fetching is not None or lease.valid_until > now or lease.refused_until > now
            }
            while len(self._leases) >= MAX_BUCKETS:
                del self._leases[next(iter(self._leases))]
        lease = self._leases[key] = _Lease()
        return lease


def _chunk(limit: RateLimit) -> int:
    return max(1, int(min(limit.per_second * _LEASE_SHARE, limit.burst)))


@asynccontextmanager
async def open_shared_limiter(
    redis_url: str, clock: Clock, timeout_seconds: float = REDIS_TIMEOUT_SECONDS, password: str | None = None
) -> AsyncIterator[SharedRateLimiter]:
    """A limiter over `redis://…`, `rediss://…`, one server. Redis need not be there. `password` replaces the URL's.

    Raises InvalidArgumentError for another kind of URL.
    """
    credentials = {} if password is None else {"password": password}
    try:
        pool = redis.asyncio.BlockingConnectionPool.from_url(
            redis_url,
            timeout=timeout_seconds,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            # The library would try ten times over five seconds; here the next call is the next attempt.
            retry=Retry(NoBackoff(), 0),
            max_connections=8,
            decode_responses=False,
            **credentials,
        )
    except ValueError as error:
        raise InvalidArgumentError("limits_redis_url", str(error)) from error
    client = redis.asyncio.Redis.from_pool(pool)
    script = client.register_script(TAKE_SCRIPT)

    async def take(key: str, limit: RateLimit, wanted: int) -> tuple[int, float]:
        arguments: list[Any] = [limit.per_second, limit.burst, wanted]
        async with asyncio.timeout(2 * timeout_seconds):
            granted, wait_milliseconds = await script(keys=[KEY_PREFIX + key], args=arguments)
        return int(granted), int(wait_milliseconds) / 1000

    limiter = SharedRateLimiter(take, clock)
    try:
        yield limiter
    finally:
        await limiter.close()
        await client.aclose()
