"""Work that outlives the batch which began it stands in the right trace, or in none."""

import asyncio
from collections.abc import Collection, Mapping

from common.telemetry.spans import SpanContext
from common.telemetry.tracing import Scope, Tracer, current_scope
from routing_service.cache.breaker import FAILURES_TO_OPEN, Breaker
from routing_service.cache.group_loader import GroupLoader, LoadLimits
from routing_service.cache.ports import Lease
from routing_service.cache_stats import CacheStats
from tests.support.clock import FakeClock

TRACER = Tracer(None, FakeClock())
ONE = Scope(TRACER, SpanContext(b"1" * 16, b"1" * 8))
TWO = Scope(TRACER, SpanContext(b"2" * 16, b"2" * 8))


class Store:
    """Notes the scope in which it is asked, and answers at the gate."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.scopes: dict[str, Scope | None] = {}

    async def load(self, keys: Collection[str]) -> Mapping[str, str]:
        self.scopes |= dict.fromkeys(keys, current_scope.get())
        await self.gate.wait()
        return dict.fromkeys(keys, "value")


async def ask(loader: GroupLoader[str, str], scope: Scope | None, *keys: str) -> None:
    current_scope.set(scope)
    await loader.load(dict.fromkeys(keys))


def no_fill(_values: Mapping[str, str], _leases: Mapping[str, Lease]) -> None:
    """Nothing is remembered."""


async def no_probe() -> None:
    """It is back at once."""


async def test_a_load_is_part_of_the_first_traced_batch_that_asked_for_it() -> None:
    store = Store()
    loader = GroupLoader(store.load, no_fill, LoadLimits(1, 30.0), Breaker("store", no_probe), CacheStats())
    # The first one runs alone; the others share the load that begins at its end, in its callback.
    askers = [ask(loader, ONE, "a"), ask(loader, None, "b"), ask(loader, TWO, "c"), ask(loader, ONE, "d")]
    tasks = [asyncio.create_task(each) for each in askers]
    while "a" not in store.scopes:
        await asyncio.sleep(0)
    store.gate.set()
    await asyncio.gather(*tasks)
    assert store.scopes == {"a": ONE, "b": TWO, "c": TWO, "d": TWO}


async def test_a_load_that_no_traced_batch_asked_for_is_in_no_trace() -> None:
    store = Store()
    loader = GroupLoader(store.load, no_fill, LoadLimits(1, 30.0), Breaker("store", no_probe), CacheStats())
    tasks = [asyncio.create_task(ask(loader, scope, key)) for scope, key in ((ONE, "a"), (None, "b"))]
    while "a" not in store.scopes:
        await asyncio.sleep(0)
    store.gate.set()
    await asyncio.gather(*tasks)
    assert store.scopes["b"] is None


async def test_probing_is_no_part_of_the_batch_that_found_the_failure() -> None:
    seen: list[Scope | None] = []

    async def probe() -> None:
        seen.append(current_scope.get())

    async def no_sleep(_seconds: float) -> None:
        """At once."""

    breaker = Breaker("it", probe, no_sleep)
    token = current_scope.set(ONE)
    for _ in range(FAILURES_TO_OPEN):
        breaker.failed()
    current_scope.reset(token)
    while breaker.is_open:
        await asyncio.sleep(0)
    assert seen == [None]
