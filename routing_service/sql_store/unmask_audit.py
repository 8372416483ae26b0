"""UnmaskAudit on a database: who saw whole numbers stands in the audit log, beside who changed what."""

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from common.auth.unmasking import UNMASK_ACTION, UnmaskedRequest
from common.clock import Clock
from routing_service.domain.write_origin import WriteOrigin
from routing_service.sql_store.database import Database
from routing_service.sql_store.journal import AuditRecord, write_audit


class SqlUnmaskAudit:
    """UnmaskAudit on a database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def record(self, request: UnmaskedRequest) -> None:
        """See `UnmaskAudit`."""
        now = self._clock.now()
        origin = WriteOrigin(request.caller)
        asked = orjson.loads(request.document)

        async def work(connection: AsyncConnection) -> None:
            for tenant_id in request.tenant_ids:
                record = AuditRecord(UNMASK_ACTION, tenant_id, after=asked)
                await write_audit(connection, tenant_id, origin, now, [record])

        await self._database.ensure_keys(request.tenant_ids)
        await self._database.write(work)
