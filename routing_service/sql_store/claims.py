"""What keeps live bindings apart: whose an access number is, and which callers each binding on it claims.

On PostgreSQL the row of the access number is locked first, so that its writers go one after the other; on SQLite the
transaction holds the write lock already. Where both fail, the primary key of `binding_claims` stands.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from common.clock import to_microseconds
from common.errors import FailedPreconditionError
from routing_service.claiming import Holder, claiming
from routing_service.domain.binding import Binding
from routing_service.refusals import access_number_taken
from routing_service.sql_schema import access_numbers, binding_claims, bindings, pool_numbers
from routing_service.sql_store.json_lists import element, json_list, list_elements
from routing_service.sql_store.sealing import stored_number

# Access numbers by one statement: each ends well before its time limit.
_NUMBERS_AT_ONCE = 1000


async def lock_access_numbers(connection: AsyncConnection, tenant_id: str, numbers: Collection[str]) -> None:
    """Hold these access numbers until the end of the transaction. Those that belong to nobody become the tenant's."""
    insert: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = insert(access_numbers)
    # An update that changes nothing locks the row that is there.
    statement = statement.on_conflict_do_update(
        index_elements=[access_numbers.c.access_number],
        set_={"access_number": statement.excluded.access_number},
    )
    # Always in the same order, or two writers could wait for each other for ever.
    rows = [{"access_number": each, "tenant_id": tenant_id} for each in sorted(set(numbers))]
    for start in range(0, len(rows), _NUMBERS_AT_ONCE):
        await connection.execute(statement, rows[start : start + _NUMBERS_AT_ONCE])


async def take_numbers(
    connection: AsyncConnection, tenant_id: str, field_by_number: Mapping[str, str], now: datetime
) -> tuple[dict[str, list[str]], dict[str, FailedPreconditionError]]:
    """Make many locked access numbers the tenant's, as `take_number` does: the owners until then, where they were other
    tenants, and the errors for those that remain another one's. Each number comes with its field."""
    is_sqlite = connection.dialect.name == "sqlite"
    listed = list_elements("numbers", is_sqlite)
    others = sa.select(access_numbers.c.access_number).select_from(
        listed.join(access_numbers, access_numbers.c.access_number == element(listed.c.value, 0, is_sqlite))
    )
    others = others.where(access_numbers.c.tenant_id != tenant_id).order_by(access_numbers.c.access_number)
    previous_owners: defaultdict[str, list[str]] = defaultdict(list)
    foreign: dict[str, FailedPreconditionError] = {}
    numbers = [*field_by_number]
    for start in range(0, len(numbers), _NUMBERS_AT_ONCE):
        parameters = {"numbers": json_list([[each] for each in numbers[start : start + _NUMBERS_AT_ONCE]])}
        for number in (await connection.execute(others, parameters)).scalars().all():
            try:
                owner = await take_number(connection, tenant_id, number, now, field_by_number[number])
            except FailedPreconditionError as error:
                foreign[number] = error
            else:
                previous_owners[owner].append(number)
    return previous_owners, foreign


async def take_access_number(connection: AsyncConnection, binding: Binding, now: datetime) -> str:
    """Make the locked access number of a binding its tenant's. Returns the tenant that it belonged to until then.

    Raises what `take_number` raises.
    """
    return await take_number(connection, binding.tenant_id, binding.terms.access_number, now, "binding.access_number")


async def take_number(connection: AsyncConnection, tenant_id: str, number: str, now: datetime, field: str) -> str:
    """Make a locked access number the tenant's. Returns the tenant that it belonged to until then.

    Raises FailedPreconditionError naming `field`, which says nothing of the other tenant, when another one has live
    bindings there or has it in a pool.
    """
    owner: str = (
        await connection.execute(sa.select(access_numbers.c.tenant_id).where(access_numbers.c.access_number == number))
    ).scalar_one()
    if owner == tenant_id:
        return owner
    live = sa.select(bindings.c.binding_id).where(
        bindings.c.tenant_id == owner, bindings.c.access_number == number, is_live(now)
    )
    pooled = sa.select(pool_numbers.c.access_number).where(pool_numbers.c.access_number == number)
    for in_use in (live, pooled):
        if (await connection.execute(in_use.limit(1))).first() is not None:
            raise access_number_taken(field)
    await connection.execute(
        sa.update(access_numbers).where(access_numbers.c.access_number == number).values(tenant_id=tenant_id)
    )
    return owner


async def claim(connection: AsyncConnection, binding: Binding, now: datetime) -> None:
    """Put down the claims of a stored binding, in place of those it had, on its locked access number.

    Which it gets, and what is raised, says `claiming`.
    """
    terms = binding.terms
    await release(connection, binding.binding_id)
    # As they are stored, with the numbers that they stand for.
    claimed = {stored_number(binding.tenant_id, number): number for number in terms.claims()}
    held = await connection.execute(
        sa.select(binding_claims.c.number, binding_claims.c.binding_id, is_live(now).label("live"))
        .join(bindings, bindings.c.binding_id == binding_claims.c.binding_id)
        .where(
            binding_claims.c.tenant_id == binding.tenant_id,
            binding_claims.c.access_number == terms.access_number,
            binding_claims.c.number.in_([*claimed]),
        )
        .order_by(binding_claims.c.number)
    )
    holders = {claimed[row.number]: Holder(row.binding_id, bool(row.live)) for row in held.all()}
    got = claiming(binding, holders, now)
    if got.gives_way:
        await connection.execute(
            sa.delete(binding_claims).where(
                binding_claims.c.tenant_id == binding.tenant_id,
                binding_claims.c.access_number == terms.access_number,
                binding_claims.c.number.in_([each for each, number in claimed.items() if number in got.gives_way]),
            )
        )
    rows = [
        {
            "tenant_id": binding.tenant_id,
            "access_number": terms.access_number,
            "number": each,
            "binding_id": binding.binding_id,
        }
        for each, number in claimed.items()
        if number in got.taken
    ]
    if rows:
        await connection.execute(sa.insert(binding_claims), rows)


async def release(connection: AsyncConnection, binding_id: str) -> None:
    """Take back the claims of a binding."""
    await connection.execute(sa.delete(binding_claims).where(binding_claims.c.binding_id == binding_id))


async def give_back_access_numbers(connection: AsyncConnection, tenant_id: str, numbers: Collection[str]) -> None:
    """Let go of the locked access numbers on which the tenant has no binding any more, and that are in no pool."""
    number: sa.BindParameter[str] = sa.bindparam("of_number")
    bound = sa.exists().where(bindings.c.tenant_id == tenant_id, bindings.c.access_number == number)
    pooled = sa.exists().where(pool_numbers.c.access_number == number)
    statement = sa.delete(access_numbers).where(
        access_numbers.c.access_number == number, access_numbers.c.tenant_id == tenant_id, ~bound, ~pooled
    )
    rows = [{"of_number": each} for each in sorted(numbers)]
    for start in range(0, len(rows), _NUMBERS_AT_ONCE):
        await connection.execute(statement, rows[start : start + _NUMBERS_AT_ONCE])


def is_live(now: datetime) -> Any:
    """A condition on `bindings`: not expired."""
    return sa.or_(bindings.c.expires_at_us.is_(None), bindings.c.expires_at_us > to_microseconds(now))
