"""NumberListStore in memory."""

from collections.abc import Callable, Sequence
from datetime import datetime

from common.clock import Clock
from routing_service.domain.number_list import NumberListEntry
from routing_service.domain.tenant import Tenant
from routing_service.domain.write_origin import NO_ORIGIN, WriteOrigin
from routing_service.not_found import no_such_list_entry
from routing_service.ports import BindingPosition, ListFilter
from routing_service.refusals import MAX_ENTRIES_OF_A_TENANT, list_entry_exists, too_many_list_entries
from routing_service.sql_store.journal import AuditRecord, list_entry_document
from tests.support.routing_memory.tables import Ended, MemoryDatabase, Tables


class MemoryNumberListStore:
    """NumberListStore in memory."""

    def __init__(self, database: MemoryDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(
        self, tenant_id: str, make: Callable[[Tenant], NumberListEntry], origin: WriteOrigin = NO_ORIGIN
    ) -> NumberListEntry:
        def work(tables: Tables) -> NumberListEntry:
            entry = make(tables.tenant(tenant_id))
            there = [each for each in _entries_of(tables, tenant_id) if _place(each) == _place(entry)]
            for each in there:
                if not each.terms.has_expired(entry.created_at):
                    raise list_entry_exists(each.entry_id)
            take_out(tables, entry.created_at, there)
            if len(_entries_of(tables, tenant_id)) >= MAX_ENTRIES_OF_A_TENANT:
                raise too_many_list_entries(tenant_id)
            tables.entries[entry.entry_id] = entry
            records = [AuditRecord("list.delete", each.entry_id, before=list_entry_document(each)) for each in there]
            records.append(AuditRecord("list.create", entry.entry_id, after=list_entry_document(entry)))
            tables.write_audit(tenant_id, origin, entry.created_at, records)
            return entry

        return await self._database.write(
            lambda tables: tables.once(tenant_id, origin, self._clock.now(), lambda: work(tables))
        )

    async def list_page(
        self, which: ListFilter, after: BindingPosition | None, limit: int
    ) -> Sequence[NumberListEntry]:
        found = [
            each
            for each in _entries_of(await self._database.read(), which.tenant_id)
            if which.access_number in ("", each.terms.access_number)
            and (after is None or _position(each) > (after.created_at, after.binding_id))
        ]
        return sorted(found, key=_position)[:limit]

    async def delete(self, tenant_id: str, entry_id: str, at: datetime, origin: WriteOrigin = NO_ORIGIN) -> None:
        def work(tables: Tables) -> None:
            tables.tenant(tenant_id)
            entry = tables.entries.get(entry_id)
            if entry is None or entry.tenant_id != tenant_id:
                raise no_such_list_entry(entry_id)
            take_out(tables, at, [entry])
            record = AuditRecord("list.delete", entry_id, before=list_entry_document(entry))
            tables.write_audit(tenant_id, origin, at, [record])

        await self._database.write(
            lambda tables: tables.once(tenant_id, origin, self._clock.now(), lambda: work(tables))
        )


def take_out(tables: Tables, at: datetime, entries: Sequence[NumberListEntry]) -> Sequence[NumberListEntry]:
    """Make entries history; these entries."""
    for each in entries:
        # A clock that was set back must not make an entry end before it began.
        tables.past_entries.append(Ended(each, max(at, each.created_at)))
        del tables.entries[each.entry_id]
    return entries


def _entries_of(tables: Tables, tenant_id: str) -> list[NumberListEntry]:
    return [each for each in tables.entries.values() if each.tenant_id == tenant_id]


def _place(entry: NumberListEntry) -> tuple[object, ...]:
    return entry.terms.access_number, entry.terms.pattern_type, entry.terms.pattern


def _position(entry: NumberListEntry) -> tuple[datetime, str]:
    return entry.created_at, entry.entry_id
