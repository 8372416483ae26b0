"""Transactions that know what they make stale."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from routing_service.domain.scope import CacheScope
from routing_service.sql_store.database import Database

Result = TypeVar("Result")


class Transaction:
    """A transaction that writes, on `connection`. Whoever changes what calls are decided from says so with `touch`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self._touched: set[CacheScope] = set()

    @property
    def touched(self) -> frozenset[CacheScope]:
        """Every scope that was touched."""
        return frozenset(self._touched)

    def touch_access_numbers(self, tenant_id: str, access_numbers: Iterable[str]) -> None:
        """Answers about these access numbers of the tenant may differ after this transaction."""
        self._touched.update(CacheScope(tenant_id, each) for each in access_numbers)

    def touch_tenant(self, tenant_id: str) -> None:
        """Everything about the tenant may differ: its settings, what holds for all of its access numbers, whether it is
        there at all."""
        self._touched.add(CacheScope(tenant_id))


Work = Callable[[Transaction], Awaitable[Result]]


class Writer(Protocol):
    """Where the stores' transactions run."""

    async def write(self, tenant_id: str, work: Work[Result], timeout_seconds: float | None = None) -> Result:
        """What `work` returns, once it is committed and no query that begins now is answered from before it.

        `work` may be called again when the transaction has to begin anew. `tenant_id` is whose rows it writes. Raises
        what `work` raises, then nothing was written; UnavailableError, then it was written or not; AbortedError when
        another writer came in between. `timeout_seconds` is for work that takes longer than a write usually may.
        """
        ...


class UncachedWriter:
    """Writer where every query is answered from the store, so that a commit is all it takes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, tenant_id: str, work: Work[Result], timeout_seconds: float | None = None) -> Result:
        return await self._database.write(lambda connection: work(Transaction(connection)), timeout_seconds)
