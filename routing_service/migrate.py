"""Bringing the database to the schema that this version of the code works with: `python -m routing_service.migrate`.

Every step keeps the version of the code before it working, so that both can run side by side while replicas are
replaced: what it needs is added first, and taken away only by a later version.
"""

import asyncio
import sys
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncEngine

from common.errors import FailedPreconditionError
from common.logs import configure_logging, get_logger
from common.sql import begin_write, open_engine, wait_for_turn_to_migrate
from routing_service.settings import RoutingServiceSettings

_log = get_logger(__name__)

VERSION_TABLE = "routing_schema_version"
# Any number will do, as long as no other user of the database takes the same.
_ADVISORY_LOCK = 0x6178_6272_0001
# Building an index on millions of rows takes its time.
_STATEMENT_TIMEOUT_SECONDS = 3600.0
# But waiting for a table that is in use holds up everybody who comes after.
_LOCK_TIMEOUT = "5s"


async def migrate(engine: AsyncEngine, revision: str = "head") -> None:
    """Apply the migrations up to `revision`. One that is applied already is left alone.

    Each has a transaction of its own, so that no table stays locked while a later one builds an index on another; those
    before one that fails stay applied, and the next run goes on from there. An empty database gets all or none.
    Processes that start at the same time wait for each other. Raises SQLAlchemy's errors as they are.
    """
    while True:
        async with begin_write(engine) as connection:
            await wait_for_turn_to_migrate(connection, _ADVISORY_LOCK)
            # Another process may have gone on in between.
            following = await connection.run_sync(_next, revision)
            await connection.run_sync(_upgrade, following)
        if following == revision:
            return


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
    """Raises FailedPreconditionError, saying what to do, when migrations that this version needs were not applied.

    The schema of a later version is fine: it works with this one's code too. Raises SQLAlchemy's errors and OSError.
    """
    async with engine.connect() as connection:
        found = await connection.run_sync(_current)
    scripts = ScriptDirectory.from_config(_config())
    wanted = scripts.get_current_head()
    if found == wanted:
        return
    if found is not None and found not in {each.revision for each in scripts.walk_revisions()}:
        _log.info("the database has the schema of a later version", found=found, wanted=wanted)
        return
    raise FailedPreconditionError(
        f"the routing database has schema {found or 'none'}, and this version needs {wanted}: run `axbridge migrate`",
        reason="SCHEMA_NOT_CURRENT",
    )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    return config


def _next(connection: sa.Connection, revision: str) -> str:
    """What to upgrade to in one transaction: the migration after the present one, or `revision` itself where that is
    the last, and where nobody uses the database yet."""
    current = _current(connection)
    upwards = [each.revision for each in ScriptDirectory.from_config(_config()).walk_revisions("base", revision)][::-1]
    if current not in upwards[:-2]:
        return revision
    return upwards[upwards.index(current) + 1]


def _upgrade(connection: sa.Connection, revision: str) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _current(connection: sa.Connection) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return context.get_current_revision()


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
        revision=ScriptDirectory.from_config(_config()).get_current_head(),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
