"""CandidateSource and BindingHistory in memory."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from routing_service.domain.binding import EVERY_CALLER, Binding
from routing_service.domain.decision import NOTHING_KNOWN, Candidates, RouteKey
from routing_service.domain.number_list import EVERY_ACCESS_NUMBER, NumberListEntry, entries_of_interest
from routing_service.domain.tenant import Tenant
from routing_service.ports import Known, ReadError
from tests.support.routing_memory.tables import MemoryDatabase, Tables


class MemoryCandidateSource:
    """CandidateSource and BindingHistory in memory."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def tenants(self, tenant_ids: Collection[str]) -> Mapping[str, Tenant | ReadError]:
        return _tenants(await self._database.read(), tenant_ids)

    async def candidates(self, keys: Collection[RouteKey]) -> Mapping[RouteKey, Candidates | ReadError]:
        return _candidates(await self._database.read(), keys)

    async def look_up(self, tenant_ids: Collection[str], keys: Collection[RouteKey]) -> Known:
        tables = await self._database.read()
        return Known(_tenants(tables, tenant_ids), _candidates(tables, keys))

    async def tenant_at(self, tenant_id: str, moment: datetime) -> Tenant | None:
        tables = await self._database.read()
        then = [each for each in tables.past_tenants if each.value.tenant_id == tenant_id and each.ended_at > moment]
        if not then:
            return tables.tenants.get(tenant_id)
        found: Tenant = min(then, key=lambda each: each.ended_at).value
        return found

    async def candidates_at(self, key: RouteKey, moment: datetime) -> Candidates:
        tables = await self._database.read()
        versions = tables.bindings_of(key.tenant_id, key.access_number)
        past = tables.past_bindings_of(key.tenant_id, key.access_number)
        versions += [each.value for each in past if each.ended_at > moment]
        versions = [each for each in versions if each.updated_at <= moment]
        return Candidates(
            bool(versions) or _was_in_pool(tables, key, moment),
            tuple(each for each in versions if _had_claim(tables, each, key.calling_number, moment)),
            list_entries=_entries_for(
                key,
                [
                    *(each for each in tables.entries.values() if each.created_at <= moment),
                    *(
                        each.value
                        for each in tables.past_entries
                        if each.value.created_at <= moment and each.ended_at > moment
                    ),
                ],
            ),
        )


def _tenants(tables: Tables, tenant_ids: Collection[str]) -> Mapping[str, Tenant | ReadError]:
    return {each: tables.tenants[each] for each in tenant_ids if each in tables.tenants}


def _candidates(tables: Tables, keys: Collection[RouteKey]) -> Mapping[RouteKey, Candidates | ReadError]:
    return {key: _candidates_of(tables, key) for key in keys}


def _candidates_of(tables: Tables, key: RouteKey) -> Candidates:
    if tables.owners.get(key.access_number) != key.tenant_id:
        return NOTHING_KNOWN
    places = dict.fromkeys((key.access_number, number) for number in (key.calling_number, EVERY_CALLER))
    ids = [tables.claims[key.tenant_id, each] for each in places if (key.tenant_id, each) in tables.claims]
    entries = _entries_for(key, tables.entries.values())
    return Candidates(True, tuple(tables.bindings[each] for each in ids), list_entries=entries)


def _entries_for(key: RouteKey, entries: Iterable[NumberListEntry]) -> tuple[NumberListEntry, ...]:
    mine = [each for each in entries if each.tenant_id == key.tenant_id]
    return tuple(
        entry
        for x in (key.access_number, EVERY_ACCESS_NUMBER)
        for entry in entries_of_interest([each for each in mine if each.terms.access_number == x], key.calling_number)
    )


def _had_claim(tables: Tables, version: Binding, calling_number: str, moment: datetime) -> bool:
    """Whether a version of a binding had a claim by which a query of that time found it."""
    places = {
        (version.terms.access_number, each)
        for each in {calling_number, EVERY_CALLER}.intersection(version.terms.claims())
    }
    lost = {each.place for each in tables.lost_claims if each.binding == version and each.at <= moment}
    return bool(places - lost)


def _was_in_pool(tables: Tables, key: RouteKey, moment: datetime) -> bool:
    there = [tables.pool[key.access_number]] if key.access_number in tables.pool else []
    there += [each.value for each in tables.past_pool if each.ended_at > moment]
    return any(
        (each.number.tenant_id, each.number.number) == (key.tenant_id, key.access_number) and each.added_at <= moment
        for each in there
    )
