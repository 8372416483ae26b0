"""Writer that acknowledges nothing which the cache could still answer from before."""

import asyncio
import secrets
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from common.errors import AbortedError, AlreadyExistsError, FailedPreconditionError, NotFoundError
from common.logs import get_logger
from routing_service.cache.ports import CacheFence, CacheOutbox
from routing_service.cache.settlement import Settlement
from routing_service.cache_stats import CacheStats
from routing_service.sql_store.database import Database
from routing_service.sql_store.transaction import Result, Transaction, Work

_log = get_logger(__name__)

# Well below the life of a mark: a commit that takes longer is cut off, and has happened or not.
COMMIT_SECONDS = 2.0
# A refusal may answer the repetition of a write whose own answer was lost: then it acknowledges that one.
_REFUSALS = (NotFoundError, AlreadyExistsError, AbortedError, FailedPreconditionError)


class FencedWriter:
    """Writer in front of a cache: mark, commit, lift, and only then acknowledge.

    The mark is set last in the transaction, behind the locks on what is written: so writers of one scope mark it in the
    order in which they commit. Writes run to their end in tasks of their own, whoever goes away.
    """

    def __init__(
        self, database: Database, fence: CacheFence, outbox: CacheOutbox, settlement: Settlement, stats: CacheStats
    ) -> None:
        self._database = database
        self._fence = fence
        self._outbox = outbox
        self._settlement = settlement
        self._stats = stats
        self._running: set[asyncio.Task[Any]] = set()

    async def write(self, tenant_id: str, work: Work[Result], timeout_seconds: float | None = None) -> Result:
        task = asyncio.create_task(self._write(tenant_id, work, timeout_seconds))
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Wait for the writes that are going on; each is bounded by itself."""
        if self._running:
            await asyncio.wait(self._running)

    async def _write(self, tenant_id: str, work: Work[Result], timeout_seconds: float | None) -> Result:
        write_id = secrets.token_hex(16)

        async def fenced(connection: AsyncConnection) -> tuple[Result, Transaction]:
            transaction = Transaction(connection)
            result = await work(transaction)
            if transaction.touched:
                await self._outbox.add(connection, write_id, tenant_id, transaction.touched)
                if not await self._fence.mark(transaction.touched, write_id):
                    self._stats.unmarked_writes += 1
                await self._commit(connection)
            return result, transaction

        try:
            # Where this raises UnavailableError nobody knows whether it was committed: the outbox does, and its readers
            # finish it. Nothing is lifted here, since the commit may be yet to come.
            result, transaction = await self._database.write(fenced, timeout_seconds)
        except _REFUSALS:
            await self._settlement.finish_tenant(tenant_id)
            raise
        if transaction.touched:
            await self._settlement.finish(write_id, transaction.touched)
        return result

    async def _commit(self, connection: AsyncConnection) -> None:
        transaction = connection.get_transaction()
        assert transaction is not None, "writes begin in a transaction"
        commit = asyncio.create_task(transaction.commit())
        done, _ = await asyncio.wait({commit}, timeout=COMMIT_SECONDS)
        if not done and not self._database.is_sqlite:
            _log.warning("a commit took too long and was cut off")
            raw = await connection.get_raw_connection()
            assert raw.driver_connection is not None, "it is in use"
            raw.driver_connection.terminate()
        await commit

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            # Read, so that asyncio does not complain of those whose callers went away.
            task.exception()
