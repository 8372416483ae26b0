"""Bringing the database to the schema that this version of the code works with."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.ext.asyncio import AsyncEngine

from common.sql import begin_write, open_engine

# Any number will do, as long as no other user of the database takes the same.
_ADVISORY_LOCK = 0x6178_6272_0001
# Building an index on millions of rows takes its time.
_STATEMENT_TIMEOUT_SECONDS = 3600.0


async def migrate(engine: AsyncEngine, revision: str = "head") -> None:
    """Apply the migrations up to `revision`, all of them or none. One that is applied already is left alone.

    Processes that start at the same time wait for each other. Raises SQLAlchemy's errors as they are.
    """
    async with begin_write(engine) as connection:
        if engine.dialect.name == "postgresql":
            await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
        await connection.run_sync(_upgrade, revision)


async def migrate_database(database_url: str) -> None:
    """Apply all migrations to the database at this URL. Raises SQLAlchemy's errors as they are."""
    engine = open_engine(database_url, pool_size=1, statement_timeout_seconds=_STATEMENT_TIMEOUT_SECONDS)
    try:
        await migrate(engine)
    finally:
        await engine.dispose()


def _upgrade(connection: sa.Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
