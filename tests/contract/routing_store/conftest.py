"""Every adapter of the routing ports, for the contract suite: add one here, and it has to keep the contract."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from routing_service.migrate import migrate
from routing_service.ports import BindingHistory, BindingStore, CandidateSource, TenantStore
from routing_service.sql_store.binding_store import SqlBindingStore
from routing_service.sql_store.candidates import SqlCandidateSource
from routing_service.sql_store.database import Database, DatabaseLimits
from routing_service.sql_store.tenant_store import SqlTenantStore
from tests.support.postgres import PostgresServer
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


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    server = PostgresServer(tmp_path_factory.mktemp("postgres"), {"fsync": "off"})
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'routing.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return await server.create_database()


@pytest.fixture
async def empty_stores(database_url: str) -> AsyncIterator[Stores]:
    database = Database(database_url, PATIENT)
    await migrate(database.writers)
    source = SqlCandidateSource(database)
    yield Stores(SqlTenantStore(database), SqlBindingStore(database), source, source, database)
    await database.close()


@pytest.fixture
async def stores(empty_stores: Stores) -> Stores:
    """Stores with two tenants."""
    await empty_stores.tenants.create(tenant(TENANT))
    await empty_stores.tenants.create(tenant(OTHER_TENANT))
    return empty_stores
