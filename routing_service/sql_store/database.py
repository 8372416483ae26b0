"""The database of a routing service: its connections, its time limits, and its errors in our terms."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from sqlalchemy import exc
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from common.errors import AbortedError, UnavailableError
from common.logs import get_logger
from common.sql import begin_write, open_engine

_log = get_logger(__name__)


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
    """

    def __init__(self, url: str, limits: DatabaseLimits | None = None) -> None:
        limits = limits if limits is not None else DatabaseLimits()
        self._limits = limits
        is_sqlite = make_url(url).get_backend_name() == "sqlite"
        self._readers = open_engine(
            url,
            pool_size=limits.read_connections,
            pool_timeout_seconds=limits.read_timeout_seconds,
            statement_timeout_seconds=limits.read_timeout_seconds,
        )
        self._writers = open_engine(
            url,
            pool_size=1 if is_sqlite else limits.write_connections,
            pool_timeout_seconds=limits.write_timeout_seconds,
            statement_timeout_seconds=limits.write_timeout_seconds,
        )
        self.is_sqlite = is_sqlite

    @property
    def writers(self) -> AsyncEngine:
        """The engine that writes, for migrations."""
        return self._writers

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection to read with. Raises UnavailableError when there is none or it does not answer in time."""
        with _our_errors():
            async with asyncio.timeout(self._limits.read_timeout_seconds), self._readers.connect() as connection:
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that is committed at the end and rolled back on an exception.

        Raises UnavailableError, then it was committed or not; AbortedError when another writer came in between.
        """
        with _our_errors():
            async with asyncio.timeout(self._limits.write_timeout_seconds), begin_write(self._writers) as connection:
                yield connection

    async def close(self) -> None:
        """Close all connections."""
        await self._readers.dispose()
        await self._writers.dispose()


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
        raise UnavailableError("the store can't be reached or did not answer in time") from error
