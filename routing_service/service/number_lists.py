"""Managing allow and block lists."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from common.clock import Clock, from_microseconds, to_microseconds
from common.errors import InvalidArgumentError
from common.numbers import normalize_number
from routing_service.domain.number_list import NumberListEntry, NumberListTerms
from routing_service.domain.tenant import Tenant
from routing_service.domain.write_origin import NO_ORIGIN, WriteOrigin, checked_request_id
from routing_service.list_rules import checked_list_terms
from routing_service.not_found import no_such_list_entry, no_such_tenant
from routing_service.ports import BindingPosition, ListFilter, NumberListStore, TenantStore
from routing_service.service.paging import page_limit, page_token, read_page_token
from routing_service.tenant_rules import check_tenant_id

_ENTRY_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class NumberListPage:
    """Some entries, oldest first, and the token of the next page; empty: this was the last."""

    entries: Sequence[NumberListEntry]
    next_page_token: str


class NumberListService:
    """Create, list and remove entries of number lists. Another tenant's entries don't exist here."""

    def __init__(
        self, lists: NumberListStore, tenants: TenantStore, clock: Clock, new_entry_id: Callable[[], str]
    ) -> None:
        self._lists = lists
        self._tenants = tenants
        self._clock = clock
        self._new_entry_id = new_entry_id

    async def create(self, tenant_id: str, terms: NumberListTerms, origin: WriteOrigin = NO_ORIGIN) -> NumberListEntry:
        """Store a new entry. Raises InvalidArgumentError, and what NumberListStore.create raises."""
        check_tenant_id(tenant_id, "entry.tenant_id")
        checked_request_id(origin.request_id)
        entry_id = self._new_entry_id()
        now = self._clock.now()

        def make(tenant: Tenant) -> NumberListEntry:
            checked = checked_list_terms(terms, tenant.settings.default_region)
            return NumberListEntry(entry_id, tenant_id, checked, now)

        return await self._lists.create(tenant_id, make, origin)

    async def list_page(self, tenant_id: str, access_number: str, page_size: int, token: str) -> NumberListPage:
        """A page of a tenant's entries; an empty access number is any.

        Raises InvalidArgumentError, and NotFoundError for an unknown tenant.
        """
        check_tenant_id(tenant_id, "tenant_id")
        limit = page_limit(page_size)
        tenant = await self._tenants.get(tenant_id)
        if tenant is None:
            raise no_such_tenant(tenant_id)
        if access_number:
            try:
                access_number = normalize_number(access_number, tenant.settings.default_region)
            except ValueError as error:
                raise InvalidArgumentError("access_number", str(error)) from error
        listed = ("number_list_entries", tenant_id, access_number)
        after = _position(token, listed) if token else None
        # One more than asked for tells whether there is another page.
        found = await self._lists.list_page(ListFilter(tenant_id, access_number), after, limit + 1)
        page = found[:limit]
        if len(found) <= limit:
            return NumberListPage(page, "")
        last = page[-1]
        return NumberListPage(page, page_token((to_microseconds(last.created_at), last.entry_id), listed))

    async def delete(self, tenant_id: str, entry_id: str, origin: WriteOrigin = NO_ORIGIN) -> None:
        """Remove an entry. Raises NotFoundError."""
        check_tenant_id(tenant_id, "tenant_id")
        checked_request_id(origin.request_id)
        # What can't be an id is not looked for: the database would refuse some of it.
        if not _ENTRY_ID.fullmatch(entry_id):
            raise no_such_list_entry(entry_id)
        await self._lists.delete(tenant_id, entry_id, self._clock.now(), origin)


def _position(token: str, listed: Sequence[str]) -> BindingPosition:
    created_at_us, entry_id = read_page_token(token, listed, (int, str))
    try:
        return BindingPosition(from_microseconds(int(created_at_us)), str(entry_id))
    except (OverflowError, ValueError, OSError) as error:
        raise InvalidArgumentError("page_token", "not a token of this service") from error
