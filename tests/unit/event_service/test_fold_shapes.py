"""Every call that the protocol page lists, and the odd ones."""

import pytest

from event_service.domain import CallState, EventMember, HangupParty
from event_service.fold import fold_call
from tests.unit.event_service.builders import (
    A_NORMAL,
    B2,
    B2_NORMAL,
    B_NORMAL,
    SECOND,
    START_US,
    X_NORMAL,
    B,
    decision,
    event,
    folded,
    refusal,
)

S, P = CallState, HangupParty

SHAPES = [
    # codes, callResult of the last, state, who ended it, ring seconds, talk seconds, reason
    ("15 16 31 40 22", "", S.COMPLETED, P.CALLER, 1, 2, "caller hung up, call over"),
    ("15 16 31 40 22 44", "", S.COMPLETED, P.CALLER, 1, 2, "caller hung up, call over"),
    ("15 16 31 40 44", "", S.COMPLETED, P.EITHER, 1, 2, "one side hung up, call over"),
    ("15 16 31 40 32", "", S.COMPLETED, P.CALLEE, 1, 2, "callee hung up, call over"),
    ("15 16 31 40 44 32", "", S.COMPLETED, P.CALLEE, 1, 2, "callee hung up, call over"),
    ("15 16 40 31 22", "", S.COMPLETED, P.CALLER, 1, 2, "caller hung up, call over"),
    ("15 31 40 22", "", S.COMPLETED, P.CALLER, 1, 2, "caller hung up, call over"),
    ("15 16 31 40 43 42", "", S.COMPLETED, P.PLATFORM, 1, 3, "maximum duration reached, call over"),
    ("15 16 31 40 43 42 22 44", "", S.COMPLETED, P.PLATFORM, 1, 3, "maximum duration reached, call over"),
    ("15 30", "02", S.UNREACHED, P.PLATFORM, 1, 0, "busy"),
    ("15 16 30", "24", S.UNREACHED, P.PLATFORM, 1, 0, "rejected by the callee"),
    ("15 16 30", "102", S.UNREACHED, P.PLATFORM, 1, 0, "busy (by signalling)"),
    ("15 16 30", "04", S.UNREACHED, P.PLATFORM, 1, 0, "no answer"),
    ("15 30", "05", S.UNREACHED, P.PLATFORM, 1, 0, "switched off"),
    ("15 30", "999", S.UNREACHED, P.PLATFORM, 1, 0, "unknown (999)"),
    ("15 30", "00", S.UNREACHED, P.PLATFORM, 1, 0, "callee not reached"),
    ("15 30", "", S.UNREACHED, P.PLATFORM, 1, 0, "callee not reached"),
    ("15 22", "04", S.ABANDONED, P.CALLER, 1, 0, "no answer"),
    ("15 16 22", "180", S.ABANDONED, P.CALLER, 1, 0, "ringing"),
    ("15 16 44", "", S.ABANDONED, P.EITHER, 1, 0, "one side hung up, call over"),
    ("22", "", S.ABANDONED, P.CALLER, None, 0, "caller hung up, call over"),
    # A caller who hangs up hears that nobody could be reached first; a platform may clean up after one who gave up.
    ("15 16 30 22", "04", S.UNREACHED, P.PLATFORM, 1, 0, "callee not reached"),
    ("15 16 22 30", "", S.ABANDONED, P.CALLER, 1, 0, "caller hung up, call over"),
    # Not over yet.
    ("15", "", S.CALLING, P.UNSPECIFIED, None, None, ""),
    ("15 16", "", S.RINGING, P.UNSPECIFIED, None, None, ""),
    ("15 16 31", "", S.ANSWERED, P.UNSPECIFIED, 1, None, ""),
    ("15 16 40", "", S.ANSWERED, P.UNSPECIFIED, 1, None, ""),
    ("15 16 31 40 43", "", S.ANSWERED, P.UNSPECIFIED, 1, None, ""),
    ("77", "", S.UNKNOWN, P.UNSPECIFIED, None, None, ""),
]


@pytest.mark.parametrize(("codes", "call_result", "state", "party", "ring", "talk", "reason"), SHAPES)
def test_the_shape_of_a_call(
    codes: str, call_result: str, state: CallState, party: HangupParty, ring: int | None, talk: int | None, reason: str
) -> None:
    call = folded(*codes.split(), call_result=call_result)
    assert (call.state, call.hangup_party, call.ring_seconds, call.talk_seconds, call.end_reason) == (
        state,
        party,
        ring,
        talk,
        reason,
    )
    assert call.call_result == (call_result if state.is_finished and "30 22" not in codes else "")
    assert (call.end_reason_zh != "") == (reason != "")
    assert call.called_number == B_NORMAL


