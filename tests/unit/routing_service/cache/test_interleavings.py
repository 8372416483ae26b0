"""The whole protocol under random schedules: everything late, lost, doubled, evicted and restarted; nothing stale.

Readers, writers and sweepers of three processes run on the real cache, with Redis and the store in memory and time that
jumps. Each seed is one history, the same each time. Weaker protocols under the same schedules are found out: the proof
that this can fail.
"""

import asyncio
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from common.errors import UnavailableError
from routing_service.cache.auditor import Auditor
from routing_service.cache.cached_source import CachedCandidateSource, CachingLimits, Guards
from routing_service.cache.group_loader import LoadLimits
from routing_service.cache.ports import CacheAnswer, CacheKey, Lease
from routing_service.cache.redis_cache import _LIFT, RedisCache, RedisCacheLimits
from routing_service.cache.redis_client import Command
from routing_service.cache.scanning import ScanLimit
from routing_service.cache.settlement import Settlement, SettlementLimits
from routing_service.cache_stats import CacheStats
from routing_service.domain.decision import Candidates, RouteKey
from routing_service.domain.scope import CacheScope
from routing_service.domain.tenant import Tenant
from routing_service.ports import Known, ReadError
from tests.soak.history import UNBOUND, Register
from tests.unit.routing_service.builders import TENANT, X2, A, B, X, axb, stored, tenant
from tests.unit.routing_service.cache.fakes import MemoryOutbox
from tests.unit.routing_service.cache.virtual_time import LoopClock, run_in_virtual_time

SECONDS = 40.0
TTL_SECONDS, SKEW_SECONDS = 2.0, 0.5
KEYS = (RouteKey(TENANT, X, A), RouteKey(TENANT, X2, A))


class Lost(Exception):
    """No reply, whatever became of the command."""


class Redis:
    """One server: what it holds, and whether it is frozen."""

    def __init__(self) -> None:
        self.thawed = asyncio.Event()
        self.thawed.set()
        self._values: dict[str, tuple[bytes, float]] = {}

    def restart(self) -> None:
        self._values.clear()

    def evict(self, rng: random.Random) -> None:
        if self._values:
            del self._values[rng.choice(sorted(self._values))]

    def get(self, name: str) -> bytes | None:
        value, until = self._values.get(name, (b"", 0.0))
        return value if until > asyncio.get_running_loop().time() else None

    def run(self, command: Command) -> object:
        if command[0] == "SET":
            _, name, value, _, milliseconds = command
            return self._put(name, value, milliseconds)
        _, script, _, name, *arguments = command
        there = self.get(name)
        if script == _LIFT:
            if there is not None and there.startswith(b"m") and there != arguments[0]:
                return 0
            self._values.pop(name, None)
            return 1
        if there is None:
            self._put(name, *arguments)
        return there or arguments[0]

    def _put(self, name: str, value: bytes, milliseconds: int) -> None:
        self._values[name] = (value, asyncio.get_running_loop().time() + milliseconds / 1000)


class Connection:
    """RedisClient of one process. A command may arrive late, or not at all, and so may its reply."""

    def __init__(self, redis: Redis, rng: random.Random) -> None:
        self._redis = redis
        self._rng = rng
        self.is_cut = False

    async def read(self, groups: Sequence[Sequence[str]]) -> Sequence[Sequence[bytes | None]]:
        await self._travel()
        found = [[self._redis.get(name) for name in group] for group in groups]
        await self._travel()
        return found

    async def run(self, commands: Sequence[Command]) -> Sequence[Any]:
        await self._travel()
        replies = []
        for command in commands:
            replies.append(self._redis.run(command))
            if self._rng.random() < 0.05:
                await self._travel()
        await self._travel()
        return replies

    async def ping(self) -> None:
        await self._travel()

    async def close(self) -> None:
        pass

    async def _travel(self) -> None:
        if self._rng.random() < 0.02:
            # In somebody's buffer, and on its way again when nobody expects it.
            await asyncio.sleep(self._rng.choice([0.06, 0.6, 4.0, 12.0]))
        else:
            await asyncio.sleep(self._rng.uniform(0.0001, 0.003))
        if self.is_cut and self._rng.random() < 0.9:
            raise Lost
        await self._redis.thawed.wait()


