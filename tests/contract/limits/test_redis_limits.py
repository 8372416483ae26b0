"""Shared limits through a real Redis: the script's arithmetic, and what happens when Redis hangs or dies."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from common.clock import SystemClock
from common.errors import InvalidArgumentError
from common.limits.shared import REDIS_TIMEOUT_SECONDS, open_shared_limiter
from common.limits.token_bucket import RateLimit
from tests.support.redis import RedisServer

# A busy machine is no Redis that is away.
PATIENT = 5.0


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


async def test_three_replicas_share_one_rate(redis_server: RedisServer) -> None:
    limit, clock = RateLimit(200, 50), SystemClock()
    async with (
        open_shared_limiter(redis_server.url, clock, PATIENT) as one,
        open_shared_limiter(redis_server.url, clock, PATIENT) as two,
        open_shared_limiter(redis_server.url, clock, PATIENT) as three,
    ):
        allowed, began = 0, time.monotonic()
        while time.monotonic() < began + 1.5:
            allowed += sum(await asyncio.gather(*(each.allow("t", limit) for each in (one, two, three) * 5)))
        took = time.monotonic() - began
        assert not (one.is_degraded or two.is_degraded or three.is_degraded)
    # The burst, the rate, and what had been taken in advance of it.
    assert 0.9 * 200 * took <= allowed <= 50 + 200 * took + 1


async def test_another_tenant_has_its_own(redis_server: RedisServer) -> None:
    limit = RateLimit(0.01, 1)
    async with open_shared_limiter(redis_server.url, SystemClock(), PATIENT) as limiter:
        assert await limiter.allow("first", limit)
        for _ in range(100):
            assert not await limiter.allow("first", limit)
        assert await limiter.allow("second", limit)


async def test_a_redis_that_hangs_costs_a_moment_and_no_call(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    server.start()
    try:
        async with open_shared_limiter(server.url, SystemClock()) as limiter:
            assert await limiter.allow("t", RateLimit.of(1000))
            server.child.freeze()
            began = time.monotonic()
            allowed = [await limiter.allow(f"t{number}", RateLimit.of(1000)) for number in range(100)]
            assert all(allowed)
            assert limiter.is_degraded
            assert time.monotonic() - began < 10 * REDIS_TIMEOUT_SECONDS
            server.child.thaw()
            server.child.kill()
            assert await limiter.allow("t", RateLimit.of(1000))
            server.start()
            async with asyncio.timeout(10):
                while limiter.is_degraded:
                    await limiter.allow("t", RateLimit.of(1000))
                    await asyncio.sleep(0.05)
    finally:
        server.stop()


async def test_a_password_from_a_file_and_a_url_that_is_none(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    server.start()
    with redis.Redis(port=server.port) as client:
        client.config_set("requirepass", "opensesame")
    try:
        async with open_shared_limiter(server.url, SystemClock(), PATIENT, password="opensesame") as limiter:
            assert await limiter.allow("t", RateLimit.of(10))
            assert not limiter.is_degraded
        async with open_shared_limiter(server.url, SystemClock(), PATIENT, password="wrong") as limiter:
            assert await limiter.allow("t", RateLimit.of(10))
            assert limiter.is_degraded
        with pytest.raises(InvalidArgumentError, match="limits_redis_url"):
            async with open_shared_limiter("http://nowhere", SystemClock()):
                pass
    finally:
        server.stop()
