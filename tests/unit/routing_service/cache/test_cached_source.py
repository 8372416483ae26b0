"""Batches: what the cache has, what the store has, what is remembered of it, and what must not be."""

import asyncio
from datetime import timedelta

import pytest

from common.errors import UnavailableError
from routing_service.cache.auditor import Auditor
from routing_service.cache.cached_source import CachedCandidateSource, CachingLimits, Guards
from routing_service.cache.group_loader import LoadLimits
from routing_service.cache.ports import CacheKey
from routing_service.cache.scanning import ScanLimit
from routing_service.cache_stats import CacheStats
from routing_service.domain.decision import NOTHING_KNOWN, Candidates, DecisionSource, RouteKey
from routing_service.domain.scope import CacheScope
from tests.unit.routing_service.builders import OTHER_TENANT, TENANT, A, B, C, FakeClock, X, axb, stored, tenant
from tests.unit.routing_service.cache.fakes import MemoryCache, MemoryOutbox, WatchedSource

KEY, UNBOUND = RouteKey(TENANT, X, A), RouteKey(TENANT, X, C)
SCOPE = CacheScope(TENANT, X)
BOUND = Candidates(True, (stored(axb(A, B)),))
NOTHING_HERE = Candidates(access_number_known=True)


class Bench:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.cache = MemoryCache(self.clock)
        self.store = WatchedSource({TENANT: tenant(TENANT)}, {KEY: BOUND, UNBOUND: NOTHING_HERE})
        self.stats = CacheStats()
        self.outbox = MemoryOutbox()
        self.auditor = Auditor(self.store, self.cache, self.outbox, self.clock, self.stats)
        limits = CachingLimits(5.0, 1.0, LoadLimits(timeout_seconds=5.0))
        guards = Guards(self.auditor, ScanLimit(20, self.clock))
        self.source = CachedCandidateSource(self.store, self.cache, guards, limits, self.stats)

    async def ask(self, key: RouteKey = KEY) -> Candidates:
        found = (await self.source.candidates([key]))[key]
        assert isinstance(found, Candidates)
        # What is being remembered is waited for.
        await self.source.close()
        return found


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_the_second_time_the_cache_answers(bench: Bench) -> None:
    first, second = await bench.ask(), await bench.ask()

    assert (first.source, second.source) == (DecisionSource.STORE, DecisionSource.CACHE)
    assert first.bindings == second.bindings
    assert bench.store.candidate_reads == [{KEY}]


async def test_a_batch_asks_the_store_once_for_what_is_missing(bench: Bench) -> None:
    await bench.source.look_up([TENANT], [KEY])
    await bench.source.close()
    known = await bench.source.look_up([TENANT, OTHER_TENANT], [KEY, UNBOUND, RouteKey(OTHER_TENANT, X, A)])

    assert known.tenants == {TENANT: tenant(TENANT)}
    assert known.candidates[KEY] == Candidates(True, BOUND.bindings, DecisionSource.CACHE)
    assert known.candidates[UNBOUND] == NOTHING_HERE
    assert known.candidates[RouteKey(OTHER_TENANT, X, A)] == NOTHING_KNOWN
    assert bench.store.tenant_reads == [{TENANT}, {OTHER_TENANT}]
    assert bench.store.candidate_reads == [{KEY}, {UNBOUND, RouteKey(OTHER_TENANT, X, A)}]


@pytest.mark.parametrize(("key", "lives"), [(KEY, 5.0), (UNBOUND, 1.0), (RouteKey(OTHER_TENANT, X, A), 1.0)])
async def test_nothing_is_remembered_for_less_long_than_something(bench: Bench, key: RouteKey, lives: float) -> None:
    await bench.ask(key)
    remembered = dict(bench.cache.documents)
    bench.clock.advance(timedelta(seconds=lives - 0.001))
    assert (await bench.ask(key)).source is DecisionSource.CACHE
    # Without the refresh that this has brought about.
    bench.cache.documents = remembered
    bench.clock.advance(timedelta(seconds=0.001))

    assert (await bench.ask(key)).source is DecisionSource.STORE


async def test_what_is_asked_for_often_never_runs_out(bench: Bench) -> None:
    await bench.source.look_up([TENANT], [KEY])
    for _ in range(20):
        bench.clock.advance(timedelta(seconds=2.4))
        known = await bench.source.look_up([TENANT], [KEY])
        await bench.source.close()
        assert known.candidates[KEY] == Candidates(True, BOUND.bindings, DecisionSource.CACHE)

    assert len(bench.store.candidate_reads) == len(bench.store.tenant_reads) == 11


