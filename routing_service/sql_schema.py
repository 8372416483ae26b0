"""The tables, alike on SQLite and PostgreSQL. Changing them takes a migration; a test compares the two.

Times are microseconds since 1970 UTC, so that nothing depends on how a database keeps time zones.
"""

from typing import Any

import sqlalchemy as sa

from common.at_rest.sql_keys import key_tables

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = sa.MetaData(naming_convention=NAMING)

# Ordered by code points on both, so that pages and comparisons are the same everywhere.
KeyText = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _column(name: str, kind: Any, **options: Any) -> "sa.Column[Any]":
    return sa.Column(name, kind, **{"nullable": False, **options})


def _version_columns() -> list["sa.Column[Any]"]:
    """One version of a binding: the same columns for the present one and for those of the past."""
    return [
        _column("tenant_id", KeyText),
        _column("kind", sa.Text),
        _column("access_number", KeyText),
        # Empty where the kind has no such number; display_number also where the access number is shown.
        _column("a_number", KeyText),
        _column("b_number", KeyText),
        _column("callback_number", KeyText),
        _column("display_number", sa.Text),
        _column("one_way", sa.Boolean),
        # JSON documents of sql_store.documents; empty for nothing at all.
        _column("member_prompts", sa.Text),
        _column("profile", sa.Text),
        # What of the profile the rules between fields look at, so that a tenant's new defaults can be checked against
        # a million bindings by their few distinct combinations.
        _column("ruled_fields", sa.Text),
        _column("not_before_us", sa.BigInteger, nullable=True),
        _column("expires_at_us", sa.BigInteger, nullable=True),
        _column("created_at_us", sa.BigInteger),
        _column("updated_at_us", sa.BigInteger),
        # JSON document of targets, group, extension, Y, schedule and callback; empty for none of them. The default is
        # for the version of the code that does not know it.
        _column("details", sa.Text, server_default=""),
    ]


# When a binding lets go of its access number: when it is taken away, or when it expires, where that comes first.
HAS_EXPIRY = "expires_at_us IS NOT NULL"
LASTED_TO_ITS_END = "expires_at_us IS NULL OR expires_at_us >= ended_at_us"
EXPIRED_BEFORE_ITS_END = "expires_at_us < ended_at_us"


