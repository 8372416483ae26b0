"""CandidateSource with a cache in front: one look-up for a batch, one statement for what it does not have."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from common.errors import UnavailableError
from common.logs import get_logger
from routing_service.cache.auditor import Auditor
from routing_service.cache.breaker import Breaker
from routing_service.cache.documents import (
    candidates_document,
    read_candidates,
    read_tenant_document,
    tenant_document,
)
from routing_service.cache.group_loader import GroupLoader, LoadLimits
from routing_service.cache.ports import CacheAnswer, CacheEntry, CacheKey, Lease, RouteCache
from routing_service.cache.scanning import ScanLimit
from routing_service.cache_stats import CacheStats
from routing_service.domain.decision import Candidates, RouteKey
from routing_service.domain.scope import CacheScope
from routing_service.domain.tenant import Tenant
from routing_service.ports import CandidateSource, Known, ReadError

_log = get_logger(__name__)

# Fills that wait for the cache; beyond these, what was read is not remembered.
MOST_FILLS = 64


@dataclass(frozen=True, slots=True)
class CachingLimits:
    """How long answers may be remembered, the absence of something apart, and how the store is read for the others."""

    ttl_seconds: float = 5.0
    negative_ttl_seconds: float = 1.0
    loads: LoadLimits = field(default_factory=LoadLimits)


@dataclass(frozen=True, slots=True)
class Guards:
    """Who looks at what is answered, and who limits what is asked."""

    auditor: Auditor
    scans: ScanLimit


class CachedCandidateSource:
    """CandidateSource on a cache and the source behind it.

    What is remembered is never older than its lease, and its time begins with the lease: so it ends soon enough even
    where a load took its time. What is asked for in the second half of its time is read again meanwhile: so what is
    asked for often never runs out while the store answers, and has some time left when it no longer does.
    """

    def __init__(
        self,
        source: CandidateSource,
        cache: RouteCache,
        guards: Guards,
        limits: CachingLimits,
        stats: CacheStats,
    ) -> None:
        self._source = source
        self._cache = cache
        self._auditor = guards.auditor
        self._scans = guards.scans
        self._limits = limits
        self._stats = stats
        self._refresh_below_us = int(limits.ttl_seconds * 500_000)
        self._filling: set[asyncio.Task[None]] = set()
        breaker = Breaker("store", self._probe)
        self.breaker = breaker
        self._tenants = GroupLoader(self._load_tenants, self._fill_tenants, limits.loads, breaker, stats)
        self._candidates = GroupLoader(self._load_candidates, self._fill_candidates, limits.loads, breaker, stats)

    async def tenants(self, tenant_ids: Collection[str]) -> Mapping[str, Tenant | ReadError]:
        return (await self.look_up(tenant_ids, ())).tenants

    async def candidates(self, keys: Collection[RouteKey]) -> Mapping[RouteKey, Candidates | ReadError]:
        return (await self.look_up((), keys)).candidates

    async def look_up(self, tenant_ids: Collection[str], keys: Collection[RouteKey]) -> Known:
        ids, routes = [*dict.fromkeys(tenant_ids)], [*dict.fromkeys(keys)]
        wanted = [_tenant_key(each) for each in ids] + [_route_key(each) for each in routes]
        answers = await self._cache.look_up(wanted)
        tenants: dict[str, Tenant | ReadError | None] = {}
        candidates: dict[RouteKey, Candidates | ReadError] = {}
        unknown_ids: dict[str, Lease | None] = {}
        unknown_routes: dict[RouteKey, Lease | None] = {}
        ageing_ids: dict[str, Lease] = {}
        ageing_routes: dict[RouteKey, Lease] = {}
        for tenant_id, answer in zip(ids, answers, strict=False):
            try:
                tenant = tenants[tenant_id] = read_tenant_document(_document(answer))
            except ValueError as error:
                self._note_unreadable(answer, error)
                unknown_ids[tenant_id] = answer.lease
            else:
                self._auditor.offer_tenant(tenant_id, tenant, answer.lease)
                if tenant is not None and answer.lease is not None and answer.remaining_us < self._refresh_below_us:
                    ageing_ids[tenant_id] = answer.lease
        for route, answer in zip(routes, answers[len(ids) :], strict=True):
            try:
                found = candidates[route] = read_candidates(_document(answer))
            except ValueError as error:
                self._note_unreadable(answer, error)
                if self._scans.allows(route.tenant_id):
                    unknown_routes[route] = answer.lease
                else:
                    self._stats.refused_loads += 1
                    candidates[route] = _SCANNING
            else:
                self._auditor.offer(route, found, answer.lease)
                if found.bindings and answer.lease is not None and answer.remaining_us < self._refresh_below_us:
                    ageing_routes[route] = answer.lease
        self._tenants.refresh(ageing_ids)
        self._candidates.refresh(ageing_routes)
        if unknown_ids or unknown_routes:
            loaded_tenants, loaded_candidates = await asyncio.gather(
                self._tenants.load(unknown_ids), self._candidates.load(unknown_routes)
            )
            tenants |= loaded_tenants
            candidates |= loaded_candidates
        present = {tenant_id: tenant for tenant_id, tenant in tenants.items() if tenant is not None}
        return Known(present, candidates)

    async def close(self) -> None:
        """Wait for loads and fills that are going on."""
        await self.breaker.close()
        await self._tenants.close()
        await self._candidates.close()
        if self._filling:
            await asyncio.wait(self._filling)

    async def _load_tenants(self, tenant_ids: Collection[str]) -> Mapping[str, Tenant | ReadError | None]:
        found = await self._source.tenants(tenant_ids)
        return {each: found.get(each) for each in tenant_ids}

    async def _load_candidates(self, keys: Collection[RouteKey]) -> Mapping[RouteKey, Candidates | ReadError]:
        found = await self._source.candidates(keys)
        self._scans.note(found, keys)
        return found

    def _fill_tenants(self, values: Mapping[str, Tenant | ReadError | None], leases: Mapping[str, Lease]) -> None:
        entries = []
        for tenant_id, lease in leases.items():
            tenant = values[tenant_id]
            if isinstance(tenant, Exception):
                continue
            entries.append(self._entry(_tenant_key(tenant_id), tenant_document(tenant), lease, negative=tenant is None))
        self._fill(entries)

    def _fill_candidates(
        self, values: Mapping[RouteKey, Candidates | ReadError], leases: Mapping[RouteKey, Lease]
    ) -> None:
        entries = []
        for route, lease in leases.items():
            candidates = values[route]
            if isinstance(candidates, Exception):
                continue
            document, negative = candidates_document(candidates), not candidates.bindings
            entries.append(self._entry(_route_key(route), document, lease, negative=negative))
        self._fill(entries)

    def _entry(self, key: CacheKey, document: bytes, lease: Lease, *, negative: bool) -> CacheEntry:
        ttl_seconds = self._limits.negative_ttl_seconds if negative else self._limits.ttl_seconds
        return CacheEntry(key, document, lease, lease.taken_at_us + int(ttl_seconds * 1_000_000))

    def _fill(self, entries: Sequence[CacheEntry]) -> None:
        if not entries:
            return
        if len(self._filling) >= MOST_FILLS:
            self._stats.failed_fills += len(entries)
            return
        task = asyncio.create_task(self._cache.fill(entries))
        self._filling.add(task)
        task.add_done_callback(self._filled)

    def _filled(self, task: "asyncio.Task[None]") -> None:
        self._filling.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a fill failed", exc_info=error)

    def _note_unreadable(self, answer: CacheAnswer, error: ValueError) -> None:
        if answer.document is not None:
            _log.warning("a cached document can't be read", detail=str(error))
            self._stats.unreadable += 1
            self._stats.hits -= 1

    async def _probe(self) -> None:
        await self._source.tenants(_NOBODY)


_SCANNING = UnavailableError("too many numbers of this enterprise were looked for in vain")
# An id that no tenant can have.
_NOBODY = ("",)


def _tenant_key(tenant_id: str) -> CacheKey:
    return CacheKey(CacheScope(tenant_id))


def _route_key(key: RouteKey) -> CacheKey:
    return CacheKey(CacheScope(key.tenant_id, key.access_number), key.calling_number)


def _document(answer: CacheAnswer) -> Any:
    if answer.document is None:
        raise ValueError("nothing is remembered")
    return answer.document
