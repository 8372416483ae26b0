"""Run by Alembic. The connection comes from `routing_service.migrate`, which owns the transaction."""

from alembic import context

from routing_service.migrate import VERSION_TABLE
from routing_service.sql_schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_type=True,
    version_table=VERSION_TABLE,
    # SQLite changes tables by copying them.
    render_as_batch=True,
)
context.run_migrations()
