"""SQL engines, alike for SQLite (embedded) and PostgreSQL (production)."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import event, exc, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry
from sqlalchemy.util import await_only

BUSY_TIMEOUT_SECONDS = 5
_RETRY_SECONDS = 0.02
# By event loop and SQLite file.
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Lock]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class PoolState:
    """The connections of an engine: in use, at most, and how often somebody waited for one in vain."""

    in_use: int
    limit: int
    exhausted: int


class _CountedPool(AsyncAdaptedQueuePool):
    # By which SQLAlchemy names its logger.
    __module__ = AsyncAdaptedQueuePool.__module__
    exhausted = 0

    def _do_get(self) -> ConnectionPoolEntry:
        try:
            return super()._do_get()
        except exc.TimeoutError:
            self.exhausted += 1
            raise


def pool_state(engine: AsyncEngine) -> PoolState:
    """How an engine of ours does for connections."""
    pool = engine.sync_engine.pool
    assert isinstance(pool, _CountedPool), "engines are opened here"
    return PoolState(pool.checkedout(), pool.size(), pool.exhausted)


def open_engine(
    database_url: str,
    *,
    pool_size: int = 8,
    pool_timeout_seconds: float = 1.0,
    statement_timeout_seconds: float = 5.0,
    read_only: bool = False,
    postgres_settings: Mapping[str, str] | None = None,
) -> AsyncEngine:
    """An engine for `sqlite+aiosqlite:///FILE` or `postgresql+asyncpg://…`. It connects when first used.

    SQLite is opened with WAL and synchronous=FULL: what was committed is on disk. Its write transactions must begin
    with `begin_write`, since a transaction that reads first and writes later can fail on another writer's commit.
    Waiting for a connection is bounded by `pool_timeout_seconds`, and on PostgreSQL each statement by
    `statement_timeout_seconds`.

    `read_only` is for single statements that only read: no transaction is begun and ended around them, which saves a
    third of their time. Each statement sees what was committed when it began.

    `postgres_settings` are set on PostgreSQL for every session (`lock_timeout`). Only a primary is connected to: what a
    standby answers may be from before an acknowledged write.
    """
    url = make_url(database_url)
    options: dict[str, Any] = {
        "poolclass": _CountedPool,
        "pool_size": pool_size,
        "max_overflow": 0,
        "pool_timeout": pool_timeout_seconds,
        # Errors and logs would otherwise quote what was to be stored: people's numbers.
        "hide_parameters": True,
    }
    if read_only:
        options |= {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}
    if url.get_backend_name() == "sqlite":
        engine = create_async_engine(url, connect_args={"timeout": BUSY_TIMEOUT_SECONDS}, **options)
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        if read_only:
            event.listen(engine.sync_engine, "connect", _forbid_writing)
        else:
            event.listen(engine.sync_engine, "begin", _begin_sqlite)
        return engine
    return create_async_engine(
        url,
        pool_pre_ping=False,
        connect_args={
            "timeout": pool_timeout_seconds,
            "command_timeout": statement_timeout_seconds,
            "target_session_attrs": "primary",
            "server_settings": dict(postgres_settings or {}),
        },
        **options,
    )


@asynccontextmanager
async def begin_write(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection in a transaction that writes: committed at the end, rolled back on an exception.

    On SQLite it takes the write lock when it begins, so that it can't fail half-way on another writer's commit. Writers
    of one process get their turn in the order in which they came, whatever engine they use; the file's own lock goes to
    whoever happens to ask next, and busy writers starve the others at it.
    """
    async with _turn_to_write(engine), engine.connect() as connection:
        await connection.execution_options(axbridge_writing=True)
        async with connection.begin():
            yield connection


async def wait_for_turn_to_migrate(connection: AsyncConnection, lock: int) -> None:
    """Wait for whoever migrates the same tables, until the end of the transaction; `lock` is a number of their own.

    On SQLite who writes is alone. The session's `lock_timeout` is for tables in use, and holds again afterwards:
    another one's migration may take as long as it takes.
    """
    if connection.dialect.name != "postgresql":
        return
    patience = await connection.scalar(select(func.current_setting("lock_timeout")))
    await connection.execute(select(func.set_config("lock_timeout", "0", True)))
    await connection.execute(select(func.pg_advisory_xact_lock(lock)))
    await connection.execute(select(func.set_config("lock_timeout", patience, True)))


def _turn_to_write(engine: AsyncEngine) -> AbstractAsyncContextManager[object]:
    if engine.dialect.name != "sqlite" or not engine.url.database:
        return nullcontext()
    locks = _turns.setdefault(asyncio.get_running_loop(), {})
    return locks.setdefault(engine.url.database, asyncio.Lock())


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own implicit BEGIN would come too late and in the wrong mode; _begin_sqlite does it.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_SECONDS * 1000}")
    _switch_to_wal(cursor)
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _switch_to_wal(cursor: Any) -> None:
    # The file remembers it, so only a new file is ever switched. While two processes make it together, SQLite answers
    # one of them "locked" at once, without the usual patience.
    give_up_at = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > give_up_at:
                raise
            await_only(asyncio.sleep(_RETRY_SECONDS))
        else:
            return


def _forbid_writing(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA query_only=ON")
    cursor.close()


def _begin_sqlite(connection: Any) -> None:
    writing = connection.get_execution_options().get("axbridge_writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
