"""Writes behind the fence, on both databases: what is done in which order, and what is left when it is cut short."""

import asyncio
from collections.abc import AsyncIterator, Collection, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from common.clock import SystemClock
from common.errors import AlreadyExistsError, NotFoundError, UnavailableError
from routing_service.cache.fenced_writer import COMMIT_SECONDS, FencedWriter
from routing_service.cache.settlement import Settlement, SettlementLimits
from routing_service.cache_stats import CacheStats
from routing_service.domain.binding import Binding
from routing_service.domain.importing import ImportDraft, ImportOutcome
from routing_service.domain.scope import CacheScope
from routing_service.domain.write_origin import NO_ORIGIN
from routing_service.migrate import migrate
from routing_service.ports import ImportChunk
from routing_service.sql_schema import cache_outbox
from routing_service.sql_store.binding_store import SqlBindingStore
from routing_service.sql_store.candidates import SqlCandidateSource
from routing_service.sql_store.database import Database, DatabaseLimits
from routing_service.sql_store.importer import SqlBindingImporter
from routing_service.sql_store.outbox import SqlCacheOutbox
from routing_service.sql_store.tenant_store import SqlTenantStore
from tests.support.postgres import PostgresServer
from tests.unit.routing_service.builders import NOW, OTHER_TENANT, TENANT, X2, A, B, C, X, axb, stored, tenant

SCOPE, OTHER_SCOPE = CacheScope(TENANT, X), CacheScope(TENANT, X2)


