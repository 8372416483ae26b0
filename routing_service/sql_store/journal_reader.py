"""AuditLog and ChangeFeed on a database."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from common.clock import from_microseconds
from routing_service.domain.journal import AuditEntry, BindingChange, ChangeType
from routing_service.sql_schema import audit_entries, binding_change_heads, binding_changes, binding_history, bindings
from routing_service.sql_store.database import Database
from routing_service.sql_store.journal import opened_documents
from routing_service.sql_store.rows import BINDING_COLUMNS, read_binding


class SqlAuditLog:
    """AuditLog on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_page(
        self, tenant_id: str, object_id: str, before_entry_id: int | None, limit: int
    ) -> Sequence[AuditEntry]:
        statement = sa.select(audit_entries).where(audit_entries.c.tenant_id == tenant_id)
        if object_id:
            statement = statement.where(audit_entries.c.object_id == object_id)
        if before_entry_id is not None:
            statement = statement.where(audit_entries.c.entry_id < before_entry_id)
        page = statement.order_by(audit_entries.c.entry_id.desc()).limit(limit)

        async def work(connection: AsyncConnection) -> Sequence[AuditEntry]:
            return [
                AuditEntry(
                    entry_id=row.entry_id,
                    at=from_microseconds(row.at_us),
                    actor=row.actor,
                    action=row.action,
                    object_id=row.object_id,
                    before_json=documents[0],
                    after_json=documents[1],
                    request_id=row.request_id,
                )
                for row in (await connection.execute(page)).all()
                for documents in (opened_documents(row._mapping),)
            ]

        return await self._database.read(work)


class SqlChangeFeed:
    """ChangeFeed on a database.

    What a change says is the version of the binding that it names: the present one, or one of the past. A version is
    moved from the one table to the other in one transaction, and each read here is one statement.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def last_position(self, tenant_id: str) -> int:
        statement = sa.select(binding_change_heads.c.position).where(binding_change_heads.c.tenant_id == tenant_id)

        async def work(connection: AsyncConnection) -> int:
            position: int | None = await connection.scalar(statement)
            return position or 0

        return await self._database.read(work)

    async def changes_after(self, tenant_id: str, position: int, limit: int) -> Sequence[BindingChange]:
        some = (
            sa.select(binding_changes)
            .where(binding_changes.c.tenant_id == tenant_id, binding_changes.c.position > position)
            .order_by(binding_changes.c.position)
            .limit(limit)
            .subquery()
        )
        versions = [
            sa.select(
                some.c.position,
                some.c.type,
                some.c.changed_at_us,
                *(table.c[column.name] for column in BINDING_COLUMNS),
            ).select_from(
                some.join(table, sa.and_(table.c.binding_id == some.c.binding_id, table.c.revision == some.c.revision))
            )
            for table in (bindings, binding_history)
        ]
        statement = sa.union_all(*versions).order_by("position")

        async def work(connection: AsyncConnection) -> Sequence[BindingChange]:
            return [
                BindingChange(
                    row.position, ChangeType(row.type), read_binding(row), from_microseconds(row.changed_at_us)
                )
                for row in (await connection.execute(statement)).all()
            ]

        return await self._database.read(work)
