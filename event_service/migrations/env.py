"""Run by Alembic. The connection comes from `event_service.migrate`, which owns the transaction."""

from alembic import context

from event_service.migrate import MIGRATIONS
from event_service.sql_schema import metadata
from event_service.subscriptions import sql_schema as _subscription_tables  # noqa: F401 - adds its tables to the metadata
from event_service.webhooks import sql_schema as _webhook_tables  # noqa: F401 - adds its tables to the metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_type=True,
    version_table=MIGRATIONS.version_table,
    # SQLite changes tables by copying them.
    render_as_batch=True,
)
context.run_migrations()
