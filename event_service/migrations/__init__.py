"""Schema migrations of the event service's database (Alembic)."""
