"""Reading what the cache does not have: each key once, many keys at once, and never more statements than allowed."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from common.errors import UnavailableError, UnexpectedError
from common.logs import get_logger
from common.telemetry.tracing import Scope, current_scope
from routing_service.cache.breaker import Breaker
from routing_service.cache.ports import Lease
from routing_service.cache_stats import CacheStats

_log = get_logger(__name__)

Key = TypeVar("Key")
Value = TypeVar("Value")

ReadError = UnavailableError | UnexpectedError

MOST_KEYS_IN_ONE_LOAD = 1024


@dataclass(frozen=True, slots=True)
class LoadLimits:
    """How many loads run at the same time, and how long a key may take, the wait for its turn included.

    Nobody joins a load under a lease that was taken `joinable_seconds` before: at most the time for which what it reads
    is remembered.
    """

    concurrent: int = 4
    timeout_seconds: float = 0.5
    joinable_seconds: float = 5.0


@dataclass(slots=True)
class _Group(Generic[Key, Value]):
    """Keys that are read by one statement, each with its latest lease."""

    values: "asyncio.Future[Mapping[Key, Value] | ReadError]"
    # The trace that the load is a part of: that of the first traced batch which asked for it.
    scope: Scope | None = None
    leases: dict[Key, Lease | None] = field(default_factory=dict)

    @property
    def known_leases(self) -> dict[Key, Lease]:
        """The leases of those keys that have one."""
        return {key: lease for key, lease in self.leases.items() if lease is not None}


class GroupLoader(Generic[Key, Value]):
    """Loads values by key.

    A key is not loaded for a second caller where the first one's load serves both: when it has not begun yet, or when
    it began under the very lease that the second has. A load that began earlier than that may have read what a write
    has changed since, and only a lease that still stands tells that none did. Nor does it tell for ever: a writer who
    can't reach the cache leaves it standing, and acknowledges when everything from before has run out. A load that was
    under way when its process was frozen has run out by then, too.

    Loads run in tasks of their own: callers who go away fail nobody else.
    """

    def __init__(
        self,
        load: Callable[[Collection[Key]], Awaitable[Mapping[Key, Value]]],
        loaded: Callable[[Mapping[Key, Value], Mapping[Key, Lease]], None],
        limits: LoadLimits,
        breaker: Breaker,
        stats: CacheStats,
    ) -> None:
        """`load` gives a value for each key. `loaded` gets all values and the leases that they may be remembered
        under; it must neither raise nor wait."""
        self._load = load
        self._loaded = loaded
        self._limits = limits
        self._breaker = breaker
        self._stats = stats
        self._waiting: deque[_Group[Key, Value]] = deque()
        self._under_lease: dict[tuple[Key, bytes], _Group[Key, Value]] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def load(self, wanted: Mapping[Key, Lease | None]) -> Mapping[Key, Value | ReadError]:
        """The values, or for each key that could not be read the error why."""
        if not wanted:
            return {}
        groups: dict[Key, _Group[Key, Value]] = {}
        found: dict[Key, Value | ReadError] = {}
        for key, lease in wanted.items():
            running = self._joinable(key, lease)
            if running is not None:
                self._stats.joined_loads += 1
                groups[key] = running
            elif self._breaker.is_open:
                found[key] = UnavailableError("the store has not answered lately")
            else:
                groups[key] = self._queued(key, lease)
        self._start_groups()
        if groups:
            futures = {group.values for group in groups.values()}
            await asyncio.wait(futures, timeout=self._limits.timeout_seconds)
        for key, group in groups.items():
            if not group.values.done():
                found[key] = UnavailableError("the store did not answer in time")
            else:
                values_or_error = group.values.result()
                found[key] = values_or_error if isinstance(values_or_error, Exception) else values_or_error[key]
        return found

    def refresh(self, wanted: Mapping[Key, Lease]) -> None:
        """Load these keys as well, while nobody waits for them; where there is enough to do already, don't."""
        if self._waiting or self._breaker.is_open:
            return
        for key, lease in wanted.items():
            if self._joinable(key, lease) is None:
                self._stats.refreshes += 1
                self._queued(key, lease)
        self._start_groups()

    async def close(self) -> None:
        """Wait for the loads that are going on."""
        self._waiting.clear()
        if self._running:
            await asyncio.wait(self._running, timeout=self._limits.timeout_seconds)

    def _joinable(self, key: Key, lease: Lease | None) -> _Group[Key, Value] | None:
        """The load under way that serves a caller with this lease as well."""
        group = self._under_lease.get((key, lease.epoch)) if lease is not None else None
        taken_before = group.leases[key] if group is not None else None
        if lease is None or taken_before is None:
            return None
        age_us = lease.taken_at_us - taken_before.taken_at_us
        return group if age_us < self._limits.joinable_seconds * 1_000_000 else None

    def _queued(self, key: Key, lease: Lease | None) -> _Group[Key, Value]:
        """The group that will read this key."""
        scope = current_scope.get()
        for group in self._waiting:
            if key in group.leases:
                group.scope = group.scope or scope
                # Of two leases the later one is not the older, and the load begins after both.
                group.leases[key] = lease if lease is not None else group.leases[key]
                self._stats.joined_loads += 1
                return group
        if not self._waiting or len(self._waiting[-1].leases) >= MOST_KEYS_IN_ONE_LOAD:
            self._waiting.append(_Group(asyncio.get_running_loop().create_future()))
        group = self._waiting[-1]
        group.scope = group.scope or scope
        group.leases[key] = lease
        self._stats.loads += 1
        return group

    def _start_groups(self) -> None:
        while self._waiting and self._breaker.is_open:
            self._waiting.popleft().values.set_result(UnavailableError("the store has not answered lately"))
        while self._waiting and len(self._running) < self._limits.concurrent:
            group = self._waiting.popleft()
            self._under_lease.update({(key, lease.epoch): group for key, lease in group.known_leases.items()})
            task = asyncio.create_task(self._run(group))
            self._running.add(task)
            task.add_done_callback(self._ended)

    async def _run(self, group: _Group[Key, Value]) -> None:
        self._stats.load_statements += 1
        # The task was begun by whoever came next, or by the load before it.
        current_scope.set(group.scope)
        values = await self._values(group)
        for key, lease in group.known_leases.items():
            if self._under_lease.get((key, lease.epoch)) is group:
                del self._under_lease[key, lease.epoch]
        group.values.set_result(values)
        if not isinstance(values, Exception):
            self._loaded(values, group.known_leases)

    async def _values(self, group: _Group[Key, Value]) -> Mapping[Key, Value] | ReadError:
        try:
            values = await self._load([*group.leases])
        except UnavailableError as error:
            self._stats.failed_loads += 1
            self._breaker.failed()
            return error
        except Exception as error:  # noqa: BLE001 - the callers are told, and nobody else is
            self._stats.failed_loads += 1
            _log.error("a load failed", exc_info=error)
            return UnexpectedError("the store could not be read")
        self._breaker.succeeded()
        return values

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a load failed", exc_info=error)
        self._start_groups()
