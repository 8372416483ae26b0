"""What a run plays follows from its settings; what happens on the way follows from its chances."""

from pathlib import Path
from random import Random

import pytest

from common.protocol_codes import EventCode
from simulator import wire_json, wire_xml
from simulator.delivery import deliver
from simulator.messages import Event
from simulator.plan import Dialing, Load, RunSettings, WireFormat, plan_call, read_dialings
from simulator.scenario import Scenario
from simulator.wire_json import JsonStyle
from simulator.wire_xml import XmlStyle

A, X = "13800001111", "02566000001"


def settings(**changes: object) -> RunSettings:
    given: dict[str, object] = {
        "url": "http://gateway/v1/calls",
        "tenant_id": "100001",
        "dialings": (Dialing(A, X, "13900001111"),),
        "seed": 5,
        "run_id": "run5",
        "load": Load(calls=100),
    }
    return RunSettings(**(given | changes))  # type: ignore[arg-type]


def test_the_same_seed_makes_the_same_plans() -> None:
    for index in range(50):
        first, second = (plan_call(settings(), index) for _ in range(2))
        assert (first.query, first.scenario, first.style) == (second.query, second.scenario, second.style)
        assert first.rng.random() == second.rng.random()
    other = plan_call(settings(seed=6), 3)
    assert other.query.call_id != plan_call(settings(), 3).query.call_id


def test_session_ids_name_the_run_and_never_repeat() -> None:
    session_ids = [plan_call(settings(), index).query.session_id for index in range(100)]
    assert len(set(session_ids)) == 100
    assert session_ids[7] == "run5-000007"


def test_every_scenario_is_played_in_every_format() -> None:
    rounds = 2 * len(Scenario)
    for scenarios in (tuple(Scenario), tuple(Scenario)[:4], (Scenario.BUSY,)):
        plans = [plan_call(settings(scenarios=scenarios), index) for index in range(rounds)]
        pairs = {(plan.scenario, isinstance(plan.style, XmlStyle)) for plan in plans}
        assert pairs == {(scenario, is_xml) for scenario in scenarios for is_xml in (True, False)}


def test_one_format_only() -> None:
    plans = [plan_call(settings(formats=(WireFormat.JSON,)), index) for index in range(20)]
    assert all(isinstance(plan.style, JsonStyle) for plan in plans)


def test_plain_calls_are_in_textbook_form() -> None:
    for index in range(50):
        plan = plan_call(settings(plain=True), index)
        assert plan.style in (XmlStyle(), JsonStyle())
        assert (plan.query.calling_number, plan.query.seq) == (A, "1")


def test_other_calls_vary_the_caller_s_writing_and_leave_seq_out_at_times() -> None:
    queries = [plan_call(settings(), index).query for index in range(200)]
    assert {query.calling_number for query in queries} == {A, "+86" + A, "0086" + A, "86" + A, "0" + A}
    assert {query.seq for query in queries} == {"1", None}
    assert {query.access_number for query in queries} == {X}
    landline = [plan_call(settings(dialings=(Dialing("02566000009", X),)), index) for index in range(50)]
    assert {plan.query.calling_number for plan in landline} == {"02566000009"}


def test_each_dialing_is_played_with_its_own_callee() -> None:
    dialings = (Dialing("13800001111", X, "13900001111"), Dialing("13800002222", X, None))
    plans = [plan_call(settings(dialings=dialings, plain=True), index) for index in range(60)]
    seen = {(plan.query.calling_number, plan.expectation.callee) for plan in plans}
    assert seen == {("13800001111", "13900001111"), ("13800002222", None)}


def test_dialings_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "numbers.csv"
    path.write_text(
        f"\ufeffCaller,access,callee\n{A}, {X} ,13900001111\n\n13800002222,{X}\n13800003333,{X},\n", "utf-8"
    )
    assert read_dialings(path) == (
        Dialing(A, X, "13900001111"),
        Dialing("13800002222", X, None),
        Dialing("13800003333", X, None),
    )


@pytest.mark.parametrize("content", ["13800001111\n", ",02566000001\n", "1,2,3,4\n", "", "caller,access\n"])
def test_files_that_are_no_dialings_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "numbers.csv"
    path.write_text(content, "utf-8")
    with pytest.raises(ValueError, match=r"numbers\.csv"):
        read_dialings(path)


def events(count: int) -> list[tuple[float, Event]]:
    return [
        (float(number), Event("s1", "100001", "c1", str(number), "", EventCode.RINGING, ())) for number in range(count)
    ]


def sequence(duplicates: float, reorder: float, seed: int, count: int = 6) -> list[str]:
    return [
        delivery.event.seq
        for delivery in deliver(events(count), duplicates, reorder, Random(seed))
        for _ in range(delivery.copies)
    ]


def test_without_faults_events_arrive_as_they_are() -> None:
    deliveries = deliver(events(6), 0, 0, Random(1))
    assert [(item.event.seq, item.at_seconds, item.copies) for item in deliveries] == [
        (str(number), float(number), 1) for number in range(6)
    ]


def test_with_certain_duplication_each_event_comes_exactly_twice() -> None:
    for seed in range(100):
        assert sorted(sequence(1, 0, seed)) == sorted([str(number) for number in range(6)] * 2)


def test_copies_come_at_once_or_later_never_before() -> None:
    at_once = later = 0
    for seed in range(100):
        seen: list[str] = []
        for delivery in deliver(events(6), 0.5, 0, Random(seed)):
            at_once += delivery.copies - 1
            later += delivery.event.seq in seen
            seen.append(delivery.event.seq)
        # First arrivals stay in order.
        assert list(dict.fromkeys(seen)) == [str(number) for number in range(6)]
    assert at_once > 50
    assert later > 50


def test_reordering_loses_nothing_and_keeps_the_times_in_order() -> None:
    changed = 0
    for seed in range(100):
        deliveries = deliver(events(6), 0, 0.5, Random(seed))
        assert sorted(item.event.seq for item in deliveries) == [str(number) for number in range(6)]
        assert [item.at_seconds for item in deliveries] == [float(number) for number in range(6)]
        changed += [item.event.seq for item in deliveries] != [str(number) for number in range(6)]
    assert changed > 80


def test_every_faulty_call_has_all_of_its_events() -> None:
    for seed in range(200):
        assert set(sequence(0.5, 0.5, seed)) == {str(number) for number in range(6)}


def test_plans_write_in_their_own_style() -> None:
    for index in range(10):
        plan = plan_call(settings(), index)
        written = plan.write(plan.query.fields())
        if isinstance(plan.style, XmlStyle):
            assert written == wire_xml.write(plan.query.fields(), (), plan.style)
        else:
            assert written == wire_json.write(plan.query.fields(), (), plan.style)