async def test_a_refresh_is_void_after_a_write_as_well(bench: Bench) -> None:
    await bench.ask()
    bench.clock.advance(timedelta(seconds=3))
    bench.store.gate = asyncio.Event()
    await bench.source.candidates([KEY])
    while len(bench.store.candidate_reads) < 2:
        await asyncio.sleep(0)
    del bench.store.bound[KEY]
    await bench.cache.lift([SCOPE], "w1")
    bench.store.gate.set()

    assert (await bench.ask()).bindings == ()


async def test_what_is_not_there_is_not_refreshed(bench: Bench) -> None:
    await bench.ask(UNBOUND)
    bench.clock.advance(timedelta(seconds=0.9))
    await bench.ask(UNBOUND)

    assert len(bench.store.candidate_reads) == 1


async def test_an_absent_tenant_is_remembered_too(bench: Bench) -> None:
    for _ in range(2):
        assert await bench.source.tenants([OTHER_TENANT]) == {}
        await bench.source.close()

    assert bench.store.tenant_reads == [{OTHER_TENANT}]


async def test_a_load_from_before_a_write_is_not_remembered_after_it(bench: Bench) -> None:
    bench.store.gate = asyncio.Event()
    early = asyncio.create_task(bench.ask())
    while not bench.store.candidate_reads:
        await asyncio.sleep(0)
    # While that load is under way the pair is unbound, and that is acknowledged.
    del bench.store.bound[KEY]
    await bench.cache.lift([SCOPE], "w1")
    bench.store.gate.set()

    assert (await early).bindings, "it began before"
    after = await bench.ask()
    assert (after.bindings, after.source) == ((), DecisionSource.STORE)


async def test_during_a_write_the_store_answers(bench: Bench) -> None:
    await bench.ask()
    await bench.cache.mark([SCOPE], "w1")
    for _ in range(2):
        assert (await bench.ask()).source is DecisionSource.STORE


async def test_without_a_cache_the_store_answers(bench: Bench) -> None:
    bench.cache.reachable = False
    known = await bench.source.look_up([TENANT], [KEY])

    assert (known.tenants[TENANT], known.candidates[KEY]) == (tenant(TENANT), BOUND)


async def test_without_the_store_the_cache_answers_what_it_knows(bench: Bench) -> None:
    await bench.source.look_up([TENANT], [KEY])
    await bench.source.close()
    bench.store.fails = UnavailableError("away")
    known = await bench.source.look_up([TENANT], [KEY, UNBOUND])

    assert known.tenants == {TENANT: tenant(TENANT)}
    assert isinstance(known.candidates[KEY], Candidates)
    assert isinstance(known.candidates[UNBOUND], UnavailableError)
    bench.store.fails = None
    assert await bench.ask(UNBOUND) == NOTHING_HERE


async def test_a_document_that_can_not_be_read_is_read_again_from_the_store(bench: Bench) -> None:
    await bench.ask()
    for key, entry in bench.cache.documents.items():
        bench.cache.documents[key] = type(entry)(entry.key, b"[1]", entry.lease, entry.expires_at_us)

    assert await bench.ask() == BOUND
    assert (await bench.ask()).source is DecisionSource.CACHE
    assert bench.stats.unreadable == 1


async def test_asking_twice_in_one_batch_is_asking_once(bench: Bench) -> None:
    found = await bench.source.candidates([KEY, KEY])

    assert found == {KEY: BOUND}
    assert bench.store.candidate_reads == [{KEY}]


class TestScanning:
    async def test_who_tries_numbers_one_after_the_other_is_stopped_and_nobody_else(self, bench: Bench) -> None:
        await bench.ask(UNBOUND)
        tried = [RouteKey(TENANT, X, f"+86137{number:08}") for number in range(100)]
        results = [(await bench.source.candidates([key]))[key] for key in tried]

        assert [isinstance(each, Candidates) for each in results] == [True] * 19 + [False] * 81
        assert all(isinstance(each, UnavailableError) for each in results[19:])
        assert bench.stats.refused_loads == 81
        # What is remembered costs nothing, and others have their own share.
        assert (await bench.ask(UNBOUND)).source is DecisionSource.CACHE
        assert await bench.ask(RouteKey(OTHER_TENANT, X, A)) == NOTHING_KNOWN
        bench.clock.elapsed += 0.5
        assert await bench.ask(KEY) == BOUND

    async def test_what_is_found_costs_nothing(self, bench: Bench) -> None:
        keys = [RouteKey(TENANT, X, f"+86137{number:08}") for number in range(100)]
        bench.store.bound |= dict.fromkeys(keys, BOUND)
        for key in keys:
            assert await bench.ask(key) == BOUND

    async def test_a_batch_that_goes_too_far_is_paid_for_within_two_seconds(self, bench: Bench) -> None:
        await bench.source.candidates([RouteKey(TENANT, X, f"+86137{number:08}") for number in range(1000)])
        assert isinstance((await bench.source.candidates([UNBOUND]))[UNBOUND], UnavailableError)
        bench.clock.elapsed += 1.1

        assert await bench.ask(UNBOUND) == NOTHING_HERE

    async def test_without_a_limit_there_is_none(self, bench: Bench) -> None:
        limit = ScanLimit(0, bench.clock)
        for _ in range(100):
            limit.note({UNBOUND: NOTHING_HERE}, [UNBOUND])
        assert limit.allows(TENANT)


