"""Finding what was released last on an access number, whoever's it was.

Indexes only: code of the revision before works beside it.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision: str | None = "0006"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

INDEXES = (
    ("ix_bindings_expiry", "bindings", "expires_at_us", "expires_at_us IS NOT NULL"),
    (
        "ix_binding_history_ended",
        "binding_history",
        "ended_at_us",
        "expires_at_us IS NULL OR expires_at_us >= ended_at_us",
    ),
    ("ix_binding_history_expired", "binding_history", "expires_at_us", "expires_at_us < ended_at_us"),
)


def upgrade() -> None:
    for name, table, released_at, where in INDEXES:
        op.create_index(
            name,
            table,
            ["access_number", "tenant_id", released_at],
            sqlite_where=sa.text(where),
            postgresql_where=sa.text(where),
        )


def downgrade() -> None:
    for name, table, _, _ in INDEXES:
        op.drop_index(name, table)
