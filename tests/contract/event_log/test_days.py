"""On PostgreSQL each day of the log is a partition, made ahead of time and dropped as a whole."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from alembic import command
from sqlalchemy import Connection, select, text
from sqlalchemy import event as event_module
from sqlalchemy.ext.asyncio import AsyncEngine

from common.clock import SystemClock, from_microseconds, to_microseconds
from common.sql import begin_write, open_engine
from event_service.migrate import MIGRATIONS, migrate
from event_service.ports import CallName, EventStatus
from event_service.retention import DAY_US, SWEPT_AT_ONCE, Retention
from event_service.sql_calls import SqlCallReader
from event_service.sql_database import EventDatabase
from event_service.sql_days import DAYS_AHEAD, OVERDUE_DAYS, SqlLogDays
from event_service.sql_log import SqlEventLog
from event_service.sql_retention import SqlRetention
from event_service.sql_schema import calls, events
from event_service.sql_upkeep import SqlCallUpkeep
from event_service.webhooks.sql_schema import webhook_cursors
from tests.contract.event_log.conftest import PARTITIONS, log_that_webhooks_have_read
from tests.support.postgres import PostgresServer
from tests.unit.event_service.builders import TENANT, decision, event

KEEP_DAYS = 10


class MovedClock(SystemClock):
    """The time now, and some days more or less."""

    def __init__(self) -> None:
        self.days = 0

    def now(self) -> datetime:
        return super().now() + timedelta(days=self.days)

    @property
    def today(self) -> int:
        return to_microseconds(self.now()) // DAY_US


class Store:
    """The parts over one database."""

    def __init__(self, engine: AsyncEngine, partitions: int) -> None:
        self.engine = engine
        self.clock = MovedClock()
        self.log = SqlEventLog(engine, self.clock, partitions)
        database = EventDatabase(engine)
        self.reader = SqlCallReader(database)
        self.days = SqlLogDays(database, self.clock)
        self.retention = Retention(SqlRetention(database, self.days, [webhook_cursors]), self.clock, KEEP_DAYS)

    async def call(self, session_id: str, *codes: str) -> None:
        """On the clock's day."""
        await self.days.prepare()
        named = [event(code, at, session_id=session_id) for at, code in enumerate(codes, 1)]
        await self.log.append(named, [decision(session_id=session_id)])

    async def partitions(self, table: str = "events") -> set[str]:
        query = text("SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = :t ::regclass")
        async with self.engine.connect() as connection:
            return set((await connection.execute(query, {"t": table})).scalars())

    async def homes(self) -> Sequence[str]:
        """The partition of each event."""
        query = text("SELECT tableoid::regclass::text FROM events ORDER BY partition_id, log_offset")
        async with self.engine.connect() as connection:
            return list((await connection.execute(query)).scalars())


def name_of(day: int, table: str = "events") -> str:
    return f"{table}_{from_microseconds(day * DAY_US).astimezone(UTC):%Y%m%d}"


@pytest.fixture
async def engine(postgres: PostgresServer) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(await postgres.create_database(), pool_timeout_seconds=10)
    yield engine
    await engine.dispose()


async def open_store(engine: AsyncEngine) -> Store:
    return Store(engine, await log_that_webhooks_have_read(engine))


async def test_days_are_made_ahead_of_time_by_one_of_all_who_want_to(engine: AsyncEngine) -> None:
    store = await open_store(engine)
    assert await store.days.prepare() == 0
    store.clock.days = 3
    # A partition of each table for each of three days; a statement that comes second makes nothing.
    await asyncio.gather(*(store.days.prepare() for _ in range(4)))
    today = store.clock.today
    for table in ("events", "decisions"):
        wanted = {name_of(day, table) for day in range(today - 3, today + DAYS_AHEAD + 1)}
        assert await store.partitions(table) == {f"{table}_default", *wanted}
    assert await store.days.prepare() == 0


async def test_each_message_stands_in_the_day_on_which_it_was_stored(engine: AsyncEngine) -> None:
    store = await open_store(engine)
    today = store.clock.today
    await store.call("s1", "15", "16")
    store.clock.days = 1
    (outcome, again) = await store.log.append(
        [event("30", 9, session_id="s1"), event("15", 1, session_id="s1")], [decision(session_id="s1")]
    )
    assert (outcome.log_offset, outcome.status) == (3, EventStatus.STORED)
    # Found on the day before, and counted there.
    assert again.status is EventStatus.DUPLICATE
    assert await store.homes() == [name_of(today)] * 2 + [name_of(today + 1)]
    history = await store.reader.history(TENANT, "s1")
    assert history is not None
    assert [each.received_count for each in history.events] == [2, 1, 1]
    assert len(history.decisions) == 1


