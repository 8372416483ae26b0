"""The tenants' keys, for numbers that are encrypted at rest."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision: str | None = "0005"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

KeyText = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "data_keys",
        sa.Column("tenant_id", KeyText, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("master_key_id", sa.Text, nullable=False),
        sa.Column("wrapped", sa.Text, nullable=False),
        sa.Column("created_at_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "kind", "version", name="pk_data_keys"),
    )
    op.create_table(
        "encryption_state",
        sa.Column("state_id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("mode", sa.Text, nullable=False),
        sa.Column("master_key_id", sa.Text, nullable=False),
        sa.Column("proof", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("state_id", name="pk_encryption_state"),
    )


def downgrade() -> None:
    op.drop_table("encryption_state")
    op.drop_table("data_keys")
