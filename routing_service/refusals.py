"""The errors for what can't be stored, alike whichever store notices."""

from collections.abc import Sequence
from dataclasses import asdict

from common.errors import (
    AlreadyExistsError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    ResourceExhaustedError,
)
from routing_service.domain.binding import EVERY_CALLER, Binding
from routing_service.domain.number_pool import PoolShortage

MAX_ENTRIES_OF_A_TENANT = 100_000


def in_the_way(binding: Binding, number: str, binding_id: str) -> AlreadyExistsError:
    """Another live binding claims the same caller as `binding`."""
    if number == EVERY_CALLER:
        message = "the access number serves every caller already"
    else:
        side = "a_number" if number == binding.terms.a_number else "b_number"
        message = f"binding.{side}: the number is paired on this access number already"
    return AlreadyExistsError(
        f"{message}, by binding {binding_id}", reason="BINDING_IN_THE_WAY", metadata={"binding_id": binding_id}
    )


def access_number_taken(field: str) -> FailedPreconditionError:
    """The access number in this field is another tenant's, of which nothing is said."""
    return FailedPreconditionError(
        f"{field}: the access number is in use by another enterprise",
        reason="ACCESS_NUMBER_TAKEN",
        metadata={"field": field},
    )


def foreign_display_number(field: str) -> InvalidArgumentError:
    """The field shows a number that is none of the tenant's own."""
    return InvalidArgumentError(
        field,
        "not one of the tenant's access numbers, and the tenant does not allow foreign display numbers",
        reason="FOREIGN_DISPLAY_NUMBER",
    )


def request_id_reused() -> InvalidArgumentError:
    """The request's name was used for something else."""
    return InvalidArgumentError(
        "request_id",
        "a request of this id asked for something else within the last 24 hours",
        reason="REQUEST_ID_REUSED",
    )


def tenant_exists(tenant_id: str) -> AlreadyExistsError:
    """The id of a new tenant is taken."""
    return AlreadyExistsError(
        f"there is a tenant {tenant_id} already", reason="TENANT_EXISTS", metadata={"tenant_id": tenant_id}
    )


def tenant_has_bindings(tenant_id: str) -> FailedPreconditionError:
    """The tenant can't be deleted yet."""
    return FailedPreconditionError(
        f"tenant {tenant_id} still has bindings: delete them first",
        reason="TENANT_HAS_BINDINGS",
        metadata={"tenant_id": tenant_id},
    )


def tenant_has_access_numbers(tenant_id: str) -> FailedPreconditionError:
    """The tenant can't be deleted yet."""
    return FailedPreconditionError(
        f"tenant {tenant_id} still has access numbers in pools: remove them first",
        reason="TENANT_HAS_ACCESS_NUMBERS",
        metadata={"tenant_id": tenant_id},
    )


def list_entry_exists(entry_id: str) -> AlreadyExistsError:
    """An entry that has not expired stands at the same place."""
    return AlreadyExistsError(
        f"there is an entry for this pattern already: {entry_id}",
        reason="LIST_ENTRY_EXISTS",
        metadata={"entry_id": entry_id},
    )


def too_many_list_entries(tenant_id: str) -> FailedPreconditionError:
    """The tenant's lists are full."""
    return FailedPreconditionError(
        f"a tenant has at most {MAX_ENTRIES_OF_A_TENANT} list entries",
        reason="TOO_MANY_LIST_ENTRIES",
        metadata={"tenant_id": tenant_id},
    )


def access_number_exists(field: str) -> AlreadyExistsError:
    """The access number in this field is in a pool of the tenant."""
    return AlreadyExistsError(
        f"{field}: the number is in a pool already", reason="ACCESS_NUMBER_EXISTS", metadata={"field": field}
    )


def access_number_has_bindings(access_number: str, live: int) -> FailedPreconditionError:
    """The access number can't be taken out of its pool yet."""
    return FailedPreconditionError(
        f"access number {access_number} has live bindings ({live}): delete them first",
        reason="ACCESS_NUMBER_HAS_BINDINGS",
        metadata={"access_number": access_number},
    )


def check_all_in_pools(numbers: Sequence[str], found: Sequence[str]) -> None:
    """Raises NotFoundError for the first of the numbers that is not among those found in the tenant's pools."""
    missing = sorted(set(numbers) - set(found))
    if missing:
        raise NotFoundError(
            f"access number {missing[0]} is in no pool of the tenant",
            reason="ACCESS_NUMBER_NOT_FOUND",
            metadata={"access_number": missing[0]},
        )


def pool_exhausted(shortage: PoolShortage) -> ResourceExhaustedError:
    """None of a pool's access numbers is free."""
    return ResourceExhaustedError(
        f"none of the {shortage.total} access numbers in the pool is free: {shortage.in_use} in use by these "
        f"numbers, {shortage.resting} at rest, {shortage.kept} kept or to be avoided, "
        f"{shortage.other_city} of other cities, {shortage.not_capable} without the capabilities",
        reason="POOL_EXHAUSTED",
        metadata={name: str(count) for name, count in asdict(shortage).items()},
    )
