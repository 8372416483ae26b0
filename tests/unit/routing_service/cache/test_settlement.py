"""Writes are finished: by telling the cache, by waiting, and by others where the writer died."""

import asyncio

import pytest

from common.errors import UnavailableError
from routing_service.cache.settlement import Settlement, SettlementLimits
from routing_service.cache_stats import CacheStats
from routing_service.domain.scope import CacheScope
from tests.unit.routing_service.builders import OTHER_TENANT, TENANT, FakeClock, X
from tests.unit.routing_service.cache.fakes import MemoryCache, MemoryOutbox, Naps

SCOPES = [CacheScope(TENANT, X)]


class Bench:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.cache = MemoryCache(self.clock)
        self.outbox = MemoryOutbox()
        self.stats = CacheStats()
        self.limits = SettlementLimits(ttl_seconds=5.0, clock_skew_seconds=0.5)
        self.settlement = Settlement(self.cache, self.outbox, self.limits, self.clock, self.stats)

    def leave_behind(self, write_id: str, tenant_id: str = TENANT) -> None:
        """What a writer leaves that dies between commit and invalidation."""
        self.outbox.writes[write_id] = (tenant_id, [CacheScope(tenant_id, X)])


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_a_cache_that_was_told_ends_it_at_once(bench: Bench) -> None:
    naps = Naps(bench.clock)
    await bench.settlement.finish("w1", SCOPES, naps)

    assert naps.taken == []
    assert (bench.stats.invalidations, bench.stats.waited_out) == (1, 0)


async def test_a_cache_that_can_not_be_told_is_waited_out(bench: Bench) -> None:
    bench.cache.reachable = False
    naps = Naps(bench.clock)
    await bench.settlement.finish("w1", SCOPES, naps)

    assert sum(naps.taken) == pytest.approx(5.5)
    assert (bench.stats.invalidations, bench.stats.waited_out) == (0, 1)


async def test_a_cache_that_comes_back_ends_the_waiting(bench: Bench) -> None:
    bench.cache.reachable = False

    async def nap(seconds: float) -> None:
        bench.clock.elapsed += seconds
        bench.cache.reachable = bench.clock.elapsed >= 2.0

    await bench.settlement.finish("w1", SCOPES, nap)

    assert bench.clock.elapsed == pytest.approx(2.0)
    assert (bench.stats.invalidations, bench.stats.waited_out) == (1, 0)


async def test_finished_writes_leave_the_outbox(bench: Bench) -> None:
    bench.leave_behind("w1")
    await bench.settlement.finish("w1", SCOPES)
    assert bench.outbox.writes
    await bench.settlement.tidy()

    assert not bench.outbox.writes


async def test_tidying_is_done_again_when_the_store_was_away(bench: Bench) -> None:
    bench.leave_behind("w1")
    await bench.settlement.finish("w1", SCOPES)
    bench.outbox.reachable = False
    with pytest.raises(UnavailableError):
        await bench.settlement.tidy()
    await bench.settlement.close()
    bench.outbox.reachable = True
    await bench.settlement.tidy()

    assert not bench.outbox.writes


async def test_a_sweep_leaves_time_to_the_writer(bench: Bench) -> None:
    bench.leave_behind("w1")
    await bench.settlement.sweep()
    assert bench.cache.calls == []
    await bench.settlement.sweep()
    await bench.settlement.tidy()

    assert bench.cache.calls == [("lift", "w1")]
    assert bench.stats.finished_for_others == 1
    assert not bench.outbox.writes


async def test_a_sweep_waits_out_what_it_can_not_tell(bench: Bench) -> None:
    bench.leave_behind("w1")
    bench.cache.reachable = False
    for _ in range(6):
        await bench.settlement.sweep()
        bench.clock.elapsed += 1.0
    await bench.settlement.tidy()
    assert bench.outbox.writes, "5.5 s are not over"
    await bench.settlement.sweep()
    await bench.settlement.tidy()

    assert not bench.outbox.writes


async def test_a_sweep_asks_a_silent_cache_once(bench: Bench) -> None:
    for number in range(20):
        bench.leave_behind(f"w{number}")
    bench.cache.reachable = False
    await bench.settlement.sweep()
    await bench.settlement.sweep()

    assert len(bench.cache.calls) == 1


async def test_finishing_a_tenant_finishes_only_its_writes(bench: Bench) -> None:
    bench.leave_behind("mine")
    bench.leave_behind("anothers", OTHER_TENANT)
    await bench.settlement.finish_tenant(TENANT)

    assert bench.cache.calls == [("lift", "mine")]
    await bench.settlement.finish_tenant(TENANT)
    assert bench.cache.calls == [("lift", "mine")], "finished once is enough"


async def test_finishing_a_tenant_leaves_none_of_its_writes_out(bench: Bench) -> None:
    # While the cache is away each write stays for seconds, so that there can be many of them.
    writes = [f"w{number}" for number in range(1200)]
    for write_id in writes:
        bench.leave_behind(write_id)
    await bench.settlement.finish_tenant(TENANT)

    assert bench.cache.calls == [("lift", write_id) for write_id in writes]


async def test_finishing_a_tenant_needs_the_store(bench: Bench) -> None:
    bench.outbox.reachable = False
    with pytest.raises(UnavailableError):
        await bench.settlement.finish_tenant(TENANT)


async def test_the_loop_goes_on_when_the_store_is_away(bench: Bench) -> None:
    bench.leave_behind("w1")
    bench.outbox.reachable = False
    with pytest.raises(asyncio.CancelledError):
        await bench.settlement.run(Naps(bench.clock, most=10))
    bench.outbox.reachable = True
    with pytest.raises(asyncio.CancelledError):
        await bench.settlement.run(Naps(bench.clock, most=12))

    assert bench.cache.calls == [("lift", "w1")]
    assert not bench.outbox.writes
