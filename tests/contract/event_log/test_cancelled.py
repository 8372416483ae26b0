"""Whoever asked may give up half-way: nobody else is held up by that."""

import asyncio
from collections.abc import Awaitable, Callable

from common.sql import begin_write, open_engine
from event_service.migrate import migrate
from event_service.ports import CallName, QuarantinedMessage
from event_service.sql_calls import SqlCallReader
from event_service.sql_database import EventDatabase
from event_service.sql_log import SqlEventLog, create_partitions
from event_service.sql_quarantine import QuarantineBounds, SqlQuarantine
from event_service.sql_upkeep import SqlCallUpkeep
from tests.contract.event_log.conftest import PARTITIONS
from tests.contract.event_log.test_retention import MovedClock
from tests.unit.event_service.builders import SID, TENANT, event

# Loop turns after which it is given up; nothing here takes as many.
MOST_TURNS = 3000
MESSAGES = [QuarantinedMessage(1, "r", TENANT, b"<a/>" * 250, "text/xml")] * 20


async def give_up_after(turns: int, work: Callable[[], Awaitable[object]]) -> bool:
    """Whether the work was still going on after so many turns of the loop; then it is cancelled."""
    task = asyncio.ensure_future(work())
    for _ in range(turns):
        if task.done():
            break
        await asyncio.sleep(0)
    was_going_on = not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return was_going_on


async def test_a_request_that_is_cancelled_at_any_moment_leaves_no_lock_behind(database_url: str) -> None:
    engine = open_engine(database_url, pool_timeout_seconds=10)
    database = EventDatabase(engine)
    try:
        await migrate(engine)
        await create_partitions(engine, PARTITIONS)
        await SqlEventLog(engine, MovedClock(), PARTITIONS).append([event("15", 1)], [])
        quarantine = SqlQuarantine(database, QuarantineBounds(100, 1_000_000))
        upkeep = SqlCallUpkeep(database, MovedClock(), PARTITIONS)
        reader = SqlCallReader(database)
        for work in (
            lambda: quarantine.add(MESSAGES),
            lambda: quarantine.delete(range(100), 0),
            lambda: upkeep.refold([CallName(TENANT, SID)], dry_run=False),
            lambda: reader.history(TENANT, SID),
        ):
            turns = 1
            while turns < MOST_TURNS and await give_up_after(turns, work):
                # Waits in vain for a lock that was left behind.
                async with begin_write(engine) as connection:
                    await connection.exec_driver_sql("UPDATE quarantine_totals SET dropped = dropped")
                turns += 1 + turns // 8
    finally:
        await database.drain()
        await engine.dispose()
