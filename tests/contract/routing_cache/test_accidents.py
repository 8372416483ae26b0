"""Redis loses things, mixes things up, is killed and frozen: nothing stale comes of it, and it comes back by itself."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import redis.asyncio

from common.clock import SystemClock
from routing_service.cache.ports import CacheAnswer
from tests.contract.routing_cache.conftest import PATIENT_SECONDS, Opened, Opener
from tests.contract.routing_cache.test_fence import (
    KEY,
    OTHER_CALLER,
    SCOPE,
    TENANT_KEY,
    ask,
    entry,
    fill,
    known,
    lease_of,
)
from tests.support.redis import RedisServer
from tests.support.redis_modes import ClusterOfThree, Sentinel
from tests.unit.routing_service.builders import FakeClock

TIMEOUT_SECONDS = 0.1


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of the test's own, to break."""
    server = RedisServer(tmp_path / "redis")
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def opener(server: RedisServer) -> AsyncIterator[Opener]:
    async with AsyncExitStack() as closing:
        yield Opener(server.url, closing)


@pytest.fixture
async def raw(server: RedisServer) -> AsyncIterator["redis.asyncio.Redis"]:
    """Redis itself, to do things to it that the cache would not."""
    client = redis.asyncio.Redis.from_url(server.url)
    yield client
    await client.aclose()


async def until_answered(opened: Opened) -> None:
    """Wait until the cache is used again."""
    async with asyncio.timeout(20):
        while (await ask(opened.cache, KEY)).lease is None:
            await asyncio.sleep(0.02)


async def names(raw: "redis.asyncio.Redis", ending: str) -> list[bytes]:
    return [each async for each in raw.scan_iter(match=f"*{ending}")]


async def test_a_batch_costs_one_command(opener: Opener, clock: FakeClock, raw: "redis.asyncio.Redis") -> None:
    replica = opener.open(clock)
    await fill(replica.cache, KEY, OTHER_CALLER, TENANT_KEY)
    await raw.config_resetstat()
    assert await known(replica.cache, KEY, OTHER_CALLER, TENANT_KEY) == [KEY, OTHER_CALLER, TENANT_KEY]

    commands = {name: each["calls"] for name, each in (await raw.info("commandstats")).items()}
    commands.pop("cmdstat_config|resetstat", None)
    assert commands == {"cmdstat_mget": 1}


async def test_a_mark_that_was_evicted_or_has_run_out(
    opener: Opener, clock: FakeClock, raw: "redis.asyncio.Redis"
) -> None:
    writer, reader = opener.open(clock), opener.open(clock)
    await fill(reader.cache, KEY)
    assert await writer.cache.mark([SCOPE], "w1")
    assert await raw.delete(*await names(raw, ":epoch")) == 2
    # What was filled before the write is void, and what is filled during it is, once it is finished.
    assert await known(reader.cache, KEY) == []
    await fill(reader.cache, KEY)
    assert await writer.cache.lift([SCOPE], "w1")

    assert await known(reader.cache, KEY) == []


async def test_a_mark_does_not_stand_for_ever(opener: Opener, clock: FakeClock, raw: "redis.asyncio.Redis") -> None:
    await fill(opener.open(clock).cache, KEY)
    assert await opener.open(clock).cache.mark([SCOPE], "w1")
    lives = [await raw.pttl(name) for name in await names(raw, ":epoch")]

    assert 9_000 < min(lives) <= 10_000


async def test_everything_in_redis_goes_by_itself(opener: Opener, clock: FakeClock, raw: "redis.asyncio.Redis") -> None:
    await fill(opener.open(clock).cache, KEY, TENANT_KEY)
    lives = [await raw.pttl(name) for name in await names(raw, "")]

    assert len(lives) == 4
    assert all(0 < each <= 600_000 for each in lives)


async def test_a_value_under_another_key_is_not_believed(
    opener: Opener, clock: FakeClock, raw: "redis.asyncio.Redis"
) -> None:
    replica = opener.open(clock)
    await fill(replica.cache, KEY)
    (name,) = await names(raw, KEY.calling_number)
    value = await raw.get(name)
    assert value is not None
    await raw.set(name.replace(KEY.calling_number.encode(), OTHER_CALLER.calling_number.encode()), value)

    assert (await ask(replica.cache, OTHER_CALLER)).document is None
    assert replica.stats.wrong_key == 1
    assert await known(replica.cache, KEY) == [KEY]


@pytest.mark.parametrize("value", [b"", b"\n", b"nothing", b"a b c d\nx", b"e1 soon name\n{}", b"\xff\xfe"])
async def test_a_value_that_is_none_is_not_read(
    opener: Opener, clock: FakeClock, raw: "redis.asyncio.Redis", value: bytes
) -> None:
    replica = opener.open(clock)
    await fill(replica.cache, KEY)
    (name,) = await names(raw, KEY.calling_number)
    await raw.set(name, value)

    assert (await ask(replica.cache, KEY)).document is None
    assert replica.stats.unreadable == 1
    await fill(replica.cache, KEY)
    assert await known(replica.cache, KEY) == [KEY]


