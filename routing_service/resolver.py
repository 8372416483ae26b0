"""Who is called: a pure function of the candidates, the query and the time.

The kinds are tried in the order of `_MATCHERS`: a relationship that names the caller beats one that serves everybody.
Within a kind the candidates' own order does not matter: live bindings don't overlap (see `BindingTerms.claims`), and
should two do so all the same, the older one wins on every replica.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from common.protocol_codes import ResultCode
from routing_service.domain.binding import Binding, BindingKind, BindingTerms
from routing_service.domain.decision import (
    UNREADABLE,
    CallDirection,
    Candidates,
    ConsideredRule,
    RouteDecision,
    RouteQuery,
    RouteTarget,
    RuleOutcome,
)


@dataclass(frozen=True, slots=True)
class _Route:
    """The binding connects this caller."""

    direction: CallDirection
    numbers: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class _Refusal:
    """The binding is about this caller, and says that nobody is called."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Mismatch:
    """The binding is not about this caller."""

    reason: str


_Match = _Route | _Refusal | _Mismatch
Trace = list[ConsideredRule]


def resolve(query: RouteQuery, candidates: Candidates, now: datetime, trace: Trace | None = None) -> RouteDecision:
    """Decide a query of a known tenant. Every rule considered is appended to `trace`, where one is given.

    `candidates` belong to the query's key. Times count as `BindingTerms.in_force` says.
    """
    if query.access_number == UNREADABLE:
        return _end(trace, "access_number", ResultCode.MALFORMED_REQUEST, "the access number can't be read")
    if not candidates.access_number_known:
        return _end(
            trace, "access_number", ResultCode.UNKNOWN_ACCESS_NUMBER, "the tenant has no binding on this access number"
        )
    _note(trace, "access_number", None, RuleOutcome.PASSED, "the tenant has bindings on this access number")
    if query.calling_number == UNREADABLE:
        _note(trace, "calling_number", None, RuleOutcome.REJECTED, "the calling number can't be read: no pair matches")
    out_of_force: Binding | None = None
    for binding in _in_order(candidates.bindings):
        terms = binding.terms
        rule = terms.kind.value.lower()
        match = _without_self_call(_MATCHERS[terms.kind](terms, query), query)
        if isinstance(match, _Mismatch):
            _note(trace, rule, binding, RuleOutcome.REJECTED, match.reason)
            continue
        if not terms.in_force(now):
            _note(trace, "validity", binding, RuleOutcome.REJECTED, _why_not_in_force(terms, now))
            if isinstance(match, _Route) and out_of_force is None:
                out_of_force = binding
            continue
        _note(trace, "validity", binding, RuleOutcome.PASSED, "the binding is in force")
        _note(trace, rule, binding, RuleOutcome.DECIDED, match.reason)
        if isinstance(match, _Refusal):
            return RouteDecision(ResultCode.NO_BINDING, match.reason, binding)
        targets = tuple(RouteTarget(number, terms.display_number, terms.member_prompts) for number in match.numbers)
        return RouteDecision(ResultCode.SUCCESS, match.reason, binding, match.direction, targets)
    if out_of_force is not None:
        return _end(
            trace, "validity", ResultCode.NOT_IN_FORCE, _why_not_in_force(out_of_force.terms, now), out_of_force
        )
    return _end(trace, "no_match", ResultCode.NO_BINDING, "no binding relates the caller and this access number")


def _match_axb(terms: BindingTerms, query: RouteQuery) -> _Match:
    caller = query.calling_number
    if caller == UNREADABLE:
        return _Mismatch("a caller that can't be read is in no pair")
    if caller == terms.a_number:
        return _Route(CallDirection.A_TO_B, (terms.b_number,), "the caller is the A side of a pair and reaches B")
    if caller == terms.b_number:
        if terms.one_way:
            return _Refusal("the caller is the B side of a one-way pair")
        return _Route(CallDirection.B_TO_A, (terms.a_number,), "the caller is the B side of a pair and reaches A")
    return _Mismatch("the caller is neither side of the pair")


def _match_ax(terms: BindingTerms, query: RouteQuery) -> _Match:
    if query.calling_number != terms.a_number:
        return _Route(
            CallDirection.TO_OWNER, (terms.a_number,), "everyone who calls the access number reaches its owner"
        )
    if terms.callback_number:
        return _Route(CallDirection.FROM_OWNER, (terms.callback_number,), "the owner reaches the callback number")
    return _Refusal("the caller owns the access number, and no callback number is set")


# In the order of precedence.
_MATCHERS: dict[BindingKind, Callable[[BindingTerms, RouteQuery], _Match]] = {
    BindingKind.AXB: _match_axb,
    BindingKind.AX: _match_ax,
}
_PRECEDENCE = {kind: place for place, kind in enumerate(_MATCHERS)}


def _in_order(bindings: Sequence[Binding]) -> Sequence[Binding]:
    if len(bindings) < 2:
        return bindings
    return sorted(bindings, key=lambda each: (_PRECEDENCE[each.terms.kind], each.created_at, each.binding_id))


def _without_self_call(match: _Match, query: RouteQuery) -> _Match:
    # Refused when a binding is written; a row that says so all the same must not become a call.
    if isinstance(match, _Route) and query.calling_number in match.numbers:
        return _Refusal("the binding would connect the caller with itself")
    return match


def _why_not_in_force(terms: BindingTerms, now: datetime) -> str:
    return "the binding has expired" if terms.has_expired(now) else "the binding is not in force yet"


def _note(trace: Trace | None, rule: str, binding: Binding | None, outcome: RuleOutcome, detail: str) -> None:
    if trace is not None:
        trace.append(ConsideredRule(rule, binding.binding_id if binding is not None else "", outcome, detail))


def _end(
    trace: Trace | None, rule: str, result: ResultCode, reason: str, binding: Binding | None = None
) -> RouteDecision:
    _note(trace, rule, binding, RuleOutcome.DECIDED, reason)
    return RouteDecision(result, reason, binding)
