"""The cache on every kind of Redis that it is said to work with."""

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest

from common.clock import SystemClock
from routing_service.cache.redis_cache import RedisCache, RedisCacheLimits
from routing_service.cache.redis_client import open_redis, parse_redis_url
from routing_service.cache_stats import CacheStats
from tests.support.redis import REDIS_PROGRAM, VALKEY_PROGRAM, RedisServer
from tests.support.redis_modes import ClusterOfThree, Sentinel
from tests.unit.routing_service.builders import FakeClock

PROGRAMS = {"redis": REDIS_PROGRAM, "valkey": VALKEY_PROGRAM}
TTL_SECONDS = 5.0
# A machine that is busy with other tests must not make a server look as if it were gone.
PATIENT_SECONDS = 5.0


@dataclass
class Opener:
    """Opens caches as replicas do: each with connections of its own, all on the same keys."""

    url: str
    closing: AsyncExitStack
    prefix: str = field(default_factory=lambda: uuid.uuid4().hex)

    def open(self, clock: FakeClock | SystemClock, timeout_seconds: float = PATIENT_SECONDS) -> "Opened":
        address = parse_redis_url(self.url)
        limits = RedisCacheLimits(timeout_seconds, timeout_seconds, TTL_SECONDS, self.prefix)
        reading, writing = (open_redis(address, connections=8, timeout_seconds=timeout_seconds) for _ in range(2))
        stats = CacheStats()
        cache = RedisCache(reading, writing, limits, clock, stats)
        self.closing.push_async_callback(cache.close)
        return Opened(cache, stats)


@dataclass
class Opened:
    """A cache with its counters."""

    cache: RedisCache
    stats: CacheStats


@pytest.fixture(scope="module", params=["redis", "valkey", "redis cluster", "valkey cluster", "redis sentinel"])
def redis_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that the tests of a module share."""
    program, _, mode = request.param.partition(" ")
    directory = tmp_path_factory.mktemp(program + mode)
    server: RedisServer | ClusterOfThree | Sentinel
    if mode == "cluster":
        server = ClusterOfThree(directory, program=PROGRAMS[program])
    elif mode == "sentinel":
        server = Sentinel(directory, program=PROGRAMS[program])
    else:
        server = RedisServer(directory, program=PROGRAMS[program])
    server.start()
    yield server.url
    server.stop()


@pytest.fixture
async def opener(redis_url: str) -> AsyncIterator[Opener]:
    async with AsyncExitStack() as closing:
        yield Opener(redis_url, closing)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def replica(opener: Opener, clock: FakeClock) -> Opened:
    return opener.open(clock)


@pytest.fixture
def other(opener: Opener, clock: FakeClock) -> Opened:
    return opener.open(clock)
