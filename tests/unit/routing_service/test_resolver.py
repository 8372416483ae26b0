"""The resolver: what it decides, and that the explanation never differs from the decision."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.protocol_codes import ResultCode
from routing_service.domain.binding import BindingKind, BindingTarget, BindingTerms, HuntStrategy
from routing_service.domain.decision import (
    UNREADABLE,
    CallDirection,
    Candidates,
    RouteDecision,
    RouteQuery,
    RuleOutcome,
)
from routing_service.domain.schedule import WeeklyHours, WeeklySchedule
from routing_service.resolver import Trace, resolve
from tests.unit.routing_service.builders import MINUTE, NOW, TENANT, A, B, C, D, X, ax, axb, stored

S, N = ResultCode.SUCCESS, ResultCode.NO_BINDING
EXPIRED: dict[str, Any] = {"expires_at": NOW}
FUTURE: dict[str, Any] = {"not_before": NOW + MINUTE}
# NOW is Monday noon.
OPEN = WeeklySchedule("UTC", (WeeklyHours((1,), 0, 1440),))
CLOSED = WeeklySchedule("UTC", (WeeklyHours((2,), 0, 1440),))


def decide(caller: str, *terms: BindingTerms, now: datetime = NOW, trace: Trace | None = None) -> RouteDecision:
    candidates = Candidates(True, tuple(stored(each, f"b{place}") for place, each in enumerate(terms)))
    return resolve(RouteQuery(TENANT, "s1", caller, X), candidates, now, trace)


@pytest.mark.parametrize(
    ("caller", "bindings", "result", "called", "binding", "direction"),
    [
        pytest.param(A, [axb()], S, B, "b0", CallDirection.A_TO_B, id="A of a pair"),
        pytest.param(B, [axb()], S, A, "b0", CallDirection.B_TO_A, id="B of a pair"),
        pytest.param(C, [axb()], N, None, "", None, id="a stranger to the pair"),
        pytest.param(UNREADABLE, [axb()], N, None, "", None, id="unreadable caller, pair"),
        pytest.param(A, [axb(one_way=True)], S, B, "b0", CallDirection.A_TO_B, id="one-way forth"),
        pytest.param(B, [axb(one_way=True)], N, None, "b0", None, id="one-way back"),
        pytest.param(B, [axb(one_way=True), ax(C)], N, None, "b0", None, id="one-way back does not fall to the owner"),
        pytest.param(C, [ax(A)], S, A, "b0", CallDirection.TO_OWNER, id="anyone to the owner"),
        pytest.param(UNREADABLE, [ax(A)], S, A, "b0", CallDirection.TO_OWNER, id="unreadable caller to the owner"),
        pytest.param(A, [ax(A)], N, None, "b0", None, id="the owner, no callback"),
        pytest.param(
            A, [ax(A, callback_number=C)], S, C, "b0", CallDirection.FROM_OWNER, id="the owner to the callback number"
        ),
        pytest.param(C, [ax(A, callback_number=C)], S, A, "b0", CallDirection.TO_OWNER, id="the callback number"),
        pytest.param(A, [ax(C), axb()], S, B, "b1", CallDirection.A_TO_B, id="the pair beats the owner"),
        pytest.param(D, [ax(C), axb()], S, C, "b0", CallDirection.TO_OWNER, id="no pair, so the owner"),
        pytest.param(A, [axb(**EXPIRED)], ResultCode.NOT_IN_FORCE, None, "b0", None, id="expired just now"),
        pytest.param(A, [axb(expires_at=NOW + timedelta(microseconds=1))], S, B, "b0", CallDirection.A_TO_B, id="last"),
        pytest.param(A, [axb(not_before=NOW)], S, B, "b0", CallDirection.A_TO_B, id="begins now"),
        pytest.param(A, [axb(**FUTURE)], ResultCode.NOT_IN_FORCE, None, "b0", None, id="not yet"),
        pytest.param(C, [axb(**EXPIRED)], N, None, "", None, id="an expired pair of others"),
        pytest.param(A, [axb(**EXPIRED), ax(C)], S, C, "b1", CallDirection.TO_OWNER, id="expired pair, so the owner"),
        pytest.param(B, [axb(one_way=True, **EXPIRED)], N, None, "", None, id="expired and one-way: never was"),
        pytest.param(A, [ax(A, **EXPIRED)], N, None, "", None, id="expired, owner without callback: never was"),
        pytest.param(C, [ax(A, **FUTURE)], ResultCode.NOT_IN_FORCE, None, "b0", None, id="owner not yet"),
        pytest.param(
            A, [axb(**EXPIRED), axb(B, A)], S, B, "b1", CallDirection.B_TO_A, id="expired beside its successor"
        ),
        pytest.param(A, [], N, None, "", None, id="nothing for this caller"),
        pytest.param(A, [axb(A, A)], N, None, "b0", None, id="a row that would connect A with itself"),
    ],
)
def test_decision(
    caller: str,
    bindings: list[BindingTerms],
    result: ResultCode,
    called: str | None,
    binding: str,
    direction: CallDirection | None,
) -> None:
    decision = decide(caller, *bindings)

    assert decision.result is result
    assert [target.number for target in decision.targets] == ([called] if called else [])
    assert (decision.binding.binding_id if decision.binding else "") == binding
    assert decision.direction is direction


def test_unknown_access_number() -> None:
    decision = resolve(RouteQuery(TENANT, "s1", A, X), Candidates(False), NOW)

    assert decision.result is ResultCode.UNKNOWN_ACCESS_NUMBER


def test_unreadable_access_number() -> None:
    decision = resolve(RouteQuery(TENANT, "s1", A, UNREADABLE), Candidates(False), NOW)

    assert decision.result is ResultCode.MALFORMED_REQUEST


def test_display_number_and_prompts_belong_to_the_target() -> None:
    decision = decide(A, axb(display_number=D))

    assert decision.targets[0].display_number == D


def test_trace_shows_every_rule_in_order() -> None:
    trace: Trace = []
    decide(A, ax(C), axb(**EXPIRED), trace=trace)

    assert [(each.rule, each.binding_id, each.outcome) for each in trace] == [
        ("access_number", "", RuleOutcome.PASSED),
        ("validity", "b1", RuleOutcome.REJECTED),
        ("validity", "b0", RuleOutcome.PASSED),
        ("ax", "b0", RuleOutcome.DECIDED),
    ]


numbers = st.sampled_from([A, B, C, D])
callers = st.one_of(numbers, st.just(UNREADABLE))
moments = st.one_of(st.none(), st.integers(-3, 3).map(lambda minutes: NOW + minutes * MINUTE))
# Any terms at all, also such as would be refused when they are written.
any_terms = st.builds(
    BindingTerms,
    kind=st.sampled_from(BindingKind),
    access_number=st.just(X),
    a_number=numbers,
    b_number=numbers,
    callback_number=st.one_of(st.just(""), numbers),
    display_number=st.one_of(st.just(""), numbers),
    not_before=moments,
    expires_at=moments,
    one_way=st.booleans(),
    targets=st.lists(st.builds(BindingTarget, numbers, st.one_of(st.just(""), numbers)), max_size=3).map(tuple),
    hunt_strategy=st.sampled_from(HuntStrategy),
    max_members=st.integers(0, 3),
    y_number=st.one_of(st.just(""), numbers),
    schedule=st.sampled_from([None, OPEN, CLOSED]),
    callback_to_last_caller=st.booleans(),
)
any_candidates = st.lists(any_terms, max_size=5)


@given(callers, any_candidates)
def test_explaining_changes_nothing(caller: str, bindings: list[BindingTerms]) -> None:
    trace: Trace = []
    explained = decide(caller, *bindings, trace=trace)

    assert explained == decide(caller, *bindings)
    assert [each.outcome for each in trace].count(RuleOutcome.DECIDED) == 1
    assert trace[-1].outcome is RuleOutcome.DECIDED
    assert trace[-1].detail == explained.reason
    assert trace[-1].binding_id == (explained.binding.binding_id if explained.binding else "")


@given(callers, any_candidates)
def test_the_caller_is_never_called(caller: str, bindings: list[BindingTerms]) -> None:
    assert caller not in {target.number for target in decide(caller, *bindings).targets}


@given(callers, any_candidates)
def test_only_numbers_of_the_deciding_binding_in_force_are_called(caller: str, bindings: list[BindingTerms]) -> None:
    decision = decide(caller, *bindings)

    assert bool(decision.targets) == (decision.result is ResultCode.SUCCESS)
    for target in decision.targets:
        assert decision.binding is not None
        terms = decision.binding.terms
        called = {terms.a_number, terms.b_number, terms.callback_number} | {each.number for each in terms.targets}
        assert target.number in called - {""}
        assert terms.in_force(NOW)


@given(numbers, numbers, moments, moments)
def test_a_pair_is_symmetric(a: str, b: str, not_before: datetime | None, expires_at: datetime | None) -> None:
    pair = axb(a, b, not_before=not_before, expires_at=expires_at)
    forth, back = decide(a, pair), decide(b, pair)

    assert forth.result is back.result
    if forth.targets:
        assert (forth.targets[0].number, back.targets[0].number) == (b, a)


@given(callers, st.permutations(range(4)), st.lists(any_terms, min_size=4, max_size=4))
def test_the_order_of_candidates_does_not_matter(caller: str, order: list[int], bindings: list[BindingTerms]) -> None:
    rows = [stored(each, f"b{place}") for place, each in enumerate(bindings)]
    query = RouteQuery(TENANT, "s1", caller, X)

    assert resolve(query, Candidates(True, tuple(rows[place] for place in order)), NOW) == resolve(
        query, Candidates(True, tuple(rows)), NOW
    )


@given(callers, any_candidates)
def test_no_reason_holds_a_number(caller: str, bindings: list[BindingTerms]) -> None:
    trace: Trace = []
    decide(caller, *bindings, trace=trace)

    assert not any(character.isdigit() for each in trace for character in each.detail)
