"""While the database may lose what it has committed, no event is taken; and that is noticed while the service runs."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from common.clock import SystemClock
from common.errors import UnavailableError
from common.sql import open_engine
from event_service.domain import CallEvent
from event_service.durability import DurabilityWatch, DurableLog
from event_service.migrate import migrate
from event_service.sql_log import SqlEventLog, create_partitions
from tests.support.postgres import PostgresServer

PATIENCE_SECONDS = 30.0
EVENT = CallEvent("100001", "s1", "15", 1_000_000, call_id="c1", seq="1")


@pytest.fixture
async def engine(postgres: PostgresServer) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(await postgres.create_database(), pool_timeout_seconds=10)
    try:
        await migrate(engine)
        yield engine
    finally:
        await engine.dispose()


async def run(engine: AsyncEngine, *statements: str) -> None:
    """Statements outside of a transaction."""
    async with engine.connect() as connection:
        connection = await connection.execution_options(isolation_level="AUTOCOMMIT")
        for statement in statements:
            await connection.execute(text(statement))


async def look_until(watch: DurabilityWatch, *, is_durable: bool) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (await watch.look() == "") is not is_durable:
            await asyncio.sleep(0.02)


async def test_events_are_refused_while_new_sessions_would_lose_commits(engine: AsyncEngine) -> None:
    watch = DurabilityWatch(engine)
    log = DurableLog(SqlEventLog(engine, SystemClock(), await create_partitions(engine, 2)), watch)
    assert await watch.look() == ""
    assert len(await log.append([EVENT], [])) == 1
    database = engine.url.database
    await run(engine, f'ALTER DATABASE "{database}" SET synchronous_commit = off')
    assert "synchronous_commit" in await watch.look()
    with pytest.raises(UnavailableError, match="synchronous_commit") as refused:
        await log.append([EVENT], [])
    assert refused.value.reason == "DATABASE_NOT_DURABLE"
    # What is there can be read.
    assert sum(await log.heads()) == 1
    await run(engine, f'ALTER DATABASE "{database}" RESET synchronous_commit')
    assert await watch.look() == ""
    assert len(await log.append([EVENT], [])) == 1


async def test_a_configuration_that_is_loaded_anew_is_noticed_by_sessions_that_are_open(engine: AsyncEngine) -> None:
    watch = DurabilityWatch(engine)
    assert await watch.look() == ""
    try:
        await run(engine, "ALTER SYSTEM SET synchronous_commit = off", "SELECT pg_reload_conf()")
        await look_until(watch, is_durable=False)
        assert "synchronous_commit" in watch.problem
    finally:
        await run(engine, "ALTER SYSTEM RESET synchronous_commit", "SELECT pg_reload_conf()")
    await look_until(watch, is_durable=True)


async def test_a_database_that_is_away_changes_nothing_about_what_was_found() -> None:
    away = open_engine("postgresql+asyncpg://nobody@127.0.0.1:1/events")
    watch = DurabilityWatch(away)
    try:
        assert await watch.look() == ""
        watch.problem = "turn fsync on"
        assert await watch.look() == "turn fsync on"
    finally:
        await away.dispose()
