"""The event log, the call records, the quarantine."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

RowId = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "partition_heads",
        sa.Column("partition_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("last_offset", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "events",
        sa.Column("partition_id", sa.Integer, nullable=False),
        sa.Column("log_offset", sa.BigInteger, nullable=False),
        sa.Column("call_key", sa.LargeBinary(16), nullable=False),
        sa.Column("event_hash", sa.LargeBinary(16), nullable=False),
        sa.Column("call_ordinal", sa.Integer, nullable=False),
        sa.Column("stored_day", sa.Integer, nullable=False),
        sa.Column("stored_at_us", sa.BigInteger, nullable=False),
        sa.Column("received_at_us", sa.BigInteger, nullable=False),
        sa.Column("last_received_at_us", sa.BigInteger, nullable=False),
        sa.Column("received_count", sa.Integer, nullable=False),
        sa.Column("conflict", sa.Boolean, nullable=False),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("seq", sa.Text, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("fields", sa.Text, nullable=False),
        sa.Column("content_type", sa.Text, nullable=False),
        sa.Column("traceparent", sa.Text, nullable=False),
        sa.Column("raw_body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("partition_id", "log_offset", name="events_pkey"),
    )
    op.create_index("events_call", "events", ["call_key", "event_hash"], unique=True)
    op.create_index("events_stored_day", "events", ["stored_day"])
    op.create_table(
        "decisions",
        sa.Column("call_key", sa.LargeBinary(16), nullable=False),
        sa.Column("decision_hash", sa.LargeBinary(16), nullable=False),
        sa.Column("partition_id", sa.Integer, nullable=False),
        sa.Column("stored_day", sa.Integer, nullable=False),
        sa.Column("stored_at_us", sa.BigInteger, nullable=False),
        sa.Column("received_at_us", sa.BigInteger, nullable=False),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("fields", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("call_key", "decision_hash", name="decisions_pkey"),
    )
    op.create_index("decisions_stored_day", "decisions", ["stored_day"])
    op.create_table(
        "calls",
        sa.Column("call_key", sa.LargeBinary(16), primary_key=True),
        sa.Column("partition_id", sa.Integer, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("updated_at_us", sa.BigInteger, nullable=False),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("calling_number", sa.Text, nullable=False),
        sa.Column("access_number", sa.Text, nullable=False),
        sa.Column("called_number", sa.Text, nullable=False),
        sa.Column("translated_number", sa.Text, nullable=False),
        sa.Column("direction", sa.Text, nullable=False),
        sa.Column("binding_id", sa.Text, nullable=False),
        sa.Column("binding_revision", sa.BigInteger, nullable=False),
        sa.Column("query_result", sa.Text, nullable=False),
        sa.Column("started_at_us", sa.BigInteger, nullable=False),
        sa.Column("called_at_us", sa.BigInteger),
        sa.Column("ringing_at_us", sa.BigInteger),
        sa.Column("answered_at_us", sa.BigInteger),
        sa.Column("ended_at_us", sa.BigInteger),
        sa.Column("ring_seconds", sa.BigInteger),
        sa.Column("talk_seconds", sa.BigInteger),
        sa.Column("hangup_party", sa.Text, nullable=False),
        sa.Column("call_result", sa.Text, nullable=False),
        sa.Column("end_reason", sa.Text, nullable=False),
        sa.Column("end_reason_zh", sa.Text, nullable=False),
        sa.Column("recording_path", sa.Text, nullable=False),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("charge_ext", sa.Text, nullable=False),
        sa.Column("user_data", sa.Text, nullable=False),
        sa.Column("anomalies", sa.Text, nullable=False),
        sa.Column("event_count", sa.Integer, nullable=False),
        sa.Column("trace_id", sa.Text, nullable=False),
    )
    op.create_index("calls_started", "calls", ["tenant_id", "started_at_us", "call_key"])
    op.create_index("calls_calling", "calls", ["tenant_id", "calling_number", "started_at_us", "call_key"])
    op.create_index("calls_access", "calls", ["tenant_id", "access_number", "started_at_us", "call_key"])
    op.create_index("calls_called", "calls", ["tenant_id", "called_number", "started_at_us", "call_key"])
    op.create_table(
        "quarantine",
        sa.Column(
            "message_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True
        ),
        sa.Column("received_at_us", sa.BigInteger, nullable=False),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("content_type", sa.Text, nullable=False),
        sa.Column("raw_body", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "quarantine_totals",
        sa.Column("totals_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("messages", sa.BigInteger, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("dropped", sa.BigInteger, nullable=False),
    )
    totals = sa.table(
        "quarantine_totals", *(sa.column(name) for name in ("totals_id", "messages", "size_bytes", "dropped"))
    )
    op.execute(sa.insert(totals).values(totals_id=1, messages=0, size_bytes=0, dropped=0))


def downgrade() -> None:
    for name in ("quarantine_totals", "quarantine", "calls", "decisions", "events", "partition_heads"):
        op.drop_table(name)
