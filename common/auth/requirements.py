"""What an RPC asks of its caller. Each service declares a table of these; an RPC that is not in it is refused."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from operator import attrgetter
from typing import Any

from common.auth.grants import Scope


class Reach(Enum):
    """Whose data an RPC is about."""

    # Nobody's: it needs no credential at all.
    OPEN = "open"
    # Nobody's, but only known callers may ask.
    KNOWN_CALLER = "known_caller"
    # That of the tenants whose ids are in the request; every tenant's when none is.
    NAMED_TENANTS = "named_tenants"
    # Every tenant's.
    ALL_TENANTS = "all_tenants"


class Charge(Enum):
    """Which of a tenant's limits an RPC is charged to."""

    NOTHING = "nothing"
    READ = "read"
    WRITE = "write"


TenantIds = Callable[[Any], list[str]]


@dataclass(frozen=True, slots=True)
class Requirement:
    """Any one of `scopes`, over everything that `reach` says. `tenant_ids` finds the ids in a request message."""

    reach: Reach
    scopes: frozenset[Scope]
    charge: Charge
    tenant_ids: TenantIds

    @property
    def is_for_gateway(self) -> bool:
        """Whether the gateway may call it, which passes on what it is told and needs whole numbers."""
        return Scope.GATEWAY in self.scopes


Requirements = Mapping[str, Requirement]
"""By full method name, `/axbridge.routing.v1.BindingService/GetBinding`."""


def open_to_everybody() -> Requirement:
    """For probes."""
    return Requirement(Reach.OPEN, frozenset(), Charge.NOTHING, _none)


def for_known_callers() -> Requirement:
    """Any credential, whatever it is granted."""
    return Requirement(Reach.KNOWN_CALLER, frozenset(Scope), Charge.NOTHING, _none)


def for_all_tenants(*scopes: Scope, charge: Charge) -> Requirement:
    """One of the scopes, for every tenant."""
    return Requirement(Reach.ALL_TENANTS, frozenset(scopes), charge, _none)


def for_tenants_at(*paths: str, scopes: tuple[Scope, ...], charge: Charge) -> Requirement:
    """Any one of the scopes, for the tenants at these paths: `tenant_id`, `binding.tenant_id`, `items[].tenant_id`.

    A request that names none asks about all tenants. In a stream of requests this holds for the first one; later ones
    may name none, and those that they name are checked.
    """
    getters = [_getter(path) for path in paths]

    def tenant_ids(message: Any) -> list[str]:
        return [tenant_id for getter in getters for tenant_id in getter(message)]

    return Requirement(Reach.NAMED_TENANTS, frozenset(scopes), charge, tenant_ids)


def standard_requirements() -> dict[str, Requirement]:
    """Those of the services that every server has: health and reflection.

    Checking health is open to everybody: a kubelet has no credential, and learns no more than whether to send calls.
    Watching it holds a stream open, so it takes a known caller, and reflection does, since it tells what there is.
    """
    reflection = "ServerReflection/ServerReflectionInfo"
    return {
        "/grpc.health.v1.Health/Check": open_to_everybody(),
        "/grpc.health.v1.Health/List": for_known_callers(),
        "/grpc.health.v1.Health/Watch": for_known_callers(),
        f"/grpc.reflection.v1alpha.{reflection}": for_known_callers(),
        f"/grpc.reflection.v1.{reflection}": for_known_callers(),
    }


def _none(_message: Any) -> list[str]:
    return []


def _getter(path: str) -> TenantIds:
    """A reader of the texts at a path; `[]` behind a name says that it is repeated.

    An empty text names nobody; that of an item is given, since each item has to name somebody.
    """
    head, repeated, rest = path.partition("[]")
    read: Callable[[Any], Any] = attrgetter(head)
    if not repeated:
        return lambda message: [tenant_id] if (tenant_id := read(message)) else []
    if not rest:
        return lambda message: list(read(message))
    read_item: Callable[[Any], Any] = attrgetter(rest.removeprefix("."))
    return lambda message: [read_item(item) for item in read(message)]
