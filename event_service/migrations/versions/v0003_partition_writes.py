"""A count of the transactions that wrote to a partition, by which a process knows whether it was the last one."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision: str | None = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("partition_heads", sa.Column("write_count", sa.BigInteger, nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("partition_heads", "write_count")
