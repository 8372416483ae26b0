"""Named requests, the audit log, the changes as a feed, number pools, and the tenants' past settings.

Code of the revision before writes none of these, and works beside it: what it changes meanwhile is not in the audit log
and in the feed.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

KeyText = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "requests",
        sa.Column("tenant_id", KeyText, nullable=False),
        sa.Column("request_id", KeyText, nullable=False),
        sa.Column("part", sa.BigInteger, nullable=False),
        sa.Column("content_hash", sa.Text, nullable=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("created_at_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "request_id", "part", name="pk_requests"),
    )
    op.create_index("ix_requests_created_at_us", "requests", ["created_at_us"])
    op.create_table(
        "audit_entries",
        sa.Column("entry_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False, autoincrement=True),
        sa.Column("tenant_id", KeyText, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("object_id", KeyText, nullable=False),
        sa.Column("before_json", sa.Text, nullable=False),
        sa.Column("after_json", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name="pk_audit_entries"),
    )
    op.create_index("ix_audit_entries_tenant_id_entry_id", "audit_entries", ["tenant_id", "entry_id"])
    op.create_index(
        "ix_audit_entries_tenant_id_object_id_entry_id", "audit_entries", ["tenant_id", "object_id", "entry_id"]
    )
    op.create_table(
        "binding_change_heads",
        sa.Column("tenant_id", KeyText, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_binding_change_heads"),
    )
    op.create_table(
        "binding_changes",
        sa.Column("tenant_id", KeyText, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("binding_id", KeyText, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("changed_at_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "position", name="pk_binding_changes"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "pool_numbers",
        sa.Column("access_number", KeyText, nullable=False),
        sa.Column("tenant_id", KeyText, nullable=False),
        sa.Column("pool", KeyText, nullable=False),
        sa.Column("city_code", KeyText, nullable=False),
        sa.Column("capabilities", sa.Text, nullable=False),
        sa.Column("added_at_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("access_number", name="pk_pool_numbers"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="fk_pool_numbers_tenant_id"),
    )
    op.create_index(
        "ix_pool_numbers_tenant_id_pool_city_code_access_number",
        "pool_numbers",
        ["tenant_id", "pool", "city_code", "access_number"],
    )
    op.create_index("ix_pool_numbers_tenant_id_access_number", "pool_numbers", ["tenant_id", "access_number"])
    op.create_table(
        "tenant_history",
        sa.Column("tenant_id", KeyText, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("ended_at_us", sa.BigInteger, nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "revision", "ended_at_us", name="pk_tenant_history"),
    )
    for number in ("a_number", "b_number"):
        op.create_index(
            f"ix_binding_history_tenant_id_{number}_ended_at_us",
            "binding_history",
            ["tenant_id", number, "ended_at_us"],
        )


def downgrade() -> None:
    for number in ("a_number", "b_number"):
        op.drop_index(f"ix_binding_history_tenant_id_{number}_ended_at_us", "binding_history")
    for table in (
        "tenant_history",
        "pool_numbers",
        "binding_changes",
        "binding_change_heads",
        "audit_entries",
        "requests",
    ):
        op.drop_table(table)
