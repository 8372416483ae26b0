"""Importing: many bindings at once, each as if it were created alone."""

import itertools
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest

from common.clock import SystemClock
from common.errors import InvalidArgumentError, NotFoundError
from routing_service.domain.binding import BindingTerms
from routing_service.domain.decision import RouteKey
from routing_service.domain.importing import ImportOptions, ImportOutcome, ImportRow
from routing_service.domain.write_origin import NO_ORIGIN, WriteOrigin
from routing_service.ports import BindingFilter
from routing_service.service.imports import CHUNK_ROWS, MAX_ATOMIC_ROWS, ImportService
from tests.support.routing_memory.stores import Stores
from tests.unit.routing_service.builders import NOW, OTHER_TENANT, TENANT, X2, A, B, C, D, X, ax, axb, stored

EVERYTHING = BindingFilter(TENANT)


class Importing:
    """An import service on a store."""

    def __init__(self, stores: Stores) -> None:
        ids = (f"i{number}" for number in itertools.count())
        self.service = ImportService(stores.importer, stores.tenants, SystemClock(), lambda: next(ids))

    async def run(
        self,
        *terms: BindingTerms | InvalidArgumentError,
        origin: WriteOrigin = NO_ORIGIN,
        lot: int = 100,
        tenant_id: str = TENANT,
        **options: bool,
    ) -> list[ImportOutcome]:
        rows = [ImportRow(place, "", each, repr(each).encode()) for place, each in enumerate(terms, 1)]

        async def lots() -> AsyncIterator[Sequence[ImportRow]]:
            for start in range(0, len(rows), lot):
                yield rows[start : start + lot]

        found = self.service.run(ImportOptions(tenant_id, **options), lots(), origin)
        return [outcome async for some in found for outcome in some]


@pytest.fixture
def importing(stores: Stores) -> Importing:
    return Importing(stores)


async def test_rows_become_bindings_that_answer(stores: Stores, importing: Importing) -> None:
    outcomes = await importing.run(axb(A, B), ax(A, "02566000002"), axb("13700001111", D))
    assert [(each.row, each.error) for each in outcomes] == [(1, ""), (2, ""), (3, "")]
    key = RouteKey(TENANT, X, C)
    found = (await stores.source.candidates([key]))[key]
    assert not isinstance(found, Exception)
    assert [each.binding_id for each in found.bindings] == [outcomes[2].binding_id]
    assert [each.terms.access_number for each in await stores.bindings.list_page(EVERYTHING, None, 9)] == [X, X2, X]
    changes = await stores.changes.changes_after(TENANT, 0, 9)
    assert [each.binding.binding_id for each in changes] == [each.binding_id for each in outcomes]
    entries = await stores.audit.list_page(TENANT, outcomes[0].binding_id, None, 9)
    assert [each.action for each in entries] == ["binding.import"]


async def test_each_row_is_refused_for_its_own_reason(stores: Stores, importing: Importing) -> None:
    await stores.bindings.create(TENANT, lambda _: stored(axb(A, B), "b1", at=SystemClock().now()))
    other = stored(axb(C, D, x="+862566000009"), "b2", OTHER_TENANT, at=SystemClock().now())
    await stores.bindings.create(OTHER_TENANT, lambda _: other)
    outcomes = await importing.run(
        axb(A, C),
        axb(C, D),
        axb(D, "13500001111"),
        axb(A, A, x=X2),
        axb(A, C, x="+862566000009"),
        InvalidArgumentError("binding.kind", "a kind is needed"),
        axb(A, B, x=X2, display_number="13100001111"),
    )
    assert [each.row for each in outcomes if not each.is_refused] == [2]
    assert "b1" in outcomes[0].error and outcomes[1].binding_id in outcomes[2].error
    assert (outcomes[3].field, outcomes[4].field) == ("binding.b_number", "binding.access_number")
    assert outcomes[5].field == "binding.kind" and outcomes[6].field == "binding.display_number"
    assert len(await stores.bindings.list_page(EVERYTHING, None, 9)) == 2


async def test_all_or_none(stores: Stores, importing: Importing) -> None:
    outcomes = await importing.run(axb(A, B), axb(A, C), axb(C, D), atomic=True, lot=1)
    assert all(each.is_refused for each in outcomes) and outcomes[0].row == 1
    assert "another row" in outcomes[0].error and "another row" not in outcomes[1].error
    assert await stores.bindings.list_page(EVERYTHING, None, 9) == []
    key = RouteKey(TENANT, X, A)
    found = (await stores.source.candidates([key]))[key]
    assert not isinstance(found, Exception) and not found.access_number_known
    assert not any(each.is_refused for each in await importing.run(axb(A, B), axb(C, D), atomic=True, lot=1))
    with pytest.raises(InvalidArgumentError):
        await importing.run(*[axb(A, B)] * (MAX_ATOMIC_ROWS + 1), atomic=True, lot=1000)


