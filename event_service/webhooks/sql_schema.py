"""The webhooks' tables, alike in SQLite and PostgreSQL; they stand in the event service's metadata.

Times are microseconds since 1970 UTC.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text

from event_service.sql_schema import metadata

# BIGINT is no rowid in SQLite, and only a rowid counts up by itself.
_RowId = BigInteger().with_variant(Integer, "sqlite")

webhooks = Table(
    "webhooks",
    metadata,
    Column("webhook_id", Text, primary_key=True),
    Column("tenant_id", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("description", Text, nullable=False),
    # JSON arrays; empty: all.
    Column("message_types", Text, nullable=False),
    Column("event_codes", Text, nullable=False),
    # domain.WebhookState, or `deleted` until all that belongs to it is removed.
    Column("state", Text, nullable=False),
    Column("state_reason", Text, nullable=False),
    Column("max_in_flight", Integer, nullable=False),
    Column("max_per_second", Integer, nullable=False),
    Column("timeout_ms", Integer, nullable=False),
    # A JSON array of [sealed, created_at_us, expires_at_us].
    Column("secrets", Text, nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Column("updated_at_us", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
)
Index("webhooks_tenant", webhooks.c.tenant_id, webhooks.c.webhook_id)

# How each endpoint does (circuit.EndpointHealth). A row's lock is the right to lease for its webhook.
webhook_health = Table(
    "webhook_health",
    metadata,
    Column("webhook_id", Text, primary_key=True),
    Column("consecutive_failures", Integer, nullable=False),
    Column("trips", Integer, nullable=False),
    Column("held_until_us", BigInteger, nullable=False),
    Column("rate_us", BigInteger, nullable=False),
    Column("last_success_us", BigInteger),
    Column("last_failure_us", BigInteger),
    Column("last_error", Text, nullable=False),
)

# One row a partition of the log: how far its messages are queued.
webhook_cursors = Table(
    "webhook_cursors",
    metadata,
    Column("partition_id", Integer, primary_key=True, autoincrement=False),
    Column("log_offset", BigInteger, nullable=False),
    Column("change_offset", BigInteger, nullable=False),
    # Who feeds the partition, until when; then anyone may.
    Column("owner", Text, nullable=False),
    Column("leased_until_us", BigInteger, nullable=False),
)

# Messages for endpoints. Of one webhook and call at most one row is pending or leased: the one with the lowest id of
# those that are not finished. The others wait.
webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("delivery_id", _RowId, primary_key=True, autoincrement=True),
    Column("webhook_id", Text, nullable=False),
    Column("partition_id", Integer, nullable=False),
    Column("call_key", LargeBinary(16), nullable=False),
    # waiting, pending, leased, delivered, dead.
    Column("state", Text, nullable=False),
    # When the row is looked at next: the attempt of a pending one, the end of a lease; of a finished one when it was
    # finished.
    Column("due_at_us", BigInteger, nullable=False),
    Column("queued_at_us", BigInteger, nullable=False),
    Column("expires_at_us", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("lease_token", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("message_type", Text, nullable=False),
    Column("session_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("last_status_code", Integer, nullable=False),
    Column("last_error", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)
Index(
    "webhook_deliveries_due",
    webhook_deliveries.c.webhook_id,
    webhook_deliveries.c.state,
    webhook_deliveries.c.due_at_us,
    webhook_deliveries.c.delivery_id,
)
Index(
    "webhook_deliveries_call",
    webhook_deliveries.c.webhook_id,
    webhook_deliveries.c.call_key,
    webhook_deliveries.c.state,
    webhook_deliveries.c.delivery_id,
)
Index("webhook_deliveries_expiry", webhook_deliveries.c.state, webhook_deliveries.c.expires_at_us)

webhook_attempts = Table(
    "webhook_attempts",
    metadata,
    Column("attempt_id", _RowId, primary_key=True, autoincrement=True),
    Column("webhook_id", Text, nullable=False),
    Column("delivery_id", BigInteger, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("message_type", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("started_at_us", BigInteger, nullable=False),
    Column("took_ms", BigInteger, nullable=False),
    Column("status_code", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("excerpt", Text, nullable=False),
    sqlite_autoincrement=True,
)
Index("webhook_attempts_webhook", webhook_attempts.c.webhook_id, webhook_attempts.c.attempt_id)
