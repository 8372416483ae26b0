"""Which earlier calls matter for a query, and what is to be remembered of one."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta

from common.protocol_codes import ResultCode
from routing_service.domain.binding import Binding, BindingKind, HuntStrategy
from routing_service.domain.decision import UNREADABLE, CallDirection, Candidates, RouteDecision, RouteQuery

# For how long a session that sends its query again gets the same order.
ORDER_LIFE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class WantedRecollection:
    """What a query needs to know: of a group its `members`, of an owner who calls back its `owner_number`.

    `session_key` stands for the session: see `session_key`.
    """

    tenant_id: str
    binding_id: str
    session_key: str
    access_number: str
    members: tuple[str, ...] = ()
    owner_number: str = ""


@dataclass(frozen=True, slots=True)
class GroupCall:
    """A session was answered with these members of a group, in this order; `at_us` says when, once it is noted."""

    tenant_id: str
    binding_id: str
    session_key: str
    order: tuple[str, ...]
    at_us: int = 0


@dataclass(frozen=True, slots=True)
class OwnerCall:
    """Somebody was put through to the owner of an access number, who may call back; `at_us` as in GroupCall."""

    tenant_id: str
    binding_id: str
    access_number: str
    owner_number: str
    calling_number: str
    at_us: int = 0


def session_key(session_id: str) -> str:
    """A session's id as it is kept: of one length, whatever the platform sends. Empty for none."""
    if not session_id:
        return ""
    return hashlib.blake2b(session_id.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def may_want_recollection(candidates: Candidates) -> bool:
    """Whether there may be something to be recalled, whoever calls; False for nearly all."""
    return any(_hunts_longest_idle(binding) or _calls_back(binding) for binding in candidates.bindings)


def wanted_recollection(query: RouteQuery, candidates: Candidates) -> WantedRecollection | None:
    """What has to be recalled to decide a query; None for nearly all of them."""
    for binding in candidates.bindings:
        terms = binding.terms
        members: tuple[str, ...] = ()
        owner_number = ""
        if _hunts_longest_idle(binding):
            members = tuple(each.number for each in terms.targets)
        elif _calls_back(binding) and query.calling_number == terms.a_number:
            owner_number = terms.a_number
        if members or owner_number:
            key = session_key(query.session_id)
            return WantedRecollection(
                query.tenant_id, binding.binding_id, key, terms.access_number, members, owner_number
            )
    return None


def call_to_remember(query: RouteQuery, decision: RouteDecision) -> GroupCall | OwnerCall | None:
    """What later queries may need to know of this one; None for nearly all of them."""
    binding = decision.binding
    if decision.result is not ResultCode.SUCCESS or binding is None:
        return None
    if _hunts_longest_idle(binding):
        order = tuple(each.number for each in decision.targets)
        return GroupCall(query.tenant_id, binding.binding_id, session_key(query.session_id), order)
    if _calls_back(binding) and decision.direction is CallDirection.TO_OWNER and query.calling_number != UNREADABLE:
        terms = binding.terms
        return OwnerCall(query.tenant_id, binding.binding_id, terms.access_number, terms.a_number, query.calling_number)
    return None


def _hunts_longest_idle(binding: Binding) -> bool:
    terms = binding.terms
    return terms.kind is BindingKind.AXG and terms.hunt_strategy is HuntStrategy.LONGEST_IDLE


def _calls_back(binding: Binding) -> bool:
    return binding.terms.callback_to_last_caller and not binding.terms.callback_number
