"""The audit log in SQL."""

from collections.abc import Sequence

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from common.clock import from_microseconds, to_microseconds
from event_service.privacy.audit import AuditEntry
from event_service.sql_database import EventDatabase
from event_service.sql_schema import audit_entries


class SqlAuditLog:
    """`AuditLog` over SQLite or PostgreSQL."""

    def __init__(self, database: EventDatabase) -> None:
        self._database = database

    async def add(self, entries: Sequence[AuditEntry]) -> None:
        async def work(connection: AsyncConnection) -> None:
            await write_audit(connection, entries)

        await self._database.write(work)

    async def list_page(
        self, tenant_id: str, object_id: str, before_entry_id: int | None, limit: int
    ) -> Sequence[AuditEntry]:
        columns = audit_entries.c
        query = select(audit_entries).where(columns.tenant_id == tenant_id)
        if object_id:
            query = query.where(columns.object_id == object_id)
        if before_entry_id is not None:
            query = query.where(columns.entry_id < before_entry_id)

        async def work(connection: AsyncConnection) -> Sequence[AuditEntry]:
            return [
                AuditEntry(
                    tenant_id=row.tenant_id,
                    at=from_microseconds(row.at_us),
                    actor=row.actor,
                    action=row.action,
                    after_json=row.after_json,
                    entry_id=row.entry_id,
                    object_id=row.object_id,
                    before_json=row.before_json,
                )
                for row in await connection.execute(query.order_by(columns.entry_id.desc()).limit(limit))
            ]

        return await self._database.read(work)


async def write_audit(connection: AsyncConnection, entries: Sequence[AuditEntry]) -> None:
    """Put entries down in a transaction that does what they are about."""
    rows = [
        {
            "tenant_id": each.tenant_id,
            "at_us": to_microseconds(each.at),
            "actor": each.actor,
            "action": each.action,
            "object_id": each.object_id,
            "before_json": each.before_json,
            "after_json": each.after_json,
        }
        for each in entries
    ]
    if rows:
        await connection.execute(insert(audit_entries).inline(), rows)
