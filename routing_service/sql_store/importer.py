"""BindingImporter on a database: many bindings by few statements."""

import asyncio
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

import orjson
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from common.clock import Clock
from common.errors import FailedPreconditionError
from routing_service.binding_rules import display_numbers
from routing_service.claiming import Holder, Place, Sifting, none_stored, places_of
from routing_service.domain.importing import Drafts, ImportDraft, ImportOutcome
from routing_service.domain.journal import ChangeType
from routing_service.domain.tenant import Tenant
from routing_service.domain.write_origin import WriteOrigin
from routing_service.ports import ImportChunk, MakeDrafts
from routing_service.refusals import foreign_display_number
from routing_service.sql_schema import binding_claims, bindings
from routing_service.sql_store import claims
from routing_service.sql_store.bulk import insert_rows
from routing_service.sql_store.database import Database
from routing_service.sql_store.display_policy import foreign_numbers
from routing_service.sql_store.journal import BindingWrite, write_binding_changes
from routing_service.sql_store.json_lists import element, json_list, list_elements
from routing_service.sql_store.requests import ResultForm, once
from routing_service.sql_store.rows import binding_values
from routing_service.sql_store.sealing import sealed_binding, stored_number
from routing_service.sql_store.tenant_store import locked_tenant
from routing_service.sql_store.transaction import Transaction, UncachedWriter, Writer

# Rows by one statement: each ends well before its time limit.
_ROWS_AT_ONCE = 1000
# Of a thousand rows, and of a whole atomic import: on a busy machine they take longer than a write usually may.
CHUNK_TIMEOUT_SECONDS = 20.0
ATOMIC_TIMEOUT_SECONDS = 60.0
_Item = TypeVar("_Item")
_Made = TypeVar("_Made")


class _NothingStoredError(FailedPreconditionError):
    """Carries the outcomes out of a transaction that is given up.

    A refusal, as the writer sees it: what is in the rows' way may be themselves, from an import whose answer was lost.
    """

    def __init__(self, outcomes: Sequence[ImportOutcome]) -> None:
        super().__init__("nothing was stored")
        self.outcomes = outcomes


class SqlBindingImporter:
    """BindingImporter on a database. It locks in the order of SqlBindingStore."""

    def __init__(self, database: Database, clock: Clock, writer: Writer | None = None) -> None:
        self._is_sqlite = database.is_sqlite
        self._clock = clock
        self._writer = writer if writer is not None else UncachedWriter(database)

    async def store(
        self, tenant_id: str, make: MakeDrafts, chunk: ImportChunk, origin: WriteOrigin
    ) -> Sequence[ImportOutcome]:
        async def work(transaction: Transaction) -> Sequence[ImportOutcome]:
            tenant = await locked_tenant(transaction.connection, tenant_id, for_change=False)
            return await self._store(transaction, tenant, make(tenant), chunk, origin)

        async def once_only(transaction: Transaction) -> Sequence[ImportOutcome]:
            now = self._clock.now()
            return await once(
                transaction, tenant_id, origin, now, lambda: work(transaction), _OUTCOMES_RESULT, chunk.part
            )

        try:
            timeout = ATOMIC_TIMEOUT_SECONDS if chunk.atomic else CHUNK_TIMEOUT_SECONDS
            return await self._writer.write(tenant_id, once_only, timeout)
        except _NothingStoredError as error:
            return error.outcomes

    async def _store(
        self, transaction: Transaction, tenant: Tenant, drafts: Drafts, chunk: ImportChunk, origin: WriteOrigin
    ) -> Sequence[ImportOutcome]:
        connection, tenant_id = transaction.connection, tenant.tenant_id
        wanted = [each for each in drafts if isinstance(each, ImportDraft)]
        numbers = sorted({each.binding.terms.access_number for each in wanted})
        await claims.lock_access_numbers(connection, tenant_id, numbers)
        fields = dict.fromkeys(numbers, "binding.access_number")
        previous_owners, foreign = await claims.take_numbers(connection, tenant_id, fields, chunk.at)
        if not tenant.settings.foreign_display_numbers_allowed:
            drafts = await _without_foreign_display_numbers(connection, tenant_id, drafts)
        sifting = Sifting(await self._holders(connection, tenant_id, wanted, chunk.at), foreign, chunk)
        outcomes = await _for_each(sifting.outcome, drafts)
        if chunk.atomic and any(each.is_refused for each in outcomes):
            raise _NothingStoredError(none_stored(outcomes))
        if chunk.dry_run:
            raise _NothingStoredError(outcomes)
        await _give_way(connection, tenant_id, sifting.gives_way)
        kept = [each.binding for each in sifting.kept]
        columns = await _for_each(binding_values, kept)
        for of_bindings in _sliced(columns):
            await insert_rows(connection, bindings, [sealed_binding(each) for each in of_bindings])
        for claimed in _sliced(_claim_rows(tenant_id, sifting.claimed)):
            await insert_rows(connection, binding_claims, claimed)
        used = {each.terms.access_number for each in kept}
        unused = [each for each in numbers if each not in used]
        await claims.give_back_access_numbers(connection, tenant_id, unused)
        # Where rows were refused as well: they may be the repetition of others, whose own answer was lost.
        transaction.touch_access_numbers(tenant_id, numbers)
        for owner, given in previous_owners.items():
            transaction.touch_access_numbers(owner, given)
        for some in _sliced([*zip(kept, columns, strict=True)]):
            created = [
                BindingWrite(ChangeType.CREATED, each, action="binding.import", columns=values) for each, values in some
            ]
            await write_binding_changes(connection, tenant_id, origin, chunk.at, created)
        return outcomes

    async def _holders(
        self, connection: AsyncConnection, tenant_id: str, drafts: Sequence[ImportDraft], now: datetime
    ) -> dict[Place, Holder]:
        """Who has the claims that the drafts want."""
        listed = list_elements("places", self._is_sqlite)
        access_number, number = (element(listed.c.value, place, self._is_sqlite) for place in range(2))
        held = sa.and_(
            binding_claims.c.tenant_id == tenant_id,
            binding_claims.c.access_number == access_number,
            binding_claims.c.number == number,
        )
        statement = sa.select(
            binding_claims.c.access_number,
            binding_claims.c.number,
            binding_claims.c.binding_id,
            claims.is_live(now).label("live"),
        ).select_from(
            # Outer joins, since SQLite would begin an inner one with all of the tenant's claims.
            listed.outerjoin(binding_claims, held).outerjoin(
                bindings, bindings.c.binding_id == binding_claims.c.binding_id
            )
        )
        holders: dict[Place, Holder] = {}
        places: dict[Place, Place] = {}
        for some in _sliced(drafts):
            for access_number, number in itertools.chain.from_iterable(map(places_of, some)):
                places[access_number, stored_number(tenant_id, number)] = (access_number, number)
            await asyncio.sleep(0)
        for listed_places in _sliced(sorted(places)):
            rows = (await connection.execute(statement, {"places": json_list(listed_places)})).all()
            held_places = (row for row in rows if row.binding_id is not None)
            holders.update(
                {places[row.access_number, row.number]: Holder(row.binding_id, bool(row.live)) for row in held_places}
            )
        return holders


