"""Comparing served answers with the store: the alarm that must never ring."""

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from common.clock import Clock
from common.errors import UnavailableError
from common.logs import get_logger
from common.masking import mask_number
from routing_service.cache.ports import CacheKey, CacheOutbox, Lease, RouteCache
from routing_service.cache_stats import CacheStats
from routing_service.domain.decision import Candidates, RouteKey
from routing_service.domain.scope import CacheScope
from routing_service.domain.tenant import Tenant
from routing_service.ports import CandidateSource, ReadError

_log = get_logger(__name__)

_MOST_WAITING = 100
_PENDING_WRITES_LOOKED_AT = 1000
# A write that the cache never hears of is waited out for longer than this, so that it is still pending when a sample
# from before it is looked at.
_MOST_AGE_SECONDS = 2.0
_PAUSE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class _Sample:
    """What was served for a key; for a tenant's id, its settings."""

    key: RouteKey | str
    served: Candidates | Tenant | None
    lease: Lease
    taken_at: float

    @property
    def scope(self) -> CacheScope:
        if isinstance(self.key, str):
            return CacheScope(self.key)
        return CacheScope(self.key.tenant_id, self.key.access_number)


class Auditor:
    """Takes samples of what was answered from the cache, and compares them with the store a moment later.

    A difference alone proves nothing: the binding, or the tenant's settings, may have been changed in between, rightly.
    But then that write is in the outbox still, or it was finished, and the scope has another epoch than the sample.
    With neither, the answer was stale, and that is a mismatch.
    """

    def __init__(
        self, source: CandidateSource, cache: RouteCache, outbox: CacheOutbox, clock: Clock, stats: CacheStats
    ) -> None:
        """`source` is the store itself."""
        self._source = source
        self._cache = cache
        self._outbox = outbox
        self._clock = clock
        self._stats = stats
        self._samples: deque[_Sample] = deque(maxlen=_MOST_WAITING)
        self._interval_seconds = 0.0
        self._next_sample_at = self._next_tenant_at = math.inf

    def start_sampling(self, samples_per_second: float) -> None:
        """Take samples from now on, at most this many in a second, and as many of tenants' settings; 0: none."""
        if samples_per_second > 0:
            self._interval_seconds = 1 / samples_per_second
            self._next_sample_at = self._next_tenant_at = self._clock.monotonic()

    def offer(self, key: RouteKey, served: Candidates, lease: Lease | None) -> None:
        """What is being answered from the cache; cheap enough for every answer."""
        now = self._clock.monotonic()
        if now >= self._next_sample_at and lease is not None:
            self._next_sample_at = now + self._interval_seconds
            self._samples.append(_Sample(key, served, lease, now))

    def offer_tenant(self, tenant_id: str, served: Tenant | None, lease: Lease | None) -> None:
        """Likewise the settings that come with it; None: no such tenant."""
        now = self._clock.monotonic()
        if now >= self._next_tenant_at and lease is not None:
            self._next_tenant_at = now + self._interval_seconds
            self._samples.append(_Sample(tenant_id, served, lease, now))

    async def run(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Audit until cancelled."""
        while True:
            await sleep(_PAUSE_SECONDS)
            try:
                await self.audit_waiting()
            except UnavailableError as error:
                _log.info("not audited", detail=error.message)
            except Exception as error:  # noqa: BLE001 - the next samples are audited all the same
                _log.error("an audit failed", exc_info=error)

    async def audit_waiting(self) -> None:
        """Look at all samples that were taken so far. Raises UnavailableError when the store can't be read."""
        now = self._clock.monotonic()
        samples = [each for each in self._samples if now - each.taken_at <= _MOST_AGE_SECONDS]
        self._samples.clear()
        if not samples:
            return
        stored = await self._stored(samples)
        for sample in samples:
            found = stored[sample.key]
            if isinstance(found, Exception):
                continue
            self._stats.audits += 1
            if _comparable(found) != _comparable(sample.served) and not await self._explained(sample):
                self._stats.mismatches += 1
                key = sample.key
                _log.error(
                    "an answer from the cache was stale",
                    tenant_id=sample.scope.tenant_id,
                    access_number=mask_number(sample.scope.access_number),
                    calling_number="" if isinstance(key, str) else mask_number(key.calling_number),
                )

    async def _stored(
        self, samples: Sequence[_Sample]
    ) -> Mapping[RouteKey | str, Candidates | Tenant | ReadError | None]:
        routes = {each.key for each in samples if not isinstance(each.key, str)}
        tenant_ids = {each.key for each in samples if isinstance(each.key, str)}
        found: dict[RouteKey | str, Candidates | Tenant | ReadError | None] = dict.fromkeys(tenant_ids)
        if routes:
            found.update((await self._source.candidates(routes)).items())
        if tenant_ids:
            found.update((await self._source.tenants(tenant_ids)).items())
        return found

    async def _explained(self, sample: _Sample) -> bool:
        """Whether a write since the sample may be why the store says something else."""
        scope = sample.scope
        pending = await self._outbox.pending(None, _PENDING_WRITES_LOOKED_AT)
        if len(pending) >= _PENDING_WRITES_LOOKED_AT or any(
            scope in scopes or scope.whole_tenant in scopes for scopes in pending.values()
        ):
            return True
        # Only the epochs are wanted; whoever calls is not told to the cache, which may hold no plain numbers.
        (now,) = await self._cache.look_up([CacheKey(scope)])
        return now.lease is None or now.lease.epoch != sample.lease.epoch


def _comparable(served: Candidates | Tenant | None) -> object:
    if not isinstance(served, Candidates):
        return served
    return (
        served.access_number_known,
        sorted(served.bindings, key=lambda each: each.binding_id),
        sorted(served.list_entries, key=lambda each: each.entry_id),
    )
