"""BindingImporter in memory."""

from collections.abc import Sequence

from common.clock import Clock
from common.errors import FailedPreconditionError
from routing_service.binding_rules import display_numbers
from routing_service.claiming import Sifting, none_stored, places_of
from routing_service.domain.importing import Drafts, ImportDraft, ImportOutcome
from routing_service.domain.journal import ChangeType
from routing_service.domain.tenant import Tenant
from routing_service.domain.write_origin import WriteOrigin
from routing_service.ports import ImportChunk, MakeDrafts
from routing_service.refusals import foreign_display_number
from routing_service.sql_store.journal import BindingWrite
from tests.support.routing_memory import claims
from tests.support.routing_memory.tables import MemoryDatabase, Tables


class _NothingStoredError(Exception):
    """Carries the outcomes out of a transaction that is given up."""

    def __init__(self, outcomes: Sequence[ImportOutcome]) -> None:
        super().__init__("nothing was stored")
        self.outcomes = outcomes


class MemoryBindingImporter:
    """BindingImporter in memory."""

    def __init__(self, database: MemoryDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def store(
        self, tenant_id: str, make: MakeDrafts, chunk: ImportChunk, origin: WriteOrigin
    ) -> Sequence[ImportOutcome]:
        def work(tables: Tables) -> Sequence[ImportOutcome]:
            tenant = tables.tenant(tenant_id)
            return _store(tables, tenant, make(tenant), chunk, origin)

        try:
            return await self._database.write(
                lambda tables: tables.once(tenant_id, origin, self._clock.now(), lambda: work(tables), part=chunk.part)
            )
        except _NothingStoredError as error:
            return error.outcomes


def _store(
    tables: Tables, tenant: Tenant, drafts: Drafts, chunk: ImportChunk, origin: WriteOrigin
) -> Sequence[ImportOutcome]:
    tenant_id = tenant.tenant_id
    wanted = [each for each in drafts if isinstance(each, ImportDraft)]
    numbers = {each.binding.terms.access_number for each in wanted}
    claims.hold_access_numbers(tables, tenant_id, numbers)
    foreign: dict[str, FailedPreconditionError] = {}
    for number in numbers:
        try:
            claims.take_access_number(tables, tenant_id, number, chunk.at, "binding.access_number")
        except FailedPreconditionError as error:
            foreign[number] = error
    if not tenant.settings.foreign_display_numbers_allowed:
        drafts = [_with_own_display_numbers(tables, tenant_id, each) for each in drafts]
    places = {place for each in wanted for place in places_of(each)}
    holders = {each: held for each in places if (held := claims.holder(tables, tenant_id, each, chunk.at)) is not None}
    sifting = Sifting(holders, foreign, chunk)
    outcomes = tuple(sifting.outcome(each) for each in drafts)
    if chunk.atomic and any(each.is_refused for each in outcomes):
        raise _NothingStoredError(none_stored(outcomes))
    if chunk.dry_run:
        raise _NothingStoredError(outcomes)
    kept = [each.binding for each in sifting.kept]
    tables.bindings |= {each.binding_id: each for each in kept}
    for place, each in sifting.claimed.items():
        claims.take_claim(tables, tenant_id, place, each.binding_id, chunk.at)
    claims.give_back_access_numbers(tables, tenant_id, numbers)
    created = [BindingWrite(ChangeType.CREATED, each, action="binding.import") for each in kept]
    tables.write_binding_changes(tenant_id, origin, chunk.at, created)
    return outcomes


def _with_own_display_numbers(
    tables: Tables, tenant_id: str, draft: ImportDraft | ImportOutcome
) -> ImportDraft | ImportOutcome:
    """The draft, or its refusal where it shows a number that is not the tenant's."""
    if isinstance(draft, ImportDraft):
        for number, field in display_numbers(draft.binding.terms).items():
            if not claims.is_own_number(tables, tenant_id, number):
                return ImportOutcome.refused(draft.row, foreign_display_number(field))
    return draft
