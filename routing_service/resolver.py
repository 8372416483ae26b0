"""Who is called: a pure function of the candidates, the query, the time and what is remembered.

Allow and block lists come first. Then the kinds are tried in the order of `matching.MATCHERS`: a relationship that
names the caller beats one that serves everybody. Within a kind the candidates' own order does not matter: live bindings
don't overlap (see `BindingTerms.claims`), and should two do so all the same, the older one wins on every replica. Where
no binding relates the caller to the access number, the tenant's fallback number is called.
"""

from collections.abc import Sequence
from datetime import datetime

from common.protocol_codes import ResultCode
from routing_service.domain.binding import Binding, BindingTarget, BindingTerms
from routing_service.domain.decision import (
    NO_CONTEXT,
    UNREADABLE,
    Candidates,
    ConsideredRule,
    RouteContext,
    RouteDecision,
    RouteQuery,
    RouteTarget,
    RuleOutcome,
)
from routing_service.domain.number_list import list_verdict
from routing_service.domain.profile import NO_MEMBER_PROMPTS
from routing_service.matching import MATCHERS, Mismatch, Refusal, Route, Unknowable, match_binding

Trace = list[ConsideredRule]


def resolve(
    query: RouteQuery,
    candidates: Candidates,
    now: datetime,
    trace: Trace | None = None,
    context: RouteContext = NO_CONTEXT,
) -> RouteDecision:
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
    if candidates.list_entries:
        verdict = list_verdict(candidates.list_entries, query.calling_number, now)
        if verdict.blocked:
            return _end(trace, "number_list", ResultCode.CALLER_BLOCKED, verdict.reason)
        _note(trace, "number_list", None, RuleOutcome.PASSED, verdict.reason)
    out_of_force: Binding | None = None
    ordered = _in_order(candidates.bindings)
    for place, binding in enumerate(ordered):
        terms = binding.terms
        # A name that only a trace has.
        rule = "" if trace is None else terms.kind.value.lower()
        match = match_binding(binding, query, context.recollection)
        if isinstance(match, Mismatch):
            _note(trace, rule, binding, RuleOutcome.REJECTED, match.reason)
            continue
        if not terms.in_force(now):
            _note(trace, "validity", binding, RuleOutcome.REJECTED, _why_not_in_force(terms, now))
            if not isinstance(match, Refusal) and out_of_force is None:
                out_of_force = binding
            continue
        _note(trace, "validity", binding, RuleOutcome.PASSED, "the binding is in force")
        if trace is not None:
            _note_losers(trace, ordered[place + 1 :])
        _note(trace, rule, binding, RuleOutcome.DECIDED, match.reason)
        if isinstance(match, Route):
            targets = tuple(_target(terms, each) for each in match.targets)
            return RouteDecision(ResultCode.SUCCESS, match.reason, binding, match.direction, targets)
        result = ResultCode.UNAVAILABLE if isinstance(match, Unknowable) else ResultCode.NO_BINDING
        return RouteDecision(result, match.reason, binding)
    if out_of_force is not None:
        return _end(
            trace, "validity", ResultCode.NOT_IN_FORCE, _why_not_in_force(out_of_force.terms, now), out_of_force
        )
    return _without_binding(query, trace, context)


def _without_binding(query: RouteQuery, trace: Trace | None, context: RouteContext) -> RouteDecision:
    no_match = "no binding relates the caller and this access number"
    fallback = context.fallback_number
    if not fallback:
        return _end(trace, "no_match", ResultCode.NO_BINDING, no_match)
    _note(trace, "no_match", None, RuleOutcome.REJECTED, no_match)
    if fallback in (query.calling_number, query.access_number):
        return _end(trace, "fallback", ResultCode.NO_BINDING, "the fallback would connect the caller with itself")
    reason = "the tenant's fallback number is called"
    _note(trace, "fallback", None, RuleOutcome.DECIDED, reason)
    return RouteDecision(ResultCode.SUCCESS, reason, targets=(RouteTarget(fallback, "", NO_MEMBER_PROMPTS),))


_PRECEDENCE = {kind: place for place, kind in enumerate(MATCHERS)}


def _in_order(bindings: Sequence[Binding]) -> Sequence[Binding]:
    if len(bindings) < 2:
        return bindings
    return sorted(bindings, key=lambda each: (_PRECEDENCE[each.terms.kind], each.created_at, each.binding_id))


def _target(terms: BindingTerms, target: BindingTarget) -> RouteTarget:
    display_number = target.display_number or terms.y_number or terms.display_number
    prompts = target.member_prompts if target.member_prompts != NO_MEMBER_PROMPTS else terms.member_prompts
    return RouteTarget(target.number, display_number, prompts)


def _why_not_in_force(terms: BindingTerms, now: datetime) -> str:
    if terms.has_expired(now):
        return "the binding has expired"
    if not terms.has_begun(now):
        return "the binding is not in force yet"
    if terms.schedule is not None and terms.schedule.is_holiday(now):
        return "the binding is not in force on this holiday"
    return "the binding is not in force at this hour of the week"


def _note(trace: Trace | None, rule: str, binding: Binding | None, outcome: RuleOutcome, detail: str) -> None:
    if trace is not None:
        trace.append(ConsideredRule(rule, binding.binding_id if binding is not None else "", outcome, detail))


def _note_losers(trace: Trace, losers: Sequence[Binding]) -> None:
    for each in losers:
        _note(trace, each.terms.kind.value.lower(), each, RuleOutcome.REJECTED, "a binding that comes first decides")


def _end(
    trace: Trace | None, rule: str, result: ResultCode, reason: str, binding: Binding | None = None
) -> RouteDecision:
    _note(trace, rule, binding, RuleOutcome.DECIDED, reason)
    return RouteDecision(result, reason, binding)
