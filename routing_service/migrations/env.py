"""Run by Alembic. The connection comes from `routing_service.migrate`, which owns the transaction."""

from alembic import context

from routing_service.migrate import MIGRATIONS
from routing_service.sql_schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_type=True,
    version_table=MIGRATIONS.version_table,
    # SQLite changes tables by copying them.
    render_as_batch=True,
)
context.run_migrations()