async def test_a_day_goes_as_a_whole_when_no_call_has_messages_in_it(engine: AsyncEngine) -> None:
    store = await open_store(engine)
    first = store.clock.today
    await store.call("s1", "15", "30")
    await store.call("late", "15")
    store.clock.days = 2
    await store.call("late", "30")
    store.clock.days = KEEP_DAYS + 1
    assert await store.retention.drop_old() == 1
    # The other call is younger, and its first message is of that day.
    assert name_of(first) in await store.partitions()
    assert await store.reader.history(TENANT, "s1") is None
    store.clock.days = KEEP_DAYS + 3
    assert await store.retention.drop_old() == 1
    for table in ("events", "decisions"):
        left = await store.partitions(table)
        assert not left & {name_of(day, table) for day in range(first, first + 3)}
        assert name_of(first + 3, table) in left
    assert await store.homes() == []


async def test_a_late_event_of_a_dropped_call_does_not_meet_what_is_left_of_it(engine: AsyncEngine) -> None:
    store = await open_store(engine)
    await store.call("open", "15")
    await store.call("s1", "15", "30")
    store.clock.days = KEEP_DAYS + 1
    # A call of the day that is not over keeps the day's partition, but not the record.
    assert await store.retention.drop_old() == 1
    await store.call("s1", "15")
    found = await store.reader.get(TENANT, "s1")
    assert found is not None
    assert (found.revision, found.call.event_count) == (1, 1)
    history = await store.reader.history(TENANT, "s1")
    assert history is not None
    assert [each.received_count for each in history.events] == [1]


async def test_a_reader_that_is_behind_keeps_the_day(engine: AsyncEngine) -> None:
    store = await open_store(engine)
    first = store.clock.today
    await store.call("s1", "15", "30")
    async with begin_write(engine) as connection:
        await connection.execute(webhook_cursors.update().values(log_offset=1))
    store.clock.days = KEEP_DAYS + 1
    assert await store.retention.drop_old() == 0
    assert name_of(first) in await store.partitions()
    assert len(await store.homes()) == 2


async def test_a_call_that_nobody_reads_keeps_a_day_but_not_what_is_left_of_the_others_in_it(
    engine: AsyncEngine,
) -> None:
    store = await open_store(engine)
    first = store.clock.today
    await store.call("open", "15")
    for number in range(SWEPT_AT_ONCE + 10):
        await store.call(f"s{number}", "15", "30")
    await store.call("again", "15", "30")
    store.clock.days = KEEP_DAYS + 1
    assert await store.retention.drop_old() == SWEPT_AT_ONCE + 11
    # It may soon go as a whole.
    assert len(await store.homes()) == 2 * (SWEPT_AT_ONCE + 11) + 1
    await store.call("again", "15")
    store.clock.days = KEEP_DAYS + OVERDUE_DAYS + 1
    assert await store.retention.drop_old() == 0
    # Of the call that has begun anew only the new event, of the one that is not over all.
    assert sorted(await store.homes()) == sorted([name_of(first), name_of(first + KEEP_DAYS + 1)])
    for session_id in ("open", "again"):
        history = await store.reader.history(TENANT, session_id)
        assert history is not None
        assert len(history.events) == 1


