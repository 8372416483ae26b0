"""Every adapter of the routing ports, for the contract suite: whoever stands in STORES has to keep the contract.

A further store joins by a name in STORES and a branch in `empty_stores` that yields its adapters as `Stores`. One on
SQL stands in SQL_STORES and is opened by its URL. What speaks through the ports takes `stores` and runs on all of them;
what looks into a database takes `sql_stores`, and runs on those that have one.
"""

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from common.at_rest.master_keys import new_master_key
from common.clock import Clock, SystemClock
from routing_service import wiring
from routing_service.settings import RoutingServiceSettings
from routing_service.sql_store.binding_store import SqlBindingStore
from routing_service.sql_store.call_memory import SqlCallMemoryStore
from routing_service.sql_store.database import Database, DatabaseLimits
from routing_service.sql_store.importer import SqlBindingImporter
from routing_service.sql_store.journal_reader import SqlAuditLog, SqlChangeFeed
from routing_service.sql_store.number_list_store import SqlNumberListStore
from routing_service.sql_store.pool_store import SqlNumberPoolStore
from routing_service.sql_store.tenant_store import SqlTenantStore
from routing_service.sql_store.transaction import Writer
from routing_service.sql_store.unmask_audit import SqlUnmaskAudit
from routing_service.wiring import opened_stores
from tests.support.postgres import PostgresServer
from tests.support.redis import RedisServer
from tests.support.routing_memory.stores import Stores, memory_stores
from tests.support.routing_memory.tables import MemoryDatabase
from tests.unit.routing_service.builders import OTHER_TENANT, TENANT, tenant

STORES = ("memory", "sqlite", "sqlite+encrypted", "postgresql", "postgresql+redis")
SQL_STORES = STORES[1:]

# The tests are about what is stored, not about how fast: a busy machine must not make them fail.
PATIENT = DatabaseLimits(read_timeout_seconds=20.0, write_timeout_seconds=20.0)


@dataclass(frozen=True, slots=True)
class SqlStores(Stores):
    """Those of a store on SQL, with its database to break into."""

    database: Database
    writer: Writer


def sql_stores_of(opened: wiring.Stores, clock: Clock) -> SqlStores:
    """The adapters on an open database."""
    database, writer = opened.database, opened.writer
    return SqlStores(
        tenants=SqlTenantStore(database, writer, clock),
        bindings=SqlBindingStore(database, writer, clock),
        source=opened.source,
        history=opened.history,
        lists=SqlNumberListStore(database, writer, clock),
        pools=SqlNumberPoolStore(database, clock, writer),
        importer=SqlBindingImporter(database, clock, writer),
        memory=SqlCallMemoryStore(database),
        changes=SqlChangeFeed(database),
        audit=SqlAuditLog(database),
        unmask_audit=SqlUnmaskAudit(database, clock),
        with_clock=lambda other: sql_stores_of(opened, other),
        database=database,
        writer=writer,
    )


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    server = PostgresServer(tmp_path_factory.mktemp("postgres"), {"fsync": "off"})
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


async def _database_url(name: str, request: pytest.FixtureRequest, directory: Path) -> str:
    if name.startswith("sqlite"):
        return f"sqlite+aiosqlite:///{directory / 'routing.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return await server.create_database()


@asynccontextmanager
async def _opened(
    name: str, request: pytest.FixtureRequest, database_url: str, directory: Path
) -> AsyncIterator[SqlStores]:
    master_key_file = None
    if "+encrypted" in name:
        master_key_file = directory / "master.key"
        master_key_file.write_text(new_master_key())
    server: RedisServer | None = request.getfixturevalue("redis") if "+redis" in name else None
    settings = RoutingServiceSettings(
        database_url=database_url,
        migrate_at_start="yes",
        master_key_file=master_key_file,
        read_timeout_seconds=PATIENT.read_timeout_seconds,
        write_timeout_seconds=PATIENT.write_timeout_seconds,
        redis_url="" if server is None else server.url,
        redis_key_prefix=uuid.uuid4().hex,
        cache_timeout_seconds=1.0,
        cache_write_timeout_seconds=1.0,
        cache_audits_per_second=1000.0,
    )
    clock = SystemClock()
    async with opened_stores(settings, clock) as opened:
        yield sql_stores_of(opened, clock)
        # Whatever a test did, nothing that it was answered was older than what it had been told.
        assert opened.stats.mismatches == 0


async def _with_two_tenants(stores: Stores) -> None:
    await stores.tenants.create(tenant(TENANT))
    await stores.tenants.create(tenant(OTHER_TENANT))


@pytest.fixture(params=STORES)
async def empty_stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stores]:
    name: str = request.param
    if name == "memory":
        yield memory_stores(MemoryDatabase(), SystemClock())
        return
    async with _opened(name, request, await _database_url(name, request, tmp_path), tmp_path) as opened:
        yield opened


@pytest.fixture
async def stores(empty_stores: Stores) -> Stores:
    """Stores with two tenants, each kind there is: for what speaks through the ports."""
    await _with_two_tenants(empty_stores)
    return empty_stores


@pytest.fixture(params=SQL_STORES)
def backend(request: pytest.FixtureRequest) -> str:
    """The kind of a database."""
    name: str = request.param
    return name


@pytest.fixture
async def database_url(request: pytest.FixtureRequest, backend: str, tmp_path: Path) -> str:
    """An empty database of this kind."""
    return await _database_url(backend, request, tmp_path)


@pytest.fixture
async def empty_sql_stores(
    request: pytest.FixtureRequest, backend: str, database_url: str, tmp_path: Path
) -> AsyncIterator[SqlStores]:
    async with _opened(backend, request, database_url, tmp_path) as opened:
        yield opened


@pytest.fixture
async def sql_stores(empty_sql_stores: SqlStores) -> SqlStores:
    """Stores on SQL with two tenants: for what looks into their database."""
    await _with_two_tenants(empty_sql_stores)
    return empty_sql_stores
