"""Numbers at rest: what a database's bytes hold, what must not open, and how plain data becomes encrypted."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from common.at_rest.master_keys import new_master_key, open_master_keys
from common.at_rest.rotation import destroy_old, rewrap, rotate
from common.at_rest.sql_keys import destroy_keys
from common.clock import SystemClock
from common.errors import AlreadyExistsError, AxbridgeError, FailedPreconditionError, UnexpectedError
from routing_service.domain.call_memory import GroupCall, OwnerCall, WantedRecollection
from routing_service.domain.decision import RouteKey
from routing_service.domain.number_list import NumberListAction
from routing_service.domain.write_origin import WriteOrigin
from routing_service.ports import BindingFilter
from routing_service.settings import RoutingServiceSettings
from routing_service.sql_schema import audit_entries, binding_claims, bindings, keys, metadata, requests
from routing_service.sql_store import conversion
from routing_service.sql_store.call_memory import SqlCallMemoryStore
from routing_service.sql_store.conversion import encrypt, reencrypt
from routing_service.sql_store.journal_reader import SqlAuditLog, SqlChangeFeed
from routing_service.sql_store.kept import kept_database
from routing_service.sql_store.number_list_store import SqlNumberListStore
from routing_service.wiring import Stores, opened_stores
from tests.support.postgres import PostgresServer
from tests.support.redis import RedisServer
from tests.unit.routing_service.builders import (
    NOW,
    OTHER_TENANT,
    TENANT,
    X2,
    A,
    B,
    C,
    D,
    X,
    axb,
    list_entry,
    stored,
    tenant,
)

NOW_US = 1_777_896_000_000_000
NUMBERS = re.compile(rb"1[36789]\d00001111")
ORIGIN = WriteOrigin("crm", "r1", "tenant-free-hash")


@pytest.fixture
def master_file(tmp_path: Path) -> Path:
    file = tmp_path / "master.key"
    file.write_text(new_master_key())
    return file


@asynccontextmanager
async def opened(url: str, master_file: Path | None, redis_url: str = "") -> AsyncIterator[Stores]:
    settings = RoutingServiceSettings(
        database_url=url,
        migrate_at_start="yes",
        master_key_file=master_file,
        redis_url=redis_url,
        read_timeout_seconds=20.0,
        write_timeout_seconds=20.0,
        cache_timeout_seconds=1.0,
        cache_ttl_seconds=60.0,
    )
    async with opened_stores(settings, SystemClock()) as stores:
        yield stores


async def fill(stores: Stores) -> None:
    """Write numbers into every table that has them."""
    for each in (TENANT, OTHER_TENANT):
        await stores.tenants.create(tenant(each, fallback_number=D))
    await stores.tenants.update(TENANT, lambda current, _: current, with_profiles=False)
    first = await stores.bindings.create(TENANT, lambda _: stored(axb(A, B), "b1"), ORIGIN)
    await stores.bindings.create(TENANT, lambda _: stored(axb(C, D), "b2"))
    await stores.bindings.create(TENANT, lambda _: stored(axb(B, D, X2), "b3"))
    await stores.bindings.delete(TENANT, "b3", lambda _: None, NOW + timedelta(minutes=1))
    assert first.terms.a_number == A
    lists = SqlNumberListStore(stores.database, stores.writer)
    await lists.create(TENANT, lambda _: list_entry(C, NumberListAction.BLOCK, entry_id="e1"))
    memory = SqlCallMemoryStore(stores.database)
    await memory.store([GroupCall(TENANT, "b1", "s1", (A, B), NOW_US)], [OwnerCall(TENANT, "b1", X, A, C, NOW_US)], NOW)


async def check(stores: Stores) -> None:
    """Everything that `fill` wrote is found."""
    found = await stores.source.candidates([RouteKey(TENANT, X, A), RouteKey(TENANT, X, B), RouteKey(TENANT, X, C)])
    for number, binding_id in ((A, "b1"), (B, "b1"), (C, "b2")):
        candidates: Any = found[RouteKey(TENANT, X, number)]
        assert [each.binding_id for each in candidates.bindings] == [binding_id]
    blocked: Any = found[RouteKey(TENANT, X, C)]
    assert [each.terms.pattern for each in blocked.list_entries] == [C]
    listed = await stores.bindings.list_page(BindingFilter(TENANT, number=B), None, 10)
    assert [(each.binding_id, each.terms.a_number) for each in listed] == [("b1", A)]
    with pytest.raises(AlreadyExistsError):
        await stores.bindings.create(TENANT, lambda _: stored(axb(D, A), "b9"))
    assert (await stores.bindings.create(TENANT, lambda _: stored(axb(A, B), "b7"), ORIGIN)).binding_id == "b1"
    there = await stores.tenants.get(OTHER_TENANT)
    assert there is not None and there.settings.fallback_number == D
    changes = await SqlChangeFeed(stores.database).changes_after(TENANT, 0, 10)
    assert [each.binding.terms.b_number for each in changes] == [B, D, D, D]
    audited = await SqlAuditLog(stores.database).list_page(TENANT, "b1", None, 10)
    assert B in audited[0].after_json
    wanted = WantedRecollection(TENANT, "b1", "s9", X, owner_number=A)
    recalled = await SqlCallMemoryStore(stores.database).recall([wanted], NOW)
    assert recalled[wanted].last_caller == C


def everything(file: Path) -> bytes:
    """The bytes of a SQLite database, its log with it."""
    return b"".join(part.read_bytes() for part in sorted(file.parent.glob(file.name + "*")))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "routing.db"


@pytest.fixture
def url(file: Path) -> str:
    return f"sqlite+aiosqlite:///{file}"


async def test_no_number_stands_in_the_file(url: str, file: Path, master_file: Path) -> None:
    async with opened(url, master_file) as stores:
        await fill(stores)
        await check(stores)
        assert not NUMBERS.search(everything(file))
    assert not NUMBERS.search(everything(file))
    async with opened(url, master_file) as stores:
        await check(stores)


async def test_plain_the_same_test_finds_them(url: str, file: Path) -> None:
    async with opened(url, None) as stores:
        await fill(stores)
        await check(stores)
        assert NUMBERS.search(everything(file))


async def test_no_number_stands_in_redis(url: str, master_file: Path, redis: RedisServer) -> None:
    import redis.asyncio as client_library

    client = client_library.from_url(redis.url)
    try:
        await client.flushall()
        async with opened(url, master_file, redis.url) as stores:
            await fill(stores)
            await check(stores)
            async with asyncio.timeout(30):
                while stores.stats.hits == 0:
                    found: Any = (await stores.source.candidates([RouteKey(TENANT, X, A)]))[RouteKey(TENANT, X, A)]
                    assert found.bindings[0].terms.b_number == B
                    await asyncio.sleep(0.01)
            names = await client.keys("*")
            values = [await client.get(name) for name in names if not name.endswith(b"epoch")]
            assert any(value is not None and b"axs1." in value for value in values)
            assert not NUMBERS.search(b"\n".join([*names, *(value or b"" for value in values)]))
        assert stores.stats.mismatches == 0
    finally:
        await client.aclose()


async def test_data_in_another_mode_than_the_settings_say_is_refused(url: str, master_file: Path) -> None:
    async with opened(url, None) as stores:
        await fill(stores)
    with pytest.raises(FailedPreconditionError, match="axbridge encryption encrypt"):
        async with opened(url, master_file):
            pass


async def test_an_encrypted_database_wants_its_own_key(url: str, master_file: Path, tmp_path: Path) -> None:
    async with opened(url, master_file) as stores:
        await fill(stores)
    with pytest.raises(FailedPreconditionError, match="AXBRIDGE_ROUTING_MASTER_KEY_FILE is not set"):
        async with opened(url, None):
            pass
    wrong = tmp_path / "wrong.key"
    wrong.write_text(new_master_key())
    with pytest.raises(FailedPreconditionError, match="another master key"):
        async with opened(url, wrong):
            pass


async def test_plain_data_is_encrypted_though_cut_off_now_and_then(
    url: str, file: Path, master_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "ROWS_AT_ONCE", 1)
    async with opened(url, None) as stores:
        await fill(stores)
    master = open_master_keys(master_file)

    class CutOffError(Exception):
        pass

    def cutting(stop_at: str) -> Callable[[str, int], None]:
        def cut_off(table: str, _count: int) -> None:
            if table == stop_at:
                raise CutOffError

        return cut_off

    for stop_at in ("tenants", "bindings", "audit_entries"):
        async with engine_of(url) as kept:
            with pytest.raises(CutOffError):
                await encrypt(kept, master, cutting(stop_at))
        with pytest.raises(FailedPreconditionError, match="to its end"):
            async with opened(url, master_file):
                pass
    counts: dict[str, int] = {}
    async with engine_of(url) as kept:
        await encrypt(kept, master, counts.__setitem__)
        assert set(counts.values()) == {0}, "all of them were done before"
        with pytest.raises(FailedPreconditionError, match="already"):
            await encrypt(kept, master, counts.__setitem__)
    assert not NUMBERS.search(everything(file)), "old pages are gone, too"
    async with opened(url, master_file) as stores:
        await check(stores)


async def test_what_stands_in_another_row_or_was_changed_does_not_open(url: str, master_file: Path) -> None:
    async with opened(url, master_file) as stores:
        await fill(stores)
        async with stores.database.writers.begin() as connection:
            found_rows = (await connection.execute(sa.select(bindings.c.binding_id, bindings.c.details))).all()
            rows = {row.binding_id: row.details for row in found_rows}
            update = sa.update(bindings)
            await connection.execute(update.where(bindings.c.binding_id == "b1").values(details=rows["b2"]))
        found = await stores.source.candidates([RouteKey(TENANT, X, A), RouteKey(TENANT, X, C)])
        assert isinstance(found[RouteKey(TENANT, X, A)], UnexpectedError), "A is not put through to D"
        assert not isinstance(found[RouteKey(TENANT, X, C)], Exception)
        for wrong in (rows["b1"][:-8] + "AAAAAAA=", "", '{"targets": []}'):
            async with stores.database.writers.begin() as connection:
                await connection.execute(update.where(bindings.c.binding_id == "b1").values(details=wrong))
            found = await stores.source.candidates([RouteKey(TENANT, X, A)])
            assert isinstance(found[RouteKey(TENANT, X, A)], AxbridgeError)
        # Nor on another access number.
        async with stores.database.writers.begin() as connection:
            await connection.execute(
                update.where(bindings.c.binding_id == "b1").values(details=rows["b1"], access_number="+862566000009")
            )
        assert isinstance(
            (await stores.source.candidates([RouteKey(TENANT, X, A)]))[RouteKey(TENANT, X, A)], AxbridgeError
        )


async def test_keys_are_changed_and_everything_is_read_again(url: str, file: Path, master_file: Path) -> None:
    async with opened(url, master_file) as stores:
        await fill(stores)
    first = master_file.read_text()
    master_file.write_text(f"{new_master_key()}\n{first}")
    both = open_master_keys(master_file)
    async with engine_of(url) as kept:
        assert await rewrap(kept, both) == 4, "a key to look up by and a data key of each tenant"
        assert await rewrap(kept, both) == 0
    master_file.write_text(master_file.read_text().splitlines()[0])
    async with opened(url, master_file) as stores:
        await check(stores)
    before = everything(file)
    async with engine_of(url) as kept:
        master = open_master_keys(master_file)
        assert await rotate(kept, master) == 2
        assert await rotate(kept, master, TENANT) == 1
        with pytest.raises(FailedPreconditionError):
            await rotate(kept, master, "nobody")
        async with opened(url, master_file) as stores:
            await check(stores)
            ring = stores.database.keys
            assert ring is not None
            counts: dict[str, int] = {}
            await reencrypt(kept, ring, counts.__setitem__)
            assert counts["bindings"] == 2 and counts["audit_entries"] >= 6 and counts["last_callers"] == 1
            await reencrypt(kept, ring, counts.__setitem__)
            assert set(counts.values()) == {0}
            await check(stores)
        with pytest.raises(FailedPreconditionError, match="younger"):
            await destroy_old(kept)
        async with kept.engine.begin() as connection:
            await connection.execute(sa.update(keys.data_keys).values(created_at_us=0))
        assert await destroy_old(kept) == 3
    assert everything(file) != before
    async with opened(url, master_file) as stores:
        await check(stores)


async def test_destroyed_keys_leave_nothing_to_read(url: str, master_file: Path) -> None:
    async with opened(url, master_file) as stores:
        await fill(stores)
    async with engine_of(url) as kept, kept.engine.begin() as connection:
        assert await destroy_keys(connection, keys, TENANT) == 2
    async with opened(url, master_file) as stores:
        # Without its keys not even its settings are there.
        assert isinstance((await stores.source.tenants([TENANT]))[TENANT], UnexpectedError)
        assert (await stores.source.tenants([OTHER_TENANT]))[OTHER_TENANT] is not None
        with pytest.raises(FailedPreconditionError, match="erased a moment ago"):
            await stores.tenants.create(tenant(TENANT))


async def test_what_is_looked_for_is_hashed_with_the_tenants_own_key(url: str, master_file: Path) -> None:
    async with opened(url, master_file) as stores:
        await fill(stores)
        await stores.bindings.create(OTHER_TENANT, lambda _: stored(axb(A, B, X[:-1] + "8"), "o1", OTHER_TENANT))
        async with stores.database.writers.connect() as connection:
            claimed = (await connection.execute(sa.select(binding_claims))).all()
            hashes = (await connection.execute(sa.select(requests.c.content_hash))).scalars().all()
            documents = (await connection.execute(sa.select(audit_entries.c.after_json))).scalars().all()
        assert all(re.fullmatch(r"[0-9a-f]{32}", each.number) for each in claimed)
        ours, theirs = ({each.number for each in claimed if each.tenant_id == who} for who in (TENANT, OTHER_TENANT))
        assert len(ours) == 4 and len(theirs) == 2 and not ours & theirs
        assert not any("tenant-free-hash" in each for each in hashes), "a plain hash of numbers can be found by trying"
        assert all(each == "" or each.startswith("axs1.") for each in documents)


@asynccontextmanager
async def engine_of(url: str) -> AsyncIterator[Any]:
    from common.sql import open_engine

    engine = open_engine(url)
    try:
        yield kept_database(engine)
    finally:
        await engine.dispose()


async def test_on_postgresql_too(postgres: PostgresServer, master_file: Path) -> None:
    """Converted from plain text, and with no number in any column afterwards."""
    url = await postgres.create_database()
    async with opened(url, None) as stores:
        await fill(stores)
    async with engine_of(url) as kept:
        await encrypt(kept, open_master_keys(master_file), lambda _table, _count: None)
    async with opened(url, master_file) as stores:
        await check(stores)
        async with stores.database.writers.connect() as connection:
            for table in metadata.sorted_tables:
                rows = (await connection.execute(sa.select(table))).all()
                assert not NUMBERS.search(repr([tuple(row) for row in rows]).encode()), table.name
