"""What is needed to give up calls whose end never comes."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("calls", sa.Column("max_duration_seconds", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("calls", sa.Column("closed_at_us", sa.BigInteger))
    op.create_index("calls_state", "calls", ["state", "started_at_us"])


def downgrade() -> None:
    op.drop_index("calls_state", "calls")
    op.drop_column("calls", "closed_at_us")
    op.drop_column("calls", "max_duration_seconds")
