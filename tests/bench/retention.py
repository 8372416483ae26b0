"""What dropping old calls costs those who publish meanwhile: `python -m tests.bench.retention [--events N]`.

A log on PostgreSQL is filled with old calls of five events each. Then events are published, one request after the
other, first with nothing else going on, then while all the old calls are dropped. Measured is how long a request
takes. The exit code is 1 when a request had to wait longer than a second for the dropping.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Table, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from common.clock import SystemClock, to_microseconds
from common.sql import begin_write, open_engine
from event_service.domain import CallEvent
from event_service.migrate import migrate
from event_service.retention import DAY_US, Retention
from event_service.sql_database import EventDatabase
from event_service.sql_days import SqlLogDays
from event_service.sql_log import SqlEventLog, create_partitions
from event_service.sql_retention import SqlRetention
from event_service.sql_schema import call_changes, calls, events, partition_heads
from event_service.webhooks.sql_schema import webhook_cursors
from tests.support.postgres import PostgresServer

TENANT, CODES = "100001", ("15", "16", "31", "40", "22")
PARTITIONS = 16
KEEP_DAYS, AGE_DAYS = 30, 60
SEED_CALLS, SEED_BATCH = 2000, 100
QUIET_SECONDS = 10.0
MAX_WAIT_MS = 1000.0


class OldClock(SystemClock):
    """The time when the old calls came in."""

    def now(self) -> datetime:
        return super().now() - timedelta(days=AGE_DAYS)


def call(session_id: str, at_us: int) -> list[CallEvent]:
    return [
        CallEvent(TENANT, session_id, code, at_us + n, call_id="c1", seq=str(n), raw_body=b"x" * 300)
        for n, code in enumerate(CODES)
    ]


async def fill(engine: AsyncEngine, count: int) -> None:
    """Old calls: some are appended as ever, then multiplied in the database under names of their own."""
    clock = OldClock()
    log = SqlEventLog(engine, clock, PARTITIONS)
    now_us = to_microseconds(clock.now())
    await _make_day(engine, now_us // DAY_US)
    for first in range(0, SEED_CALLS, SEED_BATCH):
        batch = [each for n in range(first, first + SEED_BATCH) for each in call(f"old{n}", now_us + n)]
        await log.append(batch, [])
    async with begin_write(engine) as connection:
        for copy in range(1, count // (SEED_CALLS * len(CODES))):
            for table in (events, calls, call_changes):
                await _multiply(connection, table, copy)
        heads = partition_heads.c
        last = {
            heads.last_offset: _highest(events, "log_offset"),
            heads.last_change: _highest(call_changes, "change_offset"),
        }
        await connection.execute(
            partition_heads.update().values({column.name: value for column, value in last.items()})
        )
        # Somebody who has read everything.
        head = select(heads.partition_id, heads.last_offset, heads.last_change, text("''"), text("0"))
        names = ["partition_id", "log_offset", "change_offset", "owner", "leased_until_us"]
        await connection.execute(insert(webhook_cursors).from_select(names, head))
    async with engine.connect() as connection:
        connection = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("ANALYZE"))


async def _make_day(engine: AsyncEngine, day: int) -> None:
    """The partition in which the old calls would have been stored; two days, for a bench at midnight."""
    async with begin_write(engine) as connection:
        bounds = f"FOR VALUES FROM ({day}) TO ({day + 2})"
        await connection.execute(text(f"CREATE TABLE events_old PARTITION OF events {bounds}"))


async def _megabytes(engine: AsyncEngine) -> float:
    """What the events take on the disk, with their indexes."""
    size = "SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'events'::regclass"
    async with engine.connect() as connection:
        return float((await connection.execute(text(size))).scalar_one()) / 1_000_000


async def _multiply(connection: AsyncConnection, table: Table, copy: int) -> None:
    """The rows that were appended once more, under other names and at other offsets."""
    changed = {
        "call_key": f"decode(md5(call_key || '{copy}'), 'hex')",
        "session_id": f"session_id || '-{copy}'",
        "log_offset": f"log_offset + {copy} * 10000",
        "change_offset": f"change_offset + {copy} * 10000",
    }
    names = [column.name for column in table.columns]
    # Only the rows that were appended: none of the copies has so small an offset or so short a name.
    first = {
        "events": "log_offset < 10000",
        "call_changes": "change_offset < 10000",
        "calls": "session_id NOT LIKE '%-%'",
    }
    selected = ", ".join(changed.get(name, name) for name in names)
    rows = f"SELECT {selected} FROM {table.name} WHERE {first[table.name]}"
    await connection.execute(text(f"INSERT INTO {table.name} ({', '.join(names)}) {rows}"))


def _highest(table: Table, column: str):  # type: ignore[no-untyped-def]
    highest = select(func.max(table.c[column])).where(table.c.partition_id == partition_heads.c.partition_id)
    return highest.scalar_subquery()


class Publisher:
    """Appends calls, one request of ten events after the other, until told to stop; how long each took, in ms."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._log = SqlEventLog(engine, SystemClock(), PARTITIONS)
        self._number = 0

    async def run(self, stop: asyncio.Event) -> list[float]:
        took: list[float] = []
        while not stop.is_set():
            self._number += 1
            now_us = to_microseconds(SystemClock().now())
            batch = [*call(f"new{self._number}a", now_us), *call(f"new{self._number}b", now_us)]
            began = time.perf_counter()
            await self._log.append(batch, [])
            took.append((time.perf_counter() - began) * 1000)
        return took


def say(what: str, took: Sequence[float]) -> None:
    ordered = sorted(took)
    p50, p99 = (ordered[int(len(ordered) * share)] for share in (0.5, 0.99))
    print(f"{what}: {len(took)} requests, p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {ordered[-1]:.1f} ms", flush=True)


async def measure(url: str, count: int) -> bool:
    engine = open_engine(url, statement_timeout_seconds=600)
    # As in the event service.
    used = open_engine(url)
    try:
        await migrate(engine)
        await create_partitions(engine, PARTITIONS)
        await fill(engine, count)
        publisher, stop = Publisher(used), asyncio.Event()
        asyncio.get_running_loop().call_later(QUIET_SECONDS, stop.set)
        quiet = await publisher.run(stop)
        say("nothing else", quiet)
        stop.clear()
        publishing = asyncio.create_task(publisher.run(stop))
        began = time.perf_counter()
        before = await _megabytes(used)
        database = EventDatabase(used)
        old_calls = SqlRetention(database, SqlLogDays(database, SystemClock()), [webhook_cursors])
        dropped = await Retention(old_calls, SystemClock(), KEEP_DAYS).drop_old()
        seconds = time.perf_counter() - began
        stop.set()
        busy = await publishing
        say("while dropping", busy)
        rows = dropped * len(CODES)
        print(f"dropped {dropped:,} calls with {rows:,} events in {seconds:.0f} s: {rows / seconds:,.0f} events/s")
        print(f"the events took {before:.0f} MB before and {await _megabytes(used):.0f} MB afterwards")
        return dropped > 0 and max(busy) <= MAX_WAIT_MS
    finally:
        await engine.dispose()
        await used.dispose()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000, help="old events to drop")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        server = PostgresServer(Path(directory) / "postgres")
        server.start()
        try:
            done = asyncio.run(_with_database(server, arguments.events))
        finally:
            server.stop()
    print("passed" if done else "FAILED")
    return int(not done)


async def _with_database(server: PostgresServer, count: int) -> bool:
    return await measure(await server.create_database(), count)


if __name__ == "__main__":
    sys.exit(main())
