"""What the cache is made of, as its users see it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from routing_service.domain.scope import CacheScope


class CacheKey(NamedTuple):
    """One thing to remember: what is known about a caller in the scope of an access number, or a scope's tenant.

    It depends on its scope and on its tenant's.
    """

    scope: CacheScope
    calling_number: str = ""


@dataclass(frozen=True, slots=True)
class Lease:
    """The permission to fill keys of a scope with what is read from the store from now on.

    It is void as soon as a write to the scope, or to its tenant, is finished. `taken_at_us` is a time, by our own
    clock, at which it was not taken yet; what is filled with it is at least as young as that.
    """

    epoch: bytes
    taken_at_us: int


@dataclass(frozen=True, slots=True)
class CacheAnswer:
    """What the cache says about a key: a document that holds now, or nothing, with a lease where it may be filled.

    `remaining_us` is how much longer a document holds, unless something is written.
    """

    document: bytes | None
    lease: Lease | None
    remaining_us: int = 0


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """A document to remember until `expires_at_us`."""

    key: CacheKey
    document: bytes
    lease: Lease
    expires_at_us: int


class RouteCache(Protocol):
    """Documents by key, each void as soon as a write to a scope that it depends on is finished.

    It may forget at any time.
    """

    async def look_up(self, keys: Sequence[CacheKey]) -> Sequence[CacheAnswer]:
        """The answers, in the order of the keys. A cache that can't be asked in time has nothing and gives no lease."""
        ...

    async def fill(self, entries: Sequence[CacheEntry]) -> None:
        """Remember what was read from the store after the entries' leases were taken; void leases do nothing.

        Never raises: what can't be remembered is forgotten.
        """
        ...


class CacheFence(Protocol):
    """The writers' side of the cache."""

    async def mark(self, scopes: Collection[CacheScope], write_id: str) -> bool:
        """Before a commit: from now on nothing is answered from the cache, or filled, in these scopes.

        That holds until the write is lifted, or for ten seconds. False when the cache could not be told in time; it may
        hear of it later all the same.
        """
        ...

    async def lift(self, scopes: Collection[CacheScope], write_id: str) -> bool:
        """After the commit: void whatever was filled or leased in these scopes until now. May be repeated.

        The mark of another write stays. False when the cache could not be told, or not of all scopes.
        """
        ...


class CacheOutbox(Protocol):
    """Writes that were committed, and of which the cache may not have heard."""

    async def add(
        self, connection: AsyncConnection, write_id: str, tenant_id: str, scopes: Collection[CacheScope]
    ) -> None:
        """Put a write down, in the transaction that it belongs to."""
        ...

    async def pending(self, tenant_id: str | None, limit: int | None) -> Mapping[str, Collection[CacheScope]]:
        """The scopes of the oldest writes that are committed and not settled; None: those of every tenant, all of them.

        Raises UnavailableError.
        """
        ...

    async def settled(self, write_ids: Collection[str]) -> None:
        """The cache has heard of these, or has nothing left that they could concern. Raises UnavailableError."""
        ...
