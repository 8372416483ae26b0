"""Groups, extensions, pairs with Y, stand-ins, hours, calls back and the fallback: whom the resolver calls."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import InvalidArgumentError
from common.protocol_codes import ResultCode
from routing_service.answer import answer_of
from routing_service.binding_rules import checked_terms, display_numbers
from routing_service.domain.binding import BindingTarget, BindingTerms, HuntStrategy
from routing_service.domain.decision import (
    UNREADABLE,
    CallDirection,
    Candidates,
    DecisionSource,
    Recollection,
    RouteContext,
    RouteDecision,
    RouteQuery,
    RuleOutcome,
)
from routing_service.domain.profile import CallProfile
from routing_service.domain.schedule import WeeklyHours, WeeklySchedule
from routing_service.resolver import Trace, resolve
from tests.unit.routing_service.builders import (
    FILE_PROMPT,
    FULL_MEMBER_PROMPTS,
    MINUTE,
    NOW,
    TENANT,
    X2,
    A,
    B,
    C,
    D,
    X,
    Y,
    ax,
    axb,
    axe,
    axg,
    axyb,
    stored,
    tenant,
)

S, N = ResultCode.SUCCESS, ResultCode.NO_BINDING
FORTH, BACK, IN, OUT = CallDirection
E = "+8613500001111"
CALLS_BACK: dict[str, Any] = {"callback_to_last_caller": True}
OPEN = WeeklySchedule("UTC", (WeeklyHours((1,), 0, 1440),))
CLOSED = WeeklySchedule("UTC", (WeeklyHours((2,), 0, 1440),))
HOLIDAY = replace(OPEN, holidays=frozenset({date(2026, 5, 4)}))


def targets(*numbers: str) -> tuple[BindingTarget, ...]:
    return tuple(BindingTarget(each) for each in numbers)


def decide(
    caller: str, *terms: BindingTerms, context: RouteContext | None = None, trace: Trace | None = None
) -> RouteDecision:
    candidates = Candidates(True, tuple(stored(each, f"b{place}") for place, each in enumerate(terms)))
    return resolve(RouteQuery(TENANT, "s1", caller, X), candidates, NOW, trace, context or RouteContext())


@pytest.mark.parametrize(
    ("caller", "bindings", "result", "called", "direction"),
    [
        pytest.param(A, [axyb()], S, [B], FORTH, id="AXYB forth"),
        pytest.param(B, [axyb()], S, [A], BACK, id="AXYB back"),
        pytest.param(B, [axyb(one_way=True)], N, [], None, id="AXYB one-way back"),
        pytest.param(C, [axyb()], N, [], None, id="AXYB, a stranger"),
        pytest.param(A, [axb(targets=targets(C, D))], S, [B, C, D], FORTH, id="AXB, B and its stand-ins"),
        pytest.param(B, [axb(targets=targets(C, D))], S, [A], BACK, id="AXB back has no stand-ins"),
        pytest.param(C, [axb(targets=targets(C, D))], N, [], None, id="a stand-in is in no pair"),
        pytest.param(E, [ax(A, targets=targets(B, C))], S, [A, B, C], IN, id="AX, the owner and its stand-ins"),
        pytest.param(B, [ax(A, targets=targets(B, C))], S, [A, C], IN, id="a stand-in reaches the others"),
        pytest.param(E, [axe(A)], S, [A], IN, id="AXE"),
        pytest.param(UNREADABLE, [axe(A)], S, [A], IN, id="AXE, unreadable caller"),
        pytest.param(A, [axe(A)], N, [], None, id="AXE, the owner"),
        pytest.param(A, [axe(A, callback_number=C)], S, [C], OUT, id="AXE, the owner calls back"),
        pytest.param(E, [axg([A, B, C])], S, [A, B, C], IN, id="AXG"),
        pytest.param(UNREADABLE, [axg([A, B])], S, [A, B], IN, id="AXG, unreadable caller"),
        pytest.param(B, [axg([A, B, C])], S, [A, C], IN, id="AXG, a member reaches the others"),
        pytest.param(A, [axg([A])], N, [], None, id="AXG, its only member"),
        pytest.param(E, [axg([A, B, C], max_members=2)], S, [A, B], IN, id="AXG, at most two"),
        pytest.param(A, [axg([A, B, C], max_members=2)], S, [B, C], IN, id="AXG, two others"),
        pytest.param(A, [axg([C, D]), axb()], S, [B], FORTH, id="a pair before a group"),
        pytest.param(A, [axe(C), axyb()], S, [B], FORTH, id="a pair with Y before an extension"),
        pytest.param(E, [ax(A, schedule=OPEN)], S, [A], IN, id="within its hours"),
        pytest.param(E, [ax(A, schedule=CLOSED)], ResultCode.NOT_IN_FORCE, [], None, id="outside its hours"),
        pytest.param(E, [ax(A, schedule=HOLIDAY)], ResultCode.NOT_IN_FORCE, [], None, id="on a holiday"),
        pytest.param(A, [axb(schedule=CLOSED), ax(C)], S, [C], IN, id="a closed pair gives way to the owner"),
        pytest.param(
            E, [ax(A, schedule=OPEN, expires_at=NOW)], ResultCode.NOT_IN_FORCE, [], None, id="open and expired"
        ),
    ],
)
def test_decision(
    caller: str,
    bindings: Sequence[BindingTerms],
    result: ResultCode,
    called: Sequence[str],
    direction: CallDirection | None,
) -> None:
    trace: Trace = []
    decision = decide(caller, *bindings, trace=trace)

    assert decision.result is result
    assert [each.number for each in decision.targets] == called
    assert decision.direction is direction
    assert trace[-1].outcome is RuleOutcome.DECIDED
    assert trace[-1].detail == decision.reason


@pytest.mark.parametrize("make", [ax, axe])
def test_calling_back(make: Any) -> None:
    terms = make(A, **CALLS_BACK)

    unknown = decide(A, terms)
    assert (unknown.result, unknown.targets) == (N, ())
    back = decide(A, terms, context=RouteContext(recollection=Recollection(last_caller=C)))
    assert ([each.number for each in back.targets], back.direction) == ([C], OUT)
    assert decide(A, terms, context=RouteContext(recollection=None)).result is ResultCode.UNAVAILABLE
    assert decide(C, terms, context=RouteContext(recollection=None)).result is S, "only who calls back needs to know"
    fixed = replace(terms, callback_number=D)
    assert [each.number for each in decide(A, fixed, context=RouteContext(recollection=None)).targets] == [D]
    itself = RouteContext(recollection=Recollection(last_caller=A))
    assert decide(A, terms, context=itself).result is N


def test_a_group_is_called_in_some_order_where_nothing_can_be_recalled() -> None:
    group = axg([A, B, C], hunt_strategy=HuntStrategy.LONGEST_IDLE)

    assert {each.number for each in decide(E, group, context=RouteContext(recollection=None)).targets} == {A, B, C}


def test_the_fallback() -> None:
    context = RouteContext(D)
    trace: Trace = []
    decision = decide(C, axb(), context=context, trace=trace)

    assert decision.result is S
    assert decision.binding is None
    assert [each.number for each in decision.targets] == [D]
    assert [each.rule for each in trace][-2:] == ["no_match", "fallback"]
    assert decide(UNREADABLE, axb(), context=context).result is S
    assert decide(D, axb(), context=context).result is N, "the fallback itself is not called back"
    assert decide(C, axb(), context=RouteContext(X)).result is N, "nor is the access number"
    assert decide(B, axb(one_way=True), context=context).result is N, "there is a relationship, and it says no"
    assert decide(A, axb(expires_at=NOW), context=context).result is ResultCode.NOT_IN_FORCE
    assert resolve(RouteQuery(TENANT, "s1", A, X), Candidates(False), NOW, None, context).result is (
        ResultCode.UNKNOWN_ACCESS_NUMBER
    )


def test_the_answer_of_a_fallback_has_the_tenants_profile() -> None:
    owner = tenant(default_profile=CallProfile(charge_ext="8001", max_duration_seconds=60))
    query = RouteQuery(TENANT, "s1", C, X)
    answer = answer_of(decide(C, axb(), context=RouteContext(D)), query, owner, DecisionSource.STORE)

    assert answer.result is S
    assert (answer.binding_id, answer.source) == ("", DecisionSource.STORE)
    assert [(each.number, each.display_number) for each in answer.members] == [("13600001111", "02566000001")]
    assert (answer.attributes.charge_ext, answer.attributes.max_duration_seconds) == ("8001", 60)


def test_each_member_sees_and_hears_its_own() -> None:
    own = replace(FULL_MEMBER_PROMPTS, fail_prompt=None)
    terms = axg(
        [],
        targets=(BindingTarget(A, X2, own), BindingTarget(B)),
        display_number=Y,
        member_prompts=replace(FULL_MEMBER_PROMPTS, answer_prompt=FILE_PROMPT),
    )
    first, second = decide(E, terms).targets

    assert (first.display_number, first.prompts) == (X2, own)
    assert (second.display_number, second.prompts) == (Y, terms.member_prompts)


def test_the_callee_of_an_axyb_sees_y_both_ways() -> None:
    assert {each.display_number for caller in (A, B) for each in decide(caller, axyb()).targets} == {Y}


@given(
    st.lists(st.sampled_from([A, B, C, D, E]), unique=True), st.sampled_from([A, B, E]), st.integers(0, 4), st.text()
)
def test_a_group_answers_with_its_members_but_the_caller(
    members: list[str], caller: str, max_members: int, session: str
) -> None:
    for strategy in HuntStrategy:
        group = axg(members, hunt_strategy=strategy, max_members=max_members)
        decision = resolve(RouteQuery(TENANT, session, caller, X), Candidates(True, (stored(group),)), NOW)
        others = set(members) - {caller}
        called = [each.number for each in decision.targets]

        assert len(called) == len(set(called)) == min(len(others), max_members or len(others))
        assert set(called) <= others


@pytest.mark.parametrize(
    ("terms", "wrong_field"),
    [
        (axg(["13800001111", "13900001111"], "02566000001"), None),
        (axg([], X), "targets"),
        (axg([A, "8613800001111"]), "targets[1].number"),
        (axg([A, X]), "targets[1].number"),
        (axg([A, "x"]), "targets[1].number"),
        (axg([A, ""]), "targets[1].number"),
        (axg([], targets=(BindingTarget(A, "x"),)), "targets[0].display_number"),
        (axg([A], a_number=B), "a_number"),
        (axg([A], one_way=True), "one_way"),
        (axg([A], **CALLS_BACK), "callback_to_last_caller"),
        (axg([A], max_members=33), "max_members"),
        (axg([f"+86138000011{place:02}" for place in range(32)]), None),
        (axg([f"+86138000011{place:02}" for place in range(33)]), "targets"),
        (axe(A), None),
        (axe(A, ""), "extension"),
        (axe(A, "80a"), "extension"),
        (axe(A, "٣"), "extension"),
        (axe(A, "1" * 17), "extension"),
        (axe(A, targets=targets(A)), "targets[0].number"),
        (axe(A, **CALLS_BACK), None),
        (axe(A, callback_number=B, targets=targets(B)), None),
        (ax(A, extension="8001"), "extension"),
        (ax(A, y_number=Y), "y_number"),
        (ax(A, max_members=1), "max_members"),
        (ax(A, hunt_strategy=HuntStrategy.ROUND_ROBIN), "hunt_strategy"),
        (axyb(), None),
        (axyb(y=""), "y_number"),
        (axyb(y=A), "y_number"),
        (axyb(y=X), "y_number"),
        (axyb(display_number=X2), "display_number"),
        (axb(y_number=Y), "y_number"),
        (axb(**CALLS_BACK), "callback_to_last_caller"),
        (axb(targets=targets(B)), "targets[0].number"),
        (axb(targets=targets(C, C)), "targets[1].number"),
        (axb(schedule=OPEN), None),
        (axb(schedule=replace(OPEN, time_zone="x")), "schedule.time_zone"),
    ],
)
def test_rules(terms: BindingTerms, wrong_field: str | None) -> None:
    if wrong_field is None:
        checked_terms(terms, tenant())
        return
    with pytest.raises(InvalidArgumentError) as error:
        checked_terms(terms, tenant())
    assert error.value.field == f"binding.{wrong_field}"
    assert "13800001111" not in error.value.message


def test_targets_taken_over_stay_when_the_region_has_changed() -> None:
    current = checked_terms(axg(["4008001234", "13800001111"]), tenant())
    changed = checked_terms(replace(current, max_members=1), tenant(default_region="DE"), current)

    assert changed == replace(current, max_members=1)


def test_shown_numbers_name_their_fields() -> None:
    group = axg([], targets=(BindingTarget(A, X), BindingTarget(B, X2), BindingTarget(C, Y)), display_number=Y)

    assert display_numbers(group) == {Y: "binding.display_number", X2: "binding.targets[1].display_number"}
    assert display_numbers(axyb()) == {Y: "binding.y_number"}
    assert display_numbers(axb()) == {}


def test_hours_are_told_apart_from_validity() -> None:
    reasons = {
        decide(E, ax(A, **terms)).reason
        for terms in ({"schedule": CLOSED}, {"schedule": HOLIDAY}, {"expires_at": NOW}, {"not_before": NOW + MINUTE})
    }

    assert len(reasons) == 4
