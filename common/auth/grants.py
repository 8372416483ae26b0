"""What a caller may do."""

from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class Scope(Enum):
    """One kind of right. None of them implies another."""

    # Read bindings, calls and events, with the numbers masked.
    READ = "read"
    # Create, change and delete bindings.
    WRITE = "write"
    # See whole numbers in what may be read.
    UNMASK = "unmask"
    # Change tenants, and work on the quarantine.
    ADMIN = "admin"
    # Speak for the call platform: the gateway's right to have queries answered and events stored.
    GATEWAY = "gateway"


# How a list of tenants says "every one, and those to come".
ALL_TENANTS = "*"


@dataclass(frozen=True, slots=True)
class Grant:
    """A known caller: its name, the tenants it may act for (None: all of them) and its scopes, until `expires_at`.

    `credential_id` tells credentials of one caller apart and is no secret.
    """

    caller: str
    credential_id: str
    tenants: frozenset[str] | None
    scopes: frozenset[Scope]
    expires_at: datetime | None = None

    def covers(self, tenant_id: str) -> bool:
        """Whether the caller may act for this tenant. Ids are compared exactly, as they were sent."""
        return self.tenants is None or tenant_id in self.tenants

    def is_expired(self, now: datetime) -> bool:
        return self.expires_at is not None and now >= self.expires_at


# What a caller is named whom nothing names.
ANONYMOUS = "anonymous"
# Who calls a service that has no credentials configured: it then listens on loopback only, or was told to be insecure.
OPEN_GRANT = Grant(ANONYMOUS, "", None, frozenset(Scope))

_current: ContextVar[Grant | None] = ContextVar("axbridge_caller", default=None)


def current_grant() -> Grant | None:
    """Whose RPC this task serves; None outside of an RPC, and for the health service's open methods."""
    return _current.get()


def current_caller() -> str:
    """The name of whoever calls, as audit logs write it down."""
    grant = current_grant()
    return ANONYMOUS if grant is None else grant.caller


def set_current_grant(grant: Grant) -> None:
    """Say whose RPC this task serves. The interceptor does; every RPC runs in a task of its own."""
    _current.set(grant)
