"""What holds of every call, however its messages come in."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from event_service.domain import CallEvent, CallState, LoggedDecision, event_hash
from event_service.fold import fold_call
from tests.unit.event_service.builders import decision
from tests.unit.event_service.strategies import call_decisions, call_events, copies_of, decision_copies_of


@given(st.data(), call_events(), call_decisions)
def test_any_order_with_repetitions_gives_the_same_record(
    data: st.DataObject, events: list[CallEvent], decisions: list[LoggedDecision]
) -> None:
    # The copies of one message are the same set of messages in every order; of the set itself the record is a function.
    all_events = [copy for event in events for copy in data.draw(copies_of(event))]
    all_decisions = [copy for answer in decisions for copy in data.draw(decision_copies_of(answer))]
    expected = fold_call(all_events, all_decisions)
    again = fold_call(
        data.draw(st.permutations(all_events + data.draw(st.lists(st.sampled_from(all_events))))),
        data.draw(st.permutations(all_decisions)),
    )
    assert again == expected


@given(st.data(), call_events(), call_decisions)
def test_later_copies_change_nothing(
    data: st.DataObject, events: list[CallEvent], decisions: list[LoggedDecision]
) -> None:
    late = [
        replace(event, received_at_us=event.received_at_us + delay, form_flags=("number:seq",), raw_body=b"other form")
        for event in events
        for delay in data.draw(st.lists(st.integers(1, 10**10), max_size=2))
    ]
    resent = [replace(answer, received_at_us=answer.received_at_us + 5_000_000) for answer in decisions]
    assert fold_call([*late, *events], [*resent, *decisions]) == fold_call(events, decisions)


@given(call_events(), call_decisions)
def test_a_finished_call_never_becomes_unfinished(events: list[CallEvent], decisions: list[LoggedDecision]) -> None:
    finished = False
    completed = False
    for length in range(0 if decisions else 1, len(events) + 1):
        call = fold_call(events[:length], decisions)
        assert call.state.is_finished or not finished
        # Nor does a conversation that took place go away.
        assert call.state is CallState.COMPLETED or not completed
        finished, completed = call.state.is_finished, call.state is CallState.COMPLETED


@given(call_events(), call_decisions)
def test_a_record_is_consistent_in_itself(events: list[CallEvent], decisions: list[LoggedDecision]) -> None:
    call = fold_call(events, decisions)
    assert (call.ended_at_us is not None) == call.state.is_finished
    assert call.event_count == len({event_hash(event) for event in events})
    assert call.started_at_us == min(m.received_at_us for m in [*events, *decisions])
    for seconds in (call.ring_seconds, call.talk_seconds):
        assert seconds is None or seconds >= 0
    if call.talk_seconds:
        assert call.state is CallState.COMPLETED
    if not call.state.is_finished:
        assert (call.talk_seconds, call.end_reason, call.call_result) == (None, "", "")
    assert (call.end_reason == "") == (call.end_reason_zh == "")
    assert list(call.anomalies) == sorted(set(call.anomalies))


@given(call_events())
def test_the_callers_and_callees_normal_form_does_not_depend_on_how_it_was_written(events: list[CallEvent]) -> None:
    def rewritten(event: CallEvent) -> CallEvent:
        return replace(event, members=tuple(replace(member, number=f"0086{member.number}") for member in event.members))

    # Which of two events of the same microsecond comes first is decided by their text.
    events = [replace(event, received_at_us=event.received_at_us + place) for place, event in enumerate(events)]
    call, other = fold_call(events, [decision()]), fold_call(map(rewritten, events), [decision()])
    assert (call.calling_number, call.called_number) == (other.calling_number, other.called_number)
