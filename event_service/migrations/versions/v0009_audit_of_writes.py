"""The audit log also says to what something was done, and what that was before.

The version before goes on writing entries, which are about no object.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision: str | None = "0008"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("audit_entries", sa.Column("object_id", sa.Text, nullable=False, server_default=""))
    op.add_column("audit_entries", sa.Column("before_json", sa.Text, nullable=False, server_default=""))
    op.create_index("audit_entries_object", "audit_entries", ["tenant_id", "object_id", "entry_id"])


def downgrade() -> None:
    op.drop_index("audit_entries_object", "audit_entries")
    op.drop_column("audit_entries", "before_json")
    op.drop_column("audit_entries", "object_id")
