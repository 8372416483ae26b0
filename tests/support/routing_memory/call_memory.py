"""CallMemoryStore in memory."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from common.errors import AbortedError
from routing_service.domain.call_memory import ORDER_LIFE, GroupCall, OwnerCall, WantedRecollection
from routing_service.domain.decision import NOTHING_RECALLED, Recollection
from tests.support.routing_memory.tables import MemoryDatabase, Tables


class MemoryCallMemoryStore:
    """CallMemoryStore in memory."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def recall(
        self, wanted: Collection[WantedRecollection], now: datetime
    ) -> Mapping[WantedRecollection, Recollection]:
        tables = await self._database.read()
        found = {each: _recollection(tables, each, now) for each in wanted}
        return {each: recalled for each, recalled in found.items() if recalled != NOTHING_RECALLED}

    async def store(self, groups: Sequence[GroupCall], owners: Sequence[OwnerCall], now: datetime) -> None:
        def work(tables: Tables) -> None:
            if any(each.tenant_id not in tables.tenants for each in groups) or any(
                each.binding_id not in tables.bindings for each in owners
            ):
                raise AbortedError("the tenant or the binding is gone", reason="CONCURRENT_CHANGE")
            tables.orders = {key: each for key, each in tables.orders.items() if each[1] > now}
            for group in sorted(groups, key=lambda each: each.at_us):
                if group.session_key:
                    session = (group.tenant_id, group.session_key, group.binding_id)
                    tables.orders.setdefault(session, (group.order, now + ORDER_LIFE))
                member = (group.tenant_id, group.order[0])
                tables.routed_at_us[member] = max(group.at_us, tables.routed_at_us.get(member, 0))
            for owner in owners:
                known = tables.last_callers.get(owner.binding_id)
                if known is None or known[3] < owner.at_us:
                    last = (owner.access_number, owner.owner_number, owner.calling_number, owner.at_us)
                    tables.last_callers[owner.binding_id] = last

        await self._database.write(work)


def _recollection(tables: Tables, wanted: WantedRecollection, now: datetime) -> Recollection:
    order, expires_at = tables.orders.get((wanted.tenant_id, wanted.session_key, wanted.binding_id), ((), now))
    routed = {number: tables.routed_at_us.get((wanted.tenant_id, number)) for number in wanted.members}
    last_caller, called_at_us = "", 0
    if wanted.owner_number:
        x, owner, caller, at_us = tables.last_callers.get(wanted.binding_id, ("", "", "", 0))
        if (x, owner) == (wanted.access_number, wanted.owner_number):
            last_caller, called_at_us = caller, at_us
    return Recollection(
        order=order if wanted.members and expires_at > now else (),
        last_routed_at_us={number: at_us for number, at_us in routed.items() if at_us is not None},
        last_caller=last_caller,
        last_called_at_us=called_at_us,
    )
