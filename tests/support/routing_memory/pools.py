"""NumberPoolStore in memory."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from common.clock import Clock
from routing_service.domain.binding import Binding
from routing_service.domain.journal import ChangeType
from routing_service.domain.number_pool import AccessNumber, AllocationWish, NumberUse
from routing_service.domain.write_origin import NO_ORIGIN, WriteOrigin
from routing_service.pool_ports import AccessNumberFilter, MakeAccessNumbers, MakeOnNumber, NameNumbers, NameParties
from routing_service.refusals import access_number_exists, access_number_has_bindings, check_all_in_pools
from routing_service.sql_store.journal import AuditRecord, BindingWrite, access_number_document
from tests.support.routing_memory import claims
from tests.support.routing_memory.allocation import picked_number
from tests.support.routing_memory.tables import Ended, MemoryDatabase, Pooled, Tables

_NEVER, _FOR_EVER = (each.replace(tzinfo=UTC) for each in (datetime.min, datetime.max))


class MemoryNumberPoolStore:
    """NumberPoolStore in memory."""

    def __init__(self, database: MemoryDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def add(
        self, tenant_id: str, make: MakeAccessNumbers, at: datetime, origin: WriteOrigin = NO_ORIGIN
    ) -> Sequence[AccessNumber]:
        def work(tables: Tables) -> Sequence[AccessNumber]:
            added = tuple(make(tables.tenant(tenant_id)))
            fields = {each.number: f"access_numbers[{place}].number" for place, each in enumerate(added)}
            claims.hold_access_numbers(tables, tenant_id, [*fields])
            for number, field in fields.items():
                claims.take_access_number(tables, tenant_id, number, at, field)
            for number, field in fields.items():
                if number in tables.pool:
                    raise access_number_exists(field)
            tables.pool |= {each.number: Pooled(each, at, _others_released_at(tables, each)) for each in added}
            records = [AuditRecord("pool.add", each.number, after=access_number_document(each)) for each in added]
            tables.write_audit(tenant_id, origin, at, records)
            return added

        return await self._database.write(
            lambda tables: tables.once(tenant_id, origin, self._clock.now(), lambda: work(tables))
        )

    async def list_page(
        self, which: AccessNumberFilter, after: str, limit: int, now: datetime
    ) -> Sequence[AccessNumber]:
        tables = await self._database.read()
        found = [
            each
            for each in _pool_of(tables, which.tenant_id)
            if each.number > after and which.pool in (None, each.pool) and which.city_code in (None, each.city_code)
        ]
        return [_with_use(tables, each, now) for each in found[:limit]]

    async def remove(self, tenant_id: str, name: NameNumbers, at: datetime, origin: WriteOrigin = NO_ORIGIN) -> None:
        def work(tables: Tables) -> None:
            numbers = sorted(set(name(tables.tenant(tenant_id))))
            found = [each for each in _pool_of(tables, tenant_id) if each.number in numbers]
            check_all_in_pools(numbers, [each.number for each in found])
            for each in found:
                if live := _live_on(tables, each, at):
                    raise access_number_has_bindings(each.number, live)
            for each in found:
                pooled = tables.pool.pop(each.number)
                tables.past_pool.append(Ended(pooled, max(at, pooled.added_at)))
            claims.give_back_access_numbers(tables, tenant_id, numbers)
            records = [AuditRecord("pool.remove", each.number, before=access_number_document(each)) for each in found]
            tables.write_audit(tenant_id, origin, at, records)

        await self._database.write(
            lambda tables: tables.once(tenant_id, origin, self._clock.now(), lambda: work(tables))
        )

    async def allocate(
        self, tenant_id: str, wish: AllocationWish, name: NameParties, make: MakeOnNumber, origin: WriteOrigin
    ) -> Binding:
        def work(tables: Tables) -> Binding:
            tenant = tables.tenant(tenant_id)
            binding = make(tenant, picked_number(tables, tenant_id, wish, name(tenant), self._clock.now()))
            claims.store_new_binding(tables, binding)
            created = BindingWrite(ChangeType.CREATED, binding, action="pool.allocate")
            tables.write_binding_changes(tenant_id, origin, binding.created_at, [created])
            return binding

        return await self._database.write(
            lambda tables: tables.once(tenant_id, origin, self._clock.now(), lambda: work(tables))
        )

    async def uses(self, tenant_id: str, pool: str, since: datetime, limit: int) -> tuple[int, Sequence[NumberUse]]:
        tables = await self._database.read()
        numbers = {each.number for each in _pool_of(tables, tenant_id) if each.pool == pool}
        present = (_use(each, None) for each in tables.bindings_of(tenant_id) if each.terms.access_number in numbers)
        past = (
            _use(each.value, each.ended_at)
            for each in tables.past_bindings_of(tenant_id)
            if each.value.terms.access_number in numbers
        )
        found = [each for each in (*present, *past) if each.ended_at is None or each.ended_at > since]
        return len(numbers), found[:limit]

    async def pooled(self, tenant_id: str, numbers: Collection[str]) -> Collection[str]:
        return {each.number for each in _pool_of(await self._database.read(), tenant_id)}.intersection(numbers)


def _pool_of(tables: Tables, tenant_id: str) -> list[AccessNumber]:
    """A tenant's numbers in pools, in their order."""
    return [tables.pool[each].number for each in sorted(tables.pool) if tables.pool[each].number.tenant_id == tenant_id]


def _live_on(tables: Tables, number: AccessNumber, now: datetime) -> int:
    there = tables.bindings_of(number.tenant_id, number.number)
    return sum(not each.terms.has_expired(now) for each in there)


def _with_use(tables: Tables, number: AccessNumber, now: datetime) -> AccessNumber:
    released = [_end(each.value, each.ended_at) for each in tables.past_bindings_of(number.tenant_id, number.number)]
    there = tables.bindings_of(number.tenant_id, number.number)
    released += [_end(each, now) for each in there if each.terms.has_expired(now)]
    return replace(number, live_bindings=_live_on(tables, number, now), last_released_at=max(released, default=None))


def _others_released_at(tables: Tables, number: AccessNumber) -> datetime:
    """When another tenant's binding on a number ended last. Those that are still there have expired."""
    past = (each for each in tables.past_bindings.values() if _is_others(each.value, number))
    there = (each for each in tables.bindings.values() if _is_others(each, number))
    ends = [_end(each.value, each.ended_at) for each in past]
    return max([_NEVER, *ends, *(_end(each, _FOR_EVER) for each in there)])


def _is_others(binding: Binding, number: AccessNumber) -> bool:
    return binding.terms.access_number == number.number and binding.tenant_id != number.tenant_id


def _end(binding: Binding, ended_at: datetime) -> datetime:
    expires_at = binding.terms.expires_at
    return ended_at if expires_at is None else min(expires_at, ended_at)


def _use(binding: Binding, ended_at: datetime | None) -> NumberUse:
    ends: Iterable[datetime] = (each for each in (binding.terms.expires_at, ended_at) if each is not None)
    numbers = tuple(each for each in (binding.terms.a_number, binding.terms.b_number) if each)
    return NumberUse(binding.binding_id, numbers, binding.updated_at, min(ends, default=None))
