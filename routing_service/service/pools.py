"""Number pools: the access numbers of a tenant, and picking one for a new binding."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from common.clock import Clock
from common.errors import InvalidArgumentError, ResourceExhaustedError
from routing_service.binding_rules import checked_terms
from routing_service.domain.binding import Binding, BindingTerms
from routing_service.domain.number_pool import AccessNumber, AllocationWish, PoolForecast
from routing_service.domain.tenant import Tenant
from routing_service.domain.write_origin import NO_ORIGIN, WriteOrigin, checked_request_id
from routing_service.forecast import forecast
from routing_service.not_found import no_such_tenant
from routing_service.pool_ports import AccessNumberFilter, NumberPoolStore
from routing_service.pool_rules import (
    MAX_COOL_DOWN,
    check_pool,
    checked_access_numbers,
    checked_capabilities,
    checked_city_code,
    checked_numbers,
    parties_of,
)
from routing_service.ports import TenantStore
from routing_service.service.paging import page_limit, page_token, read_page_token
from routing_service.tenant_rules import check_tenant_id

DEFAULT_WINDOW = timedelta(days=7)
MAX_WINDOW = timedelta(days=366)
# What a forecast is made of at most, all of it in memory.
MAX_USES = 500_000


@dataclass(frozen=True, slots=True)
class AccessNumberPage:
    """Some access numbers in their order, and the token of the next page; empty: this was the last."""

    access_numbers: Sequence[AccessNumber]
    next_page_token: str


class NumberPoolService:
    """Add, list and remove access numbers, allocate one for a binding, forecast how many are needed."""

    def __init__(
        self,
        pools: NumberPoolStore,
        tenants: TenantStore,
        clock: Clock,
        new_binding_id: Callable[[], str],
        cool_down: timedelta,
    ) -> None:
        self._pools = pools
        self._tenants = tenants
        self._clock = clock
        self._new_binding_id = new_binding_id
        self._cool_down = cool_down

    async def add(
        self, tenant_id: str, numbers: Sequence[AccessNumber], origin: WriteOrigin = NO_ORIGIN
    ) -> Sequence[AccessNumber]:
        """Put numbers into pools. Raises InvalidArgumentError, and what NumberPoolStore.add raises."""
        check_tenant_id(tenant_id, "tenant_id")
        checked_request_id(origin.request_id)
        return await self._pools.add(
            tenant_id, lambda tenant: checked_access_numbers(numbers, tenant), self._clock.now(), origin
        )

    async def list_page(
        self, tenant_id: str, pool: str, city_code: str, page_size: int, token: str
    ) -> AccessNumberPage:
        """A page of a tenant's numbers; an empty pool or city is any. Raises InvalidArgumentError, NotFoundError."""
        check_tenant_id(tenant_id, "tenant_id")
        check_pool(pool, "pool")
        city_code = checked_city_code(city_code, "city_code")
        limit = page_limit(page_size)
        if await self._tenants.get(tenant_id) is None:
            raise no_such_tenant(tenant_id)
        listed = ("access_numbers", tenant_id, pool, city_code)
        after = str(read_page_token(token, listed, (str,))[0]) if token else ""
        which = AccessNumberFilter(tenant_id, pool or None, city_code or None)
        found = await self._pools.list_page(which, after, limit + 1, self._clock.now())
        page = found[:limit]
        return AccessNumberPage(page, page_token((page[-1].number,), listed) if len(found) > limit else "")

    async def remove(self, tenant_id: str, numbers: Sequence[str], origin: WriteOrigin = NO_ORIGIN) -> None:
        """Take numbers out. Raises InvalidArgumentError, and what NumberPoolStore.remove raises."""
        check_tenant_id(tenant_id, "tenant_id")
        checked_request_id(origin.request_id)
        await self._pools.remove(tenant_id, lambda tenant: checked_numbers(numbers, tenant), self._clock.now(), origin)

    async def allocate(
        self,
        tenant_id: str,
        terms: BindingTerms,
        wish: AllocationWish,
        origin: WriteOrigin = NO_ORIGIN,
    ) -> Binding:
        """Create a binding on an access number that is free for it.

        Raises InvalidArgumentError, ResourceExhaustedError, and what BindingStore.create raises.
        """
        check_tenant_id(tenant_id, "binding.tenant_id")
        checked_request_id(origin.request_id)
        if terms.access_number:
            raise InvalidArgumentError("binding.access_number", "must be empty: it is what is picked")
        wish = replace(_checked_wish(wish), others_cool_down=self._cool_down)
        binding_id = self._new_binding_id()

        def make(tenant: Tenant, access_number: str) -> Binding:
            now = self._clock.now()
            on_number = checked_terms(replace(terms, access_number=access_number), tenant)
            return Binding(binding_id, tenant_id, on_number, 1, now, now)

        return await self._pools.allocate(tenant_id, wish, lambda tenant: parties_of(terms, tenant), make, origin)

    async def forecast(self, tenant_id: str, pool: str, window: timedelta | None) -> PoolForecast:
        """How many numbers a pool needs, by the uses within the window. Raises InvalidArgumentError, NotFoundError, and
        ResourceExhaustedError where there were too many uses."""
        check_tenant_id(tenant_id, "tenant_id")
        check_pool(pool, "pool")
        window = DEFAULT_WINDOW if window is None else window
        if not timedelta() < window <= MAX_WINDOW:
            raise InvalidArgumentError("window", f"more than 0 and at most {MAX_WINDOW.days} days are expected")
        if await self._tenants.get(tenant_id) is None:
            raise no_such_tenant(tenant_id)
        now = self._clock.now()
        since = now - window
        # What ended before the window may still have been at rest in it.
        count, uses = await self._pools.uses(tenant_id, pool, since - self._cool_down, MAX_USES + 1)
        if len(uses) > MAX_USES:
            raise ResourceExhaustedError(
                f"there were more than {MAX_USES} bindings in this window: choose a shorter one",
                reason="TOO_MANY_BINDINGS",
            )
        # With many uses this takes seconds, in which calls are to be answered.
        return await asyncio.to_thread(forecast, count, uses, since, now, self._cool_down)

    @property
    def default_cool_down(self) -> timedelta:
        """How long numbers rest where a request does not say."""
        return self._cool_down


def _checked_wish(wish: AllocationWish) -> AllocationWish:
    check_pool(wish.pool, "pool")
    if not timedelta() <= wish.cool_down <= MAX_COOL_DOWN:
        raise InvalidArgumentError("cool_down", f"0 to {MAX_COOL_DOWN.days} days are expected")
    return replace(
        wish,
        city_code=checked_city_code(wish.city_code, "city_code"),
        capabilities=checked_capabilities(wish.capabilities, "capabilities"),
    )
