"""What the use cases need from a store. Adapters implement these; the contract suite holds them to the docstrings.

Every method may raise UnavailableError when the store can't be reached or does not answer in time; what was to be
written is then written or not, and never half. Nothing here answers from before an acknowledged write.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Protocol

from common.errors import UnavailableError, UnexpectedError
from routing_service.domain.binding import Binding
from routing_service.domain.call_memory import GroupCall, OwnerCall, WantedRecollection
from routing_service.domain.decision import Candidates, Recollection, RouteKey
from routing_service.domain.importing import Drafts, ImportOutcome
from routing_service.domain.journal import AuditEntry, BindingChange
from routing_service.domain.number_list import NumberListEntry
from routing_service.domain.tenant import Tenant
from routing_service.domain.write_origin import NO_ORIGIN, WriteOrigin
from routing_service.profile_rules import ProfileInUse

# A pure function that a store calls inside its transaction, with what it has locked there. It returns what shall be
# stored, or raises an AxbridgeError: then nothing is. A store may call it again when it has to begin anew.
MakeBinding = Callable[[Tenant], Binding]
ChangeBinding = Callable[[Tenant, Binding], Binding]
CheckBinding = Callable[[Binding], None]
ChangeTenant = Callable[[Tenant, Sequence[ProfileInUse]], Tenant]


MakeDrafts = Callable[[Tenant], Drafts]


THE_END = datetime.max.replace(tzinfo=UTC)


class BindingState(Enum):
    """Whether a binding is within its validity; its weekly hours are not looked at."""

    IN_FORCE = "in_force"
    PENDING = "pending"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class BindingFilter:
    """Which bindings to list; numbers in normal form, empty: any. `number` stands as A, B or callback.

    `state` is that at `now`; None: any. With `until` none behind this position.
    """

    tenant_id: str
    access_number: str = ""
    number: str = ""
    state: BindingState | None = None
    now: datetime = THE_END
    until: "BindingPosition | None" = None


@dataclass(frozen=True, slots=True)
class BindingPosition:
    """A place in the order of bindings: just behind the binding with these values."""

    created_at: datetime
    binding_id: str


@dataclass(frozen=True, slots=True)
class ImportChunk:
    """How some rows of an import are stored: the `part`th transaction of it, at this time.

    `taken` are the claims (access number, caller) of rows that a dry run would have stored before; those of this chunk
    are added to it.
    """

    at: datetime
    atomic: bool
    dry_run: bool
    part: int
    taken: dict[tuple[str, str], str] = field(default_factory=dict)


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

    async def tenant_at(self, tenant_id: str, moment: datetime) -> Tenant | None:
        """The tenant with the settings of `moment`, None where there is and was none of this id.

        Of a time before the tenant was added its first settings count.
        """
        ...

    async def candidates_at(self, key: RouteKey, moment: datetime) -> Candidates:
        """What a query for this key would have been decided from at `moment`.

        A version of a binding counts from the time it was stored until the time it was replaced or deleted, an entry of
        a number list until it was removed, an access number without bindings until it was taken out of its pool.
        """
        ...


class BindingStore(Protocol):
    """A tenant's bindings. Another tenant's are never seen, changed or named."""

    async def create(self, tenant_id: str, make: MakeBinding, origin: WriteOrigin = NO_ORIGIN) -> Binding:
        """Store what `make` returns, with an audit entry and a change in the feed, as every write here.

        Where the origin names its request, and that was carried out within the last 24 hours, nothing is done and the
        result is the same as then. A name that was used for something else raises InvalidArgumentError.

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

    async def position_after(
        self, which: BindingFilter, after: BindingPosition | None, count: int
    ) -> BindingPosition | None:
        """The position of the `count`th binding behind `after`, None where there are fewer.

        Of the filter only the tenant and the access number count.
        """
        ...

    async def update(
        self, tenant_id: str, binding_id: str, change: ChangeBinding, origin: WriteOrigin = NO_ORIGIN
    ) -> Binding:
        """Replace a binding by what `change` makes of it, and keep the old version as history.

        Raises NotFoundError, and what `create` raises, with the new `updated_at` as the time that expiry is judged by.
        """
        ...

    async def delete(
        self, tenant_id: str, binding_id: str, check: CheckBinding, at: datetime, origin: WriteOrigin = NO_ORIGIN
    ) -> None:
        """Remove a binding unless `check` raises, and keep it as history up to `at`. Raises NotFoundError."""
        ...


