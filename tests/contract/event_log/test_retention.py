"""What is kept long enough is dropped, whole and only when every reader has it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from common.clock import from_microseconds
from common.sql import begin_write, open_engine
from event_service.retention import DAY_US, Retention
from event_service.sql_calls import SqlCallReader
from event_service.sql_database import EventDatabase
from event_service.sql_days import SqlLogDays
from event_service.sql_heads import lock_heads, write_heads
from event_service.sql_log import SqlEventLog
from event_service.sql_retention import SqlRetention
from event_service.sql_schema import call_changes, calls, decisions, events
from event_service.subscriptions.domain import StartPosition, Subscription, SubscriptionFilter
from event_service.subscriptions.sql_schema import tenant_cursors
from event_service.subscriptions.sql_subscriptions import SqlSubscriptionStore
from event_service.webhooks.sql_schema import webhook_cursors
from tests.contract.event_log.conftest import PARTITIONS, log_that_webhooks_have_read
from tests.support.postgres import PostgresServer
from tests.unit.event_service.builders import START_US, TENANT, decision, event

KEEP_DAYS = 10


class MovedClock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now_us = START_US

    def now(self) -> datetime:
        return from_microseconds(self.now_us).astimezone(UTC)

    def monotonic(self) -> float:
        return self.now_us / 1_000_000


class Store:
    def __init__(self, engine: AsyncEngine, partitions: int) -> None:
        self.engine = engine
        self.clock = MovedClock()
        self.log = SqlEventLog(engine, self.clock, partitions)
        database = EventDatabase(engine)
        self.reader = SqlCallReader(database)
        old_calls = SqlRetention(database, SqlLogDays(database, self.clock), [webhook_cursors], [tenant_cursors])
        self.retention = Retention(old_calls, self.clock, KEEP_DAYS)
        self.subscriptions = SqlSubscriptionStore(database)

    async def call(self, session_id: str, *codes: str, tenant_id: str = TENANT) -> None:
        named = [event(code, at, session_id=session_id, tenant_id=tenant_id) for at, code in enumerate(codes, 1)]
        await self.log.append(named, [decision(session_id=session_id, tenant_id=tenant_id)])

    async def counts(self) -> tuple[int, ...]:
        async with self.engine.connect() as connection:
            tables = (events, decisions, calls, call_changes)
            return tuple(
                [(await connection.execute(select(func.count()).select_from(table))).scalar_one() for table in tables]
            )

    async def set_cursors(self, offset: int) -> None:
        async with begin_write(self.engine) as connection:
            await connection.execute(update(webhook_cursors).values(log_offset=offset, change_offset=offset))


async def filled(engine: AsyncEngine) -> Store:
    """A store whose webhooks have everything."""
    return Store(engine, await log_that_webhooks_have_read(engine))


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    engine = open_engine(database_url, pool_timeout_seconds=10)
    try:
        yield await filled(engine)
    finally:
        await engine.dispose()


async def test_old_calls_go_whole_and_younger_ones_stay(store: Store) -> None:
    for number in range(6):
        await store.call(f"old{number}", "15", "16", "31", "40", "22")
    store.clock.now_us += 5 * DAY_US
    await store.call("young", "15", "30")
    store.clock.now_us = START_US + 11 * DAY_US
    assert await store.retention.drop_old() == 6
    assert await store.counts() == (2, 1, 1, 1)
    assert await store.reader.get(TENANT, "old0") is None
    assert await store.reader.get(TENANT, "young") is not None
    assert await store.retention.drop_old() == 0


async def test_a_call_that_is_not_over_stays(store: Store) -> None:
    await store.call("open", "15", "16")
    store.clock.now_us += 100 * DAY_US
    assert await store.retention.drop_old() == 0
    assert await store.counts() == (2, 1, 1, 0)


async def test_what_a_reader_has_not_got_yet_stays_until_it_has(store: Store) -> None:
    await store.call("s1", "15", "30")
    await store.call("s2", "15", "30")
    await store.set_cursors(0)
    store.clock.now_us += 100 * DAY_US
    assert await store.retention.drop_old() == 0
    await store.set_cursors(10_000)
    # On PostgreSQL what is left of them goes once a day.
    store.clock.now_us += DAY_US
    assert await store.retention.drop_old() == 2
    assert await store.counts() == (0, 0, 0, 0)


async def test_a_subscription_that_nobody_reads_keeps_its_own_tenants_calls_only(store: Store) -> None:
    slow = Subscription("slow", TENANT, "slow", SubscriptionFilter(), START_US)
    await store.subscriptions.create(slow, StartPosition(), 10)
    for number in range(8):
        await store.call(f"s{number}", "15", "30")
        await store.call(f"s{number}", "15", "30", tenant_id="999")
    store.clock.now_us += 100 * DAY_US
    assert await store.retention.drop_old() == 8
    assert await store.reader.get("999", "s0") is None
    assert await store.reader.get(TENANT, "s0") is not None
    # One that has read all of it holds up nothing, another one still does.
    quick = Subscription("quick", TENANT, "quick", SubscriptionFilter(), START_US)
    await store.subscriptions.create(quick, StartPosition(), 10)
    assert await store.retention.drop_old() == 0
    await store.subscriptions.delete(TENANT, "slow", 0)
    store.clock.now_us += DAY_US
    assert await store.retention.drop_old() == 8
    assert await store.counts() == (0, 0, 0, 0)


async def test_calls_that_a_reader_holds_up_hold_up_nobody(postgres: PostgresServer) -> None:
    engine = open_engine(await postgres.create_database(), pool_timeout_seconds=10)
    try:
        store = await filled(engine)
        await store.call("s1", "15", "30")
        await store.set_cursors(0)
        store.clock.now_us += 100 * DAY_US
        async with begin_write(engine) as connection:
            await lock_heads(connection, range(PARTITIONS))
            # Locks nothing, or it would wait here in vain.
            assert await store.retention.drop_old() == 0
    finally:
        await engine.dispose()


async def test_a_call_that_changes_while_it_is_looked_at_stays(postgres: PostgresServer) -> None:
    engine = open_engine(await postgres.create_database(), pool_timeout_seconds=10)
    try:
        store = await filled(engine)
        await store.call("s1", "15", "30")
        store.clock.now_us += 100 * DAY_US
        async with begin_write(engine) as connection:
            heads = await lock_heads(connection, range(PARTITIONS))
            dropping = asyncio.create_task(store.retention.drop_old())
            async with asyncio.timeout(30):
                while not await waits_for_a_lock(engine):
                    await asyncio.sleep(0.01)
            changed = update(calls).values(updated_at_us=store.clock.now_us, revision=calls.c.revision + 1)
            await connection.execute(changed)
            await write_heads(connection, heads)
        assert await dropping == 0
        assert await store.counts() == (2, 1, 1, 1)
    finally:
        await engine.dispose()


async def waits_for_a_lock(engine: AsyncEngine) -> bool:
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    async with engine.connect() as connection:
        return bool((await connection.execute(query)).scalar_one())


async def test_offsets_go_on_behind_what_was_dropped_and_a_late_event_begins_anew(store: Store) -> None:
    await store.call("s1", "15", "30")
    store.clock.now_us += 100 * DAY_US
    assert await store.retention.drop_old() == 1
    (outcome,) = await store.log.append([event("44", 9, session_id="s1")], [])
    assert outcome.log_offset == 3
    found = await store.reader.get(TENANT, "s1")
    assert found is not None
    assert (found.revision, found.call.event_count) == (1, 1)


async def test_a_call_that_changed_lately_stays(store: Store) -> None:
    await store.call("s1", "15", "30")
    store.clock.now_us += 100 * DAY_US
    await store.log.append([event("44", 9, session_id="s1")], [])
    assert await store.retention.drop_old() == 0
