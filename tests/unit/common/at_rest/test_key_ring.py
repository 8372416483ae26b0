"""Sealing, hashing, and everything that must not open."""

import asyncio
from collections.abc import Collection

import pytest

from common.at_rest.cipher import PLAIN, KeysNeededError, current_cipher, using
from common.at_rest.key_ring import KeyKind, KeyRing, StoredKey, new_key
from common.at_rest.master_keys import FileMasterKeys, WrappedKey, new_master_key, open_master_keys
from common.errors import AbortedError, AxbridgeError, FailedPreconditionError, UnavailableError, UnexpectedError

A, PLACE = "+8613800001111", ("bindings", "b1", "1")


class Keys:
    """KeyStore in memory, which can be out of reach."""

    def __init__(self) -> None:
        self.stored: list[StoredKey] = []
        self.reads = 0
        self.is_down = False

    async def read(self, tenant_ids: Collection[str] | None) -> Collection[StoredKey]:
        self.reads += 1
        if self.is_down:
            raise UnavailableError("no database")
        return [each for each in self.stored if tenant_ids is None or each.tenant_id in tenant_ids]

    async def create(self, keys: Collection[StoredKey]) -> None:
        if not any(each.tenant_id == key.tenant_id for key in keys for each in self.stored):
            self.stored += keys


class SlowMasterKeys:
    """A key management service, as it could be: elsewhere, and out of reach at times."""

    def __init__(self) -> None:
        self._keys = FileMasterKeys([b"m" * 32])
        self.calls = 0
        self.is_down = False

    @property
    def current_id(self) -> str:
        return self._keys.current_id

    async def wrap(self, key: bytes, context: str) -> WrappedKey:
        await self._answer()
        return await self._keys.wrap(key, context)

    async def unwrap(self, wrapped: WrappedKey, context: str) -> bytes:
        await self._answer()
        return await self._keys.unwrap(wrapped, context)

    async def _answer(self) -> None:
        self.calls += 1
        await asyncio.sleep(0)
        if self.is_down:
            raise UnavailableError("the key management service does not answer")


@pytest.fixture
def store() -> Keys:
    return Keys()


@pytest.fixture
def master() -> SlowMasterKeys:
    return SlowMasterKeys()


@pytest.fixture
async def ring(store: Keys, master: SlowMasterKeys) -> KeyRing:
    ring = KeyRing(store, master)
    await ring.ensure(["t1", "t2"], create=True)
    return ring


def test_plain_leaves_everything_as_it_is() -> None:
    assert PLAIN.number_key("t1", A) == A and PLAIN.digest("t1", "h") == "h"
    assert PLAIN.open("t1", PLACE, PLAIN.seal("t1", PLACE, A)) == A
    assert PLAIN.open_bytes("t1", PLACE, PLAIN.seal_bytes("t1", PLACE, b"x")) == b"x"
    assert current_cipher() is PLAIN


async def test_what_is_sealed_opens_in_its_place_only(ring: KeyRing) -> None:
    sealed = ring.seal("t1", PLACE, f"A is {A} 你好 \ud800")
    assert A not in sealed and sealed != ring.seal("t1", PLACE, f"A is {A} 你好 \ud800")
    assert ring.open("t1", PLACE, sealed) == f"A is {A} 你好 \ud800"
    assert ring.open_bytes("t1", PLACE, ring.seal_bytes("t1", PLACE, b"\x00\xff")) == b"\x00\xff"
    # The tenant, the table, the row and its version are all bound.
    for tenant_id, place in (
        ("t1", ("bindings", "b2", "1")),
        ("t1", ("bindings", "b1", "2")),
        ("t1", ("x", "b1", "1")),
    ):
        with pytest.raises(UnexpectedError):
            ring.open(tenant_id, place, sealed)


@pytest.mark.parametrize("sealed", ["", A, "axs1.", "axs1.00.", "axs1..AAAA", "axs2.00.AAAA", '{"a": 1}', "axs1.x.%%"])
async def test_what_is_not_sealed_does_not_open(ring: KeyRing, sealed: str) -> None:
    """Or whoever can write into the database could put plain rows there."""
    with pytest.raises(UnexpectedError):
        await ring.with_keys(lambda: _async(lambda: ring.open("t1", PLACE, sealed)))
    with pytest.raises(UnexpectedError):
        await ring.with_keys(lambda: _async(lambda: ring.open_bytes("t1", PLACE, sealed.encode())))


async def test_a_changed_value_does_not_open(ring: KeyRing) -> None:
    sealed = ring.seal_bytes("t1", PLACE, A.encode())
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(AxbridgeError):
            await ring.with_keys(lambda changed=changed: _async(lambda: ring.open_bytes("t1", PLACE, bytes(changed))))
    with pytest.raises(UnexpectedError):
        ring.open_bytes("t1", PLACE, sealed[:-20])


async def test_hashes_are_each_tenants_own(ring: KeyRing) -> None:
    hashed = ring.number_key("t1", A)
    assert hashed == ring.number_key("t1", A) and len(hashed) == 32 and "138" not in hashed[:3]
    assert hashed != ring.number_key("t2", A) != ring.number_key("t2", A + "1")
    assert ring.number_key("t1", "") == "" and ring.digest("t1", "") == ""
    assert ring.digest("t1", "ab") != ring.digest("t2", "ab") != "ab"


