"""A cache in memory that can be cut off, an outbox in memory, and a source that tells how it was asked."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from sqlalchemy.ext.asyncio import AsyncConnection

from common.errors import UnavailableError
from routing_service.cache.ports import CacheAnswer, CacheEntry, CacheKey, Lease
from routing_service.domain.decision import NOTHING_KNOWN, Candidates, RouteKey
from routing_service.domain.scope import CacheScope
from routing_service.domain.tenant import Tenant
from routing_service.ports import Known, ReadError
from tests.unit.routing_service.builders import FakeClock


@dataclass
class MemoryCache:
    """RouteCache and CacheFence; `reachable` False: nobody can ask or tell it anything."""

    clock: FakeClock
    reachable: bool = True
    # What was done, in order: ("mark" | "lift", the write).
    calls: list[tuple[str, str]] = field(default_factory=list)
    asked: list[CacheKey] = field(default_factory=list)
    documents: dict[CacheKey, CacheEntry] = field(default_factory=dict)
    epochs: dict[CacheScope, int] = field(default_factory=dict)
    marks: dict[CacheScope, str] = field(default_factory=dict)
    _numbers: "count[int]" = field(default_factory=count)

    async def look_up(self, keys: Sequence[CacheKey]) -> Sequence[CacheAnswer]:
        self.asked += keys
        return [self._answer(key) for key in keys]

    async def fill(self, entries: Sequence[CacheEntry]) -> None:
        self.documents.update({entry.key: entry for entry in entries})

    async def mark(self, scopes: Collection[CacheScope], write_id: str) -> bool:
        self.calls.append(("mark", write_id))
        if self.reachable:
            self.marks.update(dict.fromkeys(scopes, write_id))
        return self.reachable

    async def lift(self, scopes: Collection[CacheScope], write_id: str) -> bool:
        self.calls.append(("lift", write_id))
        if not self.reachable:
            return False
        for scope in scopes:
            if self.marks.get(scope, write_id) == write_id:
                self.marks.pop(scope, None)
                self.epochs.pop(scope, None)
        return True

    def _answer(self, key: CacheKey) -> CacheAnswer:
        scopes = {key.scope, key.scope.whole_tenant}
        if not self.reachable or scopes & self.marks.keys():
            return CacheAnswer(None, None)
        epochs = [self.epochs.setdefault(scope, next(self._numbers)) for scope in sorted(scopes, key=repr)]
        now_us = int(self.clock.now().timestamp() * 1_000_000)
        lease = Lease(repr(epochs).encode(), now_us)
        entry = self.documents.get(key)
        if entry is None or entry.lease.epoch != lease.epoch or entry.expires_at_us <= now_us:
            return CacheAnswer(None, lease)
        return CacheAnswer(entry.document, lease, entry.expires_at_us - now_us)


@dataclass
class MemoryOutbox:
    """CacheOutbox without transactions: a write is committed once it is added."""

    writes: dict[str, tuple[str, Collection[CacheScope]]] = field(default_factory=dict)
    reachable: bool = True

    async def add(
        self, connection: AsyncConnection, write_id: str, tenant_id: str, scopes: Collection[CacheScope]
    ) -> None:
        self.writes[write_id] = (tenant_id, scopes)

    async def pending(self, tenant_id: str | None, limit: int | None) -> Mapping[str, Collection[CacheScope]]:
        if not self.reachable:
            raise UnavailableError("away")
        of_tenant = {
            write_id: scopes for write_id, (whose, scopes) in self.writes.items() if tenant_id in (None, whose)
        }
        return dict(list(of_tenant.items())[:limit])

    async def settled(self, write_ids: Collection[str]) -> None:
        if not self.reachable:
            raise UnavailableError("away")
        for write_id in write_ids:
            self.writes.pop(write_id, None)


@dataclass
class WatchedSource:
    """CandidateSource in memory. `gate`, where there is one, holds every read until it is opened."""

    known: dict[str, Tenant] = field(default_factory=dict)
    bound: dict[RouteKey, Candidates] = field(default_factory=dict)
    fails: Exception | None = None
    gate: asyncio.Event | None = None
    tenant_reads: list[set[str]] = field(default_factory=list)
    candidate_reads: list[set[RouteKey]] = field(default_factory=list)

    async def tenants(self, tenant_ids: Collection[str]) -> Mapping[str, Tenant | ReadError]:
        self.tenant_reads.append(set(tenant_ids))
        await self._pass()
        return {each: self.known[each] for each in tenant_ids if each in self.known}

    async def candidates(self, keys: Collection[RouteKey]) -> Mapping[RouteKey, Candidates | ReadError]:
        self.candidate_reads.append(set(keys))
        # Read now, told later: what happens while it waits is not in it.
        found = {key: self.bound.get(key, NOTHING_KNOWN) for key in keys}
        await self._pass()
        return found

    async def look_up(self, tenant_ids: Collection[str], keys: Collection[RouteKey]) -> Known:
        return Known(await self.tenants(tenant_ids), await self.candidates(keys))

    async def _pass(self) -> None:
        if self.gate is not None:
            await self.gate.wait()
        if self.fails is not None:
            raise self.fails


class Naps:
    """A sleep for loops under test: it ends at once, turns the clock on, and after `most` times ends the loop."""

    def __init__(self, clock: FakeClock, most: int = 1000) -> None:
        self._clock = clock
        self._left = most
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        if self._left == 0:
            raise asyncio.CancelledError
        self._left -= 1
        self.taken.append(seconds)
        self._clock.elapsed += seconds
        await asyncio.sleep(0)
