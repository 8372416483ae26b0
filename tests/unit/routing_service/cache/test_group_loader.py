"""Misses: joined where that is right, apart where it is not, and bounded."""

import asyncio
from collections.abc import Collection, Mapping

import pytest

from common.errors import UnavailableError, UnexpectedError
from routing_service.cache.breaker import FAILURES_TO_OPEN, Breaker
from routing_service.cache.group_loader import MOST_KEYS_IN_ONE_LOAD, GroupLoader, LoadLimits
from routing_service.cache.ports import Lease
from routing_service.cache_stats import CacheStats

FIRST, SECOND = Lease(b"first", 1), Lease(b"second", 2)


class Store:
    """Every read takes the present version of a key with it, and waits at the gate."""

    def __init__(self) -> None:
        self.version = 1
        self.gate = asyncio.Event()
        self.reads: list[list[str]] = []
        self.fails: Exception | None = None
        self.filled: list[tuple[dict[str, str], dict[str, Lease]]] = []
        self.stats = CacheStats()
        self.back = asyncio.Event()
        self.breaker = Breaker("store", self._probe, self._no_sleep)

    def loader(self, concurrent: int = 2, timeout_seconds: float = 5.0) -> GroupLoader[str, str]:
        return GroupLoader(self.load, self.fill, LoadLimits(concurrent, timeout_seconds), self.breaker, self.stats)

    async def load(self, keys: Collection[str]) -> Mapping[str, str]:
        self.reads.append(sorted(keys))
        found = {key: f"{key}{self.version}" for key in keys}
        await self.gate.wait()
        if self.fails is not None:
            raise self.fails
        return found

    def fill(self, values: Mapping[str, str], leases: Mapping[str, Lease]) -> None:
        self.filled.append((dict(values), dict(leases)))

    async def _probe(self) -> None:
        await self.back.wait()

    async def _no_sleep(self, _seconds: float) -> None:
        await asyncio.sleep(0)


@pytest.fixture
def store() -> Store:
    return Store()


async def begun(*tasks: "asyncio.Task[Mapping[str, object]]") -> None:
    """Let these tasks run until they wait."""
    for _ in range(5):
        await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)


def ask(loader: GroupLoader[str, str], **wanted: Lease | None) -> "asyncio.Task[Mapping[str, object]]":
    return asyncio.create_task(loader.load(wanted))


async def test_concurrent_misses_under_one_lease_make_one_load(store: Store) -> None:
    loader = store.loader()
    tasks = [ask(loader, a=FIRST) for _ in range(10)]
    await begun(*tasks)
    store.gate.set()

    assert [await task for task in tasks] == [{"a": "a1"}] * 10
    assert store.reads == [["a"]]
    assert store.filled == [({"a": "a1"}, {"a": FIRST})]


async def test_a_load_that_began_before_a_write_serves_nobody_who_came_after_it(store: Store) -> None:
    loader = store.loader()
    early = ask(loader, a=FIRST)
    await begun(early)
    store.version = 2
    late = ask(loader, a=SECOND)
    await begun(late)
    store.gate.set()

    assert await early == {"a": "a1"}
    assert await late == {"a": "a2"}
    assert store.reads == [["a"], ["a"]]


async def test_a_load_that_was_frozen_is_not_joined_when_its_lease_has_run_out(store: Store) -> None:
    # A write that the cache never heard of leaves the epoch standing. It is acknowledged when everything that was read
    # before it has run out, and so has a load that is still under way, since its process was frozen meanwhile.
    loader = store.loader()
    frozen = ask(loader, a=Lease(b"same", 0))
    await begun(frozen)
    store.version = 2
    in_time, too_late = ask(loader, a=Lease(b"same", 4_999_999)), ask(loader, a=Lease(b"same", 5_000_000))
    await begun(in_time, too_late)
    store.gate.set()

    assert await frozen == await in_time == {"a": "a1"}
    assert await too_late == {"a": "a2"}