async def _without_foreign_display_numbers(connection: AsyncConnection, tenant_id: str, drafts: Drafts) -> Drafts:
    """The drafts, with those refused that show numbers which are not the tenant's."""
    wanted = [each for each in drafts if isinstance(each, ImportDraft)]
    of_drafts = await _for_each(lambda draft: display_numbers(draft.binding.terms), wanted)
    shown = {each.row: of_row for each, of_row in zip(wanted, of_drafts, strict=True)}
    numbers = sorted({number for of_row in shown.values() for number in of_row})
    foreign = {number for some in _sliced(numbers) for number in await foreign_numbers(connection, tenant_id, some)}
    checked: list[ImportDraft | ImportOutcome] = []
    for each in drafts:
        wrong = [field for number, field in shown.get(each.row, {}).items() if number in foreign]
        checked.append(ImportOutcome.refused(each.row, foreign_display_number(wrong[0])) if wrong else each)
    return checked


async def _give_way(connection: AsyncConnection, tenant_id: str, places: Collection[Place]) -> None:
    statement = sa.delete(binding_claims).where(
        binding_claims.c.tenant_id == tenant_id,
        binding_claims.c.access_number == sa.bindparam("of_access_number"),
        binding_claims.c.number == sa.bindparam("of_number"),
    )
    for some in _sliced(sorted(places)):
        await connection.execute(
            statement, [{"of_access_number": x, "of_number": stored_number(tenant_id, number)} for x, number in some]
        )


def _claim_rows(tenant_id: str, claimed: Mapping[Place, Holder]) -> list[dict[str, str]]:
    """The rows of `binding_claims` for what is kept."""
    return [
        {
            "tenant_id": tenant_id,
            "access_number": access_number,
            "number": stored_number(tenant_id, number),
            "binding_id": holder.binding_id,
        }
        for (access_number, number), holder in claimed.items()
    ]


async def _for_each(function: Callable[[_Item], _Made], items: Sequence[_Item]) -> list[_Made]:
    """What a function makes of each item; calls get their turn in between."""
    made: list[_Made] = []
    for some in _sliced(items):
        made += map(function, some)
        await asyncio.sleep(0)
    return made


def _sliced(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(items), _ROWS_AT_ONCE):
        yield items[start : start + _ROWS_AT_ONCE]


_OUTCOMES_RESULT: ResultForm[Sequence[ImportOutcome]] = ResultForm(
    lambda outcomes: orjson.dumps([[each.row, each.binding_id, each.field, each.error] for each in outcomes]).decode(),
    lambda document: [ImportOutcome(*each) for each in orjson.loads(document)],
)
