"""Which numbers a tenant's bindings may show: its own access numbers, and others only where the tenant allows it.

Carriers block calls that show a number which is not the platform's. A tenant's own are the access numbers that it has
bindings on, and those in its pools. It is looked at when a binding is written, and never again: what is stored stays.
"""

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from routing_service.binding_rules import newly_shown
from routing_service.domain.binding import Binding, BindingTerms
from routing_service.refusals import foreign_display_number
from routing_service.sql_schema import access_numbers, pool_numbers
from routing_service.sql_store.json_lists import element, json_list, list_elements
from routing_service.sql_store.tenant_store import locked_tenant


async def check_display_numbers(
    connection: AsyncConnection, binding: Binding, current: BindingTerms | None = None
) -> None:
    """Raises InvalidArgumentError naming the field that shows a number which the binding's tenant may not show.

    Those that `current`, the terms before, showed already stay as they are.
    """
    shown = newly_shown(binding.terms, current)
    if (
        not shown
        or (
            await locked_tenant(connection, binding.tenant_id, for_change=False)
        ).settings.foreign_display_numbers_allowed
    ):
        return
    for number in await foreign_numbers(connection, binding.tenant_id, shown):
        raise foreign_display_number(shown[number])


async def foreign_numbers(connection: AsyncConnection, tenant_id: str, numbers: Collection[str]) -> list[str]:
    """Those of the numbers that are none of the tenant's own, in their order."""
    is_sqlite = connection.dialect.name == "sqlite"
    wanted = list_elements("numbers", is_sqlite)
    number = element(wanted.c.value, 0, is_sqlite)
    own = sa.union(
        *(
            sa.select(table.c.access_number)
            .select_from(wanted.join(table, table.c.access_number == number))
            .where(table.c.tenant_id == tenant_id)
            for table in (access_numbers, pool_numbers)
        )
    )
    found = set((await connection.execute(own, {"numbers": json_list([[each] for each in numbers])})).scalars())
    return [each for each in numbers if each not in found]
