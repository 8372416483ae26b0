"""One RPC's right to go on: authenticated when it begins, checked with each message, ended when it is withdrawn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from common.auth.credentials import Credentials
from common.auth.grants import OPEN_GRANT, Grant
from common.auth.requirements import Reach, Requirement
from common.clock import Clock
from common.errors import PermissionDeniedError, UnauthenticatedError

AUTHORIZATION = "authorization"
_BEARER = "bearer "
# The names of a client's certificate in the connection's properties, in the order in which they are looked up.
_CERTIFICATE_PROPERTIES = (("peer_uri", "uri:"), ("peer_dns", "dns:"), ("x509_common_name", "cn:"))


@dataclass(frozen=True, slots=True)
class Presented:
    """What a caller shows of himself: a key, or else the names in his verified certificate."""

    key: str | None
    certificate_names: tuple[str, ...] = ()


def presented_key(metadata: Sequence[tuple[str, str | bytes]] | None) -> str | None:
    """The key in a call's metadata, None when there is none. Raises UnauthenticatedError for anything else there."""
    values = [value for key, value in metadata or () if key == AUTHORIZATION]
    if not values:
        return None
    value = values[0]
    if len(values) > 1 or isinstance(value, bytes) or value[: len(_BEARER)].lower() != _BEARER:
        raise UnauthenticatedError(
            f"write the key as `{AUTHORIZATION}: Bearer axb_…`, once", reason="MALFORMED_CREDENTIAL"
        )
    return value[len(_BEARER) :].strip()


def certificate_names(context: Any) -> tuple[str, ...]:
    """The names of the client's certificate that the connection was made with; empty when there was none."""
    properties = context.auth_context()
    return tuple(
        [
            prefix + value.decode("utf-8", "replace")
            for name, prefix in _CERTIFICATE_PROPERTIES
            for value in properties.get(name, ())
        ]
    )


class Session:
    """The right of one RPC. `credentials` gives what is in force now; None where callers are not told apart."""

    __slots__ = ("_clock", "_credentials", "_presented", "_requirement", "_seen", "_tenants", "grant")

    def __init__(
        self,
        credentials: Callable[[], Credentials] | None,
        presented: Presented,
        requirement: Requirement,
        clock: Clock,
    ) -> None:
        """Raises UnauthenticatedError for an unknown or expired credential, PermissionDeniedError for its scopes."""
        self._credentials = credentials
        self._presented = presented
        self._requirement = requirement
        self._clock = clock
        # None until the first message: it decides whose data the RPC is about.
        self._tenants: set[str] | None = None
        self._seen: Credentials | None = None
        self.grant = OPEN_GRANT
        self._authenticate()

    @property
    def tenants(self) -> frozenset[str]:
        """The tenants that the messages so far named."""
        return frozenset(self._tenants or ())

    def check_message(self, message: Any) -> list[str]:
        """The tenant ids in a request message, each once. Raises PermissionDeniedError when they are not the caller's.

        Raises UnauthenticatedError too, like `check_still`.
        """
        self.check_still()
        named = list(dict.fromkeys(self._requirement.tenant_ids(message)))
        is_first = self._tenants is None
        if self.grant.tenants is not None and self._requirement.reach is Reach.NAMED_TENANTS:
            if is_first and not named:
                raise _not_yours("this asks about all tenants, the credential is for some")
            for tenant_id in named:
                self._check_tenant(self.grant, tenant_id)
        if self._tenants is None:
            self._tenants = set(named)
        else:
            self._tenants.update(named)
        return named

    def check_still(self) -> None:
        """Raises UnauthenticatedError or PermissionDeniedError when the credential was withdrawn or has expired."""
        if self._credentials is None:
            return
        if self._credentials() is not self._seen:
            self._authenticate()
            for tenant_id in self._tenants or ():
                self._check_tenant(self.grant, tenant_id)
            if self._tenants is not None and not self._tenants and self._requirement.reach is Reach.NAMED_TENANTS:
                self._check_all_tenants()
        elif self.grant.expires_at is not None and self.grant.is_expired(self._clock.now()):
            raise UnauthenticatedError("this credential has expired", reason="EXPIRED_CREDENTIAL")

    def _authenticate(self) -> None:
        if self._credentials is None:
            return
        credentials, presented, now = self._credentials(), self._presented, self._clock.now()
        if presented.key is not None:
            grant = credentials.by_key(presented.key, now)
        elif presented.certificate_names:
            grant = credentials.by_certificate(presented.certificate_names, now)
        else:
            raise UnauthenticatedError("no credential was sent", reason="MISSING_CREDENTIAL")
        self.grant = grant
        self._seen = credentials
        if not grant.scopes & self._requirement.scopes:
            wanted = " or ".join(sorted(scope.value for scope in self._requirement.scopes))
            raise PermissionDeniedError(f"this takes the scope {wanted}", reason="MISSING_SCOPE")
        if self._requirement.reach is Reach.ALL_TENANTS:
            self._check_all_tenants()

    def _check_all_tenants(self) -> None:
        if self.grant.tenants is not None:
            raise _not_yours("this is about all tenants, the credential is for some")

    @staticmethod
    def _check_tenant(grant: Grant, tenant_id: str) -> None:
        if not grant.covers(tenant_id):
            raise _not_yours("the credential is not for this tenant")


def _not_yours(message: str) -> PermissionDeniedError:
    return PermissionDeniedError(message, reason="WRONG_TENANT")
