"""Subscriptions, and where in the log the changes of records stand."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision: str | None = "0004"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    # Changes from before this are read before all events: they are older than any subscription.
    op.add_column("call_changes", sa.Column("log_offset", sa.BigInteger, nullable=False, server_default="0"))
    op.create_table(
        "subscriptions",
        sa.Column("subscription_id", sa.Text, primary_key=True),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("codes", sa.Text, nullable=False),
        sa.Column("numbers", sa.Text, nullable=False),
        sa.Column("created_at_us", sa.BigInteger, nullable=False),
        sa.Column("remove_unused_us", sa.BigInteger, nullable=False),
        sa.Column("used_at_us", sa.BigInteger, nullable=False),
    )
    op.create_index("subscriptions_name", "subscriptions", ["tenant_id", "name"], unique=True)
    op.create_table(
        "subscription_cursors",
        sa.Column("subscription_id", sa.Text, nullable=False),
        sa.Column("partition_id", sa.Integer, nullable=False),
        sa.Column("log_offset", sa.BigInteger, nullable=False),
        sa.Column("change_offset", sa.BigInteger, nullable=False),
        sa.Column("acknowledged_at_us", sa.BigInteger),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("leased_until_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("subscription_id", "partition_id", name="subscription_cursors_pkey"),
    )
    op.create_table(
        "subscription_consumers",
        sa.Column("subscription_id", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("joined_at_us", sa.BigInteger, nullable=False),
        sa.Column("expires_at_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("subscription_id", "owner", name="subscription_consumers_pkey"),
    )


def downgrade() -> None:
    op.drop_table("subscription_consumers")
    op.drop_table("subscription_cursors")
    op.drop_index("subscriptions_name", "subscriptions")
    op.drop_table("subscriptions")
    op.drop_column("call_changes", "log_offset")
