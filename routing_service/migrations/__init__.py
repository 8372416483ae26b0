"""Schema migrations of the routing service's database (Alembic)."""
