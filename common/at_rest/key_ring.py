"""The tenants' keys in memory, and what is done with them."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeVar

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from common.at_rest.cipher import SEALED_BYTES, SEALED_TEXT, KeysNeededError
from common.at_rest.master_keys import MasterKeys, WrappedKey
from common.errors import AbortedError, AxbridgeError, UnexpectedError
from common.logs import get_logger

_Result = TypeVar("_Result")
_log = get_logger(__name__)

# How old what a process knows of the keys may be: after this long it uses none that was destroyed.
REFRESH_SECONDS = 15.0
KEY_BYTES = 32
_KEY_ID_BYTES = 8
_RETRY_SECONDS = 1.0
_NONCE_BYTES = 12
# Tenants whose keys one piece of work asks for, one after the other.
_MOST_LOADS = 2000
# Stands for every number of a tenant that has no keys, and so no rows: it is the hash of nothing.
_NOBODY = "-"
# Tenants that were just found to have no keys, for the work that is begun anew.
_absent: ContextVar[frozenset[str]] = ContextVar("axbridge_tenants_without_keys", default=frozenset())


class KeyKind(Enum):
    """What a key is for."""

    # Seals values. Of several the one with the highest version seals, all of them open.
    DATA = "data"
    # Hashes numbers. There is one, for as long as the tenant has rows.
    LOOKUP = "lookup"


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key of a tenant, wrapped."""

    tenant_id: str
    key_id: str
    kind: KeyKind
    version: int
    wrapped: WrappedKey

    @property
    def context(self) -> str:
        """What the wrapping is bound to."""
        return f"{self.tenant_id}/{self.kind.value}/{self.key_id}"


class KeyStore(Protocol):
    """Where wrapped keys are kept."""

    async def read(self, tenant_ids: Collection[str] | None) -> Collection[StoredKey]:
        """The keys of these tenants; None: of all. Raises UnavailableError."""
        ...

    async def create(self, keys: Collection[StoredKey]) -> None:
        """Store a tenant's first keys. Where it has keys already they stay, and these are dropped.

        Raises FailedPreconditionError while the tenant was erased a moment ago, UnavailableError.
        """
        ...


@dataclass(frozen=True, slots=True)
class TenantKeys:
    """One tenant's keys, ready for use."""

    lookup: bytes
    data: Mapping[str, AESGCM]
    current_id: str


