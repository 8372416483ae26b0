"""AuditLog, ChangeFeed and UnmaskAudit in memory."""

from collections.abc import Sequence

import orjson

from common.auth.unmasking import UNMASK_ACTION, UnmaskedRequest
from common.clock import Clock
from routing_service.domain.journal import AuditEntry, BindingChange
from routing_service.domain.write_origin import WriteOrigin
from routing_service.sql_store.journal import AuditRecord
from tests.support.routing_memory.tables import MemoryDatabase, Tables


class MemoryAuditLog:
    """AuditLog in memory."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def list_page(
        self, tenant_id: str, object_id: str, before_entry_id: int | None, limit: int
    ) -> Sequence[AuditEntry]:
        tables = await self._database.read()
        return [
            entry
            for owner, entry in reversed(tables.audit)
            if owner == tenant_id
            and object_id in ("", entry.object_id)
            and (before_entry_id is None or entry.entry_id < before_entry_id)
        ][:limit]


class MemoryChangeFeed:
    """ChangeFeed in memory."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def last_position(self, tenant_id: str) -> int:
        return len((await self._database.read()).changes.get(tenant_id, ()))

    async def changes_after(self, tenant_id: str, position: int, limit: int) -> Sequence[BindingChange]:
        changes = (await self._database.read()).changes.get(tenant_id, ())
        return [*changes[max(position, 0) :][:limit]]


class MemoryUnmaskAudit:
    """UnmaskAudit in memory."""

    def __init__(self, database: MemoryDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def record(self, request: UnmaskedRequest) -> None:
        def work(tables: Tables) -> None:
            for tenant_id in request.tenant_ids:
                record = AuditRecord(UNMASK_ACTION, tenant_id, after=orjson.loads(request.document))
                tables.write_audit(tenant_id, WriteOrigin(request.caller), self._clock.now(), [record])

        await self._database.write(work)
