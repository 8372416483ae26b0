"""Whether the database answers, and keeps what it has committed."""

import asyncio

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from common.errors import AxbridgeError, FailedPreconditionError
from event_service.sql_errors import translated_errors

_ANSWER_SECONDS = 1.0


async def check_durability(engine: AsyncEngine) -> None:
    """Raises FailedPreconditionError when a commit can be lost: on PostgreSQL with `fsync` or `synchronous_commit` off,
    on SQLite when it does not wait for the disk."""
    with translated_errors():
        async with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                synchronous = (await connection.execute(text("PRAGMA synchronous"))).scalar_one()
                lost = [] if synchronous >= 2 else ["synchronous"]
            else:
                shown = {
                    name: (await connection.execute(text(f"SHOW {name}"))).scalar_one()
                    for name in ("fsync", "synchronous_commit")
                }
                lost = sorted(name for name, value in shown.items() if value == "off")
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
