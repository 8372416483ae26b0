"""Number pools on SQL: what their statements read, however much there was, and databases from before."""

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from common.clock import to_microseconds
from common.errors import ResourceExhaustedError
from routing_service.domain.number_pool import AllocationWish, Parties, PreviousNumberPolicy
from routing_service.migrate import migrate
from routing_service.pool_ports import AccessNumberFilter
from routing_service.sql_schema import binding_history, bindings, pool_numbers, tenants
from routing_service.sql_store import allocation
from routing_service.sql_store.database import Database
from routing_service.sql_store.number_use import Uses
from routing_service.sql_store.pool_store import page_statement
from routing_service.sql_store.releases import ENDS, others_last_end, others_released_us
from tests.contract.routing_store.conftest import PATIENT, SqlStores
from tests.contract.routing_store.test_pools import COOL_DOWN, X1, X2, X3, Pool
from tests.unit.routing_service.builders import NOW, OTHER_TENANT, TENANT, A, B, axb

# In the order of ENDS.
INDEXES = ("ix_bindings_expiry", "ix_binding_history_ended", "ix_binding_history_expired")

MINUTE_US = 60_000_000


@pytest.fixture
def pool(sql_stores: SqlStores) -> Pool:
    return Pool(sql_stores)


def version(binding_id: str, tenant_id: str, number: str, expires_at_us: int | None, **more: object) -> dict[str, Any]:
    """A row as code of any version stores it; its numbers don't matter here."""
    now_us = to_microseconds(NOW)
    texts = ("a_number", "b_number", "callback_number", "display_number", "member_prompts", "profile")
    return {
        **dict.fromkeys((*texts, "ruled_fields", "details"), ""),
        "binding_id": binding_id,
        "tenant_id": tenant_id,
        "kind": "AXB",
        "access_number": number,
        "revision": 1,
        "one_way": False,
        "not_before_us": None,
        "expires_at_us": expires_at_us,
        "created_at_us": now_us,
        "updated_at_us": now_us,
        **more,
    }


async def plan_of(database: Database, statement: Any) -> str:
    compiled = statement.compile(database.writers.sync_engine, compile_kwargs={"literal_binds": True})
    prefix = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"

    async def explained(connection: AsyncConnection) -> str:
        return "\n".join(str(row) for row in (await connection.exec_driver_sql(f"{prefix} {compiled}")).all())

    return await database.read(explained)


async def test_what_ended_last_is_the_first_of_an_index_and_not_the_greatest_of_all(sql_stores: SqlStores) -> None:
    plan = await plan_of(sql_stores.database, page_statement(AccessNumberFilter(TENANT), "", 100, NOW))
    for index in INDEXES:
        assert plan.count(index) == 1, plan
    # Whatever sorts or aggregates reads all the rows that there are; one count of what is live remains.
    assert "Sort" not in plan and "TEMP B-TREE" not in plan, plan
    assert plan.count("Aggregate") == (0 if sql_stores.database.is_sqlite else 1), plan


@pytest.mark.parametrize("place", range(3), ids=INDEXES)
async def test_what_others_had_is_found_by_looking_up_and_not_by_reading(sql_stores: SqlStores, place: int) -> None:
    statement = others_last_end(*ENDS[place], TENANT, sql_stores.database.is_sqlite)
    plan = await plan_of(sql_stores.database, statement.params(numbers=f'[["{X1}"]]'))
    # The first owner, the following ones (which PostgreSQL does not tell), and what each released last.
    assert plan.count(INDEXES[place]) == (3 if sql_stores.database.is_sqlite else 2), plan
    assert "Seq Scan on bind" not in plan and "SCAN bind" not in plan, plan


