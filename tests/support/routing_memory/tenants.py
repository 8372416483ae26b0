"""TenantStore in memory."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from common.clock import Clock
from routing_service.domain.tenant import Tenant
from routing_service.domain.write_origin import NO_ORIGIN, WriteOrigin
from routing_service.ports import ChangeTenant
from routing_service.profile_rules import ProfileInUse, RuledFields
from routing_service.refusals import tenant_exists, tenant_has_access_numbers, tenant_has_bindings
from routing_service.sql_store.journal import AuditRecord, list_entry_document, tenant_document
from tests.support.routing_memory.number_lists import take_out
from tests.support.routing_memory.tables import Ended, MemoryDatabase, Tables

Result = TypeVar("Result")


class MemoryTenantStore:
    """TenantStore in memory."""

    def __init__(self, database: MemoryDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(self, tenant: Tenant, origin: WriteOrigin = NO_ORIGIN) -> Tenant:
        def work(tables: Tables) -> Tenant:
            if tenant.tenant_id in tables.tenants:
                raise tenant_exists(tenant.tenant_id)
            tables.tenants[tenant.tenant_id] = tenant
            record = AuditRecord("tenant.create", tenant.tenant_id, after=tenant_document(tenant))
            tables.write_audit(tenant.tenant_id, origin, self._clock.now(), [record])
            return tenant

        return await self._write(tenant.tenant_id, origin, work)

    async def get(self, tenant_id: str) -> Tenant | None:
        return (await self._database.read()).tenants.get(tenant_id)

    async def list_page(self, after: str, limit: int) -> Sequence[Tenant]:
        tenants = (await self._database.read()).tenants
        return [tenants[each] for each in sorted(tenants) if each > after][:limit]

    async def update(
        self, tenant_id: str, change: ChangeTenant, *, with_profiles: bool, origin: WriteOrigin = NO_ORIGIN
    ) -> Tenant:
        def work(tables: Tables) -> Tenant:
            current = tables.tenant(tenant_id)
            changed = change(current, _profiles_in_use(tables, tenant_id, self._clock.now()) if with_profiles else [])
            tables.tenants[tenant_id] = changed
            self._keep_past(tables, current)
            record = AuditRecord("tenant.update", tenant_id, tenant_document(current), tenant_document(changed))
            tables.write_audit(tenant_id, origin, self._clock.now(), [record])
            return changed

        return await self._write(tenant_id, origin, work)

    async def delete(self, tenant_id: str, origin: WriteOrigin = NO_ORIGIN) -> None:
        def work(tables: Tables) -> None:
            current = tables.tenant(tenant_id)
            if tables.bindings_of(tenant_id):
                raise tenant_has_bindings(tenant_id)
            if any(each.number.tenant_id == tenant_id for each in tables.pool.values()):
                raise tenant_has_access_numbers(tenant_id)
            # A tenant of the same id that is made later has asked for nothing yet, but to be made and deleted itself.
            tables.requests = {
                name: each for name, each in tables.requests.items() if name[0] != tenant_id or each.asked[0]
            }
            tables.orders = {key: each for key, each in tables.orders.items() if key[0] != tenant_id}
            tables.routed_at_us = {key: each for key, each in tables.routed_at_us.items() if key[0] != tenant_id}
            self._keep_past(tables, current)
            now = self._clock.now()
            gone = take_out(tables, now, [each for each in tables.entries.values() if each.tenant_id == tenant_id])
            gone = sorted(gone, key=lambda each: (each.created_at, each.entry_id))
            del tables.tenants[tenant_id]
            records = [AuditRecord("list.delete", each.entry_id, before=list_entry_document(each)) for each in gone]
            records.append(AuditRecord("tenant.delete", tenant_id, tenant_document(current)))
            tables.write_audit(tenant_id, origin, now, records)

        await self._write(tenant_id, origin, work)

    async def _write(self, tenant_id: str, origin: WriteOrigin, work: Callable[[Tables], Result]) -> Result:
        return await self._database.write(
            lambda tables: tables.once(tenant_id, origin, self._clock.now(), lambda: work(tables), of_tenants=True)
        )

    def _keep_past(self, tables: Tables, tenant: Tenant) -> None:
        """Keep a version of a tenant. Its versions end one after the other, whatever the clock says."""
        ends = [each.ended_at for each in tables.past_tenants if each.value.tenant_id == tenant.tenant_id]
        ended_at = max([self._clock.now(), *(each + timedelta(microseconds=1) for each in ends)])
        tables.past_tenants.append(Ended(tenant, ended_at))


def _profiles_in_use(tables: Tables, tenant_id: str, now: datetime) -> Sequence[ProfileInUse]:
    by_fields: dict[RuledFields, str] = {}
    for each in (each for each in tables.bindings_of(tenant_id) if not each.terms.has_expired(now)):
        ruled = RuledFields.of(each.terms.profile)
        by_fields[ruled] = min(each.binding_id, by_fields.get(ruled, each.binding_id))
    return [ProfileInUse(ruled, binding_id) for ruled, binding_id in by_fields.items()]
