"""Which platform may speak for which enterprise: the access file.

    [[tenant]]
    id = "100001"                       # vccId; "*": every enterprise without an entry of its own
    networks = ["203.0.113.0/24"]       # where its platform sends from
    tokens = ["sha256:…"]               # what stands in its URL: /v1/calls/TOKEN
    queries_per_second = 500            # may be left out, and so may the next one
    events_per_second = 2000

Whatever of the two guards an entry has must hold: with both, the right token from the right network.
"""

import base64
import hashlib
import hmac
import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from common.errors import InvalidArgumentError
from common.limits.token_bucket import RateLimit
from gateway.forwarded import Address, Network, parse_network

EVERY_OTHER_TENANT = "*"
HASH_PREFIX = "sha256:"
MAX_TENANTS = 100_000
_TOKEN_BYTES = 32
_REMEMBERED_ADDRESSES = 4096


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent a request, as far as it shows: its address, and the hash of the token in its URL."""

    address: Address | None
    token_digest: bytes | None


def generate_token() -> str:
    """A new token for a URL: 256 random bits. That many need no slow hash, and no salt."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def token_digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def token_hash(token: str) -> str:
    """What the access file keeps of a token."""
    return HASH_PREFIX + base64.b64encode(token_digest(token)).decode()


class TenantGuard:
    """What a sender must show to speak for a tenant, and how much the tenant may send. None: the gateway's default."""

    def __init__(
        self,
        networks: tuple[Network, ...],
        token_digests: tuple[bytes, ...],
        queries: RateLimit | None = None,
        events: RateLimit | None = None,
    ) -> None:
        self._networks = networks
        self._token_digests = token_digests
        self.queries = queries
        self.events = events
        self._addresses: dict[Address, bool] = {}

    def admits(self, sender: Sender) -> bool:
        """Whether every guard that there is holds."""
        if self._token_digests and not self._knows(sender.token_digest):
            return False
        return not self._networks or self._contains(sender.address)

    def recognises(self, sender: Sender) -> bool:
        """Whether the sender shows anything of this tenant's."""
        if self._knows(sender.token_digest):
            return True
        return bool(self._networks) and self._contains(sender.address)

    def _knows(self, digest: bytes | None) -> bool:
        if digest is None:
            return False
        # Every one of them is compared, so that the time does not tell which.
        return sum([hmac.compare_digest(digest, known) for known in self._token_digests]) > 0

    def _contains(self, address: Address | None) -> bool:
        if address is None:
            return False
        contained = self._addresses.get(address)
        if contained is None:
            contained = any(address in network for network in self._networks)
            if len(self._addresses) >= _REMEMBERED_ADDRESSES:
                self._addresses.clear()
            self._addresses[address] = contained
        return contained


class PlatformAccess:
    """The access file, never changed: a changed file makes a new one."""

    def __init__(self, guards: Mapping[str, TenantGuard]) -> None:
        self._guards = guards
        self._others = guards.get(EVERY_OTHER_TENANT)

    def guard(self, tenant_id: str) -> TenantGuard | None:
        """The guard of a tenant; None: nobody may speak for it."""
        if tenant_id == EVERY_OTHER_TENANT:
            return None
        return self._guards.get(tenant_id, self._others)

    def admits(self, sender: Sender, tenant_id: str) -> bool:
        """Whether the sender may speak for the tenant."""
        guard = self.guard(tenant_id)
        return guard is not None and guard.admits(sender)

    def recognises(self, sender: Sender) -> bool:
        """Whether the sender is somebody's platform at all. Looks at every tenant: not for every request."""
        return any(guard.recognises(sender) for guard in self._guards.values())


def parse_access(text: str) -> PlatformAccess:
    """Read an access file. Raises InvalidArgumentError that names the entry and what is wrong with it."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidArgumentError("access file", f"not TOML: {error}") from error
    entries = document.pop("tenant", [])
    if document:
        raise InvalidArgumentError(next(iter(document)), "unknown; there is [[tenant]] only")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InvalidArgumentError("tenant", "write [[tenant]] above each entry")
    if len(entries) > MAX_TENANTS:
        raise InvalidArgumentError("tenant", f"more than {MAX_TENANTS} entries")
    guards: dict[str, TenantGuard] = {}
    for number, entry in enumerate(entries):
        field = f"tenant[{number}]"
        tenant_id = entry.get("id")
        if not isinstance(tenant_id, str) or not tenant_id or tenant_id != tenant_id.strip():
            raise InvalidArgumentError(f"{field}.id", "missing, or not a vccId")
        if tenant_id in guards:
            raise InvalidArgumentError(f"{field}.id", f"{tenant_id} stands there twice")
        guards[tenant_id] = _guard(entry, field)
    return PlatformAccess(guards)


def _guard(entry: Mapping[str, Any], field: str) -> TenantGuard:
    unknown = sorted(set(entry) - {"id", "networks", "tokens", "queries_per_second", "events_per_second"})
    if unknown:
        raise InvalidArgumentError(f"{field}.{unknown[0]}", "unknown")
    networks = tuple(parse_network(text, f"{field}.networks") for text in _texts(entry, "networks", field))
    digests = tuple(_digest(text, f"{field}.tokens") for text in _texts(entry, "tokens", field))
    if not networks and not digests:
        raise InvalidArgumentError(field, "has neither networks nor tokens: nothing says who may speak for it")
    return TenantGuard(
        networks, digests, _rate(entry, "queries_per_second", field), _rate(entry, "events_per_second", field)
    )


def _digest(text: str, field: str) -> bytes:
    if text.startswith(HASH_PREFIX):
        try:
            digest = base64.b64decode(text[len(HASH_PREFIX) :], validate=True)
        except ValueError:
            digest = b""
        if len(digest) == hashlib.sha256().digest_size:
            return digest
    # What stands there instead may be the token itself, so it is not quoted.
    raise InvalidArgumentError(field, "not a hash that `axbridge keys token` printed")


def _texts(entry: Mapping[str, Any], name: str, field: str) -> list[str]:
    value = entry.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise InvalidArgumentError(f"{field}.{name}", "not a list of texts")
    return value


def _rate(entry: Mapping[str, Any], name: str, field: str) -> RateLimit | None:
    value = entry.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        raise InvalidArgumentError(f"{field}.{name}", "not a number above 0")
    return RateLimit.of(float(value))