async def test_without_a_lease_only_a_load_that_has_not_begun_is_joined(store: Store) -> None:
    loader = store.loader(concurrent=1)
    running = ask(loader, a=None)
    await begun(running)
    store.version = 2
    waiting = [ask(loader, a=None), ask(loader, a=None, b=None)]
    await begun(*waiting)
    store.gate.set()

    assert await running == {"a": "a1"}
    assert [await each for each in waiting] == [{"a": "a2"}, {"a": "a2", "b": "b2"}]
    assert store.reads == [["a"], ["a", "b"]]
    assert [leases for _, leases in store.filled] == [{}, {}]


async def test_no_more_loads_run_than_allowed_and_those_who_wait_share_one(store: Store) -> None:
    loader = store.loader(concurrent=2)
    tasks = [ask(loader, **{f"k{number}": None}) for number in range(20)]
    await begun(*tasks)
    assert len(store.reads) == 2
    store.gate.set()
    await asyncio.gather(*tasks)

    assert len(store.reads) == 3
    assert len(store.reads[2]) == 18


async def test_a_group_does_not_grow_for_ever(store: Store) -> None:
    loader = store.loader(concurrent=1)
    first = ask(loader, x=None)
    await begun(first)
    many = asyncio.create_task(loader.load({f"k{number}": None for number in range(MOST_KEYS_IN_ONE_LOAD + 1)}))
    await begun(many)
    store.gate.set()
    await many

    assert [len(each) for each in store.reads] == [1, MOST_KEYS_IN_ONE_LOAD, 1]


async def test_a_caller_who_goes_away_fails_nobody_else(store: Store) -> None:
    loader = store.loader()
    leader, follower = ask(loader, a=FIRST), ask(loader, a=FIRST)
    await begun(leader, follower)
    leader.cancel()
    await asyncio.wait({leader})
    store.gate.set()

    assert await follower == {"a": "a1"}
    assert store.filled


async def test_who_waits_too_long_is_told_so_and_the_load_goes_on(store: Store) -> None:
    loader = store.loader(timeout_seconds=0.0)
    found = await loader.load({"a": FIRST})
    assert isinstance(found["a"], UnavailableError)
    store.gate.set()
    await begun()

    assert store.filled == [({"a": "a1"}, {"a": FIRST})]


@pytest.mark.parametrize(
    ("error", "kind"),
    [(UnavailableError("away"), UnavailableError), (ValueError("a bug"), UnexpectedError)],
)
async def test_a_load_that_fails_fails_its_keys_and_is_not_remembered(
    store: Store, error: Exception, kind: type[Exception]
) -> None:
    loader = store.loader()
    store.fails = error
    store.gate.set()
    found = await loader.load({"a": FIRST, "b": None})

    assert all(isinstance(each, kind) for each in found.values())
    assert not store.filled
    store.fails = None
    assert await loader.load({"a": FIRST}) == {"a": "a1"}


async def test_a_store_that_does_not_answer_is_left_alone_until_it_does(store: Store) -> None:
    loader = store.loader()
    store.fails = UnavailableError("away")
    store.gate.set()
    for _ in range(FAILURES_TO_OPEN):
        await loader.load({"a": None})
    assert store.breaker.is_open
    assert isinstance((await loader.load({"a": None}))["a"], UnavailableError)
    assert len(store.reads) == FAILURES_TO_OPEN

    store.fails = None
    store.back.set()
    await begun()
    assert await loader.load({"a": None}) == {"a": "a1"}


async def test_those_who_wait_are_told_when_the_store_is_given_up(store: Store) -> None:
    loader = store.loader(concurrent=1)
    for _ in range(FAILURES_TO_OPEN - 1):
        store.breaker.failed()
    running, waiting = ask(loader, a=None), ask(loader, b=None)
    await begun(running, waiting)
    store.fails = UnavailableError("away")
    store.gate.set()

    assert isinstance((await running)["a"], UnavailableError)
    assert isinstance((await waiting)["b"], UnavailableError)
    assert store.reads == [["a"]]
    await store.breaker.close()
