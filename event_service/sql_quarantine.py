"""The quarantine in SQL."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from common.auth.grants import ANONYMOUS
from common.auth.unmasking import ALL_TENANTS_ENTRY
from common.logs import get_logger
from event_service.ports import QuarantinedMessage
from event_service.privacy.audit import AuditRecord
from event_service.privacy.sql_audit import write_audit
from event_service.sql_database import EventDatabase
from event_service.sql_schema import quarantine, quarantine_totals

_log = get_logger(__name__)
_DROP_STEP = 500


@dataclass(frozen=True, slots=True)
class QuarantineBounds:
    """How much the quarantine holds: messages, and bytes of bodies."""

    max_messages: int
    max_bytes: int


@dataclass(slots=True)
class _Totals:
    messages: int
    size_bytes: int
    dropped: int


class SqlQuarantine:
    """`Quarantine` over SQLite or PostgreSQL."""

    def __init__(self, database: EventDatabase, bounds: QuarantineBounds) -> None:
        self._database = database
        self._bounds = bounds

    async def add(self, messages: Sequence[QuarantinedMessage]) -> int:
        if not messages:
            return 0

        async def work(connection: AsyncConnection) -> tuple[int, int]:
            totals = await _lock_totals(connection)
            before = totals.dropped
            await connection.execute(insert(quarantine), [_row(message) for message in messages])
            totals.messages += len(messages)
            totals.size_bytes += sum(len(message.raw_body) for message in messages)
            while totals.messages > self._bounds.max_messages or totals.size_bytes > self._bounds.max_bytes:
                await self._drop_oldest(connection, totals)
            await _store_totals(connection, totals)
            return totals.dropped - before, totals.dropped

        dropped, ever = await self._database.write(work)
        if dropped:
            _log.warning("quarantine is full: the oldest messages were dropped", dropped=dropped, ever=ever)
        return dropped

    async def list_page(self, tenant_id: str, after_id: int, limit: int) -> Sequence[QuarantinedMessage]:
        query = select(quarantine).where(quarantine.c.message_id > after_id).order_by(quarantine.c.message_id)
        if tenant_id:
            query = query.where(quarantine.c.tenant_id == tenant_id)

        async def work(connection: AsyncConnection) -> Sequence[QuarantinedMessage]:
            return [_message(row) for row in await connection.execute(query.limit(limit))]

        return await self._database.read(work)

    async def delete(self, message_ids: Collection[int], now_us: int, actor: str = ANONYMOUS) -> int:
        wanted = quarantine.c.message_id.in_(sorted(set(message_ids)))

        async def work(connection: AsyncConnection) -> int:
            totals = await _lock_totals(connection)
            query = select(quarantine.c.message_id, quarantine.c.tenant_id, quarantine.c.size_bytes).where(wanted)
            found = (await connection.execute(query.order_by(quarantine.c.message_id))).all()
            if found:
                await connection.execute(delete(quarantine).where(wanted))
                totals.messages -= len(found)
                totals.size_bytes -= sum(row.size_bytes for row in found)
                await _store_totals(connection, totals)
            ids: dict[str, list[str]] = {}
            for row in found:
                ids.setdefault(row.tenant_id or ALL_TENANTS_ENTRY, []).append(str(row.message_id))
            records = {each: AuditRecord("quarantine.delete", "", before={"message_ids": ids[each]}) for each in ids}
            await write_audit(connection, [record.entry(each, now_us, actor) for each, record in records.items()])
            return len(found)

        return await self._database.write(work)

    async def _drop_oldest(self, connection: AsyncConnection, totals: _Totals) -> None:
        oldest = select(quarantine.c.message_id, quarantine.c.size_bytes).order_by(quarantine.c.message_id)
        last_id = None
        for message_id, size_bytes in await connection.execute(oldest.limit(_DROP_STEP)):
            if totals.messages <= self._bounds.max_messages and totals.size_bytes <= self._bounds.max_bytes:
                break
            last_id = message_id
            totals.messages -= 1
            totals.size_bytes -= size_bytes
            totals.dropped += 1
        if last_id is None:
            raise RuntimeError("the quarantine's totals say that it is full, and it is empty")
        await connection.execute(delete(quarantine).where(quarantine.c.message_id <= last_id))


async def _lock_totals(connection: AsyncConnection) -> _Totals:
    # Whoever holds this row is the only writer, so that ids are committed in their order.
    row = (await connection.execute(select(quarantine_totals).with_for_update())).one()
    return _Totals(row.messages, row.size_bytes, row.dropped)


async def _store_totals(connection: AsyncConnection, totals: _Totals) -> None:
    await connection.execute(
        update(quarantine_totals).values(messages=totals.messages, size_bytes=totals.size_bytes, dropped=totals.dropped)
    )


def _row(message: QuarantinedMessage) -> dict[str, Any]:
    return {
        "received_at_us": message.received_at_us,
        "tenant_id": message.tenant_id,
        "size_bytes": len(message.raw_body),
        "reason": message.reason,
        "content_type": message.content_type,
        "raw_body": message.raw_body,
    }


def _message(row: Row[Any]) -> QuarantinedMessage:
    return QuarantinedMessage(
        received_at_us=row.received_at_us,
        reason=row.reason,
        tenant_id=row.tenant_id,
        raw_body=row.raw_body,
        content_type=row.content_type,
        message_id=row.message_id,
    )