@dataclass
class Store:
    """The database: `bound` by key and `named` for the tenant, what is committed; an answer may take its time."""

    rng: random.Random
    bound: dict[RouteKey, str] = field(default_factory=dict)
    named: str = UNBOUND
    is_away: bool = False

    async def tenants(self, tenant_ids: Collection[str]) -> Mapping[str, Tenant | ReadError]:
        await self._travel()
        found = tenant(TENANT, display_name=self.named)
        await self._travel()
        return dict.fromkeys(tenant_ids, found)

    async def candidates(self, keys: Collection[RouteKey]) -> Mapping[RouteKey, Candidates | ReadError]:
        await self._travel()
        found = {key: _candidates(self.bound.get(key, UNBOUND)) for key in keys}
        await self._travel()
        return found

    async def look_up(self, tenant_ids: Collection[str], keys: Collection[RouteKey]) -> Known:
        return Known(await self.tenants(tenant_ids), await self.candidates(keys))

    async def _travel(self) -> None:
        late = self.rng.random() < 0.02
        # Longer than anybody waits: the process was frozen, with the answer in its hands.
        await asyncio.sleep(self.rng.choice([0.1, 1.0, 4.0]) if late else self.rng.uniform(0.0001, 0.01))
        if self.is_away:
            raise UnavailableError("away")


def _candidates(state: str) -> Candidates:
    return Candidates(True, (stored(axb(A, B), binding_id=state),) if state != UNBOUND else ())


@dataclass
class Process:
    """What one replica has of its own."""

    connections: tuple[Connection, Connection]
    cache: RedisCache
    settlement: Settlement
    source: CachedCandidateSource


class Careful:
    """How the protocol is put together; those below it leave something out."""

    def cache(self, *arguments: Any) -> RedisCache:
        return RedisCache(*arguments)

    async def finish(self, process: Process, write_id: str, scopes: Collection[CacheScope]) -> None:
        await process.settlement.finish(write_id, scopes)

    async def finish_others(self, process: Process) -> None:
        await process.settlement.finish_tenant(TENANT)


class WithoutLift(Careful):
    """Commits, and takes the mark for enough."""

    async def finish(self, process: Process, write_id: str, scopes: Collection[CacheScope]) -> None:
        pass


class WithoutWaiting(Careful):
    """Does not wait for the lift to be confirmed."""

    async def finish(self, process: Process, write_id: str, scopes: Collection[CacheScope]) -> None:
        await process.cache.lift(scopes, write_id)


class WithoutOutbox(Careful):
    """Answers a refused repetition at once."""

    async def finish_others(self, process: Process) -> None:
        pass


class WithoutTenantsEpoch(Careful):
    """Lets values depend on their access number only."""

    def cache(self, *arguments: Any) -> RedisCache:
        return _OwnEpochOnly(*arguments)


class _OwnEpochOnly(RedisCache):
    async def look_up(self, keys: Sequence[CacheKey]) -> Sequence[CacheAnswer]:
        # Under the scope of another tenant for each access number, whose own epoch nobody lifts.
        return await super().look_up([_apart(key) for key in keys])

    async def fill(self, entries: Sequence[Any]) -> None:
        await super().fill([type(each)(_apart(each.key), *_rest(each)) for each in entries])


def _apart(key: CacheKey) -> CacheKey:
    return CacheKey(CacheScope(f"of {key.scope.access_number}", key.scope.access_number), key.calling_number)


def _rest(entry: Any) -> tuple[bytes, Lease, int]:
    return entry.document, entry.lease, entry.expires_at_us


