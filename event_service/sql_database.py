"""Work on the event database over connections apart from the log's, so that neither waits for the other's."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from common.errors import AxbridgeError
from common.logs import get_logger
from common.sql import begin_write
from event_service.sql_errors import translated_errors

_log = get_logger(__name__)
_Result = TypeVar("_Result")
# PostgreSQL ended one of two transactions that waited for each other.
_DEADLOCK = "40P01"
_DEADLOCK_TRIES = 5


class EventDatabase:
    """Runs work on the database to its end even when nobody waits for it any more: a statement that is cancelled
    half-way would leave its SQLite connection behind with the write lock in its hand."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._running: set[asyncio.Task[Any]] = set()

    @property
    def is_sqlite(self) -> bool:
        return self._engine.dialect.name == "sqlite"

    async def read(self, work: Callable[[AsyncConnection], Awaitable[_Result]]) -> _Result:
        """What `work` returns for a connection to read with. Raises UnavailableError."""
        return await self._to_its_end(self._read(work))

    async def write(self, work: Callable[[AsyncConnection], Awaitable[_Result]]) -> _Result:
        """What `work` returns for a transaction, which is committed at its end and rolled back on an exception.

        Work is done again from its beginning when its transaction got into a deadlock. Raises UnavailableError; then it
        was committed or not.
        """
        return await self._to_its_end(self._write(work))

    async def drain(self) -> None:
        """Wait for the work that is going on."""
        while self._running:
            await asyncio.wait(self._running)

    async def _to_its_end(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def _read(self, work: Callable[[AsyncConnection], Awaitable[_Result]]) -> _Result:
        with translated_errors():
            async with self._engine.connect() as connection:
                return await work(connection)

    async def _write(self, work: Callable[[AsyncConnection], Awaitable[_Result]]) -> _Result:
        with translated_errors():
            for _ in range(_DEADLOCK_TRIES - 1):
                try:
                    return await self._transaction(work)
                except DBAPIError as error:
                    if getattr(error.orig, "sqlstate", None) != _DEADLOCK:
                        raise
                    _log.info("a transaction is repeated after a deadlock")
            return await self._transaction(work)

    async def _transaction(self, work: Callable[[AsyncConnection], Awaitable[_Result]]) -> _Result:
        async with begin_write(self._engine) as connection:
            return await work(connection)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        # Reading the exception keeps asyncio from complaining where nobody waits any more.
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, AxbridgeError):
            _log.error("work on the event database failed", error=type(error).__name__)
