"""Who saw whole numbers, and what else was done that has to be written down."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision: str | None = "0006"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "audit_entries",
        sa.Column("entry_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False, autoincrement=True),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("after_json", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name="audit_entries_pkey"),
    )
    op.create_index("audit_entries_tenant", "audit_entries", ["tenant_id", "entry_id"])


def downgrade() -> None:
    op.drop_table("audit_entries")
