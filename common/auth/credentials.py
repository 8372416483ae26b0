"""The credentials file: the API keys and the certificates that a service knows, and what each may do.

[[key]]
id = "k3f7q2mzab"
caller = "billing"
hash = "hmac-sha256:…"
tenants = ["100001", "100002"]      # or ["*"]: all of them
scopes = ["read", "write"]
expires_at = 2027-06-30T00:00:00Z   # may be left out

[[certificate]]
name = "dns:gateway.axbridge.svc"   # or "uri:spiffe://…", "cn:gateway"
caller = "gateway"
tenants = ["*"]
scopes = ["gateway"]
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from common.auth.api_keys import ApiKey, Pepper, is_key_hash, is_key_id, parse_api_key
from common.auth.grants import ALL_TENANTS, Grant, Scope
from common.errors import InvalidArgumentError, UnauthenticatedError

MAX_ENTRIES = 10_000
CERTIFICATE_NAME_KINDS = ("uri", "dns", "cn")

_UNKNOWN = ("this credential is not known", "UNKNOWN_CREDENTIAL")
_EXPIRED = ("this credential has expired", "EXPIRED_CREDENTIAL")


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """A key as it is kept."""

    key_hash: str
    grant: Grant


class Credentials:
    """All credentials of a file, never changed: a changed file makes a new one."""

    def __init__(
        self, keys: Mapping[str, KeyEntry], certificates: Mapping[str, Grant], pepper: Pepper | None = None
    ) -> None:
        self._keys = keys
        self._certificates = certificates
        self._pepper = pepper
        # What a key of an unknown id is compared with, so that it takes the time that a known one takes.
        self._nobody = KeyEntry("", Grant("", "", frozenset(), frozenset()))

    @property
    def grants(self) -> tuple[Grant, ...]:
        """What there is, keys first."""
        return (*(entry.grant for entry in self._keys.values()), *self._certificates.values())

    @property
    def has_certificates(self) -> bool:
        return bool(self._certificates)

    def by_key(self, text: str, now: datetime) -> Grant:
        """The grant of a key. Raises UnauthenticatedError: malformed, unknown or expired."""
        key = parse_api_key(text)
        if self._pepper is None:
            raise _refusal(_UNKNOWN)
        entry = self._keys.get(key.key_id, self._nobody)
        if not self._pepper.matches(key, entry.key_hash):
            raise _refusal(_UNKNOWN)
        return _unexpired(entry.grant, now)

    def by_certificate(self, names: tuple[str, ...], now: datetime) -> Grant:
        """The grant of a verified certificate by its names (`dns:…`), the first one known. Raises likewise."""
        for name in names:
            grant = self._certificates.get(name)
            if grant is not None:
                return _unexpired(grant, now)
        raise _refusal(_UNKNOWN)

    def hash_of(self, key: ApiKey) -> str | None:
        """The kept hash of this key's id, None when there is none: for checking a file by hand."""
        entry = self._keys.get(key.key_id)
        return None if entry is None else entry.key_hash


def _unexpired(grant: Grant, now: datetime) -> Grant:
    if grant.is_expired(now):
        raise _refusal(_EXPIRED)
    return grant


def _refusal(kind: tuple[str, str]) -> UnauthenticatedError:
    message, reason = kind
    return UnauthenticatedError(message, reason=reason)


