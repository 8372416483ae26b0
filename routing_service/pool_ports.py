"""What the use cases of number pools need from a store; see `ports` for what holds of all of them."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from routing_service.domain.binding import Binding
from routing_service.domain.number_pool import AccessNumber, AllocationWish, NumberUse, Parties
from routing_service.domain.tenant import Tenant
from routing_service.domain.write_origin import NO_ORIGIN, WriteOrigin

# Pure functions that a store calls inside its transaction; see `ports`.
MakeAccessNumbers = Callable[[Tenant], Sequence[AccessNumber]]
NameNumbers = Callable[[Tenant], Sequence[str]]
NameParties = Callable[[Tenant], Parties]
MakeOnNumber = Callable[[Tenant, str], Binding]


@dataclass(frozen=True, slots=True)
class AccessNumberFilter:
    """Which access numbers to list; None: any pool, any city."""

    tenant_id: str
    pool: str | None = None
    city_code: str | None = None


class NumberPoolStore(Protocol):
    """A tenant's access numbers. A number in a pool belongs to its tenant, with bindings or without."""

    async def add(
        self, tenant_id: str, make: MakeAccessNumbers, at: datetime, origin: WriteOrigin = NO_ORIGIN
    ) -> Sequence[AccessNumber]:
        """Put the numbers that `make` returns into pools, all or none.

        Raises NotFoundError: no such tenant. AlreadyExistsError: one of them is in a pool of the tenant.
        FailedPreconditionError: another tenant has one of them in use. Repeated requests: see BindingStore.create.
        """
        ...

    async def list_page(
        self, which: AccessNumberFilter, after: str, limit: int, now: datetime
    ) -> Sequence[AccessNumber]:
        """At most `limit` numbers behind `after`, in their order."""
        ...

    async def remove(self, tenant_id: str, name: NameNumbers, at: datetime, origin: WriteOrigin = NO_ORIGIN) -> None:
        """Take numbers out, all or none.

        Raises NotFoundError: one of them is in no pool of the tenant. FailedPreconditionError: one has live bindings.
        """
        ...

    async def allocate(
        self, tenant_id: str, wish: AllocationWish, name: NameParties, make: MakeOnNumber, origin: WriteOrigin
    ) -> Binding:
        """Store what `make` makes on an access number that is free for the parties that `name` returns.

        Of several writers at the same time no two get a number that they may not share. What another tenant's binding
        used before the number was added is free for nobody until it has rested. Raises ResourceExhaustedError
        with counts when none is free, and what BindingStore.create raises.
        """
        ...

    async def uses(self, tenant_id: str, pool: str, since: datetime, limit: int) -> tuple[int, Sequence[NumberUse]]:
        """How many numbers a pool has, and how they were used since a time; at most `limit` uses."""
        ...

    async def pooled(self, tenant_id: str, numbers: Collection[str]) -> Collection[str]:
        """Those of the numbers that are in a pool of the tenant."""
        ...
