"""Bringing the database to the schema that this version of the code works with."""

from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from common.migrations import Migrations
from event_service.sql_errors import translated_errors

MIGRATIONS = Migrations(Path(__file__).parent / "migrations", "events_schema_version", 0x6178_6272_0002)


async def migrate(engine: AsyncEngine, revision: str = "head") -> None:
    """Apply the migrations up to `revision` (`Migrations.apply`). Raises UnavailableError when the database is not
    there."""
    with translated_errors():
        await MIGRATIONS.apply(engine, revision)


async def check_schema(engine: AsyncEngine) -> None:
    """Raises FailedPreconditionError when migrations that this version needs were not applied, UnavailableError."""
    with translated_errors():
        await MIGRATIONS.check(engine, "event")