def test_a_record_holds_all_that_is_known() -> None:
    events = [
        event("15", 1.0, client_id="order-7"),
        event("16", 2.5, client_id="order-7"),
        event("31", 7.6, client_id="order-7"),
        event("40", 7.7, client_id="order-7", user_data="订单7"),
        event("22", 70.0, client_id="order-7", file_path="/rec/1.wav"),
    ]
    call = fold_call(events, [decision()])
    assert (call.tenant_id, call.session_id, call.call_id) == ("100001", "sid-1", "c-1")
    assert (call.calling_number, call.access_number, call.called_number) == (A_NORMAL, X_NORMAL, B_NORMAL)
    assert (call.direction, call.binding_id, call.binding_revision, call.query_result) == ("A_TO_B", "b-1", 3, "0000")
    times = (call.started_at_us, call.called_at_us, call.ringing_at_us, call.answered_at_us, call.ended_at_us)
    assert [None if t is None else t - START_US for t in times] == [0, 1_000_000, 2_500_000, 7_600_000, 70_000_000]
    # Rounded down: 5.1 s and 62.4 s.
    assert (call.ring_seconds, call.talk_seconds) == (5, 62)
    assert (call.client_id, call.charge_ext, call.user_data) == ("order-7", "8001", "订单7")
    assert call.recording_path == "/rec/1.wav"
    assert call.end_reason_zh == "主叫挂机通话结束"
    assert (call.anomalies, call.event_count) == ((), 5)
    assert len(call.trace_id) == 32


def test_a_query_alone_makes_a_record() -> None:
    call = folded()
    assert (call.state, call.event_count, call.started_at_us, call.ended_at_us) == (S.QUERIED, 0, START_US, None)
    assert (call.calling_number, call.access_number, call.called_number) == (A_NORMAL, X_NORMAL, B_NORMAL)
    assert call.talk_seconds is None
    assert call.anomalies == ()


def test_a_refused_query_is_a_finished_call() -> None:
    call = folded(decisions=(refusal("1004"),))
    assert (call.state, call.query_result, call.talk_seconds) == (S.REFUSED, "1004", 0)
    assert call.end_reason == "no relationship between caller and access number"
    assert call.end_reason_zh == "主叫与接入号无绑定关系"
    assert (call.called_number, call.binding_id, call.ended_at_us) == ("", "", START_US)


def test_a_refused_caller_who_hangs_up_was_still_refused() -> None:
    call = folded("22", decisions=(refusal(),))
    assert (call.state, call.hangup_party, call.ended_at_us) == (S.REFUSED, P.CALLER, START_US + SECOND)
    assert call.anomalies == ()


def test_events_alone_make_a_record_without_what_only_the_query_knows() -> None:
    call = folded("15", "16", "31", "40", "22", decisions=())
    assert (call.state, call.calling_number, call.called_number) == (S.COMPLETED, A_NORMAL, B_NORMAL)
    assert (call.access_number, call.binding_id, call.query_result) == ("", "", "")
    assert call.started_at_us == START_US + SECOND
    assert call.anomalies == ("missing:query",)


def test_a_resent_query_is_answered_for_good_by_the_last_success() -> None:
    answers = (
        refusal("9001", at=0.0),
        decision(B, at=1.0, binding_id="b-1"),
        decision(B2, at=2.0, binding_id="b-2"),
        refusal("9002", at=3.0),
    )
    call = fold_call([], answers)
    assert (call.state, call.binding_id, call.called_number) == (S.QUERIED, "b-2", B2_NORMAL)
    assert call.anomalies == ("conflict:query",)


class TestHunting:
    """Several members are called one after the other: 15 30 15 16 31 40 22."""

    EVENTS = (
        event("15", 1, B),
        event("30", 5, B, call_result="02"),
        event("15", 6, B2),
        event("16", 8, B2),
        event("31", 12, B2),
        event("40", 12.1, B2),
        event("22", 42, B2),
    )
    STATES = (S.CALLING, S.CALLING, S.CALLING, S.RINGING, S.ANSWERED, S.ANSWERED, S.COMPLETED)

    @pytest.mark.parametrize("length", range(1, 8))
    def test_with_the_query_known_it_is_right_all_along(self, length: int) -> None:
        call = fold_call(self.EVENTS[:length], [decision(B, B2)])
        assert call.state is self.STATES[length - 1]
        assert call.called_number == (B_NORMAL if length < 3 else B2_NORMAL)
        assert call.anomalies == ()

    def test_the_record_is_about_the_one_who_answered(self) -> None:
        call = fold_call(self.EVENTS, [decision(B, B2)])
        assert (call.called_at_us, call.ringing_at_us) == (START_US + SECOND, START_US + 8 * SECOND)
        assert (call.ring_seconds, call.talk_seconds, call.hangup_party) == (4, 30, P.CALLER)
        assert (call.call_result, call.end_reason) == ("", "caller hung up, call over")

    @pytest.mark.parametrize("length", [2, 3, 4, 5, 6, 7])
    def test_without_the_query_the_first_failure_counts_as_the_end_until_the_real_one(self, length: int) -> None:
        call = fold_call(self.EVENTS[:length])
        expected = S.UNREACHED if length < 5 else S.COMPLETED
        assert call.state is expected
        if length == 7:
            assert (call.called_number, call.talk_seconds, call.hangup_party) == (B2_NORMAL, 30, P.CALLER)
            assert call.anomalies == ("missing:query",)

    def test_nobody_could_be_reached(self) -> None:
        events = [*self.EVENTS[:4], event("30", 30, B2, call_result="04")]
        call = fold_call(events, [decision(B, B2)])
        assert (call.state, call.called_number, call.call_result) == (S.UNREACHED, B2_NORMAL, "04")
        assert (call.ended_at_us, call.ring_seconds) == (START_US + 30 * SECOND, 22)

    @pytest.mark.parametrize("decisions", [(), (decision(B, B2),)])
    def test_the_caller_gives_up_while_the_second_one_rings(self, decisions: tuple[object, ...]) -> None:
        events = [*self.EVENTS[:4], event("22", 10, B2, call_result="180")]
        call = fold_call(events, decisions)  # type: ignore[arg-type]
        assert (call.state, call.called_number, call.hangup_party) == (S.ABANDONED, B2_NORMAL, P.CALLER)

    def test_events_that_name_nobody(self) -> None:
        events = [event(e.code, (e.received_at_us - START_US) / SECOND, "") for e in self.EVENTS]
        for length, state in enumerate(self.STATES, 1):
            assert fold_call(events[:length], [decision(B, B2)]).state is state
        call = fold_call(events, [decision(B, B2)])
        # Which number it was follows from how many failed.
        assert (call.called_number, call.ring_seconds, call.talk_seconds) == (B2_NORMAL, 4, 30)
        assert call.anomalies == ()

    def test_called_at_once_the_other_ones_failure_ends_nothing(self) -> None:
        events = [
            event("15", 1, B),
            event("15", 1.1, B2),
            event("31", 5, B),
            event("30", 5.1, B2),
            event("40", 5.2, B),
        ]
        call = fold_call(events, [decision(B, B2)])
        assert (call.state, call.called_number, call.anomalies) == (S.ANSWERED, B_NORMAL, ())


