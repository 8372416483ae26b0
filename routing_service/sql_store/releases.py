"""When bindings on an access number ended last: look-ups in indexes, however many there were in all those years.

Access numbers, tenants and times are not encrypted, so that this holds where numbers are.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from common.clock import to_microseconds
from routing_service.sql_schema import (
    EXPIRED_BEFORE_ITS_END,
    HAS_EXPIRY,
    LASTED_TO_ITS_END,
    binding_history,
    bindings,
    pool_numbers,
)
from routing_service.sql_store.json_lists import element, json_list, list_elements

# The ends that there are, each with the condition that its index has: only with that is the index used.
ENDS = (
    (bindings.c.expires_at_us, HAS_EXPIRY),
    (binding_history.c.ended_at_us, f"({LASTED_TO_ITS_END})"),
    (binding_history.c.expires_at_us, EXPIRED_BEFORE_ITS_END),
)


def own_last_ends(now: datetime) -> list[Any]:
    """The last end of the tenant's own bindings on each of `pool_numbers`, of each sort; NULL where there is none."""
    own = (pool_numbers.c.access_number, pool_numbers.c.tenant_id)
    # What is past has ended; what is there may end later.
    over = {bindings: (bindings.c.expires_at_us <= to_microseconds(now),)}
    return [_last(end, where, *own, *over.get(end.table, ())).scalar_subquery() for end, where in ENDS]


async def others_released_us(connection: AsyncConnection, tenant_id: str, numbers: Sequence[str]) -> Mapping[str, int]:
    """When the last binding of another tenant ended on each of these access numbers, which are this tenant's now;
    those that never were another one's are left out."""
    last: dict[str, int] = {}
    parameters = {"numbers": json_list([[each] for each in numbers])}
    for end, where in ENDS:
        statement = others_last_end(end, where, tenant_id, connection.dialect.name == "sqlite")
        for number, at_us in (await connection.execute(statement, parameters)).all():
            last[number] = max(at_us, last.get(number, 0))
    return last


def others_last_end(end: "sa.Column[int]", where: str, tenant_id: str, is_sqlite: bool) -> "sa.Select[Any]":
    """The last end of one sort on each access number of the parameter `numbers`: two look-ups for each tenant that ever
    had it."""
    listed = list_elements("numbers", is_sqlite)
    number = element(listed.c.value, 0, is_sqlite)
    first = sa.select(number.label("number"), _next_owner(end, where, number).label("owner")).select_from(listed)
    owners = first.cte("owners", recursive=True)
    following = _next_owner(end, where, owners.c.number, end.table.c.tenant_id > owners.c.owner)
    owners = owners.union_all(sa.select(owners.c.number, following).where(owners.c.owner.is_not(None)))
    last = _last(end, where, owners.c.number, owners.c.owner).correlate(owners).scalar_subquery()
    others = owners.c.owner.is_not(None) & (owners.c.owner != tenant_id)
    each = sa.select(owners.c.number, last.label("at_us")).where(others).subquery()
    return sa.select(each.c.number, sa.func.max(each.c.at_us)).group_by(each.c.number)


def _last(end: "sa.Column[int]", where: str, number: Any, tenant_id: Any, *conditions: Any) -> "sa.Select[Any]":
    # The first of an index: the greatest of all may be taken by reading them.
    of_tenant = (end.table.c.access_number == number, end.table.c.tenant_id == tenant_id)
    found = sa.select(end).where(*of_tenant, sa.text(where), *conditions)
    return found.order_by(end.desc()).limit(1)


def _next_owner(end: "sa.Column[int]", where: str, number: Any, *conditions: Any) -> Any:
    tenant_id = end.table.c.tenant_id
    found = sa.select(tenant_id).where(end.table.c.access_number == number, sa.text(where), *conditions)
    return found.order_by(tenant_id).limit(1).correlate_except(end.table).scalar_subquery()
