"""What the use cases need from a store. Adapters implement these; the contract suite holds them to the docstrings.

Every method may raise UnavailableError when the store can't be reached or does not answer in time; what was to be
written is then written or not, and never half. Nothing here answers from before an acknowledged write.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from common.errors import UnavailableError, UnexpectedError
from routing_service.domain.binding import Binding
from routing_service.domain.decision import Candidates, RouteKey
from routing_service.domain.tenant import Tenant
from routing_service.profile_rules import ProfileInUse

# A pure function that a store calls inside its transaction, with what it has locked there. It returns what shall be
# stored, or raises an AxbridgeError: then nothing is. A store may call it again when it has to begin anew.
MakeBinding = Callable[[Tenant], Binding]
ChangeBinding = Callable[[Tenant, Binding], Binding]
CheckBinding = Callable[[Binding], None]
ChangeTenant = Callable[[Tenant, Sequence[ProfileInUse]], Tenant]


@dataclass(frozen=True, slots=True)
class BindingFilter:
    """Which bindings to list; numbers in normal form, empty: any. `number` stands as A, B or callback."""

    tenant_id: str
    access_number: str = ""
    number: str = ""


@dataclass(frozen=True, slots=True)
class BindingPosition:
    """A place in the order of bindings: just behind the binding with these values."""

    created_at: datetime
    binding_id: str


# What could not be read: by this version of the code, or now.
ReadError = UnexpectedError | UnavailableError


@dataclass(frozen=True, slots=True)
class Known:
    """What is known about tenants and keys: see the methods of CandidateSource."""

    tenants: Mapping[str, Tenant | ReadError]
    candidates: Mapping[RouteKey, Candidates | ReadError]


class CandidateSource(Protocol):
    """What a query is decided from: the hot path, and the seam for a cache."""

    async def tenants(self, tenant_ids: Collection[str]) -> Mapping[str, Tenant | ReadError]:
        """The tenants of these ids. Absent ones are left out; one that can't be read stands as its error."""
        ...

    async def candidates(self, keys: Collection[RouteKey]) -> Mapping[RouteKey, Candidates | ReadError]:
        """What is known about each key: exactly one entry per key, NOTHING_KNOWN where nothing is.

        A key whose bindings can't be read has its error instead, and fails none of the others.
        """
        ...

    async def look_up(self, tenant_ids: Collection[str], keys: Collection[RouteKey]) -> Known:
        """Both at once, for no more than either costs."""
        ...


class BindingHistory(Protocol):
    """What was bound in the past."""

    async def candidates_at(self, key: RouteKey, moment: datetime) -> Candidates:
        """What a query for this key would have been decided from at `moment`.

        A version of a binding counts from the time it was stored until the time it was replaced or deleted.
        """
        ...


class BindingStore(Protocol):
    """A tenant's bindings. Another tenant's are never seen, changed or named."""

    async def create(self, tenant_id: str, make: MakeBinding) -> Binding:
        """Store what `make` returns.

        Raises NotFoundError: no such tenant. AlreadyExistsError with the metadata `binding_id`: a binding of the tenant
        that has not expired at the new one's `created_at` claims the same caller of the access number.
        FailedPreconditionError: the access number is in use by another tenant. Of several writers at the same time
        exactly one wins.
        """
        ...

    async def get(self, tenant_id: str, binding_id: str) -> Binding | None:
        """The binding, None where the tenant has none of this id."""
        ...

    async def list_page(self, which: BindingFilter, after: BindingPosition | None, limit: int) -> Sequence[Binding]:
        """At most `limit` bindings behind `after`, in the order of (created_at, binding_id).

        Going on from the last one of each page visits every binding that exists throughout exactly once.
        """
        ...

    async def update(self, tenant_id: str, binding_id: str, change: ChangeBinding) -> Binding:
        """Replace a binding by what `change` makes of it, and keep the old version as history.

        Raises NotFoundError, and what `create` raises, with the new `updated_at` as the time that expiry is judged by.
        """
        ...

    async def delete(self, tenant_id: str, binding_id: str, check: CheckBinding, at: datetime) -> None:
        """Remove a binding unless `check` raises, and keep it as history up to `at`. Raises NotFoundError."""
        ...


class TenantStore(Protocol):
    """The enterprises of this installation."""

    async def create(self, tenant: Tenant) -> Tenant:
        """Store a tenant. Raises AlreadyExistsError when the id is taken."""
        ...

    async def get(self, tenant_id: str) -> Tenant | None:
        """The tenant, None where there is none of this id."""
        ...

    async def list_page(self, after: str, limit: int) -> Sequence[Tenant]:
        """At most `limit` tenants whose ids come behind `after`, in the order of the ids' code points."""
        ...

    async def update(self, tenant_id: str, change: ChangeTenant, *, with_profiles: bool) -> Tenant:
        """Replace a tenant by what `change` makes of it.

        `change` gets the profiles in use by the tenant's bindings, each distinct one once; none unless `with_profiles`.
        No binding is written between that look and the end of the transaction. Raises NotFoundError.
        """
        ...

    async def delete(self, tenant_id: str) -> None:
        """Remove a tenant. Raises NotFoundError, and FailedPreconditionError while it has bindings, expired or not."""
        ...
