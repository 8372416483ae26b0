"""Bringing the database to the schema that this version of the code works with."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import AsyncEngine

from common.errors import FailedPreconditionError
from common.sql import begin_write, wait_for_turn_to_migrate
from event_service.sql_errors import translated_errors

VERSION_TABLE = "events_schema_version"
# Any number will do, as long as no other user of the database takes the same.
_ADVISORY_LOCK = 0x6178_6272_0002


async def migrate(engine: AsyncEngine, revision: str = "head") -> None:
    """Apply the migrations up to `revision`. One that is applied already is left alone.

    Each has a transaction of its own, so that no table stays locked while a later one builds an index on another; those
    before one that fails stay applied, and the next run goes on from there. An empty database gets all or none.
    Processes that start at the same time wait for each other. Raises UnavailableError when the database is not there.
    """
    with translated_errors():
        while True:
            async with begin_write(engine) as connection:
                await wait_for_turn_to_migrate(connection, _ADVISORY_LOCK)
                # Another process may have gone on in between.
                following = await connection.run_sync(_next, revision)
                await connection.run_sync(_upgrade, following)
            if following == revision:
                return


async def check_schema(engine: AsyncEngine) -> None:
    """Raises FailedPreconditionError, saying what to do, when migrations that this version needs were not applied.

    The schema of a later version is fine: it works with this one's code too, so that both can run side by side.
    """
    with translated_errors():
        async with engine.connect() as connection:
            found = await connection.run_sync(_current)
    scripts = ScriptDirectory.from_config(_config())
    wanted = scripts.get_current_head()
    is_later = found is not None and found not in {each.revision for each in scripts.walk_revisions()}
    if found != wanted and not is_later:
        raise FailedPreconditionError(
            f"the event database has schema {found or 'none'}, and this version needs {wanted}: run `axbridge migrate`",
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