def _released_index(name: str, released_at: str, where: str) -> sa.Index:
    """What finds what was released last on an access number, by each of the tenants that ever had it."""
    columns = ("access_number", "tenant_id", released_at)
    return sa.Index(name, *columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


tenants = sa.Table(
    "tenants",
    metadata,
    _column("tenant_id", KeyText, primary_key=True),
    _column("display_name", sa.Text),
    # JSON document of all other settings.
    _column("settings", sa.Text),
    _column("revision", sa.BigInteger),
)

bindings = sa.Table(
    "bindings",
    metadata,
    _column("binding_id", KeyText, primary_key=True),
    _column("revision", sa.BigInteger),
    *_version_columns(),
    sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"]),
    sa.Index(None, "tenant_id", "created_at_us", "binding_id"),
    sa.Index(None, "tenant_id", "access_number", "created_at_us", "binding_id"),
    sa.Index(None, "tenant_id", "a_number"),
    sa.Index(
        "ix_bindings_tenant_id_b_number",
        "tenant_id",
        "b_number",
        sqlite_where=sa.text("b_number <> ''"),
        postgresql_where=sa.text("b_number <> ''"),
    ),
    sa.Index(
        "ix_bindings_tenant_id_callback_number",
        "tenant_id",
        "callback_number",
        sqlite_where=sa.text("callback_number <> ''"),
        postgresql_where=sa.text("callback_number <> ''"),
    ),
    _released_index("ix_bindings_expiry", "expires_at_us", HAS_EXPIRY),
)

# Versions of bindings that were replaced or deleted, each valid from its updated_at_us until ended_at_us.
binding_history = sa.Table(
    "binding_history",
    metadata,
    _column("binding_id", KeyText, primary_key=True),
    _column("revision", sa.BigInteger, primary_key=True),
    *_version_columns(),
    _column("ended_at_us", sa.BigInteger),
    sa.Index(None, "tenant_id", "access_number", "ended_at_us"),
    # Which access numbers still rest for a number.
    sa.Index(None, "tenant_id", "a_number", "ended_at_us"),
    sa.Index(None, "tenant_id", "b_number", "ended_at_us"),
    # Each version is in one of the two.
    _released_index("ix_binding_history_ended", "ended_at_us", LASTED_TO_ITS_END),
    _released_index("ix_binding_history_expired", "expires_at_us", EXPIRED_BEFORE_ITS_END),
)

# Whose an access number is: it belongs to one tenant for as long as that has live bindings on it. The row goes when the
# tenant has no bindings there any more, live or not. Whoever writes bindings on an access number locks its row first.
access_numbers = sa.Table(
    "access_numbers",
    metadata,
    _column("access_number", KeyText, primary_key=True),
    _column("tenant_id", KeyText),
    sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"]),
    sa.Index(None, "tenant_id"),
)

# The callers that a binding takes for itself on its access number; an empty number stands for every caller. The primary
# key is what keeps two live bindings apart, and the hot path finds a caller's bindings by it. An expired binding keeps
# its claims until another binding wants them.
binding_claims = sa.Table(
    "binding_claims",
    metadata,
    _column("tenant_id", KeyText, primary_key=True),
    _column("access_number", KeyText, primary_key=True),
    _column("number", KeyText, primary_key=True),
    _column("binding_id", KeyText),
    sa.ForeignKeyConstraint(["binding_id"], ["bindings.binding_id"], ondelete="CASCADE"),
    sa.Index(None, "binding_id"),
    sqlite_with_rowid=False,
)


def _entry_columns() -> list["sa.Column[Any]"]:
    """An entry of a number list, present or past."""
    return [
        _column("entry_id", KeyText, primary_key=True),
        _column("tenant_id", KeyText),
        # Empty: about all access numbers of the tenant.
        _column("access_number", KeyText),
        _column("action", sa.Text),
        _column("pattern_type", sa.Text),
        _column("pattern", KeyText),
        _column("note", sa.Text),
        # The largest number where there is no end, so that it sorts behind all others on both databases.
        _column("expires_at_us", sa.BigInteger),
        _column("created_at_us", sa.BigInteger),
    ]


# Allow and block lists. Entries are never changed. A query finds those of a caller by the beginnings of its number, and
# whether a list allows anybody by the last index.
number_list_entries = sa.Table(
    "number_list_entries",
    metadata,
    *_entry_columns(),
    sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], ondelete="CASCADE"),
    sa.UniqueConstraint("tenant_id", "access_number", "pattern", "pattern_type", name="uq_number_list_entries_pattern"),
    sa.Index(None, "tenant_id", "created_at_us", "entry_id"),
    sa.Index("ix_number_list_entries_action", "tenant_id", "access_number", "action", "expires_at_us", "entry_id"),
)

# Entries that were removed or gave way, each valid from its created_at_us until ended_at_us.
number_list_history = sa.Table(
    "number_list_history",
    metadata,
    *_entry_columns(),
    _column("ended_at_us", sa.BigInteger),
    sa.Index("ix_number_list_history_pattern", "tenant_id", "access_number", "pattern", "ended_at_us"),
    sa.Index("ix_number_list_history_action", "tenant_id", "access_number", "action", "ended_at_us"),
)

# When a number was last put first in an answer, for groups that begin with the member who was idle for the longest
# time. Written best-effort, some time after the answer.
member_activity = sa.Table(
    "member_activity",
    metadata,
    _column("tenant_id", KeyText, primary_key=True),
    _column("number", KeyText, primary_key=True),
    _column("last_routed_at_us", sa.BigInteger),
    sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], ondelete="CASCADE"),
    sqlite_with_rowid=False,
)

# The order that a session got, so that it gets the same one when its query is sent again. Rows go when they have
# expired.
hunt_orders = sa.Table(
    "hunt_orders",
    metadata,
    _column("tenant_id", KeyText, primary_key=True),
    _column("session_id", KeyText, primary_key=True),
    _column("binding_id", KeyText, primary_key=True),
    # JSON list of numbers.
    _column("members", sa.Text),
    _column("expires_at_us", sa.BigInteger),
    sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], ondelete="CASCADE"),
    sa.Index(None, "expires_at_us"),
    sqlite_with_rowid=False,
)

# Who called the owner of a binding last, where it calls back. It counts only while the binding has this access number
# and this owner.
last_callers = sa.Table(
    "last_callers",
    metadata,
    _column("binding_id", KeyText, primary_key=True),
    _column("access_number", KeyText),
    _column("owner_number", KeyText),
    _column("calling_number", KeyText),
    _column("called_at_us", sa.BigInteger),
    sa.ForeignKeyConstraint(["binding_id"], ["bindings.binding_id"], ondelete="CASCADE"),
    sqlite_with_rowid=False,
)

