"""What of this service's database is encrypted, for whoever opens, converts or erases it."""

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from common.at_rest.opening import KeptDatabase
from routing_service.sql_schema import audit_entries, binding_history, keys, requests, tenants


def kept_database(engine: AsyncEngine) -> KeptDatabase:
    """The routing database, by its engine that writes."""
    return KeptDatabase("routing", "AXBRIDGE_ROUTING_MASTER_KEY_FILE", engine, keys, has_rows)


async def has_rows(connection: AsyncConnection) -> bool:
    """Whether anything is stored that would have to be encrypted: whatever else there is belongs to one of these."""
    for table in (tenants, audit_entries, binding_history, requests):
        if (await connection.execute(sa.select(table.c.tenant_id).limit(1))).first() is not None:
            return True
    return False
