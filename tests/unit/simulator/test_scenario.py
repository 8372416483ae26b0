"""The scripts say what PROTOCOL.md "What a call looks like" says, for every seed."""

from random import Random

import pytest

from common.protocol_codes import CallResult, EventCode, MemberState, MemberType
from simulator.scenario import (
    BUSY_RESULTS,
    NO_ANSWER_RESULTS,
    PLATFORM_MAX_DURATION_SECONDS,
    UNREACHABLE_RESULTS,
    CallFacts,
    Scenario,
    ScriptedEvent,
    write_script,
)

SEEDS = range(300)


def facts(record_type: str = "0", max_duration_seconds: int = 0) -> CallFacts:
    return CallFacts("s1", "13800001111", "13900001111", record_type, max_duration_seconds)


def script(
    scenario: Scenario, seed: int = 1, call: CallFacts | None = None, *, variants: bool = False
) -> tuple[ScriptedEvent, ...]:
    return write_script(scenario, call or facts(), Random(seed), variants=variants)


def codes(events: tuple[ScriptedEvent, ...]) -> str:
    return " ".join(event.code.text for event in events)


TEXTBOOK = {
    Scenario.ANSWERED: {"15 16 31 40 22"},
    Scenario.CALLEE_HANGS_UP: {"15 16 31 40 32"},
    Scenario.MAX_DURATION: {"15 16 31 40 43 42"},
    Scenario.BUSY: {"15 30", "15 16 30"},
    Scenario.NO_ANSWER: {"15 16 30"},
    Scenario.UNREACHABLE: {"15 30"},
    Scenario.CALLER_GIVES_UP: {"15 22", "15 16 22"},
}


@pytest.mark.parametrize("scenario", list(Scenario))
def test_textbook_calls(scenario: Scenario) -> None:
    assert {codes(script(scenario, seed)) for seed in SEEDS} == TEXTBOOK[scenario]


def test_variants_of_an_answered_call_all_come_up_and_nothing_else_does() -> None:
    seen = {codes(script(Scenario.ANSWERED, seed, variants=True)) for seed in SEEDS}
    answers = ("31 40", "40 31")
    endings = ("22", "22 44", "44")
    allowed = {f"15 {ringing}{answer} {ending}" for ringing in ("16 ", "") for answer in answers for ending in endings}
    assert seen <= allowed
    for part in ("15 31", "40 31", "22 44", "40 44"):
        assert any(part in sequence for sequence in seen), part


def test_variants_keep_the_callee_s_hang_up() -> None:
    seen = {codes(script(Scenario.CALLEE_HANGS_UP, seed, variants=True)) for seed in SEEDS}
    assert any(sequence.endswith("32 44") for sequence in seen)
    assert not any("22" in sequence for sequence in seen)


@pytest.mark.parametrize(
    ("scenario", "results"),
    [
        (Scenario.BUSY, set(BUSY_RESULTS)),
        (Scenario.NO_ANSWER, set(NO_ANSWER_RESULTS)),
        (Scenario.UNREACHABLE, set(UNREACHABLE_RESULTS)),
        (Scenario.CALLER_GIVES_UP, {CallResult.NONE, CallResult.RINGING}),
    ],
)
def test_the_last_event_says_why_the_call_was_not_put_through(
    scenario: Scenario, results: set[CallResult | None]
) -> None:
    scripts = [script(scenario, seed) for seed in SEEDS]
    assert {events[-1].call_result for events in scripts} == results
    assert all(event.call_result is None for events in scripts for event in events[:-1])


def test_a_caller_who_gives_up_while_it_rings_says_so() -> None:
    for seed in SEEDS:
        events = script(Scenario.CALLER_GIVES_UP, seed, variants=True)
        rang = any(event.code is EventCode.RINGING for event in events)
        assert events[-1].call_result is (CallResult.RINGING if rang else CallResult.NONE)


def test_members_are_in_the_state_that_the_code_says() -> None:
    states = {
        "15": (MemberState.IN_CALL, MemberState.CALLING),
        "16": (MemberState.IN_CALL, MemberState.RINGING),
        "31": (MemberState.IN_CALL, MemberState.IN_CALL),
        "40": (MemberState.IN_CALL, MemberState.IN_CALL),
        "43": (MemberState.IN_CALL, MemberState.IN_CALL),
        "42": (MemberState.IDLE, MemberState.IDLE),
        "44": (MemberState.IDLE, MemberState.IDLE),
        "22": (MemberState.IDLE, MemberState.IDLE),
        "32": (MemberState.IDLE, MemberState.IDLE),
        "30": (MemberState.IN_CALL, MemberState.IDLE),
    }
    seen = set()
    for scenario in Scenario:
        for seed in SEEDS:
            for event in script(scenario, seed, variants=True):
                caller, callee = event.members
                assert (caller.state, callee.state) == states[event.code.text]
                assert (caller.line, caller.type, caller.number) == ("0", MemberType.CALLER, "13800001111")
                assert (callee.line, callee.type, callee.number) == ("1", MemberType.CALLED, "13900001111")
                seen.add(event.code.text)
    assert seen == set(states)


@pytest.mark.parametrize(("record_type", "recorded"), [("", False), ("0", False), ("1", True), ("2", True)])
def test_a_recording_comes_with_the_end_of_an_answered_call(record_type: str, recorded: bool) -> None:
    for scenario in (Scenario.ANSWERED, Scenario.CALLEE_HANGS_UP, Scenario.MAX_DURATION):
        events = script(scenario, call=facts(record_type))
        assert all(event.file_path is None for event in events[:-1])
        assert events[-1].file_path == ("/record/s1.wav" if recorded else None)
    for scenario in (Scenario.BUSY, Scenario.NO_ANSWER, Scenario.UNREACHABLE, Scenario.CALLER_GIVES_UP):
        assert all(event.file_path is None for event in script(scenario, call=facts(record_type)))


@pytest.mark.parametrize(
    ("limit", "talk", "warned"), [(0, PLATFORM_MAX_DURATION_SECONDS, 240), (600, 600, 540), (30, 30, 0)]
)
def test_the_time_is_up_when_the_answer_says(limit: int, talk: float, warned: float) -> None:
    events = {event.code: event.at_seconds for event in script(Scenario.MAX_DURATION, call=facts("0", limit))}
    # The script moves on by 20 ms after each of the two events that make the answer.
    start = events[EventCode.CONVERSATION_STARTED] + 0.02
    assert events[EventCode.TIME_UP] - start == pytest.approx(talk, abs=0.002)
    assert events[EventCode.LAST_MINUTE] - start == pytest.approx(warned, abs=0.002)


def test_events_are_in_order_of_time() -> None:
    for scenario in Scenario:
        for seed in SEEDS:
            times = [event.at_seconds for event in script(scenario, seed, variants=True)]
            assert times == sorted(times)


def test_the_same_seed_plays_the_same_call() -> None:
    for scenario in Scenario:
        assert script(scenario, 7, variants=True) == script(scenario, 7, variants=True)
    assert len({script(Scenario.ANSWERED, seed) for seed in range(20)}) == 20
