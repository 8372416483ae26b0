"""Indexes by which old calls are found."""

from collections.abc import Sequence

from alembic import op

revision = "0006"
down_revision: str | None = "0005"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_index("calls_updated", "calls", ["updated_at_us", "call_key"])
    op.create_index("call_changes_call", "call_changes", ["call_key"])


def downgrade() -> None:
    op.drop_index("call_changes_call", "call_changes")
    op.drop_index("calls_updated", "calls")
