"""The log's days on PostgreSQL: partitions of `events` and `decisions`, made ahead of time and dropped as a whole.

A row is in the partition of its `stored_day`. A day that has none is taken by the default partition, so that nothing
is refused when nobody made it. SQLite has no partitions: there is nothing to make, and rows are deleted one by one.

Making and dropping a partition locks its table against everybody for a moment. Whoever waits for such a lock makes
everybody behind it wait too, so it is asked for with little patience, and again later.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from common.clock import Clock, to_microseconds
from common.logs import get_logger
from event_service.ports import SweepPosition, SweptPage
from event_service.sql_database import EventDatabase
from event_service.sql_rows import US_PER_DAY
from event_service.sql_schema import decisions, events

_log = get_logger(__name__)

# A week in which making them may fail before the default partition has to take them.
DAYS_AHEAD = 7
DAY_TABLES = (events.name, decisions.name)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Any number will do, as long as no other user of the database takes the same.
_ADVISORY_LOCK = 0x6178_6272_0003
_LOCK_TIMEOUT = "300ms"
# After so many days more a day that some call keeps is not waited for any longer.
OVERDUE_DAYS = 3
# The default partition has taken rows of the day.
_CHECK_VIOLATION = "23514"
_UNDEFINED_TABLE = "42P01"
_IMPOSSIBLE = {
    "55P03": "it is in use for long",
    "42501": "the service's user does not own it: `axbridge migrate` makes days as well",
}
_PARTITIONS = text(
    "SELECT child.relname, pg_get_expr(child.relpartbound, child.oid) FROM pg_inherits "
    "JOIN pg_class child ON child.oid = inhrelid WHERE inhparent = CAST(:parent AS regclass)"
)
# How many rows were deleted, and the last key that was looked at.
_SWEEP = """
WITH keys AS (SELECT DISTINCT call_key FROM {partition} WHERE call_key > :after ORDER BY call_key LIMIT :limit),
swept AS (
    DELETE FROM {partition} old USING keys WHERE old.call_key = keys.call_key AND old.stored_day < :day AND NOT EXISTS
    (SELECT 1 FROM calls WHERE calls.call_key = old.call_key AND calls.first_day <= old.stored_day) RETURNING 1
)
SELECT (SELECT count(*) FROM swept), (SELECT call_key FROM keys ORDER BY call_key DESC LIMIT 1)
"""
_UPPER_BOUND = re.compile(r"TO \('?(\d+)'?\)")


@dataclass(frozen=True, slots=True)
class DayPartition:
    """A partition with the first day behind it."""

    name: str
    until_day: int


class SqlLogDays:
    """Makes and drops the days' partitions. Any number of processes may do so at once."""

    def __init__(self, database: EventDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def prepare(self) -> int:
        """Make the partitions of the days from today on that are missing; how many there were.

        What could not be made without waiting for others is left for the next time. Raises UnavailableError.
        """
        if self._database.is_sqlite:
            return 0
        today = to_microseconds(self._clock.now()) // US_PER_DAY
        made = 0
        for table in DAY_TABLES:
            there = await self._partitions(table)
            first = max([today, *(each.until_day for each in there)])
            with _unless_impossible(table):
                for day in range(first, today + DAYS_AHEAD + 1):
                    made += await self._change(_creation(table, day))
        return made

    async def drop_before(self, day: int) -> int:
        """Drop what was stored on the days before this one, as far as whole partitions go; how many were dropped."""
        if self._database.is_sqlite:
            return 0
        dropped = 0
        for table in DAY_TABLES:
            with _unless_impossible(table):
                for each in await self._partitions(table):
                    if each.until_day <= day:
                        dropped += await self._change(f"DROP TABLE IF EXISTS {each.name}")
        return dropped

    async def sweep_page(self, before_day: int, after: SweepPosition | None, limit: int) -> SweptPage:
        """Delete rows stored before a day whose calls were dropped, row by row, of the next `limit` calls.

        That is for partitions that can't go as a whole: the default one, and those that a call which nobody has read
        has kept for days. Raises UnavailableError.
        """
        if self._database.is_sqlite:
            return SweptPage(0, None)
        names = [f"{table}_default" for table in DAY_TABLES]
        for table in DAY_TABLES:
            overdue = before_day - OVERDUE_DAYS
            names += [each.name for each in await self._partitions(table) if each.until_day <= overdue]
        names = sorted(name for name in names if after is None or name >= after.partition)
        if not names:
            return SweptPage(0, None)
        key = after.call_key if after is not None and after.partition == names[0] else b""
        statement = text(_SWEEP.format(partition=names[0]))

        async def work(connection: AsyncConnection) -> tuple[int, bytes | None]:
            row = (await connection.execute(statement, {"after": key, "day": before_day, "limit": limit})).one()
            return row[0], row[1]

        try:
            deleted, last_key = await self._database.write(work)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != _UNDEFINED_TABLE:
                raise
            # Somebody has dropped it as a whole.
            deleted, last_key = 0, None
        if last_key is not None:
            return SweptPage(deleted, SweepPosition(names[0], last_key))
        return SweptPage(deleted, SweepPosition(names[1], b"") if len(names) > 1 else None)

    async def _partitions(self, table: str) -> list[DayPartition]:
        """The partitions of a table but the default one, by their days."""

        async def work(connection: AsyncConnection) -> Sequence[tuple[str, str]]:
            return [(row[0], row[1]) for row in await connection.execute(_PARTITIONS, {"parent": table})]

        rows = await self._database.read(work)
        bounds = ((name, _UPPER_BOUND.search(bound)) for name, bound in rows)
        found = [DayPartition(name, int(bound[1])) for name, bound in bounds if bound is not None]
        return sorted(found, key=lambda each: each.until_day)

    async def _change(self, statement: str) -> bool:
        """Run a statement in a transaction of its own; False: rows that are there do not allow it.

        Raises _ImpossibleError.
        """
        hindrance = await self._database.write(lambda connection: _run(connection, statement))
        if hindrance in _IMPOSSIBLE:
            raise _ImpossibleError(_IMPOSSIBLE[hindrance])
        return not hindrance


class _ImpossibleError(Exception):
    """A change that can't be made now, and why."""


@contextmanager
def _unless_impossible(table: str) -> Iterator[None]:
    """What is left of the work when it can't be done is for the next time."""
    try:
        yield
    except _ImpossibleError as error:
        _log.warning("the days of a table are left as they are for now", table=table, reason=str(error))


async def _run(connection: AsyncConnection, statement: str) -> str:
    """The SQLSTATE of what keeps a statement from being run, if it is one that has to be expected; else empty."""
    try:
        async with connection.begin_nested():
            await connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))
            # One after the other: two processes that make the same day would fail each other.
            await connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _ADVISORY_LOCK})
            await connection.execute(text(statement))
    except DBAPIError as error:
        state = str(getattr(error.orig, "sqlstate", None) or "")
        if state not in (*_IMPOSSIBLE, _CHECK_VIOLATION):
            raise
        return state
    return ""


def _creation(table: str, day: int) -> str:
    name = f"{table}_{_EPOCH + timedelta(days=day):%Y%m%d}"
    return f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF {table} FOR VALUES FROM ({day}) TO ({day + 1})"
