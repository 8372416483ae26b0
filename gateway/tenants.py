"""The directory of enterprises: whose events are taken, and how they want to be answered.

It is read whole every few seconds and asked for a single tenant when an unknown one appears, so that a new tenant works
at once. Queries don't need it: the routing service knows its tenants itself.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from common.clock import Clock
from common.errors import AxbridgeError, DeadlineExceededError
from common.logs import get_logger
from gateway.domain import TenantSettings
from gateway.ports import TenantSource

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DirectoryLimits:
    """How old what is known may be, and how much is asked at once."""

    refresh_seconds: float = 3.0
    unknown_ttl_seconds: float = 1.0
    max_lookups: int = 32
    max_unknown: int = 10_000


class TenantDirectory:
    """Tenants by id."""

    def __init__(
        self,
        source: TenantSource,
        limits: DirectoryLimits,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._source = source
        self._limits = limits
        self._clock = clock
        self._sleep = sleep
        self._tenants: dict[str, TenantSettings] = {}
        self._unknown_until: dict[str, float] = {}
        self._lookups: dict[str, asyncio.Task[TenantSettings | None]] = {}
        self._slots = asyncio.Semaphore(limits.max_lookups)
        self._is_reachable: bool | None = None

    def known(self, tenant_id: str) -> TenantSettings | None:
        """What is known of a tenant without asking anybody."""
        return self._tenants.get(tenant_id)

    def is_known(self, tenant_id: str) -> bool:
        """Whether it is known that there is such a tenant."""
        return tenant_id in self._tenants

    @property
    def size(self) -> int:
        """How many tenants are known."""
        return len(self._tenants)

    @property
    def is_reachable(self) -> bool:
        """Whether the last refresh succeeded."""
        return self._is_reachable is True

    async def find(self, tenant_id: str, timeout_seconds: float) -> TenantSettings | None:
        """A tenant, None when there is no such. Raises AxbridgeError when that can't be told in time.

        Those who ask for the same tenant at the same time share one lookup, which none of them can cancel.
        """
        tenant = self._tenants.get(tenant_id)
        if tenant is not None:
            return tenant
        if self._unknown_until.get(tenant_id, 0.0) > self._clock.monotonic():
            return None
        lookup = self._lookups.get(tenant_id)
        if lookup is None:
            lookup = asyncio.create_task(self._look_up(tenant_id))
            self._lookups[tenant_id] = lookup
            lookup.add_done_callback(lambda done: self._looked_up(tenant_id, done))
        try:
            async with asyncio.timeout(timeout_seconds):
                return await asyncio.shield(lookup)
        except TimeoutError as error:
            raise DeadlineExceededError("the tenant could not be looked up in time") from error

    async def refresh(self) -> None:
        """Read all tenants. Raises AxbridgeError, and keeps what is known, when they can't be read."""
        tenants = {tenant.tenant_id: tenant for tenant in await self._source.list_tenants()}
        self._tenants = tenants
        for tenant_id in tenants:
            self._unknown_until.pop(tenant_id, None)

    async def keep_fresh(self) -> None:
        """Refresh for ever; a failure is logged when it begins and when it ends."""
        while True:
            try:
                await self.refresh()
            except AxbridgeError as error:
                if self._is_reachable is not False:
                    _log.warning("tenants can't be read, going on with those known", detail=error.message)
                self._is_reachable = False
            else:
                if self._is_reachable is not True:
                    _log.info("tenants read", count=len(self._tenants))
                self._is_reachable = True
            await self._sleep(self._limits.refresh_seconds)

    async def close(self) -> None:
        """End the lookups that are under way."""
        lookups = list(self._lookups.values())
        for lookup in lookups:
            lookup.cancel()
        await asyncio.gather(*lookups, return_exceptions=True)

    async def _look_up(self, tenant_id: str) -> TenantSettings | None:
        async with self._slots:
            tenant = await self._source.get_tenant(tenant_id)
        if tenant is not None:
            self._tenants[tenant_id] = tenant
            return tenant
        if len(self._unknown_until) >= self._limits.max_unknown:
            self._unknown_until.clear()
        self._unknown_until[tenant_id] = self._clock.monotonic() + self._limits.unknown_ttl_seconds
        return None

    def _looked_up(self, tenant_id: str, lookup: "asyncio.Task[TenantSettings | None]") -> None:
        del self._lookups[tenant_id]
        if not lookup.cancelled():
            # Those who wait get it; that it was retrieved matters when nobody waits any more.
            lookup.exception()