async def test_a_dry_run_finds_the_same_and_stores_nothing(stores: Stores, importing: Importing) -> None:
    filler = [axb(f"+861380000{n:04d}", f"+861390000{n:04d}", f"+86256600{n:04d}") for n in range(CHUNK_ROWS)]
    outcomes = await importing.run(axb(A, B), *filler, axb(A, C), dry_run=True)
    assert [each.row for each in outcomes if each.is_refused] == [CHUNK_ROWS + 2]
    assert await stores.bindings.list_page(EVERYTHING, None, 9) == []
    assert await stores.changes.last_position(TENANT) == 0


async def test_a_dry_run_remembers_no_more_than_it_may(stores: Stores) -> None:
    most = CHUNK_ROWS + 1
    service = ImportService(stores.importer, stores.tenants, SystemClock(), lambda: "i1", max_dry_run_rows=most)

    async def outcomes(count: int, **options: bool) -> int:
        async def rows() -> AsyncIterator[Sequence[ImportRow]]:
            yield [ImportRow(row, "", InvalidArgumentError("binding.kind", "none"), b"") for row in range(count)]

        found = service.run(ImportOptions(TENANT, **options), rows(), NO_ORIGIN)
        return sum([len(some) async for some in found])

    assert await outcomes(CHUNK_ROWS + 1, dry_run=True) == CHUNK_ROWS + 1
    assert await outcomes(CHUNK_ROWS + 2) == CHUNK_ROWS + 2
    with pytest.raises(InvalidArgumentError, match=r"options\.dry_run"):
        await outcomes(CHUNK_ROWS + 2, dry_run=True)


async def test_sent_again_under_its_name_it_stores_what_is_missing(stores: Stores, importing: Importing) -> None:
    rows = [axb(A, f"+861390000{n:04d}", f"+86256600{n:04d}") for n in range(CHUNK_ROWS + 5)]
    origin = WriteOrigin("crm", "nightly")
    # As much as was stored before the connection was cut: the first chunk.
    first = await importing.run(*rows[:CHUNK_ROWS], origin=origin, lot=300)
    again = await importing.run(*rows, origin=origin, lot=70)
    assert again[:CHUNK_ROWS] == first
    assert len(again) == len(rows) and not any(each.is_refused for each in again)
    assert await stores.changes.last_position(TENANT) == len(rows)
    with pytest.raises(InvalidArgumentError) as raised:
        await importing.run(axb(C, D), *rows[1:], origin=origin)
    assert raised.value.reason == "REQUEST_ID_REUSED"


async def test_expired_bindings_give_way_and_expired_rows_take_nothing(stores: Stores, importing: Importing) -> None:
    await stores.bindings.create(TENANT, lambda _: stored(axb(A, B, expires_at=NOW + timedelta(days=1)), "b1", at=NOW))
    past = SystemClock().now() - timedelta(hours=1)
    if past < NOW + timedelta(days=1):
        pytest.fail("this test takes a clock that is right")
    outcomes = await importing.run(axb(A, C, expires_at=past), axb(A, D))
    assert not any(each.is_refused for each in outcomes)
    key = RouteKey(TENANT, X, A)
    found = (await stores.source.candidates([key]))[key]
    assert not isinstance(found, Exception)
    assert [each.binding_id for each in found.bindings] == [outcomes[1].binding_id]


async def test_an_expired_row_takes_nothing_from_a_live_binding(stores: Stores, importing: Importing) -> None:
    now = SystemClock().now()
    await stores.bindings.create(TENANT, lambda _: stored(axb(A, B), "b1", at=now))
    (outcome,) = await importing.run(axb(A, C, expires_at=now - timedelta(hours=1)))
    assert not outcome.is_refused
    keys = [RouteKey(TENANT, X, caller) for caller in (A, C)]
    found = await stores.source.candidates(keys)
    ids = [[each.binding_id for each in found[key].bindings] for key in keys]  # type: ignore[union-attr]
    assert ids == [["b1"], [outcome.binding_id]]


async def test_an_unknown_tenant(importing: Importing) -> None:
    with pytest.raises(NotFoundError):
        await importing.run(axb(A, B), tenant_id="999999")