async def test_without_the_right_to_make_and_drop_tables_it_goes_on_row_by_row(
    engine: AsyncEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    store = await open_store(engine)
    await store.call("s1", "15", "30")
    async with begin_write(engine) as connection:
        for statement in (
            "CREATE ROLE writer",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO writer",
        ):
            await connection.execute(text(statement))
    event_module.listen(
        engine.sync_engine, "begin", lambda connection: connection.exec_driver_sql("SET LOCAL ROLE writer")
    )
    store.clock.days = 3
    assert await store.days.prepare() == 0
    store.clock.days = KEEP_DAYS + OVERDUE_DAYS + 1
    await store.log.append([event("15", 1, session_id="s2")], [])
    assert await store.retention.drop_old() == 1
    assert await store.homes() == ["events_default"]
    assert "axbridge migrate" in capsys.readouterr().out


async def test_lost_records_are_found_again_and_dropped_ones_are_not(engine: AsyncEngine) -> None:
    store = await open_store(engine)
    await store.call("open", "15")
    await store.call("dropped", "15", "30")
    store.clock.days = KEEP_DAYS
    await store.call("lost", "15", "30")
    store.clock.days = KEEP_DAYS + 1
    assert await store.retention.drop_old() == 1
    async with begin_write(engine) as connection:
        await connection.execute(calls.delete().where(calls.c.session_id == "lost"))
    upkeep = SqlCallUpkeep(EventDatabase(engine), store.clock, PARTITIONS, KEEP_DAYS)
    missing = await upkeep.unrecorded(TENANT, b"", 100)
    assert list(missing.names) == [CallName(TENANT, "lost")]
    assert await upkeep.refold(missing.names, dry_run=False) == list(missing.names)
    async with engine.connect() as connection:
        first_day = await connection.scalar(select(calls.c.first_day).where(calls.c.session_id == "lost"))
    assert first_day == store.clock.today - 1


async def test_what_comes_on_a_day_that_nobody_made_is_kept_and_dropped_all_the_same(engine: AsyncEngine) -> None:
    store = await open_store(engine)
    store.clock.days = DAYS_AHEAD + 5
    await store.log.append([event("15", 1, session_id="s1"), event("30", 2, session_id="s1")], [])
    assert await store.homes() == ["events_default"] * 2
    # The day can't be made any more, those that follow can.
    await store.days.prepare()
    assert name_of(store.clock.today) not in await store.partitions()
    assert name_of(store.clock.today + 1) in await store.partitions()
    store.clock.days += KEEP_DAYS + 1
    assert await store.retention.drop_old() == 1
    assert await store.homes() == []


async def test_a_long_reader_puts_it_off_and_holds_up_nobody(engine: AsyncEngine) -> None:
    store = await open_store(engine)
    await store.call("s1", "15", "30")
    store.clock.days = KEEP_DAYS + 1
    async with engine.connect() as reading:
        await reading.execute(select(events.c.code))
        assert await store.retention.drop_old() == 1
        # The other table is not in use.
        assert await store.days.prepare() == DAYS_AHEAD + 1
        await store.log.append([event("15", 1, session_id="s2")], [])
        assert len(await store.homes()) == 3
    assert await store.retention.drop_old() == 0
    assert await store.homes() == ["events_default"]


async def test_a_log_from_before_there_were_days_goes_on(engine: AsyncEngine) -> None:
    store = await open_store(engine)
    first = [event("15", 1, session_id="s1"), event("30", 2, session_id="s1")]
    await store.log.append(first[:1], [decision(session_id="s1")])
    await downgrade(engine, "0007")
    assert await store.homes() == ["events"]
    await migrate(engine)
    assert await store.homes() == ["events_before"]
    # Whoever was not there before does not know its calls' first days.
    store = Store(engine, PARTITIONS)
    store.clock.days = 1
    again, ended = await store.log.append(first, [])
    assert (again.status, again.log_offset) == (EventStatus.DUPLICATE, 1)
    assert (ended.status, ended.log_offset) == (EventStatus.STORED, 2)
    assert await store.homes() == ["events_before", name_of(store.clock.today)]
    store.clock.days = KEEP_DAYS + 2
    assert await store.retention.drop_old() == 1
    assert await store.homes() == []
    assert "events_before" not in await store.partitions()


async def test_what_the_version_before_writes_beside_this_one_stays_whole(engine: AsyncEngine) -> None:
    store = await open_store(engine)
    first = store.clock.today
    await store.call("s1", "15")
    # It does not say on which day a call began.
    async with begin_write(engine) as connection:
        await connection.execute(calls.update().values(first_day=0))
    store = Store(engine, PARTITIONS)
    store.clock.days = 1
    await store.call("s1", "15", "30")
    await store.call("s2", "15", "30")
    history = await store.reader.history(TENANT, "s1")
    assert history is not None
    assert [each.received_count for each in history.events] == [2, 1]
    store.clock.days = KEEP_DAYS + 1
    assert await store.retention.drop_old() == 0
    assert name_of(first) in await store.partitions()
    store.clock.days = KEEP_DAYS + 2
    assert await store.retention.drop_old() == 2
    assert not await store.partitions() & {name_of(first), name_of(first + 1)}


async def downgrade(engine: AsyncEngine, revision: str) -> None:
    config = MIGRATIONS.config()

    def down(connection: Connection) -> None:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)

    async with begin_write(engine) as connection:
        await connection.run_sync(down)