def parse_credentials(text: str, pepper: Pepper | None) -> Credentials:
    """Read a credentials file. Raises InvalidArgumentError that names the entry and what is wrong with it.

    Anything that is not understood is an error: a misspelt `expires_at` must not make a key that lives for ever.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidArgumentError("credentials", f"not TOML: {error}") from error
    _only(document, {"key", "certificate"}, "credentials")
    keys: dict[str, KeyEntry] = {}
    for field, entry in _entries(document, "key"):
        _only(entry, {"id", "caller", "hash", "tenants", "scopes", "expires_at"}, field)
        key_id, key_hash = _text(entry, "id", field), _text(entry, "hash", field)
        if not is_key_id(key_id):
            raise InvalidArgumentError(f"{field}.id", "not the id of a key: 10 characters, a to z and 2 to 7")
        if key_id in keys:
            raise InvalidArgumentError(f"{field}.id", f"{key_id} stands there twice")
        if not is_key_hash(key_hash):
            raise InvalidArgumentError(f"{field}.hash", "not a hash that `axbridge keys generate` printed")
        keys[key_id] = KeyEntry(key_hash, _grant(entry, field, key_id))
    if keys and pepper is None:
        raise InvalidArgumentError("key", "there are API keys, but no pepper file to check them with")
    certificates: dict[str, Grant] = {}
    for field, entry in _entries(document, "certificate"):
        _only(entry, {"name", "caller", "tenants", "scopes", "expires_at"}, field)
        name = _text(entry, "name", field)
        kind, colon, rest = name.partition(":")
        if not colon or not rest or kind not in CERTIFICATE_NAME_KINDS:
            raise InvalidArgumentError(f"{field}.name", "write uri:…, dns:… or cn:…")
        if name in certificates:
            raise InvalidArgumentError(f"{field}.name", f"{name} stands there twice")
        certificates[name] = _grant(entry, field, name)
    return Credentials(keys, certificates, pepper)


def _grant(entry: Mapping[str, Any], field: str, credential_id: str) -> Grant:
    tenants = _texts(entry, "tenants", field)
    if ALL_TENANTS in tenants and len(tenants) > 1:
        raise InvalidArgumentError(f"{field}.tenants", f'["{ALL_TENANTS}"] alone means all tenants')
    if any(tenant != tenant.strip() for tenant in tenants):
        raise InvalidArgumentError(f"{field}.tenants", "no blanks around a tenant's id")
    scopes = set()
    for name in _texts(entry, "scopes", field):
        try:
            scopes.add(Scope(name))
        except ValueError as error:
            known = ", ".join(scope.value for scope in Scope)
            raise InvalidArgumentError(f"{field}.scopes", f"{name!r} is none of {known}") from error
    all_tenants = tenants == [ALL_TENANTS]
    if Scope.GATEWAY in scopes and not all_tenants:
        # A batch of the gateway holds every tenant's messages: a part of them can't be granted.
        raise InvalidArgumentError(f"{field}.scopes", f'gateway goes with tenants = ["{ALL_TENANTS}"] only')
    expires_at = entry.get("expires_at")
    if expires_at is not None:
        if not isinstance(expires_at, datetime) or expires_at.tzinfo is None:
            raise InvalidArgumentError(f"{field}.expires_at", "write a time with its zone: 2027-06-30T00:00:00Z")
        expires_at = expires_at.astimezone(UTC)
    return Grant(
        _text(entry, "caller", field),
        credential_id,
        None if all_tenants else frozenset(tenants),
        frozenset(scopes),
        expires_at,
    )


def _entries(document: Mapping[str, Any], name: str) -> list[tuple[str, Mapping[str, Any]]]:
    entries = document.get(name, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InvalidArgumentError(name, f"write [[{name}]] above each entry")
    if len(entries) > MAX_ENTRIES:
        raise InvalidArgumentError(name, f"more than {MAX_ENTRIES} entries")
    return [(f"{name}[{number}]", entry) for number, entry in enumerate(entries)]


def _only(entry: Mapping[str, Any], known: set[str], field: str) -> None:
    unknown = sorted(set(entry) - known)
    if unknown:
        raise InvalidArgumentError(f"{field}.{unknown[0]}", f"unknown; there are {', '.join(sorted(known))}")


def _text(entry: Mapping[str, Any], name: str, field: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str) or not value.strip():
        raise InvalidArgumentError(f"{field}.{name}", "missing, or not a text")
    return value


def _texts(entry: Mapping[str, Any], name: str, field: str) -> list[str]:
    value = entry.get(name)
    if not isinstance(value, list) or not value or not all(isinstance(one, str) and one for one in value):
        raise InvalidArgumentError(f"{field}.{name}", "missing, or not a list of texts")
    return value
