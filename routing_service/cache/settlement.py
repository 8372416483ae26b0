"""Finishing writes: the cache is told of them, or what it holds is waited out, and then they leave the outbox."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass

from common.clock import Clock
from common.errors import UnavailableError
from common.logs import get_logger
from routing_service.cache.ports import CacheFence, CacheOutbox
from routing_service.cache_stats import CacheStats
from routing_service.domain.scope import CacheScope

_log = get_logger(__name__)

_RETRY_SECONDS = 0.1
_TIDY_SECONDS = 0.25
_TIDIES_IN_A_SWEEP = 4
_MOST_WRITES_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class SettlementLimits:
    """How old an answer from the cache can be, and how far apart the replicas' clocks may be."""

    ttl_seconds: float = 5.0
    clock_skew_seconds: float = 0.5

    @property
    def wait_out_seconds(self) -> float:
        """After this time nothing is answered any more that was read before."""
        return self.ttl_seconds + self.clock_skew_seconds


class Settlement:
    """Finishes this process' writes, and, from the outbox, those that others left behind.

    Finishing is always safe once a write is committed, and may be done by several at the same time.
    """

    def __init__(
        self, fence: CacheFence, outbox: CacheOutbox, limits: SettlementLimits, clock: Clock, stats: CacheStats
    ) -> None:
        self._fence = fence
        self._outbox = outbox
        self._limits = limits
        self._clock = clock
        self._stats = stats
        self._settled: set[str] = set()
        # Writes of the outbox with the time at which they were seen first.
        self._seen: dict[str, float] = {}

    async def finish(
        self,
        write_id: str,
        scopes: Collection[CacheScope],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Return when no query that begins now is answered from before this committed write."""
        await self._finish({write_id: scopes}, sleep)

    async def finish_tenant(self, tenant_id: str) -> None:
        """Finish every write of a tenant that is committed and may not be finished. Raises UnavailableError."""
        pending = await self._outbox.pending(tenant_id, None)
        unfinished = {write_id: scopes for write_id, scopes in pending.items() if write_id not in self._settled}
        self._stats.finished_for_others += len(unfinished)
        await self._finish(unfinished, asyncio.sleep)

    async def _finish(
        self, writes: Mapping[str, Collection[CacheScope]], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        deadline = self._clock.monotonic() + self._limits.wait_out_seconds
        left = dict(writes)
        while left:
            write_id, scopes = next(iter(left.items()))
            lifted = await self._fence.lift(scopes, write_id)
            if lifted:
                self._stats.invalidations += 1
                self._settled.add(write_id)
                del left[write_id]
            remaining = deadline - self._clock.monotonic()
            if remaining <= 0:
                # All were committed before this began.
                self._stats.waited_out += len(left)
                self._settled.update(left)
                break
            if not lifted:
                # A cache that can't be told of one is not asked for each.
                await sleep(min(_RETRY_SECONDS, remaining))

    async def tidy(self) -> None:
        """Take this process' finished writes out of the outbox. Raises UnavailableError."""
        settled = [*self._settled]
        if settled:
            await self._outbox.settled(settled)
            self._settled.difference_update(settled)

    async def sweep(self) -> None:
        """Finish what was in the outbox at the last sweep already: its writer would be done by now.

        What can't be told to the cache stays until it is waited out. Raises UnavailableError.
        """
        now = self._clock.monotonic()
        pending = await self._outbox.pending(None, _MOST_WRITES_AT_ONCE)
        abandoned = {write_id: scopes for write_id, scopes in pending.items() if write_id in self._seen}
        self._seen = {write_id: self._seen.get(write_id, now) for write_id in pending}
        reachable = True
        for write_id, scopes in abandoned.items():
            reachable = reachable and await self._fence.lift(scopes, write_id)
            if reachable or now - self._seen[write_id] >= self._limits.wait_out_seconds:
                self._stats.finished_for_others += 1
                self._settled.add(write_id)

    async def close(self) -> None:
        """Leave as little to others as possible."""
        try:
            await self.tidy()
        except UnavailableError as error:
            _log.info("finished writes stay in the outbox", detail=error.message)

    async def run(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Tidy and sweep until cancelled."""
        tidies = 0
        while True:
            await sleep(_TIDY_SECONDS)
            tidies += 1
            try:
                if tidies % _TIDIES_IN_A_SWEEP == 0:
                    await self.sweep()
                await self.tidy()
            except UnavailableError as error:
                _log.info("the outbox was not looked at", detail=error.message)
            except Exception as error:  # noqa: BLE001 - what is left in the outbox is looked at again
                _log.error("looking at the outbox failed", exc_info=error)
