"""RouteCache and CacheFence on Redis: see docs/cache.md for why this is enough.

Every scope has an epoch, a random text. In front of each value stand the epochs of its scope and of its tenant, and it
counts only while they are the same: so taking an epoch away voids all callers of an access number at once, or all of a
tenant's, and so does its loss. While a write is going on its mark stands in the epoch's place. The epoch and the values
of a scope share a hash tag.
"""

import asyncio
import secrets
from collections.abc import Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from common.clock import Clock, to_microseconds
from common.logs import get_logger
from common.telemetry import names
from common.telemetry.tracing import PartSpan
from routing_service.cache.breaker import Breaker
from routing_service.cache.ports import CacheAnswer, CacheEntry, CacheKey, Lease
from routing_service.cache.redis_client import RedisClient
from routing_service.cache_stats import CacheStats
from routing_service.domain.scope import CacheScope

_log = get_logger(__name__)
_Result = TypeVar("_Result")

MARK_SECONDS = 10
EPOCH_SECONDS = 600
# What a value's document looks like inside. Code of two versions runs side by side during an update, so this number
# changes with the format; the names of the epochs never do, or one version's writes would not void the other's values.
FORMAT = 2

_EPOCH, _MARK = b"e", b"m"
# The epoch of a scope, a new one where there is none.
_TAKE = """
local epoch = redis.call('GET', KEYS[1])
if epoch then return epoch end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]
"""
# The mark of another write stays: until that one is lifted nothing in the scope counts anyway.
_LIFT = """
local epoch = redis.call('GET', KEYS[1])
if epoch and string.sub(epoch, 1, 1) == 'm' and epoch ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
return 1
"""
_NOTHING = CacheAnswer(None, None)
# An import can write thousands of scopes. Queries get their turn in between.
_MOST_WRITTEN_AT_ONCE = 250
# A loop that was held up for a while sees its timers before the reply that has been there for long.
_PASSES_OF_GRACE = 10


@dataclass(frozen=True, slots=True)
class RedisCacheLimits:
    """How long queries wait for Redis, how long writers do, and how old a value may be by its own date."""

    read_timeout_seconds: float = 0.05
    write_timeout_seconds: float = 0.5
    ttl_seconds: float = 5.0
    key_prefix: str = "axbridge"


