"""The tables, alike in SQLite and PostgreSQL. The migrations make them; a test holds the two together.

Times are microseconds since 1970 UTC. `call_key` is 16 bytes that name a call (domain.call_key). `stored_day` is the
day since 1970 UTC on which a row was committed, and never changes. On PostgreSQL `events` and `decisions` are
partitioned by it (sql_days), and a key has to name it there: what keeps an event from being stored twice on two days is
that whoever stores it holds its partition's head and has looked.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)

metadata = MetaData()

# One row a partition, made when the log is created: their number is the log's partition count. A row's lock is the
# right to append to the partition, which makes offsets gapless and puts them in commit order.
partition_heads = Table(
    "partition_heads",
    metadata,
    Column("partition_id", Integer, primary_key=True, autoincrement=False),
    # The offset of the last event; 0: none yet.
    Column("last_offset", BigInteger, nullable=False),
    # Grows with every transaction that writes to the partition, events or anything that follows from them, so that a
    # process can tell whether it was the last one to write (known_calls).
    Column("write_count", BigInteger, nullable=False, server_default="0"),
    # The offset of the last of the partition's rows of call_changes.
    Column("last_change", BigInteger, nullable=False, server_default="0"),
)

# The log. Content is never changed; the columns on copies are (see `received_count`).
events = Table(
    "events",
    metadata,
    Column("partition_id", Integer, nullable=False),
    Column("log_offset", BigInteger, nullable=False),
    Column("call_key", LargeBinary(16), nullable=False),
    Column("event_hash", LargeBinary(16), nullable=False),
    # The place among the call's own events in the order of the log, from 0.
    Column("call_ordinal", Integer, nullable=False),
    Column("stored_day", Integer, nullable=False),
    Column("stored_at_us", BigInteger, nullable=False),
    # When the first and the last copy were received, and how many there were.
    Column("received_at_us", BigInteger, nullable=False),
    Column("last_received_at_us", BigInteger, nullable=False),
    Column("received_count", Integer, nullable=False),
    # Whether the call has another event with the same key but other content.
    Column("conflict", Boolean, nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("session_id", Text, nullable=False),
    Column("call_id", Text, nullable=False),
    Column("seq", Text, nullable=False),
    Column("code", Text, nullable=False),
    # The other fields as a JSON object, empty ones left out.
    Column("fields", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("traceparent", Text, nullable=False),
    # The body of the copy that was received first. Last, because it is the longest and seldom read.
    Column("raw_body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("partition_id", "log_offset", "stored_day", name="events_pkey"),
)
Index("events_call", events.c.call_key, events.c.event_hash, events.c.stored_day, unique=True)

# The answers to the calls' queries.
decisions = Table(
    "decisions",
    metadata,
    Column("call_key", LargeBinary(16), nullable=False),
    Column("decision_hash", LargeBinary(16), nullable=False),
    Column("partition_id", Integer, nullable=False),
    Column("stored_day", Integer, nullable=False),
    Column("stored_at_us", BigInteger, nullable=False),
    Column("received_at_us", BigInteger, nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("session_id", Text, nullable=False),
    # The other fields as a JSON object, empty ones left out.
    Column("fields", Text, nullable=False),
    PrimaryKeyConstraint("call_key", "decision_hash", "stored_day", name="decisions_pkey"),
)

# The call records: what the fold makes of a call's events and decisions (domain.Call, field by field).
calls = Table(
    "calls",
    metadata,
    Column("call_key", LargeBinary(16), primary_key=True),
    Column("partition_id", Integer, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("updated_at_us", BigInteger, nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("session_id", Text, nullable=False),
    Column("call_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("calling_number", Text, nullable=False),
    Column("access_number", Text, nullable=False),
    Column("called_number", Text, nullable=False),
    Column("translated_number", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Column("binding_id", Text, nullable=False),
    Column("binding_revision", BigInteger, nullable=False),
    Column("query_result", Text, nullable=False),
    Column("started_at_us", BigInteger, nullable=False),
    Column("called_at_us", BigInteger),
    Column("ringing_at_us", BigInteger),
    Column("answered_at_us", BigInteger),
    Column("ended_at_us", BigInteger),
    Column("ring_seconds", BigInteger),
    Column("talk_seconds", BigInteger),
    Column("hangup_party", Text, nullable=False),
    Column("call_result", Text, nullable=False),
    Column("end_reason", Text, nullable=False),
    Column("end_reason_zh", Text, nullable=False),
    Column("recording_path", Text, nullable=False),
    Column("client_id", Text, nullable=False),
    Column("charge_ext", Text, nullable=False),
    Column("user_data", Text, nullable=False),
    # A JSON array.
    Column("anomalies", Text, nullable=False),
    Column("event_count", Integer, nullable=False),
    Column("trace_id", Text, nullable=False),
    Column("max_duration_seconds", BigInteger, nullable=False, server_default="0"),
    Column("closed_at_us", BigInteger),
    # No message of the call was stored on an earlier day; 0 where that is not known.
    Column("first_day", Integer, nullable=False, server_default="0"),
)
Index("calls_first_day", calls.c.first_day)
# Calls that are not over are few: whoever gives up the overdue ones walks along their states.
Index("calls_state", calls.c.state, calls.c.started_at_us)
# Retention walks along this one.
Index("calls_updated", calls.c.updated_at_us, calls.c.call_key)
# Each list query walks one of these from its newest end.
Index("calls_started", calls.c.tenant_id, calls.c.started_at_us, calls.c.call_key)
Index("calls_calling", calls.c.tenant_id, calls.c.calling_number, calls.c.started_at_us, calls.c.call_key)
Index("calls_access", calls.c.tenant_id, calls.c.access_number, calls.c.started_at_us, calls.c.call_key)
Index("calls_called", calls.c.tenant_id, calls.c.called_number, calls.c.started_at_us, calls.c.call_key)

# The changes of the records of calls that are over: one row for each revision, with offsets that are gapless and in
# commit order like the log's. Whoever follows it misses none, also where no event made the change.
call_changes = Table(
    "call_changes",
    metadata,
    Column("partition_id", Integer, nullable=False),
    Column("change_offset", BigInteger, nullable=False),
    # The partition's last event when the change was committed: where it stands among the events.
    Column("log_offset", BigInteger, nullable=False, server_default="0"),
    Column("call_key", LargeBinary(16), nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("stored_day", Integer, nullable=False),
    PrimaryKeyConstraint("partition_id", "change_offset", name="call_changes_pkey"),
)
Index("call_changes_call", call_changes.c.call_key)

# Messages that belong to no call that could be named.
quarantine = Table(
    "quarantine",
    metadata,
    # BIGINT is no rowid in SQLite, and only a rowid counts up by itself.
    Column("message_id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("received_at_us", BigInteger, nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("raw_body", LargeBinary, nullable=False),
    # An id is never given twice, so that a page token keeps its meaning.
    sqlite_autoincrement=True,
)

# One row: what the quarantine holds, and how many messages were ever dropped from it. Its lock is the right to write.
quarantine_totals = Table(
    "quarantine_totals",
    metadata,
    Column("totals_id", Integer, primary_key=True, autoincrement=False),
    Column("messages", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("dropped", BigInteger, nullable=False),
)

# Who did what that has to be written down.
audit_entries = Table(
    "audit_entries",
    metadata,
    Column("entry_id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    # `*`: it was about all of them.
    Column("tenant_id", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    # A JSON object.
    Column("after_json", Text, nullable=False),
    # What it was done to, and a JSON object of what that was before; empty where there was nothing.
    Column("object_id", Text, nullable=False, server_default=""),
    Column("before_json", Text, nullable=False, server_default=""),
)
Index("audit_entries_tenant", audit_entries.c.tenant_id, audit_entries.c.entry_id)
Index("audit_entries_object", audit_entries.c.tenant_id, audit_entries.c.object_id, audit_entries.c.entry_id)