@dataclass
class WatchedFence:
    """CacheFence that notes what it is told, and what was committed by then."""

    database: Database
    reachable: bool = True
    told: list[tuple[str, frozenset[CacheScope], int]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    on_mark: "asyncio.Event | None" = None

    def __post_init__(self) -> None:
        self.gate.set()

    async def mark(self, scopes: Collection[CacheScope], write_id: str) -> bool:
        self.told.append(("mark", frozenset(scopes), await pending(self.database)))
        if self.on_mark is not None:
            self.on_mark.set()
        return self.reachable

    async def lift(self, scopes: Collection[CacheScope], write_id: str) -> bool:
        await self.gate.wait()
        self.told.append(("lift", frozenset(scopes), await pending(self.database)))
        return self.reachable


async def pending(database: Database) -> int:
    """How many writes are committed and not settled."""

    async def work(connection: AsyncConnection) -> int:
        return int(await connection.scalar(sa.select(sa.func.count()).select_from(cache_outbox)) or 0)

    return await database.read(work)


@dataclass
class Bench:
    database: Database
    fence: WatchedFence
    stats: CacheStats
    settlement: Settlement
    writer: FencedWriter
    tenants: SqlTenantStore
    bindings: SqlBindingStore

    async def bind(self, binding_id: str = "b1", a: str = A, b: str = B, x: str = X) -> Binding:
        return await self.bindings.create(TENANT, lambda _: stored(axb(a, b, x), binding_id))

    async def unbind(self, binding_id: str = "b1") -> None:
        await self.bindings.delete(TENANT, binding_id, lambda _: None, NOW)

    def forget(self) -> None:
        self.fence.told.clear()


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A server of this module's own: it is frozen now and then."""
    server = PostgresServer(tmp_path_factory.mktemp("postgres"), {"fsync": "off"})
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    if request.param == "sqlite":
        url = f"sqlite+aiosqlite:///{tmp_path / 'routing.db'}"
    else:
        url = await request.getfixturevalue("postgres").create_database()
    database = Database(url, DatabaseLimits(read_timeout_seconds=20.0, write_timeout_seconds=20.0))
    await migrate(database.writers)
    clock, stats, fence = SystemClock(), CacheStats(), WatchedFence(database)
    outbox = SqlCacheOutbox(database, clock)
    settlement = Settlement(fence, outbox, SettlementLimits(0.3, 0.1), clock, stats)
    writer = FencedWriter(database, fence, outbox, settlement, stats)
    tenants, bindings = SqlTenantStore(database, writer), SqlBindingStore(database, writer)
    bench = Bench(database, fence, stats, settlement, writer, tenants, bindings)
    await tenants.create(tenant(TENANT))
    await settlement.tidy()
    bench.forget()
    yield bench
    await writer.close()
    await database.close()


async def test_marked_before_the_commit_and_lifted_after_it(bench: Bench) -> None:
    await bench.bind()

    assert bench.fence.told == [("mark", frozenset({SCOPE}), 0), ("lift", frozenset({SCOPE}), 1)]
    await bench.settlement.tidy()
    assert await pending(bench.database) == 0


async def test_nothing_is_acknowledged_before_it_is_lifted(bench: Bench) -> None:
    await bench.bind()
    bench.fence.gate.clear()
    unbinding = asyncio.create_task(bench.unbind())
    source = SqlCandidateSource(bench.database)
    async with asyncio.timeout(20):
        while await source.tenants([TENANT]) and await bench.bindings.get(TENANT, "b1") is not None:
            await asyncio.sleep(0.01)
    assert not unbinding.done()
    bench.fence.gate.set()
    await unbinding


async def test_a_move_tells_of_both_access_numbers(bench: Bench) -> None:
    binding = await bench.bind()
    bench.forget()
    moved = stored(axb(A, B, X2), revision=2)
    await bench.bindings.update(TENANT, binding.binding_id, lambda _tenant, _current: moved)

    assert {scopes for _, scopes, _ in bench.fence.told} == {frozenset({SCOPE, OTHER_SCOPE})}


async def test_a_takeover_tells_of_the_former_owner_too(bench: Bench) -> None:
    await bench.tenants.create(tenant(OTHER_TENANT))
    expired = stored(axb(expires_at=NOW), "old", OTHER_TENANT)
    await bench.bindings.create(OTHER_TENANT, lambda _: expired)
    bench.forget()
    await bench.bind()

    assert {scopes for _, scopes, _ in bench.fence.told} == {frozenset({SCOPE, CacheScope(OTHER_TENANT, X)})}


async def test_a_changed_tenant_is_told_of(bench: Bench) -> None:
    changed = tenant(TENANT, display_name="new")
    await bench.tenants.update(TENANT, lambda _current, _profiles: changed, with_profiles=False)
    assert {scopes for _, scopes, _ in bench.fence.told} == {frozenset({CacheScope(TENANT)})}
    bench.forget()
    await bench.tenants.delete(TENANT)

    assert {scopes for _, scopes, _ in bench.fence.told} == {frozenset({CacheScope(TENANT)})}


async def test_what_is_refused_leaves_nothing_in_the_outbox_and_marks_nothing(bench: Bench) -> None:
    with pytest.raises(NotFoundError):
        await bench.unbind("none")

    assert bench.fence.told == []
    assert await pending(bench.database) == 0


async def die_behind_the_commit(bench: Bench, writing: Coroutine[Any, Any, Any]) -> None:
    """Have a write committed, and its writer die before it tells the cache."""
    bench.fence.gate.clear()
    marked = bench.fence.on_mark = asyncio.Event()
    first = asyncio.create_task(writing)
    await marked.wait()
    async with asyncio.timeout(20):
        while await pending(bench.database) == 0:
            await asyncio.sleep(0.01)
    for task in list(bench.writer._running):
        task.cancel()
    await asyncio.wait({first})


@pytest.mark.parametrize("repetition", ["bind", "unbind"])
async def test_a_refused_repetition_is_answered_when_the_first_write_is_finished(bench: Bench, repetition: str) -> None:
    if repetition == "unbind":
        await bench.bind()
        await bench.settlement.tidy()
    await die_behind_the_commit(bench, bench.bind() if repetition == "bind" else bench.unbind())
    bench.forget()
    bench.fence.gate.set()
    with pytest.raises((AlreadyExistsError, NotFoundError)):
        await (bench.bind("b2") if repetition == "bind" else bench.unbind())

    assert ("lift", frozenset({SCOPE}), 1) in bench.fence.told
    assert bench.stats.finished_for_others == 1


@pytest.mark.parametrize("atomic", [False, True])
async def test_an_import_that_refuses_its_repeated_rows_is_answered_when_the_first_one_is_finished(
    bench: Bench, atomic: bool
) -> None:
    importer = SqlBindingImporter(bench.database, SystemClock(), bench.writer)

    async def run(binding_id: str) -> Sequence[ImportOutcome]:
        drafts = [ImportDraft(1, stored(axb(), binding_id))]
        return await importer.store(TENANT, lambda _: drafts, ImportChunk(NOW, atomic, False, 0, {}), NO_ORIGIN)

    await die_behind_the_commit(bench, run("b1"))
    bench.forget()
    bench.fence.gate.set()
    (outcome,) = await run("b2")

    assert outcome.is_refused
    assert ("lift", frozenset({SCOPE})) in [(what, scopes) for what, scopes, _ in bench.fence.told]


async def test_a_caller_who_goes_away_does_not_stop_the_write(bench: Bench) -> None:
    bench.fence.gate.clear()
    marked = bench.fence.on_mark = asyncio.Event()
    writing = asyncio.create_task(bench.bind())
    await marked.wait()
    writing.cancel()
    await asyncio.wait({writing})
    bench.fence.gate.set()
    await bench.writer.close()

    assert bench.fence.told[-1][0] == "lift"
    assert await bench.bindings.get(TENANT, "b1") is not None


async def test_a_cache_that_can_not_be_told_delays_and_does_not_refuse(bench: Bench) -> None:
    bench.fence.reachable = False
    started = asyncio.get_running_loop().time()
    await bench.bind()

    assert asyncio.get_running_loop().time() - started >= 0.4
    assert (bench.stats.unmarked_writes, bench.stats.waited_out) == (1, 1)


async def test_writers_side_by_side(bench: Bench) -> None:
    numbers = [f"+86138000011{number:02}" for number in range(8)]
    await asyncio.gather(*(bench.bind(f"b{a}", a, C.replace("1111", a[-4:])) for a in numbers))
    await asyncio.gather(*(bench.unbind(f"b{a}") for a in numbers))
    await bench.settlement.tidy()

    assert await pending(bench.database) == 0
    assert [what for what, _, _ in bench.fence.told].count("lift") == 16


@pytest.mark.parametrize("bench", ["postgresql"], indirect=True)
async def test_a_commit_that_hangs_is_cut_off_and_left_to_the_outbox(bench: Bench, postgres: PostgresServer) -> None:
    await bench.bind()
    bench.forget()

    class FreezingFence:
        async def mark(self, scopes: Collection[CacheScope], write_id: str) -> bool:
            postgres.child.freeze()
            return True

        lift = bench.fence.lift

    outbox = SqlCacheOutbox(bench.database, SystemClock())
    writer = FencedWriter(bench.database, FreezingFence(), outbox, bench.settlement, bench.stats)
    started = asyncio.get_running_loop().time()
    try:
        with pytest.raises(UnavailableError):
            await SqlBindingStore(bench.database, writer).delete(TENANT, "b1", lambda _: None, NOW)
        assert asyncio.get_running_loop().time() - started < COMMIT_SECONDS + 3.0
    finally:
        postgres.child.thaw()
    assert bench.fence.told == [], "nobody knows yet whether it was committed"
    async with asyncio.timeout(20):
        while (await bench.bindings.get(TENANT, "b1") is None) != bool(await pending(bench.database)):
            await asyncio.sleep(0.05)
    # Both are there, or neither is; and whoever sweeps finishes it.
    await bench.settlement.sweep()
    await bench.settlement.sweep()
    await bench.settlement.tidy()
    assert await pending(bench.database) == 0
