"""A database's way to the schema of this version, alike for the services that have one.

Every step keeps the version of the code before it working, so that both can run side by side while replicas are
replaced: what it needs is added first, and taken away only by a later version.
"""

from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import AsyncEngine

from common.errors import FailedPreconditionError
from common.sql import begin_write, wait_for_turn_to_migrate


@dataclass(frozen=True, slots=True)
class Migrations:
    """Alembic's scripts in a folder, for the tables of one service.

    `version_table` holds what was applied. `advisory_lock` is a number that no other user of the database takes.
    """

    folder: Path
    version_table: str
    advisory_lock: int

    async def apply(self, engine: AsyncEngine, revision: str = "head") -> None:
        """Apply the migrations up to `revision`. One that is applied already is left alone.

        Each has a transaction of its own, so that no table stays locked while a later one builds an index on another;
        those before one that fails stay applied, and the next run goes on from there. An empty database gets all or
        none. Processes that start at the same time wait for each other. Raises SQLAlchemy's errors as they are.
        """
        while True:
            async with begin_write(engine) as connection:
                await wait_for_turn_to_migrate(connection, self.advisory_lock)
                # Another process may have gone on in between.
                following = await connection.run_sync(self._following, revision)
                await connection.run_sync(self._upgrade, following)
            if following == revision:
                return

    async def check(self, engine: AsyncEngine, database: str) -> str | None:
        """Raises FailedPreconditionError, saying what to do, when migrations that this version needs were not applied.

        The schema of a later version is fine: it works with this one's code too. Returns its revision then, else None.
        Raises SQLAlchemy's errors and OSError.
        """
        async with engine.connect() as connection:
            found = await connection.run_sync(self._current)
        if found == self.head:
            return None
        if found is not None and found not in {each.revision for each in self._scripts().walk_revisions()}:
            return found
        raise FailedPreconditionError(
            f"the {database} database has schema {found or 'none'}, and this version needs {self.head}: "
            "run `axbridge migrate`",
            reason="SCHEMA_NOT_CURRENT",
        )

    @property
    def head(self) -> str | None:
        """The revision that this version of the code needs."""
        return self._scripts().get_current_head()

    def config(self) -> Config:
        """For Alembic's own commands."""
        config = Config()
        config.set_main_option("script_location", str(self.folder).replace("%", "%%"))
        config.set_main_option("path_separator", "newline")
        return config

    def _scripts(self) -> ScriptDirectory:
        return ScriptDirectory.from_config(self.config())

    def _following(self, connection: sa.Connection, revision: str) -> str:
        """What to upgrade to in one transaction: the migration after the present one, or `revision` itself where that
        is the last, and where nobody uses the database yet."""
        current = self._current(connection)
        upwards = [each.revision for each in self._scripts().walk_revisions("base", revision)][::-1]
        if current not in upwards[:-2]:
            return revision
        return upwards[upwards.index(current) + 1]

    def _upgrade(self, connection: sa.Connection, revision: str) -> None:
        config = self.config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    def _current(self, connection: sa.Connection) -> str | None:
        context = MigrationContext.configure(connection, opts={"version_table": self.version_table})
        return context.get_current_revision()