@pytest.mark.parametrize("backend", ["postgresql"])
async def test_years_of_history_are_not_read(sql_stores: SqlStores, pool: Pool) -> None:
    now_us = to_microseconds(NOW)
    past = [
        version(f"h{place}", tenant_id, X1, now_us + place if place % 2 else None, ended_at_us=now_us + place + 1)
        for tenant_id in ("100000", TENANT, OTHER_TENANT)
        for place in range(400)
    ]
    for place, row in enumerate(past):
        row["binding_id"] = f"h{place}"
    await pool.add(X1)
    async with sql_stores.database.writers.begin() as connection:
        await connection.execute(sa.insert(binding_history), past)
    read = sa.text(
        "SELECT coalesce(sum(pg_stat_get_xact_tuples_returned(oid)), 0) FROM pg_class"
        " WHERE relname LIKE 'ix_bind%' OR relname LIKE 'pk_bind%' OR relname IN ('bindings', 'binding_history')"
    )

    async def list_them(connection: AsyncConnection) -> tuple[object, int]:
        row = (await connection.execute(page_statement(AccessNumberFilter(TENANT), "", 100, NOW + COOL_DOWN))).one()
        return (row.last_expiry_us, row.last_past_end_us, row.last_past_expiry_us), await connection.scalar(read) or 0

    async def look_up(connection: AsyncConnection) -> tuple[object, int]:
        found = await others_released_us(connection, TENANT, [X1, X2])
        return found, await connection.scalar(read) or 0

    ends, count = await sql_stores.database.read(list_them)
    assert ends == (None, now_us + 399, now_us + 399) and count <= 4, count
    released, count = await sql_stores.database.read(look_up)
    # Of the two sorts that there are: three owners, and the last end of two of them.
    assert released == {X1: now_us + 399} and count <= 2 * (3 + 2) + 4, count


async def test_any_number_of_access_numbers_may_be_in_use(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    await pool.add(X1, X2, X3)
    many = frozenset(f"+8625{place:08d}" for place in range(70_000))

    async def uses_of(*_: object) -> Uses:
        return Uses(many | {X1}, frozenset({X3}), frozenset())

    monkeypatch.setattr(allocation, "uses_of", uses_of)
    assert (await pool.allocate(axb(A, B, ""))).terms.access_number == X2


async def test_what_is_in_use_is_gone_through_once_and_not_for_each_number(sql_stores: SqlStores) -> None:
    wish = AllocationWish("", "", False, (), PreviousNumberPolicy.NO_MATTER, COOL_DOWN)
    parties, uses = Parties((A, B), frozenset({A, B})), Uses(frozenset({X1}), frozenset(), frozenset())
    choice = allocation._Choice(TENANT, wish, parties, uses, (), NOW, sql_stores.database.is_sqlite)
    plan = await plan_of(sql_stores.database, sa.select(pool_numbers).where(choice.of_pool(), choice.free(own=False)))
    once = "LIST SUBQUERY" if sql_stores.database.is_sqlite else "hashed SubPlan"
    assert once in plan and "CORRELATED LIST SUBQUERY" not in plan, plan


async def test_a_number_that_code_of_before_added_rests_from_then_on(sql_stores: SqlStores, pool: Pool) -> None:
    await pool.add(X1)
    async with sql_stores.database.writers.begin() as connection:
        await connection.execute(sa.update(pool_numbers).values(others_released_at_us=None))
    with pytest.raises(ResourceExhaustedError):
        await pool.allocate(axb(A, B, ""))
    pool.clock.advance(COOL_DOWN)
    await pool.allocate(axb(A, B, ""))


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
async def test_numbers_that_are_in_pools_rest_from_what_others_did_there_before(database_url: str) -> None:
    database = Database(database_url, PATIENT)
    await migrate(database.writers, "0007")
    now_us, minute = to_microseconds(NOW), MINUTE_US
    past = [
        version("h1", OTHER_TENANT, X1, None, ended_at_us=now_us + minute),
        version("h2", OTHER_TENANT, X1, now_us, ended_at_us=now_us + 2 * minute),
        version("h3", TENANT, X1, None, ended_at_us=now_us + 3 * minute),
        version("h4", TENANT, X2, None, ended_at_us=now_us + 3 * minute),
        version("h5", OTHER_TENANT, X3, None, ended_at_us=now_us),
    ]
    pooled = {"tenant_id": TENANT, "pool": "", "city_code": "", "capabilities": "", "added_at_us": now_us}
    async with database.writers.begin() as connection:
        each = {"display_name": "", "settings": "{}", "revision": 1}
        await connection.execute(
            sa.insert(tenants), [{"tenant_id": TENANT, **each}, {"tenant_id": OTHER_TENANT, **each}]
        )
        await connection.execute(sa.insert(binding_history), past)
        await connection.execute(sa.insert(bindings), [version("b1", OTHER_TENANT, X3, now_us + minute)])
        await connection.execute(sa.insert(pool_numbers), [{"access_number": x, **pooled} for x in (X1, X2, X3)])

    await migrate(database.writers)
    found = sa.select(pool_numbers.c.access_number, pool_numbers.c.others_released_at_us)
    async with database.writers.connect() as connection:
        released = {row.access_number: row.others_released_at_us for row in (await connection.execute(found)).all()}
    assert released == {X1: now_us + minute, X2: 0, X3: now_us + minute}
    await database.close()
