"""What holds for the SQL adapters beyond the ports: the schema, broken rows, a lost database."""

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.ext.asyncio import AsyncConnection

from common.at_rest.cipher import PLAIN
from common.errors import UnavailableError, UnexpectedError
from routing_service import sql_schema
from routing_service.domain.decision import RouteKey
from routing_service.migrate import migrate, migrate_database
from routing_service.ports import BindingFilter
from routing_service.sql_store.binding_store import page_statement
from routing_service.sql_store.candidates import candidates_statement
from routing_service.sql_store.database import Database, DatabaseLimits
from routing_service.sql_store.tenant_store import SqlTenantStore, locked_tenant
from tests.contract.routing_store.conftest import PATIENT, SqlStores
from tests.contract.routing_store.test_bindings import create
from tests.support.postgres import PostgresServer
from tests.support.processes import free_port
from tests.unit.routing_service.builders import OTHER_TENANT, TENANT, A, B, C, D, X, ax, axb, stored, tenant


async def test_the_migrations_make_the_schema(empty_sql_stores: SqlStores) -> None:
    def differences(connection: sa.Connection) -> object:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "version_table": "routing_schema_version"}
        )
        return compare_metadata(context, sql_schema.metadata)

    async with empty_sql_stores.database.writers.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_migrating_again_keeps_everything(sql_stores: SqlStores) -> None:
    await create(sql_stores, axb())
    await migrate(sql_stores.database.writers)

    assert await sql_stores.bindings.get(TENANT, "b1") == stored(axb())


async def test_a_database_is_migrated_by_its_url(database_url: str) -> None:
    await migrate_database(database_url)
    database = Database(database_url)
    assert await SqlTenantStore(database).list_page("", 10) == []
    await database.close()


async def test_processes_that_start_together_migrate_once(database_url: str) -> None:
    databases = [Database(database_url) for _ in range(3)]
    await asyncio.gather(*(migrate(each.writers) for each in databases))
    for each in databases:
        assert await SqlTenantStore(each).get(TENANT) is None
        await each.close()


async def test_the_database_itself_refuses_a_second_claim(sql_stores: SqlStores) -> None:
    await create(sql_stores, axb(A, B), "b1")
    await create(sql_stores, axb(C, D), "b2")
    cipher = PLAIN if sql_stores.database.keys is None else sql_stores.database.keys
    claim = {"tenant_id": TENANT, "access_number": X, "number": cipher.number_key(TENANT, A), "binding_id": "b2"}
    with pytest.raises(sa.exc.IntegrityError):
        async with sql_stores.database.writers.begin() as connection:
            await connection.execute(sa.insert(sql_schema.binding_claims).values(claim))


async def test_an_unreadable_row_fails_its_own_queries_only(sql_stores: SqlStores) -> None:
    await create(sql_stores, axb(A, B), "b1")
    await create(sql_stores, axb(C, D), "b2")
    async with sql_stores.database.writers.begin() as connection:
        await connection.execute(
            sa.update(sql_schema.bindings).where(sql_schema.bindings.c.binding_id == "b2").values(kind="AXQ")
        )
        await connection.execute(
            sa.update(sql_schema.tenants).where(sql_schema.tenants.c.tenant_id == OTHER_TENANT).values(settings="[]")
        )
    found = await sql_stores.source.candidates([RouteKey(TENANT, X, A), RouteKey(TENANT, X, C)])
    owners = await sql_stores.source.tenants([TENANT, OTHER_TENANT])

    assert isinstance(found[RouteKey(TENANT, X, C)], UnexpectedError)
    assert not isinstance(found[RouteKey(TENANT, X, A)], UnexpectedError)
    assert owners[TENANT] == tenant(TENANT)
    assert isinstance(owners[OTHER_TENANT], UnexpectedError)


