"""CacheOutbox on a database."""

from collections.abc import Collection, Mapping

import orjson
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from common.clock import Clock, to_microseconds
from routing_service.domain.scope import CacheScope
from routing_service.sql_schema import cache_outbox
from routing_service.sql_store.database import Database

_MOST_DELETED_AT_ONCE = 500


class SqlCacheOutbox:
    """CacheOutbox on a database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def add(
        self, connection: AsyncConnection, write_id: str, tenant_id: str, scopes: Collection[CacheScope]
    ) -> None:
        row = {
            "write_id": write_id,
            "tenant_id": tenant_id,
            "scopes": orjson.dumps([[each.tenant_id, each.access_number] for each in scopes]).decode(),
            "created_at_us": to_microseconds(self._clock.now()),
        }
        await connection.execute(sa.insert(cache_outbox).values(row))

    async def pending(self, tenant_id: str | None, limit: int | None) -> Mapping[str, Collection[CacheScope]]:
        statement = sa.select(cache_outbox.c.write_id, cache_outbox.c.scopes)
        if tenant_id is not None:
            statement = statement.where(cache_outbox.c.tenant_id == tenant_id)
        oldest = statement.order_by(cache_outbox.c.created_at_us).limit(limit)

        async def work(connection: AsyncConnection) -> Mapping[str, Collection[CacheScope]]:
            rows = (await connection.execute(oldest)).all()
            return {row.write_id: [CacheScope(*each) for each in orjson.loads(row.scopes)] for row in rows}

        return await self._database.read(work)

    async def settled(self, write_ids: Collection[str]) -> None:
        ids = sorted(write_ids)

        async def work(connection: AsyncConnection) -> None:
            for start in range(0, len(ids), _MOST_DELETED_AT_ONCE):
                some = ids[start : start + _MOST_DELETED_AT_ONCE]
                await connection.execute(sa.delete(cache_outbox).where(cache_outbox.c.write_id.in_(some)))

        if ids:
            await self._database.write(work)
