"""A database that can't write at the moment makes the platform send again; one replica's trouble is not another's."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from common.clock import SystemClock
from common.errors import UnavailableError
from common.sql import begin_write
from event_service.migrate import migrate
from event_service.ports import EventStatus
from event_service.sql_engine import open_event_engine
from event_service.sql_heads import lock_heads
from event_service.sql_log import SqlEventLog, create_partitions
from event_service.sql_schema import call_changes, calls, decisions, events, partition_heads
from tests.contract.event_log.conftest import PARTITIONS
from tests.support.postgres import PostgresServer
from tests.unit.event_service.builders import decision, event

PATIENCE_SECONDS = 30.0


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[tuple[AsyncEngine, SqlEventLog]]:
    """A replica's connections, and the log over them."""
    engine = open_event_engine(url, pool_timeout_seconds=10)
    try:
        await migrate(engine)
        yield engine, SqlEventLog(engine, SystemClock(), await create_partitions(engine, PARTITIONS))
    finally:
        await engine.dispose()


async def set_for_database(engine: AsyncEngine, setting: str) -> None:
    """For the sessions that are opened from now on."""
    async with engine.connect() as connection:
        connection = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.exec_driver_sql("SET default_transaction_read_only = off")
        await connection.exec_driver_sql(f'ALTER DATABASE "{engine.url.database}" {setting}')
    await engine.dispose()


async def test_a_server_that_became_read_only_is_unavailable_until_it_writes_again(postgres: PostgresServer) -> None:
    async with opened(await postgres.create_database()) as (engine, log):
        await log.append([event("15", 1)], [])
        await set_for_database(engine, "SET default_transaction_read_only = on")
        with pytest.raises(UnavailableError):
            await log.append([event("16", 2)], [])
        await set_for_database(engine, "RESET default_transaction_read_only")
        statuses = [outcome.status for outcome in await log.append([event("15", 1), event("16", 2)], [])]
        assert statuses == [EventStatus.DUPLICATE, EventStatus.STORED]


async def test_a_lock_that_is_not_to_be_had_is_unavailable(postgres: PostgresServer) -> None:
    url = await postgres.create_database()
    async with opened(url) as (engine, log), opened(url) as (others, _):
        await set_for_database(engine, "SET lock_timeout = 50")
        async with begin_write(others) as connection:
            await lock_heads(connection, range(PARTITIONS))
            with pytest.raises(UnavailableError):
                await log.append([event("15", 1)], [])
        assert len(await log.append([event("15", 1)], [])) == 1


async def test_a_replica_that_is_frozen_in_a_transaction_gives_the_partitions_back(postgres: PostgresServer) -> None:
    url = await postgres.create_database()
    async with AsyncExitStack() as stack:
        _, log = await stack.enter_async_context(opened(url))
        frozen = open_event_engine(url, pool_timeout_seconds=10, statement_timeout_seconds=0.5)
        stack.push_async_callback(frozen.dispose)
        connection = await stack.enter_async_context(frozen.connect())
        transaction = await connection.begin()
        await lock_heads(connection, range(PARTITIONS))
        # It does nothing more. PostgreSQL ends it, and the others go on.
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert len(await log.append([event("15", 1)], [])) == 1
        with pytest.raises(sa.exc.DBAPIError):
            await connection.execute(sa.text("SELECT 1"))
        await transaction.close()


async def test_a_full_disk_is_unavailable_and_takes_again_what_there_is_room_for(tmp_path: Path) -> None:
    async with opened(f"sqlite+aiosqlite:///{tmp_path / 'events.db'}") as (engine, log):
        await log.append([event("15", 1)], [])
        async with engine.connect() as connection:
            pages = await connection.scalar(sa.text("PRAGMA page_count"))
        await engine.dispose()

        def fill(connection: sa.engine.interfaces.DBAPIConnection, _record: object) -> None:
            connection.execute(f"PRAGMA max_page_count={pages + 3}")  # type: ignore[attr-defined]

        sa.event.listen(engine.sync_engine, "connect", fill)
        with pytest.raises(UnavailableError):
            await log.append([event("16", seconds, raw_body=b"x" * 60_000) for seconds in range(5)], [])
        (outcome,) = await log.append([event("16", 1)], [])
        assert (outcome.status, outcome.log_offset) == (EventStatus.STORED, 2)


async def test_rows_are_found_through_indexes_from_the_first_one_on(postgres: PostgresServer) -> None:
    async def plan(connection: AsyncConnection, query: sa.Select[tuple[object]]) -> str:
        text = query.compile(connection.sync_engine, compile_kwargs={"literal_binds": True})
        return "\n".join((await connection.exec_driver_sql(f"EXPLAIN {text}")).scalars())

    async with opened(await postgres.create_database()) as (engine, log):
        await log.append([event("15", 1)], [decision()])
        key = sa.literal_column("'\\x00'::bytea")
        queries = {
            "calls_pkey": sa.select(calls.c.state).where(calls.c.call_key == key),
            r"events_\d{8}_call_key_event_hash_stored_day_idx": sa.select(events.c.code).where(
                events.c.call_key == key
            ),
            r"decisions_\d{8}_pkey": sa.select(decisions.c.fields).where(decisions.c.call_key == key),
            r"events_\d{8}_pkey": sa.select(events.c.code)
            .where(events.c.partition_id == 1, events.c.log_offset > 5)
            .order_by(events.c.log_offset)
            .limit(100),
            "call_changes_pkey": sa.select(call_changes.c.revision)
            .where(call_changes.c.partition_id == 1, call_changes.c.change_offset > 5)
            .order_by(call_changes.c.change_offset)
            .limit(100),
            "partition_heads_pkey": sa.select(partition_heads.c.last_offset).where(
                partition_heads.c.partition_id.in_([1, 2])
            ),
        }
        async with engine.connect() as connection:
            for index, query in queries.items():
                found = await plan(connection, query)
                assert re.search(index, found) and "Seq Scan" not in found and "Sort  (" not in found, found