# Writes whose scopes the cache may not have been told of yet: put down in the writing transaction, taken away once it
# was. A row that stays is a writer that died half-way, and any replica finishes it.
cache_outbox = sa.Table(
    "cache_outbox",
    metadata,
    _column("write_id", KeyText, primary_key=True),
    _column("tenant_id", KeyText),
    # JSON list of [tenant_id, access_number].
    _column("scopes", sa.Text),
    _column("created_at_us", sa.BigInteger),
    sa.Index(None, "tenant_id"),
)

# Requests that were named by their sender, with their results: put down in the transaction that they made, so that they
# are there exactly when it was committed. Kept for a day.
requests = sa.Table(
    "requests",
    metadata,
    _column("tenant_id", KeyText, primary_key=True),
    _column("request_id", KeyText, primary_key=True),
    # Which of the transactions of one request: an import makes several.
    _column("part", sa.BigInteger, primary_key=True),
    # Of what was asked, so that an id that is used again for something else is noticed.
    _column("content_hash", sa.Text),
    _column("result", sa.Text),
    # JSON list of [tenant_id, access_number]: what the cache has to hear of before the result may be told.
    _column("scopes", sa.Text),
    _column("created_at_us", sa.BigInteger),
    sa.Index(None, "created_at_us"),
)

# Who changed what.
audit_entries = sa.Table(
    "audit_entries",
    metadata,
    _column("entry_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    _column("tenant_id", KeyText),
    _column("at_us", sa.BigInteger),
    _column("actor", sa.Text),
    _column("action", sa.Text),
    _column("object_id", KeyText),
    # JSON documents; empty where there was or is nothing.
    _column("before_json", sa.Text),
    _column("after_json", sa.Text),
    _column("request_id", sa.Text),
    sa.Index(None, "tenant_id", "entry_id"),
    sa.Index(None, "tenant_id", "object_id", "entry_id"),
)

# The last position of each tenant's changes. Whoever appends some advances it in the same transaction and holds it to
# the end: so positions have no gaps, and are in the order of the commits.
binding_change_heads = sa.Table(
    "binding_change_heads",
    metadata,
    _column("tenant_id", KeyText, primary_key=True),
    _column("position", sa.BigInteger),
)

# What happened to a tenant's bindings. What they said is in `bindings` and `binding_history`, by id and revision.
binding_changes = sa.Table(
    "binding_changes",
    metadata,
    _column("tenant_id", KeyText, primary_key=True),
    _column("position", sa.BigInteger, primary_key=True),
    _column("type", sa.Text),
    _column("binding_id", KeyText),
    _column("revision", sa.BigInteger),
    _column("changed_at_us", sa.BigInteger),
    sqlite_with_rowid=False,
)

# Access numbers that belong to a tenant whether they have bindings or not; each has a row in `access_numbers` too.
pool_numbers = sa.Table(
    "pool_numbers",
    metadata,
    _column("access_number", KeyText, primary_key=True),
    _column("tenant_id", KeyText),
    # Empty: the tenant's default pool.
    _column("pool", KeyText),
    # Without the leading 0; empty: nationwide.
    _column("city_code", KeyText),
    # Names between commas, with one at each end; empty for none at all.
    _column("capabilities", sa.Text),
    _column("added_at_us", sa.BigInteger),
    # When the last binding of another tenant ended there, found when the number was added: later it can have none. 0:
    # there never was one. NULL: added by a version of the code that did not look.
    _column("others_released_at_us", sa.BigInteger, nullable=True),
    sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"]),
    sa.Index(None, "tenant_id", "pool", "city_code", "access_number"),
    sa.Index(None, "tenant_id", "access_number"),
)

# When access numbers were in pools that are not any more.
pool_number_history = sa.Table(
    "pool_number_history",
    metadata,
    _column("tenant_id", KeyText, primary_key=True),
    _column("access_number", KeyText, primary_key=True),
    _column("ended_at_us", sa.BigInteger, primary_key=True),
    _column("added_at_us", sa.BigInteger),
)

# Settings of tenants that were replaced, each valid until ended_at_us.
tenant_history = sa.Table(
    "tenant_history",
    metadata,
    _column("tenant_id", KeyText, primary_key=True),
    _column("revision", sa.BigInteger, primary_key=True),
    # When the tenant was deleted and made again, revisions begin anew.
    _column("ended_at_us", sa.BigInteger, primary_key=True),
    _column("display_name", sa.Text),
    _column("settings", sa.Text),
)

# The tenants' keys, and whether numbers are encrypted under them: see common.at_rest.
keys = key_tables(metadata, KeyText)
