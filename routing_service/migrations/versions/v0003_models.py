"""Every kind of binding, number lists, and what is remembered of earlier calls.

Code of the revision before writes bindings without details, and does not look at lists.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision: str | None = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

KeyText = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    for table in ("bindings", "binding_history"):
        op.add_column(table, sa.Column("details", sa.Text, nullable=False, server_default=""))
    op.create_table(
        "number_list_entries",
        sa.Column("entry_id", KeyText, nullable=False),
        sa.Column("tenant_id", KeyText, nullable=False),
        sa.Column("access_number", KeyText, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("pattern_type", sa.Text, nullable=False),
        sa.Column("pattern", KeyText, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("expires_at_us", sa.BigInteger, nullable=False),
        sa.Column("created_at_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name="pk_number_list_entries"),
        _tenant_key("number_list_entries"),
        sa.UniqueConstraint(
            "tenant_id",
            "access_number",
            "pattern",
            "pattern_type",
            name="uq_number_list_entries_pattern",
        ),
    )
    op.create_index(
        "ix_number_list_entries_tenant_id_created_at_us_entry_id",
        "number_list_entries",
        ["tenant_id", "created_at_us", "entry_id"],
    )
    op.create_index(
        "ix_number_list_entries_action",
        "number_list_entries",
        ["tenant_id", "access_number", "action", "expires_at_us", "entry_id"],
    )
    op.create_table(
        "member_activity",
        sa.Column("tenant_id", KeyText, nullable=False),
        sa.Column("number", KeyText, nullable=False),
        sa.Column("last_routed_at_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "number", name="pk_member_activity"),
        _tenant_key("member_activity"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "hunt_orders",
        sa.Column("tenant_id", KeyText, nullable=False),
        sa.Column("session_id", KeyText, nullable=False),
        sa.Column("binding_id", KeyText, nullable=False),
        sa.Column("members", sa.Text, nullable=False),
        sa.Column("expires_at_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "session_id", "binding_id", name="pk_hunt_orders"),
        _tenant_key("hunt_orders"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_hunt_orders_expires_at_us", "hunt_orders", ["expires_at_us"])
    op.create_table(
        "last_callers",
        sa.Column("binding_id", KeyText, nullable=False),
        sa.Column("access_number", KeyText, nullable=False),
        sa.Column("owner_number", KeyText, nullable=False),
        sa.Column("calling_number", KeyText, nullable=False),
        sa.Column("called_at_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("binding_id", name="pk_last_callers"),
        sa.ForeignKeyConstraint(
            ["binding_id"], ["bindings.binding_id"], name="fk_last_callers_binding_id", ondelete="CASCADE"
        ),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    for table in ("last_callers", "hunt_orders", "member_activity", "number_list_entries"):
        op.drop_table(table)
    for table in ("binding_history", "bindings"):
        op.drop_column(table, "details")


def _tenant_key(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id"], ["tenants.tenant_id"], name=f"fk_{table}_tenant_id", ondelete="CASCADE"
    )