@dataclass(frozen=True, slots=True)
class ListFilter:
    """Which entries of number lists to list; an empty `access_number` (normal form) is any."""

    tenant_id: str
    access_number: str = ""


class NumberListStore(Protocol):
    """A tenant's allow and block lists. Another tenant's are never seen, changed or named."""

    async def create(
        self, tenant_id: str, make: Callable[[Tenant], NumberListEntry], origin: WriteOrigin = NO_ORIGIN
    ) -> NumberListEntry:
        """Store what `make` returns, with an audit entry, once for each request that is named.

        Raises NotFoundError: no such tenant. AlreadyExistsError with the metadata `entry_id`: an entry that has not
        expired at the new one's `created_at` has the same access number, pattern type and pattern; an expired one gives
        way. FailedPreconditionError: the tenant has as many entries as it may.
        """
        ...

    async def list_page(
        self, which: ListFilter, after: BindingPosition | None, limit: int
    ) -> Sequence[NumberListEntry]:
        """At most `limit` entries behind `after`, in the order of (created_at, entry_id)."""
        ...

    async def delete(self, tenant_id: str, entry_id: str, at: datetime, origin: WriteOrigin = NO_ORIGIN) -> None:
        """Remove an entry. Raises NotFoundError."""
        ...


class CallMemoryStore(Protocol):
    """What is remembered of earlier calls. Nothing here is needed to keep a promise: it may be lost or come late."""

    async def recall(
        self, wanted: Collection[WantedRecollection], now: datetime
    ) -> Mapping[WantedRecollection, Recollection]:
        """What is remembered, for those of whom anything is."""
        ...

    async def store(self, groups: Sequence[GroupCall], owners: Sequence[OwnerCall], now: datetime) -> None:
        """Remember these calls.

        Of a session's orders the first one stays for its time; of everything else the latest counts. Raises
        AbortedError when one of the tenants or bindings is gone; then nothing is remembered.
        """
        ...


class TenantStore(Protocol):
    """The enterprises of this installation."""

    async def create(self, tenant: Tenant, origin: WriteOrigin = NO_ORIGIN) -> Tenant:
        """Store a tenant, with an audit entry, as every write here, and once for each request that is named.

        Raises AlreadyExistsError when the id is taken.
        """
        ...

    async def get(self, tenant_id: str) -> Tenant | None:
        """The tenant, None where there is none of this id."""
        ...

    async def list_page(self, after: str, limit: int) -> Sequence[Tenant]:
        """At most `limit` tenants whose ids come behind `after`, in the order of the ids' code points."""
        ...

    async def update(
        self, tenant_id: str, change: ChangeTenant, *, with_profiles: bool, origin: WriteOrigin = NO_ORIGIN
    ) -> Tenant:
        """Replace a tenant by what `change` makes of it.

        `change` gets the profiles in use by the tenant's bindings that have not expired, each distinct one once; none
        unless `with_profiles`. No binding is written between that look and the end of the transaction. Raises
        NotFoundError.
        """
        ...

    async def delete(self, tenant_id: str, origin: WriteOrigin = NO_ORIGIN) -> None:
        """Remove a tenant. Raises NotFoundError, and FailedPreconditionError while it has bindings, expired or not, or
        access numbers in pools."""
        ...


class AuditLog(Protocol):
    """Who changed what."""

    async def list_page(
        self, tenant_id: str, object_id: str, before_entry_id: int | None, limit: int
    ) -> Sequence[AuditEntry]:
        """At most `limit` entries, newest first, with ids below `before_entry_id`; an empty `object_id` is any."""
        ...


class ChangeFeed(Protocol):
    """What happened to a tenant's bindings, in the order of the commits."""

    async def last_position(self, tenant_id: str) -> int:
        """The position of the last change; 0: there was none."""
        ...

    async def changes_after(self, tenant_id: str, position: int, limit: int) -> Sequence[BindingChange]:
        """At most `limit` changes behind a position. What is missing now will never come before what is returned."""
        ...


class BindingImporter(Protocol):
    """Stores many bindings at once."""

    async def store(
        self, tenant_id: str, make: MakeDrafts, chunk: ImportChunk, origin: WriteOrigin
    ) -> Sequence[ImportOutcome]:
        """Store the drafts that `make` returns in one transaction, and say what became of each row, in their order.

        A draft that `BindingStore.create` would refuse is refused, and so is one that another draft before it is in the
        way of. When the chunk is atomic and any row is refused, none is stored. Raises NotFoundError: no such tenant.
        A repeated request (the origin's name and the chunk's part) gets the outcomes of the first time.
        """
        ...
