"""The log's days: on PostgreSQL each day's messages are a partition of their own, which is dropped as a whole.

What was stored before stays together in one partition, which is dropped when the last of its calls is gone. Two of its
indexes are made anew meanwhile, and nobody can write until that is done. The version before goes on working: it writes
`stored_day` too, and its calls have `first_day` 0, which keeps their days.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision: str | None = "0007"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_DAYS_AHEAD = 7
_KEYS = {"events": ("partition_id", "log_offset"), "decisions": ("call_key", "decision_hash")}


def upgrade() -> None:
    op.add_column("calls", sa.Column("first_day", sa.Integer, nullable=False, server_default="0"))
    op.create_index("calls_first_day", "calls", ["first_day"])
    # Nobody looks by it, and a partition has one value of it.
    for table in ("events", "decisions", "call_changes"):
        op.drop_index(f"{table}_stored_day", table)
    if op.get_bind().dialect.name == "postgresql":
        for table, key in _KEYS.items():
            _partition(table, (*key, "stored_day"))
    else:
        # The keys of its tables can't be changed, and need not be.
        op.drop_index("events_call", "events")
    op.create_index("events_call", "events", ["call_key", "event_hash", "stored_day"], unique=True)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table, key in _KEYS.items():
            _unite(table, key)
    else:
        op.drop_index("events_call", "events")
    op.create_index("events_call", "events", ["call_key", "event_hash"], unique=True)
    for table in ("events", "decisions", "call_changes"):
        op.create_index(f"{table}_stored_day", table, ["stored_day"])
    op.drop_index("calls_first_day", "calls")
    op.drop_column("calls", "first_day")


def _partition(table: str, key: Sequence[str]) -> None:
    """A partitioned table in the place of a plain one, whose rows become the first partition."""
    execute, columns = op.get_bind().exec_driver_sql, ", ".join(key)
    old = f"{table}_before"
    execute(f"ALTER TABLE {table} RENAME TO {old}")
    execute(f"ALTER TABLE {old} DROP CONSTRAINT {table}_pkey")
    execute(f"DROP INDEX IF EXISTS {table}_call")
    execute(f"CREATE TABLE {table} (LIKE {old} INCLUDING DEFAULTS) PARTITION BY RANGE (stored_day)")
    execute(f"ALTER TABLE {table} ADD CONSTRAINT {table}_pkey PRIMARY KEY ({columns})")
    today, last = execute(
        f"SELECT floor(extract(epoch FROM now()) / 86400)::integer, max(stored_day) FROM {old}"  # noqa: S608 - our names
    ).one()
    if last is None:
        execute(f"DROP TABLE {old}")
        first = today
    else:
        first = max(today, last) + 1
        execute(f"ALTER TABLE {table} ATTACH PARTITION {old} FOR VALUES FROM (MINVALUE) TO ({first})")
    execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")
    for day in range(first, today + _DAYS_AHEAD + 1):
        name = execute(f"SELECT to_char(date '1970-01-01' + {day}, 'YYYYMMDD')").scalar_one()
        execute(f"CREATE TABLE {table}_{name} PARTITION OF {table} FOR VALUES FROM ({day}) TO ({day + 1})")


def _unite(table: str, key: Sequence[str]) -> None:
    """A plain table in the place of a partitioned one."""
    execute = op.get_bind().exec_driver_sql
    execute(f"ALTER TABLE {table} RENAME TO {table}_by_day")
    execute(f"CREATE TABLE {table} (LIKE {table}_by_day INCLUDING DEFAULTS)")
    execute(f"INSERT INTO {table} SELECT * FROM {table}_by_day")  # noqa: S608 - our names
    execute(f"DROP TABLE {table}_by_day CASCADE")
    execute(f"ALTER TABLE {table} ADD CONSTRAINT {table}_pkey PRIMARY KEY ({', '.join(key)})")