class RedisCache:
    """RouteCache and CacheFence on Redis.

    Reading and writing have clients of their own. What is sent to Redis is never cancelled half-way, since the reply
    would be left behind for the next one who uses the connection.
    """

    def __init__(
        self, reading: RedisClient, writing: RedisClient, limits: RedisCacheLimits, clock: Clock, stats: CacheStats
    ) -> None:
        self._reading = reading
        self._writing = writing
        self._limits = limits
        self._clock = clock
        self._stats = stats
        self._ttl_us = int(limits.ttl_seconds * 1_000_000)
        self._running: set[asyncio.Task[Any]] = set()
        self.breaker = Breaker("redis", self._probe)

    @property
    def is_left_alone(self) -> bool:
        """Whether Redis is not asked at the moment, since it did not answer."""
        return self.breaker.is_open

    async def look_up(self, keys: Sequence[CacheKey]) -> Sequence[CacheAnswer]:
        if not keys:
            return []
        if self.breaker.is_open:
            self._stats.bypassed += len(keys)
            return [_NOTHING] * len(keys)
        taken_at_us = to_microseconds(self._clock.now())
        scopes = {key.scope: self._scope_name(key.scope) for key in keys}
        value_names = [f"{scopes[key.scope]}:{FORMAT}:{key.calling_number}" for key in keys]
        for scope in [*scopes]:
            scopes.setdefault(scope.whole_tenant, self._scope_name(scope.whole_tenant))
        groups: dict[CacheScope, list[str]] = {scope: [f"{name}:epoch"] for scope, name in scopes.items()}
        for key, name in zip(keys, value_names, strict=True):
            groups[key.scope].append(name)
        try:
            with PartSpan(names.REDIS_READ, {"db.operation.batch.size": len(keys)}):
                found = await self._in_time(self._reading.read([*groups.values()]), self._limits.read_timeout_seconds)
            epochs = {scope: values[0] for scope, values in zip(groups, found, strict=True)}
            missing = [scope for scope, epoch in epochs.items() if epoch is None]
            if missing:
                epochs |= await self._new_epochs(missing)
        except Exception as error:  # noqa: BLE001 - whatever it is, the store can answer
            self._failed("look_up", error)
            self._stats.unreachable += len(keys)
            return [_NOTHING] * len(keys)
        self.breaker.succeeded()
        values_by_name = {
            name: value
            for group, values in zip(groups.values(), found, strict=True)
            for name, value in zip(group, values, strict=True)
        }
        leases = {scope: _lease(scope, epochs, taken_at_us) for scope in scopes}
        now_us = to_microseconds(self._clock.now())
        return [
            self._answer(name, values_by_name[name], leases[key.scope], now_us)
            for key, name in zip(keys, value_names, strict=True)
        ]

    async def fill(self, entries: Sequence[CacheEntry]) -> None:
        now_us = to_microseconds(self._clock.now())
        commands = []
        for entry in entries:
            milliseconds = (entry.expires_at_us - now_us) // 1000
            if milliseconds <= 0:
                continue
            name = f"{self._scope_name(entry.key.scope)}:{FORMAT}:{entry.key.calling_number}"
            value = b"%b %d %b\n%b" % (entry.lease.epoch, entry.expires_at_us, name.encode(), entry.document)
            commands.append(("SET", name, value, "PX", milliseconds))
        if not commands or self.breaker.is_open:
            return
        try:
            with PartSpan(names.REDIS_FILL, {"db.operation.batch.size": len(commands)}):
                replies = await self._in_time(self._reading.run(commands), self._limits.write_timeout_seconds)
        except Exception as error:  # noqa: BLE001 - what can't be remembered is forgotten
            self._failed("fill", error)
            self._stats.failed_fills += len(commands)
            return
        refused = sum(isinstance(reply, Exception) for reply in replies)
        self._stats.failed_fills += refused
        self._stats.fills += len(commands) - refused

    async def mark(self, scopes: Collection[CacheScope], write_id: str) -> bool:
        if self.breaker.is_open:
            # The marks matter when a writer dies; waiting for them in a transaction would hold up the others.
            return False
        mark = _MARK + write_id.encode()
        return await self._write(
            "mark", [("SET", f"{self._scope_name(each)}:epoch", mark, "PX", MARK_SECONDS * 1000) for each in scopes]
        )

    async def lift(self, scopes: Collection[CacheScope], write_id: str) -> bool:
        mark = _MARK + write_id.encode()
        return await self._write(
            "lift", [("EVAL", _LIFT, 1, f"{self._scope_name(each)}:epoch", mark) for each in scopes]
        )

    async def close(self) -> None:
        """Wait for what was sent, then disconnect."""
        await self.breaker.close()
        if self._running:
            await asyncio.wait(self._running, timeout=self._limits.write_timeout_seconds)
        await self._reading.close()
        await self._writing.close()

    def _scope_name(self, scope: CacheScope) -> str:
        return f"{self._limits.key_prefix}:{{{scope.tenant_id}/{scope.access_number}}}"

    def _answer(self, name: str, value: bytes | None, lease: Lease | None, now_us: int) -> CacheAnswer:
        stats = self._stats
        if lease is None:
            stats.fenced += 1
            return _NOTHING
        if value is None:
            stats.misses += 1
            stats.leases += 1
            return CacheAnswer(None, lease)
        header, _, document = value.partition(b"\n")
        fields = header.split(b" ")
        if len(fields) != 3 or not fields[1].isdigit():
            stats.unreadable += 1
        elif fields[2] != name.encode():
            # A reply that belongs to another question must not become a call.
            _log.error("a cached value stands under another key")
            stats.wrong_key += 1
        elif fields[0] != lease.epoch:
            stats.misses += 1
        elif int(fields[1]) <= now_us:
            stats.expired += 1
        elif int(fields[1]) > now_us + self._ttl_us:
            stats.from_the_future += 1
        else:
            stats.hits += 1
            return CacheAnswer(document, lease, int(fields[1]) - now_us)
        stats.leases += 1
        return CacheAnswer(None, lease)

    async def _new_epochs(self, scopes: Sequence[CacheScope]) -> dict[CacheScope, bytes | None]:
        """The epochs of scopes that had none: ours, or what another reader or a writer was faster with.

        An epoch that Redis did not confirm is never used: it may begin only later, after a write that is finished
        before, and what we read from the store in between would outlive that write.
        """
        ours = _EPOCH + secrets.token_hex(16).encode()
        epochs = [f"{self._scope_name(each)}:epoch" for each in scopes]
        commands = [("EVAL", _TAKE, 1, name, ours, EPOCH_SECONDS * 1000) for name in epochs]
        with PartSpan(names.REDIS_EPOCHS, {"db.operation.batch.size": len(commands)}):
            replies = await self._in_time(self._reading.run(commands), self._limits.read_timeout_seconds)
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return dict(zip(scopes, replies, strict=True))

    async def _write(self, what: str, commands: Sequence[tuple[Any, ...]]) -> bool:
        for start in range(0, len(commands), _MOST_WRITTEN_AT_ONCE):
            some = commands[start : start + _MOST_WRITTEN_AT_ONCE]
            try:
                replies = await self._in_time(self._writing.run(some), self._limits.write_timeout_seconds)
            except Exception as error:  # noqa: BLE001 - whatever it is, Redis was not told for certain
                self._failed(what, error)
                return False
            for reply in replies:
                if isinstance(reply, Exception):
                    self._failed(what, reply)
                    return False
        return True

    async def _in_time(self, work: Coroutine[Any, Any, _Result], timeout_seconds: float) -> _Result:
        """The result of work that goes on to its own end when the time is up or nobody waits any more."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        await asyncio.wait({task}, timeout=timeout_seconds)
        for _ in range(_PASSES_OF_GRACE):
            if task.done():
                return task.result()
            await asyncio.sleep(0)
        raise TimeoutError("no reply in time")

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            # Read, so that asyncio does not complain of those that nobody waited for.
            task.exception()

    def _failed(self, what: str, error: Exception) -> None:
        if not self.breaker.is_open:
            _log.warning("redis did not answer", command=what, error=type(error).__name__, detail=str(error)[:200])
        self.breaker.failed()

    async def _probe(self) -> None:
        await self._in_time(self._reading.ping(), self._limits.read_timeout_seconds)


def _lease(scope: CacheScope, epochs: Mapping[CacheScope, bytes | None], taken_at_us: int) -> Lease | None:
    """The lease of a scope; None while a write to what it depends on is going on."""
    own, tenants = epochs[scope], epochs[scope.whole_tenant]
    if own is None or tenants is None or not own.startswith(_EPOCH) or not tenants.startswith(_EPOCH):
        return None
    return Lease(own + tenants, taken_at_us)
