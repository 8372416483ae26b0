"""The stores that keep the contract. A further one joins by a name in STORES and a branch in `open_stores`."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from common.clock import SystemClock
from common.sql import begin_write, open_engine
from event_service.migrate import migrate
from event_service.ports import CallReader, EventLog, Quarantine
from event_service.sql_calls import SqlCallReader
from event_service.sql_database import EventDatabase
from event_service.sql_engine import open_event_engine
from event_service.sql_log import SqlEventLog, create_partitions
from event_service.sql_quarantine import QuarantineBounds, SqlQuarantine
from event_service.webhooks.sql_schema import webhook_cursors
from tests.contract.event_log.memory_store import MemoryStore
from tests.support.postgres import PostgresServer

STORES = ("memory", "sqlite", "postgres")
PARTITIONS = 4


@dataclass(frozen=True, slots=True)
class Stores:
    """One store's adapters, over the same data."""

    log: EventLog
    calls: CallReader


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    server = PostgresServer(tmp_path_factory.mktemp("postgres"))
    server.start()
    yield server
    server.stop()


async def _database_url(name: str, request: pytest.FixtureRequest, directory: Path) -> str:
    if name == "sqlite":
        return f"sqlite+aiosqlite:///{directory / 'events.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return await server.create_database()


async def log_that_webhooks_have_read(engine: AsyncEngine) -> int:
    """A new log in an empty database of which webhooks have everything, also what is still to come; its partitions."""
    await migrate(engine)
    partitions = await create_partitions(engine, PARTITIONS)
    async with begin_write(engine) as connection:
        rows = [
            {"partition_id": n, "log_offset": 10_000, "change_offset": 10_000, "owner": "", "leased_until_us": 0}
            for n in range(partitions)
        ]
        await connection.execute(insert(webhook_cursors), rows)
    return partitions


@asynccontextmanager
async def open_stores(url: str) -> AsyncIterator[Stores]:
    """The adapters of a database, over connections of their own, as a further process would have them."""
    engine = open_event_engine(url, pool_timeout_seconds=10)
    try:
        await migrate(engine)
        count = await create_partitions(engine, PARTITIONS)
        yield Stores(SqlEventLog(engine, SystemClock(), count), SqlCallReader(EventDatabase(engine)))
    finally:
        await engine.dispose()


@pytest.fixture(params=STORES)
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stores]:
    if request.param == "memory":
        memory = MemoryStore(SystemClock(), PARTITIONS)
        yield Stores(memory, memory)
        return
    async with open_stores(await _database_url(request.param, request, tmp_path)) as opened:
        yield opened


@pytest.fixture(params=STORES[1:])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind, for tests that open it more than once."""
    return await _database_url(request.param, request, tmp_path)


@pytest.fixture(params=STORES[1:])
async def quarantine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Quarantine]:
    """A quarantine of at most 10 messages and 1000 bytes."""
    engine = open_engine(await _database_url(request.param, request, tmp_path))
    try:
        await migrate(engine)
        yield SqlQuarantine(EventDatabase(engine), QuarantineBounds(max_messages=10, max_bytes=1000))
    finally:
        await engine.dispose()