class KeyRing:
    """NumberCipher with the tenants' keys from a store."""

    is_plain = False

    def __init__(self, store: KeyStore, master: MasterKeys) -> None:
        self._store = store
        self._master = master
        self._tenants: dict[str, TenantKeys] = {}
        # Data keys that values ask for and that are nowhere.
        self._destroyed: set[tuple[str, str]] = set()
        # By tenant and key id. Unwrapping may be a network call, and a key never changes.
        self._known: dict[tuple[str, str], bytes] = {}

    def number_key(self, tenant_id: str, number: str) -> str:
        if not number:
            return ""
        keys = self._keys(tenant_id)
        if keys is None:
            return _NOBODY
        return hmac.digest(keys.lookup, b"number\x00" + number.encode("utf-8", "surrogatepass"), hashlib.sha256)[
            :16
        ].hex()

    def digest(self, tenant_id: str, content_hash: str) -> str:
        keys = self._keys(tenant_id)
        if keys is None or not content_hash:
            return content_hash and _NOBODY
        return hmac.digest(keys.lookup, b"content\x00" + content_hash.encode(), hashlib.sha256).hex()

    def seal(self, tenant_id: str, place: tuple[str, ...], text: str) -> str:
        key_id, sealed = self._sealed(tenant_id, place, text.encode("utf-8", "surrogatepass"))
        return f"{SEALED_TEXT}{key_id}.{base64.b64encode(sealed).decode()}"

    def open(self, tenant_id: str, place: tuple[str, ...], sealed: str) -> str:
        head, _, rest = sealed.partition(".")
        key_id, _, content = rest.partition(".")
        if f"{head}." != SEALED_TEXT:
            raise _unreadable("it is not sealed")
        try:
            decoded = base64.b64decode(content, validate=True)
        except binascii.Error as error:
            raise _unreadable("it was changed") from error
        return self._opened(tenant_id, place, key_id, decoded).decode("utf-8", "surrogatepass")

    def seal_bytes(self, tenant_id: str, place: tuple[str, ...], content: bytes) -> bytes:
        key_id, sealed = self._sealed(tenant_id, place, content)
        return SEALED_BYTES + key_id.encode() + sealed

    def open_bytes(self, tenant_id: str, place: tuple[str, ...], sealed: bytes) -> bytes:
        if not sealed.startswith(SEALED_BYTES):
            raise _unreadable("it is not sealed")
        begin = len(SEALED_BYTES)
        end = begin + 2 * _KEY_ID_BYTES
        return self._opened(tenant_id, place, sealed[begin:end].decode("ascii", "replace"), sealed[end:])

    def current_key_id(self, tenant_id: str) -> str:
        """Which of a tenant's data keys seals now; empty: it has none. Raises KeysNeededError."""
        keys = self._keys(tenant_id)
        return "" if keys is None else keys.current_id

    async def with_keys(self, attempt: Callable[[], Awaitable[_Result]], *, create: bool = False) -> _Result:
        """What `attempt` returns; keys that it lacks are loaded, and it is begun anew.

        With `create` a tenant that has none gets keys; without it, it is found to have no rows.
        """
        absent: frozenset[str] = _absent.get()
        token = _absent.set(absent)
        try:
            for _ in range(_MOST_LOADS):
                try:
                    return await attempt()
                except KeysNeededError as needed:
                    await self._load([needed.tenant_id], create=create)
                    if needed.tenant_id not in self._tenants:
                        absent |= {needed.tenant_id}
                        _absent.set(absent)
                    elif needed.key_id and needed.key_id not in self._tenants[needed.tenant_id].data:
                        self._destroyed.add((needed.tenant_id, needed.key_id))
            raise UnexpectedError("more keys than one piece of work may need")
        finally:
            _absent.reset(token)

    async def ensure(self, tenant_ids: Collection[str], *, create: bool = False) -> Collection[str]:
        """Load these tenants' keys where they are not there yet; those of the tenants that have none.

        With `create` they get some. Raises UnavailableError.
        """
        missing = self.without_keys(tenant_ids)
        if missing:
            await self._load(missing, create=create)
        return self.without_keys(missing)

    def without_keys(self, tenant_ids: Collection[str]) -> Collection[str]:
        """Those of these tenants whose keys are not in memory."""
        return [each for each in tenant_ids if each not in self._tenants]

    async def refresh(self) -> None:
        """Know all keys that there are, and none that there are not. Raises UnavailableError."""
        stored = await self._store.read(None)
        self._tenants = await self._unwrapped(stored)
        there = {(each.tenant_id, each.key_id) for each in stored}
        self._known = {name: key for name, key in self._known.items() if name in there}
        self._destroyed.clear()

    async def keep_fresh(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Refresh again and again, for ever."""
        pause = REFRESH_SECONDS
        while True:
            await sleep(pause)
            try:
                await self.refresh()
            except AxbridgeError as error:
                # What is in the cache is still answered from; nothing can be stored meanwhile either.
                _log.warning("the keys of numbers at rest can't be read", detail=error.message)
                pause = _RETRY_SECONDS
            else:
                pause = REFRESH_SECONDS

    def forget(self, tenant_id: str) -> None:
        """Drop a tenant's keys from memory."""
        self._tenants.pop(tenant_id, None)
        self._known = {name: key for name, key in self._known.items() if name[0] != tenant_id}

    def _keys(self, tenant_id: str) -> TenantKeys | None:
        keys = self._tenants.get(tenant_id)
        if keys is None and tenant_id not in _absent.get():
            raise KeysNeededError(tenant_id)
        return keys

    def _sealed(self, tenant_id: str, place: tuple[str, ...], content: bytes) -> tuple[str, bytes]:
        keys = self._keys(tenant_id)
        if keys is None:
            # It was erased, or deleted before it ever had a row.
            raise AbortedError("the tenant is not there any more", reason="TENANT_WITHOUT_KEYS")
        nonce = os.urandom(_NONCE_BYTES)
        return keys.current_id, nonce + keys.data[keys.current_id].encrypt(nonce, content, _bound(tenant_id, place))

    def _opened(self, tenant_id: str, place: tuple[str, ...], key_id: str, content: bytes) -> bytes:
        keys = self._keys(tenant_id)
        cipher = None if keys is None else keys.data.get(key_id)
        if cipher is None:
            if keys is None or (tenant_id, key_id) in self._destroyed:
                raise _unreadable("its key was destroyed")
            raise KeysNeededError(tenant_id, key_id)
        try:
            return cipher.decrypt(content[:_NONCE_BYTES], content[_NONCE_BYTES:], _bound(tenant_id, place))
        except (InvalidTag, ValueError) as error:
            raise _unreadable("it was changed, or moved from another place") from error

    async def _load(self, tenant_ids: Collection[str], *, create: bool) -> None:
        found = await self._unwrapped(await self._store.read(tenant_ids))
        lacking = [each for each in tenant_ids if each not in found] if create else []
        for tenant_id in lacking:
            await self._store.create(
                [
                    await new_key(self._master, tenant_id, KeyKind.LOOKUP, 1),
                    await new_key(self._master, tenant_id, KeyKind.DATA, 1),
                ]
            )
        if lacking:
            found = await self._unwrapped(await self._store.read(tenant_ids))
        for tenant_id in tenant_ids:
            if tenant_id in found:
                self._tenants[tenant_id] = found[tenant_id]
            else:
                self._tenants.pop(tenant_id, None)

    async def _unwrapped(self, stored: Collection[StoredKey]) -> dict[str, TenantKeys]:
        by_tenant: dict[str, list[StoredKey]] = {}
        for each in stored:
            by_tenant.setdefault(each.tenant_id, []).append(each)
        found = {}
        for tenant_id, keys in by_tenant.items():
            lookup = [each for each in keys if each.kind is KeyKind.LOOKUP]
            data = sorted((each for each in keys if each.kind is KeyKind.DATA), key=lambda each: each.version)
            if not lookup or not data:
                raise UnexpectedError("a tenant has only some of its keys", reason="KEYS_INCOMPLETE")
            found[tenant_id] = TenantKeys(
                await self._unwrap(lookup[0]),
                {each.key_id: AESGCM(await self._unwrap(each)) for each in data},
                data[-1].key_id,
            )
        return found

    async def _unwrap(self, stored: StoredKey) -> bytes:
        name = (stored.tenant_id, stored.key_id)
        if name not in self._known:
            self._known[name] = await self._master.unwrap(stored.wrapped, stored.context)
        return self._known[name]


async def new_key(master: MasterKeys, tenant_id: str, kind: KeyKind, version: int) -> StoredKey:
    """A new key, wrapped. Raises UnavailableError."""
    unwrapped = StoredKey(tenant_id, os.urandom(_KEY_ID_BYTES).hex(), kind, version, WrappedKey("", ""))
    wrapped = await master.wrap(os.urandom(KEY_BYTES), unwrapped.context)
    return StoredKey(tenant_id, unwrapped.key_id, kind, version, wrapped)


def _bound(tenant_id: str, place: tuple[str, ...]) -> bytes:
    return orjson.dumps([tenant_id, *place])


def _unreadable(why: str) -> UnexpectedError:
    return UnexpectedError(f"a sealed value can't be opened: {why}", reason="SEALED_VALUE_UNREADABLE")