class TestAudit:
    async def sampled(self, bench: Bench) -> None:
        """One answer was served from the cache and sampled."""
        bench.auditor.start_sampling(1.0)
        await bench.ask()
        await bench.ask()

    async def test_what_is_the_same_is_no_mismatch(self, bench: Bench) -> None:
        await self.sampled(bench)
        await bench.auditor.audit_waiting()

        assert (bench.stats.audits, bench.stats.mismatches) == (1, 0)

    async def test_a_stale_answer_is_a_mismatch(self, bench: Bench) -> None:
        await self.sampled(bench)
        # A change that the cache was never told of.
        bench.store.bound[KEY] = NOTHING_HERE
        await bench.auditor.audit_waiting()

        assert (bench.stats.audits, bench.stats.mismatches) == (1, 1)

    async def test_a_write_that_is_finished_explains_a_difference(self, bench: Bench) -> None:
        await self.sampled(bench)
        bench.store.bound[KEY] = NOTHING_HERE
        await bench.cache.lift([SCOPE], "w1")
        await bench.auditor.audit_waiting()

        assert (bench.stats.audits, bench.stats.mismatches) == (1, 0)

    @pytest.mark.parametrize("scope", [SCOPE, SCOPE.whole_tenant])
    async def test_a_write_that_is_not_finished_explains_a_difference(self, bench: Bench, scope: CacheScope) -> None:
        await self.sampled(bench)
        bench.store.bound[KEY] = NOTHING_HERE
        bench.outbox.writes["w1"] = (TENANT, [scope])
        await bench.auditor.audit_waiting()

        assert (bench.stats.audits, bench.stats.mismatches) == (1, 0)

    @pytest.mark.parametrize("is_told", [False, True])
    async def test_stale_settings_of_a_tenant_are_a_mismatch(self, bench: Bench, is_told: bool) -> None:
        bench.auditor.start_sampling(1.0)
        for _ in range(2):
            await bench.source.tenants([TENANT, OTHER_TENANT])
            await bench.source.close()
        await bench.auditor.audit_waiting()
        assert (bench.stats.audits, bench.stats.mismatches) == (1, 0)

        bench.clock.elapsed += 1.0
        await bench.source.tenants([TENANT, OTHER_TENANT])
        bench.store.known[TENANT] = tenant(TENANT, fallback_number=C)
        if is_told:
            await bench.cache.lift([SCOPE.whole_tenant], "w1")
        await bench.auditor.audit_waiting()

        assert (bench.stats.audits, bench.stats.mismatches) == (2, 0 if is_told else 1)

    async def test_the_cache_is_not_told_who_called(self, bench: Bench) -> None:
        # It may be one that is to hold no plain numbers, and the auditor asks it directly.
        await self.sampled(bench)
        bench.store.bound[KEY] = NOTHING_HERE
        bench.cache.asked.clear()
        await bench.auditor.audit_waiting()

        assert bench.cache.asked == [CacheKey(SCOPE)]

    async def test_old_samples_prove_nothing(self, bench: Bench) -> None:
        await self.sampled(bench)
        bench.store.bound[KEY] = NOTHING_HERE
        bench.clock.advance(timedelta(seconds=3))
        await bench.auditor.audit_waiting()

        assert (bench.stats.audits, bench.stats.mismatches) == (0, 0)

    async def test_only_so_many_samples_are_taken(self, bench: Bench) -> None:
        bench.auditor.start_sampling(2.0)
        for _ in range(10):
            await bench.ask()
        await bench.auditor.audit_waiting()
        assert bench.stats.audits == 1
        bench.clock.advance(timedelta(seconds=0.5))
        await bench.ask()
        await bench.auditor.audit_waiting()

        assert bench.stats.audits == 2

    async def test_none_are_taken_unless_asked_for(self, bench: Bench) -> None:
        bench.auditor.start_sampling(0)
        await bench.ask()
        await bench.ask()
        await bench.auditor.audit_waiting()

        assert bench.stats.audits == 0
