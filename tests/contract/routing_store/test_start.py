"""What a service does with the database that it finds when it starts."""

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from common.clock import SystemClock
from common.errors import FailedPreconditionError
from common.migrations import Migrations
from routing_service.migrate import MIGRATIONS, check_schema, migrate, migrate_database
from routing_service.settings import RoutingServiceSettings
from routing_service.sql_store.database import Database
from routing_service.wiring import opened_stores
from tests.contract.routing_store.conftest import PATIENT
from tests.support.postgres import PostgresServer

VERSION = sa.table(MIGRATIONS.version_table, sa.column("version_num"))


async def set_version(database: Database, version: str) -> None:
    async with database.writers.begin() as connection:
        await connection.execute(sa.update(VERSION).values(version_num=version))


async def test_a_schema_that_is_missing_or_old_is_refused_with_what_to_do(database_url: str) -> None:
    database = Database(database_url)
    with pytest.raises(FailedPreconditionError, match=r"schema none.*axbridge migrate"):
        await check_schema(database.writers)
    await migrate(database.writers)
    await check_schema(database.writers)
    await set_version(database, "0001")
    with pytest.raises(FailedPreconditionError, match=r"schema 0001.*axbridge migrate"):
        await check_schema(database.writers)
    await database.close()


async def test_a_later_schema_is_worked_with_so_that_versions_can_run_side_by_side(database_url: str) -> None:
    database = Database(database_url)
    await migrate(database.writers)
    await set_version(database, "9999")
    await check_schema(database.writers)
    await database.close()


async def test_postgresql_is_migrated_by_its_owner_and_not_by_whoever_starts_first(postgres: PostgresServer) -> None:
    settings = RoutingServiceSettings(database_url=await postgres.create_database())
    with pytest.raises(FailedPreconditionError, match="axbridge migrate"):
        async with opened_stores(settings, SystemClock()):
            pass


async def test_a_sqlite_file_is_made_and_migrated_where_it_is_missing(tmp_path: Path) -> None:
    settings = RoutingServiceSettings(data_dir=tmp_path / "data")
    async with opened_stores(settings, SystemClock()) as stores:
        assert await stores.tenants.get("100001") is None
    assert (tmp_path / "data" / "routing.db").exists()


async def test_sessions_end_by_themselves_what_a_frozen_process_leaves_open(postgres: PostgresServer) -> None:
    database = Database(await postgres.create_database())
    settings = {}
    async with database.writers.connect() as connection:
        for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            settings[name] = await connection.scalar(sa.text(f"SHOW {name}"))
    await database.close()

    assert settings == dict.fromkeys(settings, "5s")


@pytest.mark.parametrize("backend", ["postgresql"])
async def test_a_migration_is_waited_for_longer_than_a_table_that_is_in_use(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("routing_service.migrate._LOCK_TIMEOUT", "100ms")
    database = Database(database_url, PATIENT)

    async def while_it_waits(connection: AsyncConnection) -> None:
        # Another one migrates.
        await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(0x6178_6272_0001)))
        waiting = asyncio.create_task(migrate_database(database_url))
        # Three times as long as it would wait for a table.
        await connection.execute(sa.select(sa.func.pg_sleep(0.3)))
        assert not waiting.done()
        tasks.append(waiting)

    tasks: list[asyncio.Task[None]] = []
    await database.write(while_it_waits)
    await tasks[0]
    await check_schema(database.writers)

    table = sa.text("LOCK TABLE bindings IN ACCESS EXCLUSIVE MODE")
    monkeypatch.setattr(Migrations, "_upgrade", lambda _self, connection, _: connection.execute(table))
    async with database.writers.begin() as connection:
        await connection.execute(table)
        with pytest.raises(sa.exc.DBAPIError, match="lock timeout"):
            await migrate_database(database_url)
    await database.close()


async def test_a_migration_that_fails_leaves_those_before_it_applied(database_url: str) -> None:
    database = Database(database_url, PATIENT)
    await migrate(database.writers, "0004")
    in_the_way = "data_keys"
    async with database.writers.begin() as connection:
        await connection.execute(sa.text(f"CREATE TABLE {in_the_way} (it_is INTEGER)"))
    with pytest.raises(sa.exc.DBAPIError, match=in_the_way):
        await migrate(database.writers)
    async with database.writers.begin() as connection:
        assert (await connection.execute(sa.select(VERSION))).scalars().all() == ["0005"]
        assert (await connection.execute(sa.text("SELECT * FROM number_list_history"))).all() == []
        await connection.execute(sa.text(f"DROP TABLE {in_the_way}"))
    await migrate(database.writers)
    await check_schema(database.writers)
    await database.close()


@pytest.mark.parametrize("backend", ["postgresql"])
async def test_each_migration_of_a_database_in_use_has_a_transaction_of_its_own(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(database_url, PATIENT)
    await migrate(database.writers, "0003")
    transactions: list[int] = []

    def noted(migrations: Migrations, connection: sa.Connection, revision: str) -> None:
        transactions.append(connection.execute(sa.text("SELECT txid_current()")).scalar_one())
        upgrade(migrations, connection, revision)

    upgrade = Migrations._upgrade
    monkeypatch.setattr(Migrations, "_upgrade", noted)
    await migrate(database.writers, "0006")
    assert len(set(transactions)) == 3
    await database.close()