async def test_a_number_is_looked_up_by_index_and_not_by_reading_everything(sql_stores: SqlStores) -> None:
    for place, number in enumerate((A, B, C)):
        await create(sql_stores, axb(number, f"+86139100000{place:02}"), f"b{place}")
    statement = page_statement(BindingFilter(TENANT, number=A), None, 10)
    async with sql_stores.database.writers.connect() as connection:
        if connection.dialect.name == "postgresql":
            # With three rows it would rightly read them all.
            await connection.execute(sa.text("SET enable_seqscan = off"))
        compiled = statement.compile(connection.sync_engine, compile_kwargs={"literal_binds": True})
        prefix = "EXPLAIN " if connection.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN "
        plan = "\n".join(str(row) for row in await connection.execute(sa.text(prefix + str(compiled))))

    for column in ("a_number", "b_number", "callback_number"):
        assert f"ix_bindings_tenant_id_{column}" in plan
    assert "ix_bindings_tenant_id_created_at_us" not in plan


async def test_readers_do_not_wait_for_a_writer(sql_stores: SqlStores) -> None:
    await create(sql_stores, ax(A), "b1")
    async with sql_stores.database.writers.begin() as connection:
        await connection.execute(
            sa.update(sql_schema.bindings).where(sql_schema.bindings.c.binding_id == "b1").values(a_number=B)
        )
        async with asyncio.timeout(5):
            found = await sql_stores.bindings.get(TENANT, "b1")

    assert found == stored(ax(A), "b1"), "what is not committed is not seen"


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
async def test_a_database_that_can_not_be_reached(backend: str, tmp_path: Path) -> None:
    url = (
        f"sqlite+aiosqlite:///{tmp_path / 'missing' / 'routing.db'}"
        if backend == "sqlite"
        else f"postgresql+asyncpg://nobody@127.0.0.1:{free_port()}/none"
    )
    database = Database(url, DatabaseLimits())
    stores = SqlTenantStore(database)
    try:
        with pytest.raises(UnavailableError):
            await stores.get(TENANT)
        with pytest.raises(UnavailableError):
            await stores.create(tenant(TENANT))
    finally:
        await database.close()


async def test_a_database_that_does_not_answer_in_time(sql_stores: SqlStores, database_url: str) -> None:
    impatient = Database(database_url, DatabaseLimits(read_timeout_seconds=0.05, write_timeout_seconds=0.05))
    never = asyncio.Event()

    async def hang(_: object) -> None:
        await never.wait()

    with pytest.raises(UnavailableError):
        await impatient.read(hang)
    never.set()
    await impatient.close()


async def test_queries_are_answered_through_indexes_from_the_first_row_on(postgres: PostgresServer) -> None:
    """A plan for small tables stays in use while an import fills them."""
    database = Database(await postgres.create_database(), PATIENT)
    await migrate(database.writers)
    wanted = candidates_statement(is_sqlite=False).params(keys='[["1", "+862566000001", "+8613800001111"]]')
    query = wanted.compile(database.writers.sync_engine, compile_kwargs={"literal_binds": True})

    async def explained(connection: AsyncConnection) -> str:
        return "\n".join((await connection.exec_driver_sql(f"EXPLAIN {query}")).scalars())

    for plan in (await database.read(explained), await database.write(explained)):
        assert "Seq Scan" not in plan and "Hash" not in plan and "Bitmap" not in plan, plan
        assert "pk_binding_claims" in plan and "pk_access_numbers" in plan, plan
    await database.close()


@pytest.mark.parametrize("backend", ["postgresql"])
async def test_who_wants_a_tenant_for_a_change_is_not_overtaken_by_those_who_share_it(sql_stores: SqlStores) -> None:
    """Where bindings are written all the time, one who shares the tenant is always there."""
    may_end = asyncio.Event()
    got_it: list[str] = []

    async def hold(name: str, *, for_change: bool, until: asyncio.Event | None = None) -> None:
        async def work(connection: AsyncConnection) -> None:
            await locked_tenant(connection, TENANT, for_change=for_change)
            got_it.append(name)
            if until is not None:
                await until.wait()

        await sql_stores.database.write(work)

    async def waiting(count: int) -> None:
        lock_waits = sa.text(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        async with asyncio.timeout(10):
            while await sql_stores.database.read(lambda connection: connection.scalar(lock_waits)) != count:
                await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(hold("the first sharer", for_change=False, until=may_end))
        while not got_it:
            await asyncio.sleep(0)
        tasks.create_task(hold("the change", for_change=True))
        await waiting(1)
        tasks.create_task(hold("a later sharer", for_change=False))
        await waiting(2)
        may_end.set()

    assert got_it == ["the first sharer", "the change", "a later sharer"]