async def test_another_ring_reads_what_one_wrote(ring: KeyRing, store: Keys, master: SlowMasterKeys) -> None:
    sealed, hashed = ring.seal("t1", PLACE, A), ring.number_key("t1", A)
    other = KeyRing(store, master)
    with pytest.raises(KeysNeededError):
        other.open("t1", PLACE, sealed)
    assert await other.with_keys(lambda: _async(lambda: other.open("t1", PLACE, sealed))) == A
    assert other.number_key("t1", A) == hashed


async def test_a_tenant_without_keys_has_no_rows(ring: KeyRing) -> None:
    async def attempt() -> str:
        with pytest.raises(AbortedError):
            ring.seal("nobody", PLACE, A)
        return ring.number_key("nobody", A)

    assert await ring.with_keys(attempt) == "-"
    # It is asked for each time: another process may give it keys at any moment.
    with pytest.raises(KeysNeededError):
        ring.number_key("nobody", A)
    assert await ring.with_keys(lambda: _async(lambda: ring.number_key("nobody", A)), create=True) != "-"


async def test_keys_are_rotated_and_old_ones_still_open(ring: KeyRing, store: Keys, master: SlowMasterKeys) -> None:
    old = ring.seal("t1", PLACE, A)
    store.stored.append(await new_key(master, "t1", KeyKind.DATA, 2))
    await ring.refresh()
    new = ring.seal("t1", PLACE, A)
    assert old.split(".")[1] != new.split(".")[1] == ring.current_key_id("t1")
    assert ring.open("t1", PLACE, old) == ring.open("t1", PLACE, new) == A


async def test_a_key_that_is_newer_than_the_ring_is_fetched(ring: KeyRing, store: Keys, master: SlowMasterKeys) -> None:
    store.stored.append(await new_key(master, "t1", KeyKind.DATA, 2))
    other = KeyRing(store, master)
    await other.refresh()
    sealed = other.seal("t1", PLACE, A)
    assert await ring.with_keys(lambda: _async(lambda: ring.open("t1", PLACE, sealed))) == A


async def test_destroyed_keys_open_nothing(ring: KeyRing, store: Keys) -> None:
    sealed = ring.seal("t1", PLACE, A)
    store.stored = [each for each in store.stored if each.tenant_id != "t1"]
    await ring.refresh()
    with pytest.raises(UnexpectedError):
        await ring.with_keys(lambda: _async(lambda: ring.open("t1", PLACE, sealed)))
    # A tenant of the same name that comes later does not open them either, and asks for them once.
    await ring.ensure(["t1"], create=True)
    for _ in range(3):
        reads = store.reads
        with pytest.raises(UnexpectedError):
            await ring.with_keys(lambda: _async(lambda: ring.open("t1", PLACE, sealed)))
    assert store.reads == reads


async def test_wrapped_keys_cannot_be_exchanged(ring: KeyRing, store: Keys, master: SlowMasterKeys) -> None:
    """Whoever writes t2's lookup key into t1's row would learn whether they share numbers."""
    of_t1, of_t2 = ([each for each in store.stored if each.tenant_id == tenant_id] for tenant_id in ("t1", "t2"))
    store.stored = [
        StoredKey("t1", each.key_id, each.kind, each.version, other.wrapped)
        for each, other in zip(of_t1, of_t2, strict=True)
    ]
    with pytest.raises(FailedPreconditionError):
        await KeyRing(store, master).refresh()
    store.stored = of_t1[:1]
    with pytest.raises(UnexpectedError):
        await KeyRing(store, master).refresh()


async def test_a_key_service_that_is_away_stops_nothing_that_was_there(
    ring: KeyRing, store: Keys, master: SlowMasterKeys
) -> None:
    sealed, calls = ring.seal("t1", PLACE, A), master.calls
    master.is_down = True
    await ring.refresh()
    assert ring.open("t1", PLACE, sealed) == A and master.calls == calls
    with pytest.raises(UnavailableError):
        await KeyRing(store, master).refresh()


async def test_it_is_kept_fresh_and_survives_an_outage(ring: KeyRing, store: Keys, master: SlowMasterKeys) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        store.is_down = len(pauses) == 1
        if len(pauses) == 2:
            store.stored = [each for each in store.stored if each.tenant_id == "t1"]
        if len(pauses) == 4:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await ring.keep_fresh(sleep)
    assert pauses[1] < pauses[0] == pauses[2] == pauses[3]
    assert ring.without_keys(["t1", "t2"]) == ["t2"]


async def test_forgetting(ring: KeyRing) -> None:
    ring.forget("t1")
    assert ring.without_keys(["t1", "t2"]) == ["t1"]


def test_the_current_cipher_ends_with_its_context(ring: KeyRing) -> None:
    with using(ring):
        assert current_cipher() is ring
    assert current_cipher() is PLAIN


async def test_master_keys_come_from_a_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "master.key"
    first, second = new_master_key(), new_master_key()
    file.write_text(first)
    old = open_master_keys(file)
    wrapped = await old.wrap(b"k" * 32, "c")
    file.write_text(f"{second}\n{first}\n")
    both = open_master_keys(file)
    assert both.current_id != old.current_id and await both.unwrap(wrapped, "c") == b"k" * 32
    file.write_text(second)
    with pytest.raises(FailedPreconditionError, match="not in the key file"):
        await open_master_keys(file).unwrap(wrapped, "c")
    with pytest.raises(FailedPreconditionError):
        await both.unwrap(wrapped, "d")
    for wrong in ("", "short", "%%", "ä"):
        file.write_text(wrong)
        with pytest.raises(FailedPreconditionError):
            open_master_keys(file)
    with pytest.raises(FailedPreconditionError):
        open_master_keys(tmp_path / "none")


async def _async(call):  # type: ignore[no-untyped-def]
    return call()
