"""The outbox of the cache. Code of the revision before does not know it, and works beside it without a cache."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

KeyText = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "cache_outbox",
        sa.Column("write_id", KeyText, nullable=False),
        sa.Column("tenant_id", KeyText, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("created_at_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("write_id", name="pk_cache_outbox"),
    )
    op.create_index("ix_cache_outbox_tenant_id", "cache_outbox", ["tenant_id"])


def downgrade() -> None:
    op.drop_table("cache_outbox")
