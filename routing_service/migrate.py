"""Bringing the database to the schema that this version of the code works with: `python -m routing_service.migrate`."""

import asyncio
import sys
from pathlib import Path

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncEngine

from common.logs import configure_logging, get_logger
from common.migrations import Migrations
from common.sql import open_engine
from routing_service.settings import RoutingServiceSettings

_log = get_logger(__name__)

MIGRATIONS = Migrations(Path(__file__).parent / "migrations", "routing_schema_version", 0x6178_6272_0001)
# Building an index on millions of rows takes its time.
_STATEMENT_TIMEOUT_SECONDS = 3600.0
# But waiting for a table that is in use holds up everybody who comes after.
_LOCK_TIMEOUT = "5s"


async def migrate(engine: AsyncEngine, revision: str = "head") -> None:
    """Apply the migrations up to `revision` (`Migrations.apply`). Raises SQLAlchemy's errors as they are."""
    await MIGRATIONS.apply(engine, revision)


async def migrate_database(database_url: str) -> None:
    """Apply all migrations to the database at this URL. Raises SQLAlchemy's errors as they are."""
    engine = open_engine(
        database_url,
        pool_size=1,
        pool_timeout_seconds=10.0,
        statement_timeout_seconds=_STATEMENT_TIMEOUT_SECONDS,
        postgres_settings={"lock_timeout": _LOCK_TIMEOUT},
    )
    try:
        await migrate(engine)
    finally:
        await engine.dispose()


async def check_schema(engine: AsyncEngine) -> None:
    """Raises FailedPreconditionError when migrations that this version needs were not applied, SQLAlchemy's errors and
    OSError."""
    later = await MIGRATIONS.check(engine, "routing")
    if later is not None:
        _log.info("the database has the schema of a later version", found=later, wanted=MIGRATIONS.head)


def main() -> int:
    """Migrate the database of the settings. Returns the exit code: 2 for settings that are wrong, 1 for a failure."""
    try:
        settings = RoutingServiceSettings()
        configure_logging("routing_service", level=settings.log_level, log_format=settings.log_format)
        if not settings.database_url:
            settings.data_dir.mkdir(parents=True, exist_ok=True)
        asyncio.run(migrate_database(settings.effective_database_url))
    except ValidationError as error:
        print(f"routing_service: {error}", file=sys.stderr)  # noqa: T201 - logging is one of the settings
        return 2
    except (sa.exc.SQLAlchemyError, OSError) as error:
        _log.error("the routing database was not migrated", detail=str(getattr(error, "orig", error)))
        return 1
    _log.info(
        "the routing database has this version's schema",
        revision=MIGRATIONS.head,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
