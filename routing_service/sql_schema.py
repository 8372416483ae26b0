"""The tables, alike on SQLite and PostgreSQL. Changing them takes a migration; a test compares the two.

Times are microseconds since 1970 UTC, so that nothing depends on how a database keeps time zones.
"""

from typing import Any

import sqlalchemy as sa

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
    ]


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