def test_the_number_really_reached_is_kept() -> None:
    forwarded = (EventMember(line="1", number=B, type="1", state="1", translated_number="0" + B2),)
    call = fold_call([event("15", 1), event("31", 2, members=forwarded), event("40", 3)], [decision()])
    assert (call.called_number, call.translated_number) == (B_NORMAL, B2_NORMAL)


def test_a_member_without_a_type_is_known_by_its_line() -> None:
    untyped = (EventMember(line="0", number="13800001111"), EventMember(line="1", number=B))
    call = fold_call([event("15", 1, members=untyped)])
    assert (call.calling_number, call.called_number) == (A_NORMAL, B_NORMAL)


def test_of_several_callees_in_one_event_the_one_in_the_events_state_is_meant() -> None:
    both = (
        EventMember(line="1", number=B, type="1", state="2"),
        EventMember(line="2", number=B2, type="1", state="3"),
        EventMember(line="3", number="02566009999", type="1", state="0"),
    )
    assert fold_call([event("16", 1, members=both)]).called_number == B2_NORMAL
    assert fold_call([event("15", 1, members=both)]).called_number == B_NORMAL


def test_text_that_is_no_number_is_kept() -> None:
    call = fold_call([], [decision(calling_number="anonymous", access_number="x" * 100)])
    assert (call.calling_number, call.access_number) == ("anonymous", "x" * 64)


def test_numbers_are_read_in_the_tenants_region() -> None:
    call = fold_call([], [decision(calling_number="020 7946 0018", default_region="GB")])
    assert call.calling_number == "+442079460018"


class TestTimesThatDoNotFit:
    """Times are when messages came in, so that messages which overtook each other give impossible ones."""

    def test_an_end_before_the_answer_talks_for_no_time(self) -> None:
        call = fold_call([event("15", 1), event("22", 5), event("31", 6), event("40", 7)], [decision()])
        assert (call.state, call.talk_seconds) == (S.COMPLETED, 0)
        assert {"impossible:end_before_answer", "late:31", "late:40"} <= set(call.anomalies)

    def test_an_answer_reported_late_does_not_cost_talk_time(self) -> None:
        call = fold_call([event("15", 1), event("40", 5), event("31", 300), event("22", 65)], [decision()])
        assert (call.state, call.talk_seconds) == (S.COMPLETED, 60)
        assert call.anomalies == ("late:31",)

    def test_ringing_after_the_answer_rings_for_no_time(self) -> None:
        call = fold_call([event("15", 1), event("31", 2), event("40", 2.1), event("16", 3)], [decision()])
        assert call.ring_seconds == 0
        assert call.anomalies == ("impossible:answer_before_ringing",)


def test_a_conversation_whose_answer_is_missing_has_an_unknown_length() -> None:
    call = folded("15", "16", "32")
    assert (call.state, call.hangup_party) == (S.COMPLETED, P.CALLEE)
    assert (call.answered_at_us, call.talk_seconds, call.ring_seconds) == (None, None, None)
    assert call.anomalies == ("missing:31", "missing:40")


def test_unreachable_after_the_answer_is_impossible_and_ends_the_call() -> None:
    call = folded("15", "16", "31", "40", "30")
    assert (call.state, call.hangup_party, call.talk_seconds) == (S.COMPLETED, P.PLATFORM, 2)
    assert call.anomalies == ("impossible:unreachable_after_answer", "missing:end")
