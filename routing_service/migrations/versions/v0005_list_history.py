"""What was taken out of allow and block lists, and out of number pools, so that the past can be explained.

Code of the revision before writes neither, and works beside it: what it takes out meanwhile is not known afterwards.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision: str | None = "0004"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

KeyText = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "number_list_history",
        sa.Column("entry_id", KeyText, nullable=False),
        sa.Column("tenant_id", KeyText, nullable=False),
        sa.Column("access_number", KeyText, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("pattern_type", sa.Text, nullable=False),
        sa.Column("pattern", KeyText, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("expires_at_us", sa.BigInteger, nullable=False),
        sa.Column("created_at_us", sa.BigInteger, nullable=False),
        sa.Column("ended_at_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name="pk_number_list_history"),
    )
    op.create_index(
        "ix_number_list_history_pattern",
        "number_list_history",
        ["tenant_id", "access_number", "pattern", "ended_at_us"],
    )
    op.create_index(
        "ix_number_list_history_action",
        "number_list_history",
        ["tenant_id", "access_number", "action", "ended_at_us"],
    )
    op.create_table(
        "pool_number_history",
        sa.Column("tenant_id", KeyText, nullable=False),
        sa.Column("access_number", KeyText, nullable=False),
        sa.Column("ended_at_us", sa.BigInteger, nullable=False),
        sa.Column("added_at_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "access_number", "ended_at_us", name="pk_pool_number_history"),
    )


def downgrade() -> None:
    op.drop_table("pool_number_history")
    op.drop_table("number_list_history")
