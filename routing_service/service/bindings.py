"""Managing number relationships."""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from common.clock import Clock, from_microseconds, to_microseconds
from common.errors import InvalidArgumentError
from common.numbers import normalize_number
from routing_service.binding_rules import checked_terms
from routing_service.domain.binding import Binding, BindingTerms
from routing_service.domain.profile import MEMBER_PROMPT_FIELDS, PROFILE_FIELDS
from routing_service.domain.tenant import Tenant
from routing_service.domain.write_origin import NO_ORIGIN, WriteOrigin, checked_request_id
from routing_service.not_found import no_such_binding, no_such_tenant
from routing_service.patch import ChangeableFields, check_paths, check_revision, patched
from routing_service.ports import BindingFilter, BindingPosition, BindingStore, TenantStore
from routing_service.service.paging import page_limit, page_token, read_page_token
from routing_service.tenant_rules import check_tenant_id

CHANGEABLE_FIELDS: ChangeableFields = {
    "access_number": (),
    "a_number": (),
    "b_number": (),
    "callback_number": (),
    "display_number": (),
    "member_prompts": MEMBER_PROMPT_FIELDS,
    "profile": PROFILE_FIELDS,
    "not_before": (),
    "expires_at": (),
    "one_way": (),
    "targets": (),
    "hunt_strategy": (),
    "max_members": (),
    "extension": (),
    "y_number": (),
    "schedule": (),
    "callback_to_last_caller": (),
}

# No index tells states apart, which pass with the time. So of bindings in a state no more than these are looked through
# for a page: reading all of a tenant's would take longer than a read may.
LOOKED_THROUGH_AT_ONCE = 20_000
_BINDING_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class BindingPage:
    """Some bindings, oldest first, and the token of the next page; empty: this was the last.

    A page may be short, and even be empty, while there are more.
    """

    bindings: Sequence[Binding]
    next_page_token: str


class BindingService:
    """Create, read, list, change and end bindings. Tenants come as ids; another tenant's bindings don't exist here."""

    def __init__(
        self,
        bindings: BindingStore,
        tenants: TenantStore,
        clock: Clock,
        new_binding_id: Callable[[], str],
        looked_through_at_once: int = LOOKED_THROUGH_AT_ONCE,
    ) -> None:
        self._bindings = bindings
        self._tenants = tenants
        self._clock = clock
        self._new_binding_id = new_binding_id
        self._looked_through_at_once = looked_through_at_once

    async def create(self, tenant_id: str, terms: BindingTerms, origin: WriteOrigin = NO_ORIGIN) -> Binding:
        """Store a new binding, once for each request that is named.

        Raises InvalidArgumentError, and what BindingStore.create raises.
        """
        check_tenant_id(tenant_id, "binding.tenant_id")
        binding_id = self._new_binding_id()
        now = self._clock.now()

        def make(tenant: Tenant) -> Binding:
            return Binding(binding_id, tenant_id, checked_terms(terms, tenant), 1, now, now)

        checked_request_id(origin.request_id)
        return await self._bindings.create(tenant_id, make, origin)

    async def get(self, tenant_id: str, binding_id: str) -> Binding:
        """The binding. Raises NotFoundError."""
        check_tenant_id(tenant_id, "tenant_id")
        _check_binding_id(binding_id)
        binding = await self._bindings.get(tenant_id, binding_id)
        if binding is None:
            raise no_such_binding(binding_id)
        return binding

    async def list_page(self, which: BindingFilter, page_size: int, token: str) -> BindingPage:
        """A page of a tenant's bindings; the filter's numbers in any usual writing.

        Raises InvalidArgumentError, and NotFoundError for an unknown tenant.
        """
        check_tenant_id(which.tenant_id, "tenant_id")
        limit = page_limit(page_size)
        tenant = await self._tenants.get(which.tenant_id)
        if tenant is None:
            raise no_such_tenant(which.tenant_id)
        region = tenant.settings.default_region
        which = BindingFilter(
            which.tenant_id,
            _normal_number(which.access_number, region, "access_number"),
            _normal_number(which.number, region, "number"),
            which.state,
            self._clock.now(),
        )
        state = "" if which.state is None else which.state.value
        listed = ("bindings", which.tenant_id, which.access_number, which.number, state)
        after = _position(token, listed) if token else None
        if which.state is not None and not which.number:
            until = await self._bindings.position_after(which, after, self._looked_through_at_once)
            which = replace(which, until=until)
        # One more than asked for tells whether there is another page.
        found = await self._bindings.list_page(which, after, limit + 1)
        page = found[:limit]
        last = BindingPosition(page[-1].created_at, page[-1].binding_id) if len(found) > limit else which.until
        if last is None:
            return BindingPage(page, "")
        return BindingPage(page, page_token((to_microseconds(last.created_at), last.binding_id), listed))

    async def update(
        self,
        tenant_id: str,
        binding_id: str,
        new: BindingTerms,
        paths: Collection[str],
        expected_revision: int,
        origin: WriteOrigin = NO_ORIGIN,
    ) -> Binding:
        """Change the fields at `paths`. Raises InvalidArgumentError, AbortedError when the revision is another than
        the expected one (0: any), and what BindingStore.update raises."""
        check_tenant_id(tenant_id, "binding.tenant_id")
        _check_binding_id(binding_id)
        check_paths(paths, CHANGEABLE_FIELDS)
        now = self._clock.now()

        def change(tenant: Tenant, current: Binding) -> Binding:
            check_revision(current.revision, expected_revision)
            terms = patched(current.terms, new, paths)
            return replace(
                current,
                terms=checked_terms(terms, tenant, current.terms),
                revision=current.revision + 1,
                # A clock that was set back must not make a version end before it began.
                updated_at=max(now, current.updated_at),
            )

        checked_request_id(origin.request_id)
        return await self._bindings.update(tenant_id, binding_id, change, origin)

    async def delete(
        self, tenant_id: str, binding_id: str, expected_revision: int, origin: WriteOrigin = NO_ORIGIN
    ) -> None:
        """End a binding. Raises NotFoundError, and AbortedError as `update` does."""
        check_tenant_id(tenant_id, "tenant_id")
        _check_binding_id(binding_id)

        def check(current: Binding) -> None:
            check_revision(current.revision, expected_revision)

        checked_request_id(origin.request_id)
        await self._bindings.delete(tenant_id, binding_id, check, self._clock.now(), origin)


def _normal_number(text: str, region: str, field: str) -> str:
    if not text:
        return ""
    try:
        return normalize_number(text, region)
    except ValueError as error:
        raise InvalidArgumentError(field, str(error)) from error


def _position(token: str, listed: Sequence[str]) -> BindingPosition:
    created_at_us, binding_id = read_page_token(token, listed, (int, str))
    try:
        return BindingPosition(from_microseconds(int(created_at_us)), str(binding_id))
    except (OverflowError, ValueError, OSError) as error:
        raise InvalidArgumentError("page_token", "not a token of this service") from error


def _check_binding_id(binding_id: str) -> None:
    # What can't be an id is not looked for: the database would refuse some of it.
    if not _BINDING_ID.fullmatch(binding_id):
        raise no_such_binding(binding_id)
