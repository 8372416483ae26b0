"""How the access numbers of a pool were used: read by statements of few rows, each of which ends in its time."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from common.clock import from_microseconds, to_microseconds
from routing_service.domain.number_pool import NumberUse
from routing_service.sql_schema import binding_history, bindings, pool_numbers
from routing_service.sql_store.database import Database
from routing_service.sql_store.rows import BINDING_COLUMNS
from routing_service.sql_store.sealing import opened_binding

# What a use is read from.
_USE_COLUMNS = ("binding_id", "a_number", "b_number", "updated_at_us", "expires_at_us")
# Access numbers whose uses are read by one statement, where they have few.
_NUMBERS_AT_ONCE = 50
# What one statement reads: in the time that a call waits for the loop, and well before its own limit.
_ROWS_AT_ONCE = 1000
# What tells the rows of one access number apart, as an index has them.
_ORDERS = {
    bindings: ("created_at_us", "binding_id"),
    binding_history: ("ended_at_us", "binding_id", "revision"),
}


async def uses_in_pool(
    database: Database, tenant_id: str, pool: str, since: datetime, limit: int
) -> tuple[int, Sequence[NumberUse]]:
    """See NumberPoolStore.uses."""
    of_pool = (
        sa.select(pool_numbers.c.access_number)
        .where(pool_numbers.c.tenant_id == tenant_id, pool_numbers.c.pool == pool)
        .order_by(pool_numbers.c.access_number)
    )

    async def numbers(connection: AsyncConnection) -> Sequence[str]:
        return (await connection.execute(of_pool)).scalars().all()

    in_pool = await database.read(numbers)
    found: list[NumberUse] = []
    for start in range(0, len(in_pool), _NUMBERS_AT_ONCE):
        async for some in _uses_on(database, tenant_id, in_pool[start : start + _NUMBERS_AT_ONCE], since):
            found += some
            if len(found) >= limit:
                return len(in_pool), found[:limit]
    return len(in_pool), found


async def _uses_on(
    database: Database, tenant_id: str, numbers: Sequence[str], since: datetime
) -> AsyncIterator[Sequence[NumberUse]]:
    few = sa.union_all(*(_versions(database, table, tenant_id, numbers, since) for table in _ORDERS))
    rows = await _read(database, few.limit(_ROWS_AT_ONCE + 1))
    if len(rows) <= _ROWS_AT_ONCE:
        yield [use for use, _ in rows]
        return
    for number in numbers:
        # Present ones first: one that is replaced meanwhile is read twice, which is one use, and not missed.
        for table, names in _ORDERS.items():
            order = [table.c[name] for name in names]
            page = _versions(database, table, tenant_id, [number], since).order_by(*order).limit(_ROWS_AT_ONCE)
            rows = await _read(database, page)
            while rows:
                yield [use for use, _ in rows]
                if len(rows) < _ROWS_AT_ONCE:
                    break
                last = rows[-1][1]
                rows = await _read(database, page.where(sa.tuple_(*order) > tuple(last[name] for name in names)))


def _versions(
    database: Database, table: sa.Table, tenant_id: str, numbers: Sequence[str], since: datetime
) -> "sa.Select[Any]":
    since_us = to_microseconds(since)
    # Where numbers are encrypted the whole row is what opens.
    opened = _USE_COLUMNS if database.keys is None else [column.name for column in BINDING_COLUMNS]
    names = [*dict.fromkeys((*opened, "created_at_us", "revision"))]
    ended = table.c.ended_at_us if "ended_at_us" in table.c else sa.cast(sa.null(), sa.BigInteger).label("ended_at_us")
    version = sa.select(*(table.c[name] for name in names), ended).where(
        table.c.tenant_id == tenant_id,
        table.c.access_number.in_(numbers),
        sa.or_(table.c.expires_at_us.is_(None), table.c.expires_at_us > since_us),
    )
    return version.where(table.c.ended_at_us > since_us) if "ended_at_us" in table.c else version


async def _read(database: Database, statement: Any) -> Sequence[tuple[NumberUse, Mapping[Any, Any]]]:
    async def work(connection: AsyncConnection) -> Sequence[tuple[NumberUse, Mapping[Any, Any]]]:
        rows = (await connection.execute(statement)).all()
        return [(_use(opened_binding(row._mapping)), row._mapping) for row in rows]

    return await database.read(work)


def _use(columns: Mapping[Any, Any]) -> NumberUse:
    ends = [each for each in (columns["ended_at_us"], columns["expires_at_us"]) if each is not None]
    return NumberUse(
        columns["binding_id"],
        tuple(each for each in (columns["a_number"], columns["b_number"]) if each),
        from_microseconds(columns["updated_at_us"]),
        from_microseconds(min(ends)) if ends else None,
    )
