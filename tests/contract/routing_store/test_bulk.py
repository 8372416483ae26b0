"""Many rows by one command, beside what SQLAlchemy writes in the same transaction."""

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from common.errors import AbortedError
from routing_service.sql_schema import audit_entries, binding_changes, bindings
from routing_service.sql_store.bulk import insert_rows
from routing_service.sql_store.rows import binding_values, read_binding
from routing_service.sql_store.sealing import sealed_binding
from tests.contract.routing_store.conftest import SqlStores
from tests.unit.routing_service.builders import FULL_PROFILE, NOW, TENANT, A, B, C, D, axb, stored

# More than a few, so that the order is not by chance.
PAIRS = [
    stored(axb(A, B, x=f"+8625660{n:05}", one_way=bool(n % 2), profile=FULL_PROFILE), f"b{n:03}") for n in range(99)
]


async def count(sql_stores: SqlStores, table: sa.Table) -> int:
    async def work(connection: AsyncConnection) -> int:
        return (await connection.execute(sa.select(sa.func.count()).select_from(table))).scalar_one()

    return await sql_stores.database.read(work)


async def test_rows_are_what_single_inserts_make_of_them(sql_stores: SqlStores) -> None:
    async def work(connection: AsyncConnection) -> None:
        first = stored(axb(C, D), "a")
        await connection.execute(sa.insert(bindings).values(sealed_binding(binding_values(first))))
        await insert_rows(connection, bindings, [sealed_binding(binding_values(each)) for each in PAIRS])
        await insert_rows(connection, bindings, [])

    async def rows(connection: AsyncConnection) -> list[object]:
        found = await connection.execute(sa.select(bindings).order_by(bindings.c.binding_id))
        return [read_binding(row) for row in found.all()]

    await sql_stores.database.write(work)
    assert await sql_stores.database.read(rows) == [stored(axb(C, D), "a"), *PAIRS]


async def test_what_the_database_gives_itself(sql_stores: SqlStores) -> None:
    """The ids of audit entries go on, whichever way the entries come."""
    before = await count(sql_stores, audit_entries)
    row = {
        "tenant_id": TENANT,
        "at_us": 1,
        "actor": "crm",
        "action": "x",
        "object_id": "o",
        "before_json": "",
        "after_json": '{"名": "\\t"}',
        "request_id": "",
    }

    async def work(connection: AsyncConnection) -> None:
        await connection.execute(sa.insert(audit_entries).values(row))
        await insert_rows(connection, audit_entries, [row] * 20)
        await connection.execute(sa.insert(audit_entries).values(row))

    async def ids(connection: AsyncConnection) -> list[int]:
        found = sa.select(audit_entries.c.entry_id).where(audit_entries.c.after_json == row["after_json"])
        return list((await connection.execute(found.order_by(audit_entries.c.entry_id))).scalars())

    await sql_stores.database.write(work)
    written = await sql_stores.database.read(ids)
    assert len(written) == len(set(written)) == 22
    assert await count(sql_stores, audit_entries) == before + 22


async def test_a_row_that_is_there_already_undoes_everything(sql_stores: SqlStores) -> None:
    changes = [
        {
            "tenant_id": TENANT,
            "position": position,
            "type": "created",
            "binding_id": "b",
            "revision": 1,
            "changed_at_us": int(NOW.timestamp()),
        }
        for position in (1, 2, 3, 2)
    ]

    async def work(connection: AsyncConnection) -> None:
        await connection.execute(sa.insert(binding_changes).values(changes[0] | {"position": 9}))
        await insert_rows(connection, binding_changes, changes)

    with pytest.raises(AbortedError):
        await sql_stores.database.write(work)
    assert await count(sql_stores, binding_changes) == 0
