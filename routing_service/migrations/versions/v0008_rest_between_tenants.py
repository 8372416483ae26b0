"""An access number rests from one tenant to another.

A step of its own, so that the table is not locked while the indexes of the step before are built. Code of the revision
before leaves the new column empty; such a number rests from when it was added.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision: str | None = "0007"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

COLUMNS = ("access_number", "tenant_id", "ended_at_us", "expires_at_us")
RELEASES = (
    ("bindings", "expires_at_us", "expires_at_us IS NOT NULL"),
    ("binding_history", "ended_at_us", "(expires_at_us IS NULL OR expires_at_us >= ended_at_us)"),
    ("binding_history", "expires_at_us", "expires_at_us < ended_at_us"),
)


def upgrade() -> None:
    op.add_column("pool_numbers", sa.Column("others_released_at_us", sa.BigInteger, nullable=True))
    tables = {name: sa.table(name, *(sa.column(each) for each in COLUMNS)) for name in ("bindings", "binding_history")}
    pooled = sa.table("pool_numbers", *(sa.column(each) for each in (*COLUMNS, "others_released_at_us")))

    def last(name: str, end: str, where: str, *, before: bool) -> "sa.Select[tuple[int]]":
        # Of an index, the range in front of the tenant's own bindings there, or the one behind them.
        each = tables[name].c
        others = each.tenant_id < pooled.c.tenant_id if before else each.tenant_id > pooled.c.tenant_id
        on_number = each.access_number == pooled.c.access_number
        return sa.select(sa.func.max(each[end]).label("at_us")).where(on_number, others, sa.text(where))

    ends = [last(*release, before=before).correlate(pooled) for release in RELEASES for before in (True, False)]
    released = sa.union_all(*ends).subquery()
    latest = sa.select(sa.func.coalesce(sa.func.max(released.c.at_us), 0)).scalar_subquery()
    op.execute(sa.update(pooled).values(others_released_at_us=latest))


def downgrade() -> None:
    op.drop_column("pool_numbers", "others_released_at_us")
