"""Whether the database answers, and keeps what it has committed."""

import asyncio
from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from common.errors import AxbridgeError, FailedPreconditionError, UnavailableError
from common.logs import get_logger
from event_service.domain import CallEvent, LoggedDecision
from event_service.ports import EventLog, EventOutcome, LoggedEvent
from event_service.sql_errors import translated_errors

_log = get_logger(__name__)
_ANSWER_SECONDS = 1.0
# This session's settings, and those that a new session of this user in this database would get.
_OFF_ON_POSTGRESQL = text("""
    SELECT name FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit') AND setting = 'off'
    UNION
    SELECT 'synchronous_commit' FROM pg_db_role_setting, unnest(setconfig) AS each
    WHERE each ~* '^synchronous_commit=(off|false|no|0)$'
      AND setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
      AND setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = current_user))
    ORDER BY 1
""")


async def check_durability(engine: AsyncEngine) -> None:
    """Raises FailedPreconditionError when a commit can be lost: on PostgreSQL with `fsync` or `synchronous_commit` off,
    on SQLite when it does not wait for the disk."""
    with translated_errors():
        async with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                synchronous = (await connection.execute(text("PRAGMA synchronous"))).scalar_one()
                lost = [] if synchronous >= 2 else ["synchronous"]
            else:
                lost = list((await connection.execute(_OFF_ON_POSTGRESQL)).scalars())
    if lost:
        raise FailedPreconditionError(
            f"the event database may lose what it has committed: turn {' and '.join(lost)} on",
            reason="DATABASE_NOT_DURABLE",
        )


async def check_answers(engine: AsyncEngine) -> str:
    """Why the database can't be read at the moment, in one phrase; empty when it can."""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            with translated_errors():
                async with engine.connect() as connection:
                    await connection.execute(text("SELECT 1"))
    except TimeoutError:
        return "does not answer"
    except AxbridgeError as error:
        return error.message
    return ""


class DurabilityWatch:
    """Looks again and again, since these settings can be changed while the service runs, and a database comes back
    from a restart with others. `problem` is what was found last; empty: commits are kept."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self.problem = ""

    async def look(self) -> str:
        """Look now. While the database does not answer, what was found before stands."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await check_durability(self._engine)
        except FailedPreconditionError as error:
            self._found(error.message)
        except (AxbridgeError, TimeoutError):
            return self.problem
        else:
            self._found("")
        return self.problem

    def _found(self, problem: str) -> None:
        if problem and not self.problem:
            _log.error("events are refused until commits are kept again", problem=problem)
        elif self.problem and not problem:
            _log.warning("commits are kept again, events are taken")
        self.problem = problem


class DurableLog:
    """An `EventLog` that takes nothing while its database may lose it: an acknowledged event is one that is kept, and
    one that is refused is sent again."""

    def __init__(self, log: EventLog, watch: DurabilityWatch) -> None:
        self._inner = log
        self._watch = watch

    async def append(self, events: Sequence[CallEvent], decisions: Sequence[LoggedDecision]) -> Sequence[EventOutcome]:
        if self._watch.problem:
            raise UnavailableError(self._watch.problem, reason="DATABASE_NOT_DURABLE")
        return await self._inner.append(events, decisions)

    async def read(self, partition_id: int, after_offset: int, limit: int) -> Sequence[LoggedEvent]:
        return await self._inner.read(partition_id, after_offset, limit)

    async def heads(self) -> Sequence[int]:
        return await self._inner.heads()
