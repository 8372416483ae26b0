"""BindingStore in memory."""

from collections.abc import Sequence
from datetime import datetime

from common.clock import Clock
from routing_service.domain.binding import Binding
from routing_service.domain.journal import ChangeType
from routing_service.domain.write_origin import NO_ORIGIN, WriteOrigin
from routing_service.not_found import no_such_binding
from routing_service.ports import BindingFilter, BindingPosition, BindingState, ChangeBinding, CheckBinding, MakeBinding
from routing_service.sql_store.journal import BindingWrite
from tests.support.routing_memory import claims
from tests.support.routing_memory.tables import MemoryDatabase, Tables


class MemoryBindingStore:
    """BindingStore in memory."""

    def __init__(self, database: MemoryDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(self, tenant_id: str, make: MakeBinding, origin: WriteOrigin = NO_ORIGIN) -> Binding:
        def work(tables: Tables) -> Binding:
            binding = make(tables.tenant(tenant_id))
            claims.store_new_binding(tables, binding)
            created = BindingWrite(ChangeType.CREATED, binding)
            tables.write_binding_changes(tenant_id, origin, binding.created_at, [created])
            return binding

        return await self._database.write(
            lambda tables: tables.once(tenant_id, origin, self._clock.now(), lambda: work(tables))
        )

    async def get(self, tenant_id: str, binding_id: str) -> Binding | None:
        return _binding_of(await self._database.read(), tenant_id, binding_id)

    async def list_page(self, which: BindingFilter, after: BindingPosition | None, limit: int) -> Sequence[Binding]:
        return [each for each in _behind(await self._database.read(), which, after) if _is_wanted(each, which)][:limit]

    async def position_after(
        self, which: BindingFilter, after: BindingPosition | None, count: int
    ) -> BindingPosition | None:
        behind = _behind(await self._database.read(), BindingFilter(which.tenant_id, which.access_number), after)
        if len(behind) < count:
            return None
        return BindingPosition(behind[count - 1].created_at, behind[count - 1].binding_id)

    async def update(
        self, tenant_id: str, binding_id: str, change: ChangeBinding, origin: WriteOrigin = NO_ORIGIN
    ) -> Binding:
        def work(tables: Tables) -> Binding:
            tenant = tables.tenant(tenant_id)
            current = _existing(tables, tenant_id, binding_id)
            changed = change(tenant, current)
            at, number = changed.updated_at, changed.terms.access_number
            numbers = {current.terms.access_number, number}
            claims.hold_access_numbers(tables, tenant_id, numbers)
            if not changed.terms.has_expired(at):
                claims.take_access_number(tables, tenant_id, number, at, "binding.access_number")
            claims.check_display_numbers(tables, changed, current.terms)
            tables.keep_past_binding(current, at)
            tables.bindings[binding_id] = changed
            claims.claim(tables, changed, at)
            claims.give_back_access_numbers(tables, tenant_id, numbers)
            updated = BindingWrite(ChangeType.UPDATED, changed, current)
            tables.write_binding_changes(tenant_id, origin, at, [updated])
            return changed

        return await self._database.write(
            lambda tables: tables.once(tenant_id, origin, self._clock.now(), lambda: work(tables))
        )

    async def delete(
        self, tenant_id: str, binding_id: str, check: CheckBinding, at: datetime, origin: WriteOrigin = NO_ORIGIN
    ) -> None:
        def work(tables: Tables) -> None:
            tables.tenant(tenant_id)
            current = _existing(tables, tenant_id, binding_id)
            check(current)
            ended_at = max(at, current.updated_at)
            tables.keep_past_binding(current, ended_at)
            claims.release(tables, binding_id)
            del tables.bindings[binding_id]
            tables.last_callers.pop(binding_id, None)
            claims.give_back_access_numbers(tables, tenant_id, [current.terms.access_number])
            deleted = BindingWrite(ChangeType.DELETED, current)
            tables.write_binding_changes(tenant_id, origin, ended_at, [deleted])

        await self._database.write(
            lambda tables: tables.once(tenant_id, origin, self._clock.now(), lambda: work(tables))
        )


def _binding_of(tables: Tables, tenant_id: str, binding_id: str) -> Binding | None:
    found = tables.bindings.get(binding_id)
    return found if found is not None and found.tenant_id == tenant_id else None


def _existing(tables: Tables, tenant_id: str, binding_id: str) -> Binding:
    found = _binding_of(tables, tenant_id, binding_id)
    if found is None:
        raise no_such_binding(binding_id)
    return found


def _position(binding: Binding) -> tuple[datetime, str]:
    return binding.created_at, binding.binding_id


def _behind(tables: Tables, which: BindingFilter, after: BindingPosition | None) -> list[Binding]:
    """The tenant's bindings on the access number, if one is named, behind a position and in their order."""
    return sorted(
        (
            each
            for each in tables.bindings_of(which.tenant_id, which.access_number)
            if after is None or _position(each) > (after.created_at, after.binding_id)
        ),
        key=_position,
    )


def _is_wanted(binding: Binding, which: BindingFilter) -> bool:
    terms = binding.terms
    if which.number and which.number not in (terms.a_number, terms.b_number, terms.callback_number):
        return False
    if which.until is not None and _position(binding) > (which.until.created_at, which.until.binding_id):
        return False
    match which.state:
        case BindingState.IN_FORCE:
            return terms.has_begun(which.now) and not terms.has_expired(which.now)
        case BindingState.PENDING:
            return not terms.has_begun(which.now) and not terms.has_expired(which.now)
        case BindingState.EXPIRED:
            return terms.has_expired(which.now)
    return True
