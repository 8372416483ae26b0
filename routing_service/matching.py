"""Whom a binding calls for a caller, if it is about that caller at all: one function for each kind."""

from collections.abc import Callable
from dataclasses import dataclass

from routing_service.domain.binding import Binding, BindingKind, BindingTarget
from routing_service.domain.decision import UNREADABLE, CallDirection, Recollection, RouteQuery
from routing_service.hunting import hunt_order


@dataclass(frozen=True, slots=True)
class Route:
    """The binding connects this caller with these, in this order; none of them is the caller."""

    direction: CallDirection
    targets: tuple[BindingTarget, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """The binding is about this caller, and says that nobody is called."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknowable:
    """The binding is about this caller, and what decides whom to call can't be read now."""

    reason: str


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The binding is not about this caller."""

    reason: str


Match = Route | Refusal | Unknowable | Mismatch


def match_binding(binding: Binding, query: RouteQuery, recollection: Recollection | None) -> Match:
    """What a binding says about a query, whether it is in force or not."""
    match = MATCHERS[binding.terms.kind](binding, query, recollection)
    if not isinstance(match, Route):
        return match
    # Refused when a binding is written where it is plain; of a group the members who call reach the others.
    targets = match.targets
    if any(each.number == query.calling_number for each in targets):
        targets = tuple([each for each in targets if each.number != query.calling_number])
    if not targets:
        return Refusal("the binding would connect the caller with itself")
    limit = binding.terms.max_members or len(targets)
    if targets is match.targets and limit >= len(targets):
        return match
    return Route(match.direction, targets[:limit], match.reason)


def _match_pair(binding: Binding, query: RouteQuery, _: Recollection | None) -> Match:
    terms, caller = binding.terms, query.calling_number
    if caller == UNREADABLE:
        return Mismatch("a caller that can't be read is in no pair")
    if caller == terms.a_number:
        targets = (BindingTarget(terms.b_number), *terms.targets)
        return Route(CallDirection.A_TO_B, targets, "the caller is the A side of a pair and reaches B")
    if caller == terms.b_number:
        if terms.one_way:
            return Refusal("the caller is the B side of a one-way pair")
        targets = (BindingTarget(terms.a_number),)
        return Route(CallDirection.B_TO_A, targets, "the caller is the B side of a pair and reaches A")
    return Mismatch("the caller is neither side of the pair")


def _match_owner(binding: Binding, query: RouteQuery, recollection: Recollection | None) -> Match:
    terms = binding.terms
    if query.calling_number != terms.a_number:
        targets = (BindingTarget(terms.a_number), *terms.targets)
        return Route(CallDirection.TO_OWNER, targets, "everyone who calls the access number reaches its owner")
    if terms.callback_number:
        targets = (BindingTarget(terms.callback_number),)
        return Route(CallDirection.FROM_OWNER, targets, "the owner reaches the callback number")
    if not terms.callback_to_last_caller:
        return Refusal("the caller owns the access number, and no callback number is set")
    if recollection is None:
        return Unknowable("the owner's last caller can't be looked up now")
    if not recollection.last_caller:
        return Refusal("the caller owns the access number, and its last caller is not known")
    targets = (BindingTarget(recollection.last_caller),)
    return Route(CallDirection.FROM_OWNER, targets, "the owner reaches the last caller")


def _match_group(binding: Binding, query: RouteQuery, recollection: Recollection | None) -> Match:
    terms = binding.terms
    members = [each for each in terms.targets if each.number != query.calling_number]
    if not members:
        return Refusal("the group has no other member than the caller")
    ordered = hunt_order(members, terms.hunt_strategy, (binding.binding_id, query.session_id), recollection)
    return Route(CallDirection.TO_OWNER, ordered, "everyone who calls the access number reaches its group")


# In the order of precedence: a relationship that names the caller beats one that serves everybody.
MATCHERS: dict[BindingKind, Callable[[Binding, RouteQuery, Recollection | None], Match]] = {
    BindingKind.AXB: _match_pair,
    BindingKind.AXYB: _match_pair,
    BindingKind.AX: _match_owner,
    BindingKind.AXE: _match_owner,
    BindingKind.AXG: _match_group,
}
