"""The changes of finished calls' records, and the webhooks that follow them and the log."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

RowId = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.add_column("partition_heads", sa.Column("last_change", sa.BigInteger, nullable=False, server_default="0"))
    op.create_table(
        "call_changes",
        sa.Column("partition_id", sa.Integer, nullable=False),
        sa.Column("change_offset", sa.BigInteger, nullable=False),
        sa.Column("call_key", sa.LargeBinary(16), nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("stored_day", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("partition_id", "change_offset", name="call_changes_pkey"),
    )
    op.create_index("call_changes_stored_day", "call_changes", ["stored_day"])
    op.create_table(
        "webhooks",
        sa.Column("webhook_id", sa.Text, primary_key=True),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("message_types", sa.Text, nullable=False),
        sa.Column("event_codes", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("state_reason", sa.Text, nullable=False),
        sa.Column("max_in_flight", sa.Integer, nullable=False),
        sa.Column("max_per_second", sa.Integer, nullable=False),
        sa.Column("timeout_ms", sa.Integer, nullable=False),
        sa.Column("secrets", sa.Text, nullable=False),
        sa.Column("created_at_us", sa.BigInteger, nullable=False),
        sa.Column("updated_at_us", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
    )
    op.create_index("webhooks_tenant", "webhooks", ["tenant_id", "webhook_id"])
    op.create_table(
        "webhook_health",
        sa.Column("webhook_id", sa.Text, primary_key=True),
        sa.Column("consecutive_failures", sa.Integer, nullable=False),
        sa.Column("trips", sa.Integer, nullable=False),
        sa.Column("held_until_us", sa.BigInteger, nullable=False),
        sa.Column("rate_us", sa.BigInteger, nullable=False),
        sa.Column("last_success_us", sa.BigInteger),
        sa.Column("last_failure_us", sa.BigInteger),
        sa.Column("last_error", sa.Text, nullable=False),
    )
    op.create_table(
        "webhook_cursors",
        sa.Column("partition_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("log_offset", sa.BigInteger, nullable=False),
        sa.Column("change_offset", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("leased_until_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("delivery_id", RowId, primary_key=True, autoincrement=True),
        sa.Column("webhook_id", sa.Text, nullable=False),
        sa.Column("partition_id", sa.Integer, nullable=False),
        sa.Column("call_key", sa.LargeBinary(16), nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("due_at_us", sa.BigInteger, nullable=False),
        sa.Column("queued_at_us", sa.BigInteger, nullable=False),
        sa.Column("expires_at_us", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("lease_token", sa.Text, nullable=False),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("message_type", sa.Text, nullable=False),
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("last_status_code", sa.Integer, nullable=False),
        sa.Column("last_error", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("webhook_deliveries_due", "webhook_deliveries", ["webhook_id", "state", "due_at_us", "delivery_id"])
    op.create_index("webhook_deliveries_call", "webhook_deliveries", ["webhook_id", "call_key", "state", "delivery_id"])
    op.create_index("webhook_deliveries_expiry", "webhook_deliveries", ["state", "expires_at_us"])
    op.create_table(
        "webhook_attempts",
        sa.Column("attempt_id", RowId, primary_key=True, autoincrement=True),
        sa.Column("webhook_id", sa.Text, nullable=False),
        sa.Column("delivery_id", sa.BigInteger, nullable=False),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("message_type", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("started_at_us", sa.BigInteger, nullable=False),
        sa.Column("took_ms", sa.BigInteger, nullable=False),
        sa.Column("status_code", sa.Integer, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("excerpt", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("webhook_attempts_webhook", "webhook_attempts", ["webhook_id", "attempt_id"])


def downgrade() -> None:
    for name in (
        "webhook_attempts",
        "webhook_deliveries",
        "webhook_cursors",
        "webhook_health",
        "webhooks",
        "call_changes",
    ):
        op.drop_table(name)
    with op.batch_alter_table("partition_heads") as heads:
        heads.drop_column("last_change")