async def test_a_restart_forgets_everything(opener: Opener, server: RedisServer) -> None:
    replica = opener.open(SystemClock())
    await fill(replica.cache, KEY)
    lease = await lease_of(replica.cache, KEY)
    server.child.kill()
    assert await ask(replica.cache, KEY) == CacheAnswer(None, None)
    assert not await replica.cache.mark([SCOPE], "w1")
    assert not await replica.cache.lift([SCOPE], "w1")
    server.start()
    await until_answered(replica)
    # The lease is from before the write, which Redis never heard of.
    await replica.cache.fill([entry(KEY, lease)])

    assert await known(replica.cache, KEY) == []


async def test_a_frozen_redis_costs_little_and_comes_back_by_itself(opener: Opener, server: RedisServer) -> None:
    replica = opener.open(SystemClock(), TIMEOUT_SECONDS)
    await until_answered(replica)
    server.child.freeze()
    started = asyncio.get_running_loop().time()
    for _ in range(200):
        assert await ask(replica.cache, KEY) == CacheAnswer(None, None)
    # Three time limits, and the rest for nothing.
    assert asyncio.get_running_loop().time() - started < 20 * TIMEOUT_SECONDS
    assert replica.cache.breaker.is_open
    assert replica.stats.bypassed >= 190
    server.child.thaw()

    await until_answered(replica)
    await fill(replica.cache, KEY)
    assert await known(replica.cache, KEY) == [KEY]


async def test_a_write_that_redis_hears_of_too_late_is_reported_and_does_no_harm(
    opener: Opener, server: RedisServer
) -> None:
    writer, reader = opener.open(SystemClock(), TIMEOUT_SECONDS), opener.open(SystemClock())
    await fill(reader.cache, KEY)
    server.child.freeze()
    assert not await writer.cache.mark([SCOPE], "w1")
    assert not await writer.cache.lift([SCOPE], "w1")
    server.child.thaw()

    # Both arrive after all, in whichever order: the mark may be left standing, and nothing stale is.
    async with asyncio.timeout(PATIENT_SECONDS):
        while await known(reader.cache, KEY):
            await asyncio.sleep(0.01)


async def test_a_full_redis_forgets_and_still_lifts(
    opener: Opener, clock: FakeClock, raw: "redis.asyncio.Redis"
) -> None:
    replica = opener.open(clock)
    lease = await lease_of(replica.cache, KEY)
    await fill(replica.cache, OTHER_CALLER)
    await raw.config_set("maxmemory-policy", "noeviction")
    await raw.config_set("maxmemory", "1")
    await replica.cache.fill([entry(KEY, lease)])
    assert replica.stats.failed_fills == 1
    assert not await replica.cache.mark([SCOPE], "w1")
    assert await known(replica.cache, OTHER_CALLER) == [OTHER_CALLER]
    assert await replica.cache.lift([SCOPE], "w1")
    await raw.config_set("maxmemory", "0")

    assert await known(replica.cache, OTHER_CALLER) == []


async def test_callers_who_give_up_leave_no_reply_to_others(opener: Opener, clock: FakeClock) -> None:
    replica = opener.open(clock)
    await fill(replica.cache, KEY, OTHER_CALLER)
    for attempt in range(200):
        impatient = asyncio.create_task(replica.cache.look_up([KEY]))
        for _ in range(attempt % 12):
            await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.wait({impatient})
        assert await known(replica.cache, OTHER_CALLER, KEY) == [OTHER_CALLER, KEY]

    assert replica.stats.wrong_key == 0


async def test_a_cluster_with_a_node_down_is_left_alone_until_it_is_whole(tmp_path: Path) -> None:
    cluster = ClusterOfThree(tmp_path)
    cluster.start()
    try:
        async with AsyncExitStack() as closing:
            replica = Opener(cluster.url, closing).open(SystemClock(), 1.0)
            await until_answered(replica)
            for node in cluster.nodes:
                node.child.kill()
            assert await ask(replica.cache, KEY) == CacheAnswer(None, None)
            assert not await replica.cache.lift([SCOPE], "w1")
            for node in cluster.nodes:
                node.start()
            await until_answered(replica)
            await fill(replica.cache, KEY)
            assert await known(replica.cache, KEY) == [KEY]
    finally:
        cluster.stop()


async def test_another_primary_is_found_through_the_sentinel(tmp_path: Path) -> None:
    sentinel = Sentinel(tmp_path)
    sentinel.start()
    try:
        async with AsyncExitStack() as closing:
            replica = Opener(sentinel.url, closing).open(SystemClock(), 1.0)
            await fill(replica.cache, KEY)
            assert await known(replica.cache, KEY) == [KEY]
            sentinel.primary.child.kill()
            async with asyncio.timeout(30):
                while await asyncio.to_thread(sentinel.primary_port) == sentinel.primary.port:
                    await ask(replica.cache, KEY)
                    await asyncio.sleep(0.1)
                while not await replica.cache.lift([SCOPE], "w1"):
                    await asyncio.sleep(0.1)
            await until_answered(replica)
            await fill(replica.cache, KEY)
            assert await known(replica.cache, KEY) == [KEY]
    finally:
        sentinel.stop()