class World:
    """Everything, and the judge."""

    def __init__(self, seed: int, protocol: Careful) -> None:
        self.rng = random.Random(seed)
        self.protocol = protocol
        self.redis, self.store, self.outbox = Redis(), Store(self.rng), MemoryOutbox()
        self.stats = CacheStats()
        self.registers = {key: Register(key.access_number) for key in KEYS}
        self.tenant = Register("tenant")
        self.locks = {scope: asyncio.Lock() for scope in (CacheScope(TENANT), *map(_scope, KEYS))}
        self.processes = [self._process(ahead) for ahead in (-SKEW_SECONDS / 2, 0.0, SKEW_SECONDS / 2)]
        self.stale: list[str] = []
        self.judged = 0

    def _process(self, ahead_seconds: float) -> Process:
        connections = (Connection(self.redis, self.rng), Connection(self.redis, self.rng))
        clock, limits = LoopClock(ahead_seconds), RedisCacheLimits(ttl_seconds=TTL_SECONDS)
        cache = self.protocol.cache(*connections, limits, clock, self.stats)
        settlement = Settlement(cache, self.outbox, SettlementLimits(TTL_SECONDS, SKEW_SECONDS), clock, self.stats)
        guards = Guards(Auditor(self.store, cache, self.outbox, clock, self.stats), ScanLimit(0, clock))
        loads = LoadLimits(4, 0.3, TTL_SECONDS)
        caching = CachingLimits(TTL_SECONDS, TTL_SECONDS / 4, loads)
        source = CachedCandidateSource(self.store, cache, guards, caching, self.stats)
        return Process(connections, cache, settlement, source)

    async def run(self) -> None:
        works = [self._read(each) for each in self.processes for _ in range(2)]
        works += [each.settlement.run() for each in self.processes]
        works += [self._write(key) for key in KEYS] + [self._write(None), self._break()]
        tasks = [asyncio.create_task(work) for work in works]
        await asyncio.wait(tasks, timeout=SECONDS, return_when=asyncio.FIRST_EXCEPTION)
        for task in tasks:
            if task.done():
                task.result()
            task.cancel()
        await asyncio.wait(tasks)
        for process in self.processes:
            await process.source.close()
            await process.cache.close()

    async def _read(self, process: Process) -> None:
        while True:
            await asyncio.sleep(self.rng.uniform(0.001, 0.04))
            before = {key: register.acknowledged for key, register in self.registers.items()}
            tenant_before = self.tenant.acknowledged
            known = await process.source.look_up([TENANT], KEYS)
            for key, found in known.candidates.items():
                if isinstance(found, Candidates):
                    seen = found.bindings[0].binding_id if found.bindings else UNBOUND
                    self._judge(self.registers[key], seen, before[key])
            found_tenant = known.tenants[TENANT]
            if isinstance(found_tenant, Tenant):
                self._judge(self.tenant, found_tenant.settings.display_name, tenant_before)

    def _judge(self, register: Register, seen: str, acknowledged: int) -> None:
        self.judged += 1
        if not register.allows(seen, acknowledged):
            self.stale.append(register.describe(seen, acknowledged))

    async def _write(self, key: RouteKey | None) -> None:
        """One state after the other: of a key, or of the tenant."""
        register = self.tenant if key is None else self.registers[key]
        for number in range(1, 1_000_000):
            await asyncio.sleep(self.rng.uniform(0.01, 1.0) * (4 if key is None else 1))
            state = UNBOUND if key is not None and number % 2 == 0 else f"s{number}"
            register.begin(state)
            while not await self._attempt(self.rng.choice(self.processes), key, state):
                await asyncio.sleep(0.01)
            register.acknowledge()

    async def _attempt(self, process: Process, key: RouteKey | None, state: str) -> bool:
        """Whether the write was answered; else it was committed, or will be, or not."""
        write_id, own = f"w{self.rng.random()}", CacheScope(TENANT) if key is None else _scope(key)
        scopes = {own, _scope(self.rng.choice(KEYS))} if self.rng.random() < 0.2 else {own}
        async with self.locks[own]:
            is_there = (self.store.named if key is None else self.store.bound.get(key, UNBOUND)) == state
            if not is_there:
                await process.cache.mark(scopes, write_id)
                # Now and then for longer than a mark lives.
                await asyncio.sleep(self.rng.choice([0.0, 0.001, 0.001, 0.01, 0.1, 2.0]))
                if self.rng.random() < 0.05:
                    return False
                if key is None:
                    self.store.named = state
                else:
                    self.store.bound[key] = state
                self.outbox.writes[write_id] = (TENANT, scopes)
        if is_there:
            await self.protocol.finish_others(process)
            return True
        if self.rng.random() < 0.15:
            # The writer has died, or its answer was lost.
            return False
        await self.protocol.finish(process, write_id, scopes)
        return True

    async def _break(self) -> None:
        while True:
            await asyncio.sleep(self.rng.uniform(0.1, 1.5))
            match self.rng.randrange(5):
                case 0:
                    self.redis.restart()
                case 1:
                    for _ in range(self.rng.randrange(4)):
                        self.redis.evict(self.rng)
                case 2:
                    self.redis.thawed.clear()
                    await asyncio.sleep(self.rng.choice([0.1, 1.0, 4.0]))
                    self.redis.thawed.set()
                case 3:
                    cut = [each for each in self.rng.choice(self.processes).connections if self.rng.random() < 0.7]
                    for each in cut:
                        each.is_cut = True
                    await asyncio.sleep(self.rng.choice([0.5, 4.0]))
                    for each in cut:
                        each.is_cut = False
                case _:
                    self.store.is_away = True
                    await asyncio.sleep(self.rng.uniform(0.1, 1.0))
                    self.store.is_away = False


def _scope(key: RouteKey) -> CacheScope:
    return CacheScope(key.tenant_id, key.access_number)


def history(seed: int, protocol: Careful) -> World:
    async def run() -> World:
        world = World(seed, protocol)
        await world.run()
        return world

    return run_in_virtual_time(run())


@pytest.mark.parametrize("seed", range(6))
def test_nothing_is_stale_whatever_comes_when(seed: int) -> None:
    world = history(seed, Careful())

    assert world.stale == []
    assert world.judged > 1000
    assert world.stats.hits > 0.1 * world.judged
    assert min(world.stats.waited_out, world.stats.finished_for_others, world.stats.fenced) > 0


@pytest.mark.parametrize("protocol", [WithoutLift, WithoutWaiting, WithoutOutbox, WithoutTenantsEpoch])
def test_a_weaker_protocol_is_found_out(protocol: type[Careful]) -> None:
    assert any(history(seed, protocol()).stale for seed in range(20))
