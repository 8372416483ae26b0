"""Tenants, bindings and their history."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

KeyText = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _version_columns() -> list["sa.Column[Any]"]:
    return [
        sa.Column("tenant_id", KeyText, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("access_number", KeyText, nullable=False),
        sa.Column("a_number", KeyText, nullable=False),
        sa.Column("b_number", KeyText, nullable=False),
        sa.Column("callback_number", KeyText, nullable=False),
        sa.Column("display_number", sa.Text, nullable=False),
        sa.Column("one_way", sa.Boolean, nullable=False),
        sa.Column("member_prompts", sa.Text, nullable=False),
        sa.Column("profile", sa.Text, nullable=False),
        sa.Column("ruled_fields", sa.Text, nullable=False),
        sa.Column("not_before_us", sa.BigInteger, nullable=True),
        sa.Column("expires_at_us", sa.BigInteger, nullable=True),
        sa.Column("created_at_us", sa.BigInteger, nullable=False),
        sa.Column("updated_at_us", sa.BigInteger, nullable=False),
    ]


def upgrade() -> None:
    op.create_table(
        "tenants",
        sa.Column("tenant_id", KeyText, nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_tenants"),
    )
    op.create_table(
        "bindings",
        sa.Column("binding_id", KeyText, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        *_version_columns(),
        sa.PrimaryKeyConstraint("binding_id", name="pk_bindings"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="fk_bindings_tenant_id"),
    )
    op.create_index(
        "ix_bindings_tenant_id_created_at_us_binding_id", "bindings", ["tenant_id", "created_at_us", "binding_id"]
    )
    op.create_index(
        "ix_bindings_tenant_id_access_number_created_at_us_binding_id",
        "bindings",
        ["tenant_id", "access_number", "created_at_us", "binding_id"],
    )
    op.create_index("ix_bindings_tenant_id_a_number", "bindings", ["tenant_id", "a_number"])
    for name in ("b_number", "callback_number"):
        present = sa.text(f"{name} <> ''")
        op.create_index(
            f"ix_bindings_tenant_id_{name}",
            "bindings",
            ["tenant_id", name],
            sqlite_where=present,
            postgresql_where=present,
        )
    op.create_table(
        "binding_history",
        sa.Column("binding_id", KeyText, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        *_version_columns(),
        sa.Column("ended_at_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("binding_id", "revision", name="pk_binding_history"),
    )
    op.create_index(
        "ix_binding_history_tenant_id_access_number_ended_at_us",
        "binding_history",
        ["tenant_id", "access_number", "ended_at_us"],
    )
    op.create_table(
        "access_numbers",
        sa.Column("access_number", KeyText, nullable=False),
        sa.Column("tenant_id", KeyText, nullable=False),
        sa.PrimaryKeyConstraint("access_number", name="pk_access_numbers"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="fk_access_numbers_tenant_id"),
    )
    op.create_index("ix_access_numbers_tenant_id", "access_numbers", ["tenant_id"])
    op.create_table(
        "binding_claims",
        sa.Column("tenant_id", KeyText, nullable=False),
        sa.Column("access_number", KeyText, nullable=False),
        sa.Column("number", KeyText, nullable=False),
        sa.Column("binding_id", KeyText, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "access_number", "number", name="pk_binding_claims"),
        sa.ForeignKeyConstraint(
            ["binding_id"], ["bindings.binding_id"], name="fk_binding_claims_binding_id", ondelete="CASCADE"
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_binding_claims_binding_id", "binding_claims", ["binding_id"])


def downgrade() -> None:
    for table in ("binding_claims", "access_numbers", "binding_history", "bindings", "tenants"):
        op.drop_table(table)
