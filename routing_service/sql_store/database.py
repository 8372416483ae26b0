"""The database of a routing service: its connections, its time limits, and its errors in our terms."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import exc, select
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from common.at_rest.cipher import using
from common.at_rest.key_ring import KeyRing
from common.errors import AbortedError, AxbridgeError, UnavailableError
from common.logs import get_logger
from common.sql import PoolState, begin_write, open_engine, pool_state

_log = get_logger(__name__)
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class DatabaseLimits:
    """How many connections a service keeps, and how long it waits for them and for their answers."""

    read_connections: int = 8
    write_connections: int = 8
    read_timeout_seconds: float = 0.5
    write_timeout_seconds: float = 5.0


class Database:
    """A SQLite file or a PostgreSQL database.

    Reading and writing have connections of their own, so that waiting writers take none from the calls. SQLite has one
    writer: its writers queue here, in the order in which they came, and not at the file's lock, which is not fair.

    Work runs in a task of its own, to its end even when nobody waits for it any more: a statement that is cancelled
    half-way leaves its SQLite connection behind with the write lock in its hand. What an abandoned piece of work can
    take is bounded by the limits of the connections and statements in it.
    """

    def __init__(self, url: str, limits: DatabaseLimits | None = None) -> None:
        limits = limits if limits is not None else DatabaseLimits()
        self._limits = limits
        self.is_sqlite = make_url(url).get_backend_name() == "sqlite"
        self._readers = open_engine(
            url,
            pool_size=limits.read_connections,
            pool_timeout_seconds=limits.read_timeout_seconds,
            statement_timeout_seconds=limits.read_timeout_seconds,
            read_only=True,
            postgres_settings=_session_settings(limits.read_timeout_seconds),
        )
        self._writers = open_engine(
            url,
            pool_size=1 if self.is_sqlite else limits.write_connections,
            pool_timeout_seconds=limits.write_timeout_seconds,
            statement_timeout_seconds=limits.write_timeout_seconds,
            postgres_settings=_session_settings(limits.write_timeout_seconds),
        )
        self._running: set[asyncio.Task[Any]] = set()
        # None: numbers are kept as they are.
        self.keys: KeyRing | None = None

    @property
    def system(self) -> str:
        """Which database it is, as OpenTelemetry calls it."""
        return "sqlite" if self.is_sqlite else "postgresql"

    def readers_state(self) -> PoolState:
        """The connections that read."""
        return pool_state(self._readers)

    def writers_state(self) -> PoolState:
        """The connections that write."""
        return pool_state(self._writers)

    @property
    def writers(self) -> AsyncEngine:
        """The engine that writes, for migrations."""
        return self._writers

    async def read(self, work: Callable[[AsyncConnection], Awaitable[_Result]]) -> _Result:
        """What `work` returns for a connection to read with; each statement sees what was committed when it began.

        Raises UnavailableError when there is none or it does not answer in time.
        """
        timeout = self._limits.read_timeout_seconds
        return await self.with_keys(lambda: self._run(_with(self._readers.connect, work), timeout))

    async def write(
        self, work: Callable[[AsyncConnection], Awaitable[_Result]], timeout_seconds: float | None = None
    ) -> _Result:
        """What `work` returns for a transaction, which is committed at its end and rolled back on an exception.

        It is begun anew where keys were missing. Raises UnavailableError, then it was committed or not; AbortedError
        when another writer came in between.
        """
        timeout = self._limits.write_timeout_seconds if timeout_seconds is None else timeout_seconds
        return await self.with_keys(lambda: self._run(_with(lambda: begin_write(self._writers), work), timeout))

    async def with_keys(self, attempt: Callable[[], Awaitable[_Result]]) -> _Result:
        """What `attempt` returns, in which rows are opened and sealed. Where keys are missing they are loaded, and it
        is begun anew. Raises UnavailableError."""
        if self.keys is None:
            return await attempt()
        with using(self.keys):
            return await self.keys.with_keys(attempt)

    async def ensure_keys(self, tenant_ids: Collection[str]) -> None:
        """Give these tenants keys where they have none. Raises FailedPreconditionError, UnavailableError."""
        if self.keys is not None:
            await self.keys.ensure(tenant_ids, create=True)

    async def check(self) -> str:
        """Why the database can't be read at the moment, in one phrase; empty when it can."""
        try:
            await self.read(_select_one)
        except AxbridgeError as error:
            return error.message
        return ""

    async def close(self) -> None:
        """Wait for the work that is going on, then close all connections."""
        if self._running:
            await asyncio.wait(self._running, timeout=self._limits.write_timeout_seconds)
        await self._readers.dispose()
        await self._writers.dispose()

    async def _run(self, work: Coroutine[Any, Any, _Result], timeout_seconds: float) -> _Result:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        # Unlike wait_for, this leaves the task alone when the time is up or the waiting is cancelled.
        done, _ = await asyncio.wait({task}, timeout=timeout_seconds)
        if not done:
            raise UnavailableError("the store did not answer in time")
        return task.result()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        # Reading the exception keeps asyncio from complaining about the tasks that nobody waits for any more.
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, AxbridgeError):
            _log.error("database work failed", detail=type(error).__name__)


def _session_settings(timeout_seconds: float) -> Mapping[str, str]:
    """PostgreSQL's own limits: they free what a process holds there that was frozen, or given up by its caller.

    And the way to rows, which is always through an index: a plan that was made while the tables were small would go on
    reading all of them while an import fills them, until the database has looked at them again by itself.
    """
    milliseconds = str(max(1, int(timeout_seconds * 1000)))
    return {
        "application_name": "axbridge-routing",
        "statement_timeout": milliseconds,
        "lock_timeout": milliseconds,
        "idle_in_transaction_session_timeout": milliseconds,
        # What nothing else can answer is still read as a whole, and compiling such a plan would take longer.
        "jit": "off",
        **{f"enable_{each}": "off" for each in ("seqscan", "bitmapscan", "hashjoin", "mergejoin", "material")},
    }


async def _select_one(connection: AsyncConnection) -> None:
    await connection.execute(select(1))


async def _with(
    connect: Callable[[], AbstractAsyncContextManager[AsyncConnection]],
    work: Callable[[AsyncConnection], Awaitable[_Result]],
) -> _Result:
    with _our_errors():
        async with connect() as connection:
            return await work(connection)


@contextmanager
def _our_errors() -> Iterator[None]:
    try:
        yield
    except exc.IntegrityError as error:
        # The locks that writers take make this rare; the keys of the tables are there for when they don't.
        raise AbortedError("somebody else changed this at the same time", reason="CONCURRENT_CHANGE") from error
    except exc.ProgrammingError:
        # A statement that the database does not understand is our bug, or a missing migration: not for trying again.
        raise
    except (exc.DBAPIError, exc.TimeoutError, OSError, TimeoutError) as error:
        _log.warning("database unavailable", error=type(error).__name__, detail=str(getattr(error, "orig", "")))
        raise UnavailableError("the store can't be reached") from error
