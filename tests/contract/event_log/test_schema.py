"""The migrations make the tables that the code speaks of, and a database that may lose commits is not accepted."""

import re
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError

from common.errors import FailedPreconditionError, UnavailableError
from common.sql import open_engine
from event_service.durability import check_durability
from event_service.migrate import MIGRATIONS, check_schema, migrate
from event_service.sql_log import create_partitions
from event_service.sql_schema import metadata
from tests.support.postgres import PostgresServer


def is_no_day(_thing: object, name: str | None, kind: str, *_rest: object) -> bool:
    """Days of the log are tables as well, whose number depends on the date."""
    return kind != "table" or re.fullmatch(r"(events|decisions)_(default|\d{8})", name or "") is None


def differences(connection: Connection) -> list[object]:
    options = {"compare_type": True, "version_table": MIGRATIONS.version_table, "include_object": is_no_day}
    context = MigrationContext.configure(connection, opts=options)
    return list(compare_metadata(context, metadata))


async def test_the_migrations_make_the_tables_of_the_code(database_url: str) -> None:
    # Importing this adds the webhooks' tables to the metadata, as running the migrations does.
    import event_service.webhooks.sql_schema  # noqa: F401

    engine = open_engine(database_url)
    try:
        await migrate(engine)
        async with engine.connect() as connection:
            assert await connection.run_sync(differences) == []
        await migrate(engine)
        await check_schema(engine)
        await check_durability(engine)
    finally:
        await engine.dispose()


async def test_a_database_without_the_schema_is_not_used(database_url: str) -> None:
    engine = open_engine(database_url)
    try:
        with pytest.raises(FailedPreconditionError) as refused:
            await check_schema(engine)
        assert refused.value.reason == "SCHEMA_NOT_CURRENT"
    finally:
        await engine.dispose()


async def test_a_log_keeps_the_number_of_partitions_that_it_was_created_with(database_url: str) -> None:
    engine = open_engine(database_url)
    try:
        await migrate(engine)
        assert await create_partitions(engine, 3) == 3
        assert await create_partitions(engine, 8) == 3
    finally:
        await engine.dispose()


@pytest.mark.parametrize("name", ["fsync", "synchronous_commit"])
async def test_a_postgresql_that_may_lose_commits_is_refused(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if name == "synchronous_commit":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = await server.create_database()
        engine = open_engine(url)
        try:
            async with engine.connect() as connection:
                database = (await connection.execute(text("SELECT current_database()"))).scalar_one()
                await connection.execute(text(f'ALTER DATABASE "{database}" SET synchronous_commit = off'))
                await connection.commit()
        finally:
            await engine.dispose()
        await expect_refusal(url, name)
        return
    server = PostgresServer(tmp_path, {name: "off"})
    try:
        server.start()
        await expect_refusal(server.url(), name)
    finally:
        server.stop()


async def expect_refusal(url: str, name: str) -> None:
    engine = open_engine(url)
    try:
        with pytest.raises(FailedPreconditionError, match=name) as refused:
            await check_durability(engine)
        assert refused.value.reason == "DATABASE_NOT_DURABLE"
    finally:
        await engine.dispose()


async def test_a_sqlite_that_does_not_wait_for_the_disk_is_refused(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'events.db'}")
    event.listen(engine.sync_engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=NORMAL"))
    try:
        with pytest.raises(FailedPreconditionError, match="synchronous"):
            await check_durability(engine)
    finally:
        await engine.dispose()


async def test_a_database_that_is_not_there_is_unavailable() -> None:
    engine = open_engine("postgresql+asyncpg://nobody@127.0.0.1:1/events")
    try:
        with pytest.raises(UnavailableError):
            await check_schema(engine)
    finally:
        await engine.dispose()


async def test_a_migration_that_fails_leaves_those_before_it_applied(database_url: str) -> None:
    engine = open_engine(database_url)
    try:
        await migrate(engine, "0004")
        async with engine.begin() as connection:
            await connection.execute(text("CREATE TABLE audit_entries (it_is INTEGER)"))
        with pytest.raises((UnavailableError, DBAPIError)):
            await migrate(engine)
        async with engine.begin() as connection:
            versions = await connection.execute(text(f"SELECT version_num FROM {MIGRATIONS.version_table}"))
            assert versions.scalars().all() == ["0006"]
            await connection.execute(text("DROP TABLE audit_entries"))
        await migrate(engine)
        await check_schema(engine)
    finally:
        await engine.dispose()
