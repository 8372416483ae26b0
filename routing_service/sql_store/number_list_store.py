"""NumberListStore on a database."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from common.clock import Clock, SystemClock, to_microseconds
from routing_service.domain.number_list import EVERY_ACCESS_NUMBER, NumberListEntry
from routing_service.domain.tenant import Tenant
from routing_service.domain.write_origin import NO_ORIGIN, WriteOrigin
from routing_service.not_found import no_such_list_entry
from routing_service.ports import BindingPosition, ListFilter
from routing_service.refusals import MAX_ENTRIES_OF_A_TENANT, list_entry_exists, too_many_list_entries
from routing_service.sql_schema import number_list_entries
from routing_service.sql_store.database import Database
from routing_service.sql_store.journal import AuditRecord, list_entry_document, write_audit
from routing_service.sql_store.list_history import keep_entries_as_history
from routing_service.sql_store.requests import NO_RESULT, ResultForm, once
from routing_service.sql_store.rows import list_entry_values, read_list_entry, read_list_entry_values
from routing_service.sql_store.sealing import sealed_entry, stored_number
from routing_service.sql_store.tenant_store import locked_tenant
from routing_service.sql_store.transaction import Transaction, UncachedWriter, Writer

_ENTRY_RESULT: ResultForm[NumberListEntry] = ResultForm(
    lambda entry: orjson.dumps(list_entry_values(entry)).decode(),
    lambda document: read_list_entry_values(orjson.loads(document)),
)


class SqlNumberListStore:
    """NumberListStore on a database.

    Writers hold the tenant for themselves, so that they go one after the other: lists are changed by people, and
    seldom. What is written for one access number makes its answers stale, what is written for all of them the tenant.
    """

    def __init__(self, database: Database, writer: Writer | None = None, clock: Clock | None = None) -> None:
        self._database = database
        self._writer = writer if writer is not None else UncachedWriter(database)
        self._clock = clock if clock is not None else SystemClock()

    async def create(
        self, tenant_id: str, make: Callable[[Tenant], NumberListEntry], origin: WriteOrigin = NO_ORIGIN
    ) -> NumberListEntry:
        async def work(transaction: Transaction) -> NumberListEntry:
            connection = transaction.connection
            entry = make(await locked_tenant(connection, tenant_id, for_change=True))
            replaced = await _made_way(connection, entry)
            await _check_count(connection, tenant_id)
            await connection.execute(sa.insert(number_list_entries).values(sealed_entry(list_entry_values(entry))))
            _touch(transaction, entry)
            records = [AuditRecord("list.delete", each.entry_id, before=list_entry_document(each)) for each in replaced]
            records.append(AuditRecord("list.create", entry.entry_id, after=list_entry_document(entry)))
            await write_audit(connection, tenant_id, origin, entry.created_at, records)
            return entry

        async def once_only(transaction: Transaction) -> NumberListEntry:
            now = self._clock.now()
            return await once(transaction, tenant_id, origin, now, lambda: work(transaction), _ENTRY_RESULT)

        return await self._writer.write(tenant_id, once_only)

    async def list_page(
        self, which: ListFilter, after: BindingPosition | None, limit: int
    ) -> Sequence[NumberListEntry]:
        columns = number_list_entries.c
        statement = sa.select(number_list_entries).where(columns.tenant_id == which.tenant_id)
        if which.access_number:
            statement = statement.where(columns.access_number == which.access_number)
        order = (columns.created_at_us, columns.entry_id)
        if after is not None:
            position = (to_microseconds(after.created_at), after.binding_id)
            statement = statement.where(sa.tuple_(*order) > sa.tuple_(*position))
        page = statement.order_by(*order).limit(limit)

        async def work(connection: AsyncConnection) -> Sequence[NumberListEntry]:
            return [read_list_entry(row) for row in (await connection.execute(page)).all()]

        return await self._database.read(work)

    async def delete(self, tenant_id: str, entry_id: str, at: datetime, origin: WriteOrigin = NO_ORIGIN) -> None:
        async def work(transaction: Transaction) -> None:
            connection = transaction.connection
            await locked_tenant(connection, tenant_id, for_change=True)
            (entry,) = await _taken_out(
                connection,
                at,
                number_list_entries.c.entry_id == entry_id,
                number_list_entries.c.tenant_id == tenant_id,
            ) or (None,)
            if entry is None:
                raise no_such_list_entry(entry_id)
            _touch(transaction, entry)
            record = AuditRecord("list.delete", entry_id, before=list_entry_document(entry))
            await write_audit(connection, tenant_id, origin, at, [record])

        async def once_only(transaction: Transaction) -> None:
            await once(transaction, tenant_id, origin, self._clock.now(), lambda: work(transaction), NO_RESULT)

        await self._writer.write(tenant_id, once_only)


async def _made_way(connection: AsyncConnection, entry: NumberListEntry) -> Sequence[NumberListEntry]:
    """Take out the expired entry that stands where a new one comes to."""
    columns = number_list_entries.c
    same_place = (
        columns.tenant_id == entry.tenant_id,
        columns.access_number == entry.terms.access_number,
        columns.pattern_type == entry.terms.pattern_type.value,
        columns.pattern == stored_number(entry.tenant_id, entry.terms.pattern),
    )
    there = (await connection.execute(sa.select(number_list_entries).where(*same_place))).one_or_none()
    if there is None:
        return []
    found = read_list_entry(there)
    if not found.terms.has_expired(entry.created_at):
        raise list_entry_exists(found.entry_id)
    return await _taken_out(connection, entry.created_at, *same_place)


async def _taken_out(connection: AsyncConnection, at: datetime, *where: Any) -> Sequence[NumberListEntry]:
    await keep_entries_as_history(connection, at, *where)
    statement = sa.delete(number_list_entries).where(*where).returning(*number_list_entries.c)
    rows: Iterable[Any] = (await connection.execute(statement)).all()
    return [read_list_entry(row) for row in rows]


async def _check_count(connection: AsyncConnection, tenant_id: str) -> None:
    counted = sa.select(sa.func.count()).where(number_list_entries.c.tenant_id == tenant_id)
    count: int = (await connection.execute(counted)).scalar_one()
    if count >= MAX_ENTRIES_OF_A_TENANT:
        raise too_many_list_entries(tenant_id)


def _touch(transaction: Transaction, entry: NumberListEntry) -> None:
    if entry.terms.access_number == EVERY_ACCESS_NUMBER:
        transaction.touch_tenant(entry.tenant_id)
    else:
        transaction.touch_access_numbers(entry.tenant_id, [entry.terms.access_number])
