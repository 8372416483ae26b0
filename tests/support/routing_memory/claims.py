"""Whose access numbers are, and which callers each binding on them claims."""

from collections.abc import Collection
from datetime import datetime

from common.errors import AbortedError
from routing_service.binding_rules import newly_shown
from routing_service.claiming import Holder, Place, claiming
from routing_service.domain.binding import Binding, BindingTerms
from routing_service.refusals import access_number_taken, foreign_display_number
from tests.support.routing_memory.tables import LostClaim, Tables


def hold_access_numbers(tables: Tables, tenant_id: str, numbers: Collection[str]) -> None:
    """Make those that belong to nobody the tenant's."""
    for number in numbers:
        tables.owners.setdefault(number, tenant_id)


def take_access_number(tables: Tables, tenant_id: str, number: str, now: datetime, field: str) -> None:
    """Make an access number the tenant's. Raises FailedPreconditionError while another one uses it."""
    owner = tables.owners[number]
    if owner == tenant_id:
        return
    if number in tables.pool or any(not each.terms.has_expired(now) for each in tables.bindings_of(owner, number)):
        raise access_number_taken(field)
    tables.owners[number] = tenant_id


def give_back_access_numbers(tables: Tables, tenant_id: str, numbers: Collection[str]) -> None:
    """Let go of those on which the tenant has no binding any more, and that are in no pool."""
    for number in numbers:
        is_used = number in tables.pool or tables.bindings_of(tenant_id, number)
        if tables.owners.get(number) == tenant_id and not is_used:
            del tables.owners[number]


def is_own_number(tables: Tables, tenant_id: str, number: str) -> bool:
    """Whether a tenant may show this number as one of its own."""
    pooled = tables.pool.get(number)
    return tables.owners.get(number) == tenant_id or (pooled is not None and pooled.number.tenant_id == tenant_id)


def check_display_numbers(tables: Tables, binding: Binding, current: BindingTerms | None = None) -> None:
    """Raises InvalidArgumentError naming the field that shows a number which the binding's tenant may not show."""
    if tables.tenant(binding.tenant_id).settings.foreign_display_numbers_allowed:
        return
    for number, field in newly_shown(binding.terms, current).items():
        if not is_own_number(tables, binding.tenant_id, number):
            raise foreign_display_number(field)


def holder(tables: Tables, tenant_id: str, place: Place, now: datetime) -> Holder | None:
    """Who has a claim, if anybody has."""
    binding_id = tables.claims.get((tenant_id, place))
    if binding_id is None:
        return None
    return Holder(binding_id, not tables.bindings[binding_id].terms.has_expired(now))


def claim(tables: Tables, binding: Binding, now: datetime) -> None:
    """Put down the claims of a stored binding, in place of those it had. Raises AlreadyExistsError."""
    release(tables, binding.binding_id)
    tenant_id, x = binding.tenant_id, binding.terms.access_number
    wanted = sorted(binding.terms.claims())
    holders = {each: found for each in wanted if (found := holder(tables, tenant_id, (x, each), now)) is not None}
    for number in claiming(binding, holders, now).taken:
        take_claim(tables, tenant_id, (x, number), binding.binding_id, now)


def take_claim(tables: Tables, tenant_id: str, place: Place, binding_id: str, now: datetime) -> None:
    """Give a claim to a binding, and put down who loses it."""
    loser = tables.claims.get((tenant_id, place))
    if loser is not None:
        tables.lost_claims.append(LostClaim(place, tables.bindings[loser], now))
    tables.claims[tenant_id, place] = binding_id


def release(tables: Tables, binding_id: str) -> None:
    """Take back the claims of a binding."""
    tables.claims = {place: each for place, each in tables.claims.items() if each != binding_id}


def store_new_binding(tables: Tables, binding: Binding) -> None:
    """Store a binding of a tenant that is there, with its claims. Raises what `BindingStore.create` raises."""
    number = binding.terms.access_number
    hold_access_numbers(tables, binding.tenant_id, [number])
    take_access_number(tables, binding.tenant_id, number, binding.created_at, "binding.access_number")
    check_display_numbers(tables, binding)
    if binding.binding_id in tables.bindings:
        raise AbortedError("there is such a binding", reason="CONCURRENT_CHANGE")
    tables.bindings[binding.binding_id] = binding
    claim(tables, binding, binding.created_at)
