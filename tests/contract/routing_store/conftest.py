"""Every adapter of the routing ports, for the contract suite: add one here, and it has to keep the contract."""

import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from common.at_rest.master_keys import new_master_key
from common.clock import SystemClock
from routing_service.ports import (
    BindingHistory,
    BindingStore,
    CallMemoryStore,
    CandidateSource,
    NumberListStore,
    TenantStore,
)
from routing_service.settings import RoutingServiceSettings
from routing_service.sql_store.call_memory import SqlCallMemoryStore
from routing_service.sql_store.database import Database, DatabaseLimits
from routing_service.sql_store.number_list_store import SqlNumberListStore
from routing_service.sql_store.transaction import Writer
from routing_service.wiring import opened_stores
from tests.support.postgres import PostgresServer
from tests.support.redis import RedisServer
from tests.unit.routing_service.builders import OTHER_TENANT, TENANT, tenant

# The tests are about what is stored, not about how fast: a busy machine must not make them fail.
PATIENT = DatabaseLimits(read_timeout_seconds=20.0, write_timeout_seconds=20.0)


@dataclass(frozen=True, slots=True)
class Stores:
    """One adapter's ports, on an empty store. `database` is there for adapters on SQL, to break into."""

    tenants: TenantStore
    bindings: BindingStore
    source: CandidateSource
    history: BindingHistory
    database: Database
    lists: NumberListStore
    memory: CallMemoryStore
    writer: Writer


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


@pytest.fixture(params=["sqlite", "sqlite+encrypted", "postgresql", "postgresql+redis"])
def backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
async def database_url(request: pytest.FixtureRequest, backend: str, tmp_path: Path) -> str:
    if backend.startswith("sqlite"):
        return f"sqlite+aiosqlite:///{tmp_path / 'routing.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return await server.create_database()


@pytest.fixture
async def empty_stores(
    request: pytest.FixtureRequest, backend: str, database_url: str, tmp_path: Path
) -> AsyncIterator[Stores]:
    master_key_file = None
    if "+encrypted" in backend:
        master_key_file = tmp_path / "master.key"
        master_key_file.write_text(new_master_key())
    server: RedisServer | None = request.getfixturevalue("redis") if "+redis" in backend else None
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
    async with opened_stores(settings, SystemClock()) as stores:
        yield Stores(
            stores.tenants,
            stores.bindings,
            stores.source,
            stores.history,
            stores.database,
            SqlNumberListStore(stores.database, stores.writer),
            SqlCallMemoryStore(stores.database),
            stores.writer,
        )
        # Whatever a test did, nothing that it was answered was older than what it had been told.
        assert stores.stats.mismatches == 0


@pytest.fixture
async def stores(empty_stores: Stores) -> Stores:
    """Stores with two tenants."""
    await empty_stores.tenants.create(tenant(TENANT))
    await empty_stores.tenants.create(tenant(OTHER_TENANT))
    return empty_stores
