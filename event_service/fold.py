"""From a call's events and decisions to its record: a pure function of a set.

Any order and any repetition of the same messages gives the same record: copies of a message are one message, received
when the first of them was. With the same decisions, one more event never makes a finished call unfinished.
"""

from collections.abc import Iterable, Mapping

from common.protocol_codes import CallResult, EventCode, ResultCode
from common.trace_ids import trace_id_for
from event_service.anomalies import find_anomalies
from event_service.domain import (
    Call,
    CallEvent,
    CallState,
    HangupParty,
    LoggedDecision,
    decision_hash,
    earlier_decision,
    earlier_event,
    event_hash,
)
from event_service.timeline import ATTEMPT_CODES, Step, Timeline

MICROSECONDS = 1_000_000

_PARTIES = {
    EventCode.CALLER_HANGUP: HangupParty.CALLER,
    EventCode.CALLEE_HANGUP: HangupParty.CALLEE,
    EventCode.TIME_UP: HangupParty.PLATFORM,
    EventCode.CALLEE_UNREACHABLE: HangupParty.PLATFORM,
    EventCode.PARTY_HANGUP: HangupParty.EITHER,
}


def fold_call(events: Iterable[CallEvent], decisions: Iterable[LoggedDecision] = ()) -> Call:
    """The record of a call from all that is known of it: messages of one call, at least one, in any order."""
    distinct_events: dict[bytes, CallEvent] = {}
    for event in events:
        name = event_hash(event)
        distinct_events[name] = earlier_event(distinct_events.get(name, event), event)
    distinct_decisions: dict[bytes, LoggedDecision] = {}
    for decision in decisions:
        name = decision_hash(decision)
        distinct_decisions[name] = earlier_decision(distinct_decisions.get(name, decision), decision)
    return fold_distinct(distinct_events, distinct_decisions)


def fold_distinct(
    events: Mapping[bytes, CallEvent],
    decisions: Mapping[bytes, LoggedDecision],
    *,
    unfolded_events: int = 0,
    closed_at_us: int | None = None,
) -> Call:
    """As `fold_call`, of messages that are already told apart by their hashes.

    `unfolded_events` is how many more events the log has of the call than the fold looks at. `closed_at_us`: the call
    was given up then, so that without an end it is UNTERMINATED; an end that comes after all counts as ever.
    """
    timeline = Timeline(events, decisions)
    first = next(iter(events.values()), None) or next(iter(decisions.values()))
    state = _state(timeline)
    if closed_at_us is not None and not state.is_finished:
        state = CallState.UNTERMINATED
    end = _deciding_step(timeline, state)
    called_number = _called_number(timeline)
    called_at_us = timeline.first_at_us(EventCode.CALLING_CALLEE)
    ringing_at_us = _ringing_at(timeline, called_number)
    ended_at_us = _ended_at(timeline, state)
    decision = timeline.decision
    events_in_order = [step.event for step in timeline.steps]
    reason, reason_zh = _end_reason(timeline, state, end)
    talk_seconds = _talk_seconds(timeline, state, ended_at_us)
    return Call(
        tenant_id=first.tenant_id,
        session_id=first.session_id,
        call_id=next((e.call_id for e in events_in_order if e.call_id), decision.call_id if decision else ""),
        state=state,
        calling_number=timeline.calling_number,
        access_number=timeline.access_number,
        called_number=called_number,
        translated_number=_translated_number(timeline, called_number),
        direction=decision.direction if decision else "",
        binding_id=decision.binding_id if decision else "",
        binding_revision=decision.binding_revision if decision else 0,
        query_result=decision.result if decision else "",
        started_at_us=timeline.started_at_us,
        called_at_us=called_at_us,
        ringing_at_us=ringing_at_us,
        answered_at_us=timeline.answered_at_us,
        ended_at_us=ended_at_us,
        ring_seconds=_ring_seconds(timeline, called_number, ringing_at_us, ended_at_us),
        talk_seconds=talk_seconds,
        hangup_party=_PARTIES[end.code] if end is not None and end.code is not None else HangupParty.UNSPECIFIED,
        call_result=_call_result(timeline, end),
        end_reason=reason,
        end_reason_zh=reason_zh,
        recording_path=next((e.file_path for e in reversed(events_in_order) if e.file_path), ""),
        client_id=next((e.client_id for e in events_in_order if e.client_id), ""),
        charge_ext=next((e.charge_ext for e in events_in_order if e.charge_ext), ""),
        user_data=next((e.user_data for e in events_in_order if e.user_data), ""),
        anomalies=find_anomalies(
            timeline,
            is_finished=state.is_finished,
            called_at_us=called_at_us,
            ringing_at_us=ringing_at_us,
            ended_at_us=ended_at_us,
            has_unfolded_events=unfolded_events > 0,
            is_unterminated=state is CallState.UNTERMINATED,
            talk_seconds=talk_seconds,
            closed_at_us=closed_at_us,
        ),
        event_count=len(timeline.steps) + unfolded_events,
        trace_id=trace_id_for(first.tenant_id, first.session_id),
        max_duration_seconds=decision.max_duration_seconds if decision else 0,
        closed_at_us=closed_at_us,
    )


def _state(timeline: Timeline) -> CallState:
    is_over = bool(timeline.ends) or timeline.unreached_at_us is not None
    if is_over and timeline.had_conversation:
        return CallState.COMPLETED
    if timeline.is_refused:
        return CallState.REFUSED
    if is_over:
        return CallState.UNREACHED if _ended_unreached(timeline) else CallState.ABANDONED
    if timeline.had_conversation:
        return CallState.ANSWERED
    return _unanswered_state(timeline)


def _ended_unreached(timeline: Timeline) -> bool:
    """Whether a call without a conversation was over because nobody could be reached, before anybody hung up."""
    if timeline.unreached_at_us is None:
        return False
    if not timeline.ends:
        return True
    # Without a decision it is not known how many there were to try; somebody may still have been ringing.
    if not timeline.routed_numbers and timeline.has_pending_attempt:
        return False
    return timeline.unreached_at_us <= timeline.ends[0].at_us


def _unanswered_state(timeline: Timeline) -> CallState:
    rings = timeline.of(EventCode.RINGING)
    if rings:
        failed = {step.callee for step in timeline.failures if step.callee}
        last_failure_us = timeline.failures[-1].at_us if timeline.failures else -1
        # A ring that names its callee ends with that callee's failure, one that does not with the next failure.
        if any(s.callee not in failed if s.callee else s.at_us > last_failure_us for s in rings):
            return CallState.RINGING
    if timeline.codes:
        return CallState.CALLING
    return CallState.UNKNOWN if timeline.steps else CallState.QUERIED


def _deciding_step(timeline: Timeline, state: CallState) -> Step | None:
    """The event that says how the call ended; None while there is none."""
    if not state.is_finished or state is CallState.UNTERMINATED:
        return None
    failures = timeline.of(EventCode.CALLEE_UNREACHABLE)
    if state is CallState.UNREACHED:
        return failures[-1]
    # The end of the time comes before any hanging up that follows from it; 44 does not say who it was.
    for codes in (
        (EventCode.TIME_UP,),
        (EventCode.CALLER_HANGUP, EventCode.CALLEE_HANGUP),
        (EventCode.PARTY_HANGUP,),
    ):
        if steps := timeline.of(*codes):
            return steps[0]
    return failures[-1] if failures and state is CallState.COMPLETED else None


def _ended_at(timeline: Timeline, state: CallState) -> int | None:
    if not state.is_finished or state is CallState.UNTERMINATED:
        return None
    if timeline.ends and state is not CallState.UNREACHED:
        return timeline.ends[0].at_us
    if state is CallState.REFUSED:
        return timeline.decision.received_at_us if timeline.decision else None
    return timeline.unreached_at_us


def _call_result(timeline: Timeline, end: Step | None) -> str:
    if end is None:
        return ""
    others = timeline.ends if end in timeline.ends else []
    return _first_text(end.event.call_result, *(step.event.call_result for step in others))


def _end_reason(timeline: Timeline, state: CallState, end: Step | None) -> tuple[str, str]:
    """Why the call ended, in English and Chinese. A callResult says why a call was not put through, so it explains
    nothing after a conversation."""
    if state is CallState.REFUSED and timeline.decision is not None:
        result = ResultCode.lookup(timeline.decision.result)
        if result is not None:
            return result.english, result.chinese
        return f"unknown ({timeline.decision.result})", f"未知（{timeline.decision.result}）"
    if state is CallState.UNTERMINATED:
        return "no end was reported", "未收到通话结束事件"
    if end is None or end.code is None:
        return "", ""
    call_result = _call_result(timeline, end)
    if state is CallState.COMPLETED or call_result in ("", CallResult.NONE.text):
        return end.code.english, end.code.chinese
    known = CallResult.lookup(call_result)
    if known is not None:
        return known.english, known.chinese
    return f"unknown ({call_result})", f"未知（{call_result}）"


def _called_number(timeline: Timeline) -> str:
    """B: the one reached, or else the last one tried, or else the one that the platform was told to try."""
    attempts = [s.callee for s in timeline.of(*ATTEMPT_CODES)]
    if timeline.had_conversation:
        failed = {step.callee for step in timeline.failures}
        answers = timeline.of(EventCode.CALLEE_ANSWERED, EventCode.CONVERSATION_STARTED, EventCode.LAST_MINUTE)
        reached = _first_text(
            *(s.callee for s in reversed(answers)),
            *(s.callee for s in timeline.ends),
            *(callee for callee in reversed(attempts) if callee not in failed),
        )
        if reached:
            return reached
    tried = _first_text(
        *reversed(attempts), *(s.callee for s in reversed(timeline.failures)), *(s.callee for s in timeline.ends)
    )
    if tried or not timeline.routed_numbers:
        return tried
    return timeline.routed_numbers[min(len(timeline.failures), len(timeline.routed_numbers) - 1)]


def _translated_number(timeline: Timeline, called_number: str) -> str:
    translated = (s.translated for s in reversed(timeline.steps) if s.callee == called_number)
    return _first_text(*(number for number in translated if number != called_number))


def _ringing_at(timeline: Timeline, called_number: str) -> int | None:
    """When B's phone rang: by the rings that name B, or else by those that name nobody. Of the latter, rings before
    the last failure that precedes the answer were somebody else's."""
    rings = timeline.of(EventCode.RINGING)
    if named := [step.at_us for step in rings if step.callee and step.callee == called_number]:
        return named[0]
    unnamed = [step.at_us for step in rings if not step.callee]
    answered_at_us = timeline.answered_at_us
    if answered_at_us is not None:
        failed_us = max((s.at_us for s in timeline.failures if s.at_us < answered_at_us), default=-1)
        unnamed = [at_us for at_us in unnamed if at_us > failed_us] or unnamed
    return unnamed[0] if unnamed else None


def _ring_seconds(
    timeline: Timeline, called_number: str, ringing_at_us: int | None, ended_at_us: int | None
) -> int | None:
    calls = timeline.of(EventCode.CALLING_CALLEE)
    own_calls = [step.at_us for step in calls if step.callee == called_number] or [step.at_us for step in calls]
    begin_us = ringing_at_us if ringing_at_us is not None else min(own_calls, default=None)
    end_us = timeline.answered_at_us
    if end_us is None and not timeline.had_conversation:
        end_us = ended_at_us
    return None if begin_us is None or end_us is None else _whole_seconds(begin_us, end_us)


def _talk_seconds(timeline: Timeline, state: CallState, ended_at_us: int | None) -> int | None:
    if not state.is_finished or ended_at_us is None:
        return None
    if state is not CallState.COMPLETED:
        return 0
    answered_at_us = timeline.answered_at_us
    return None if answered_at_us is None else _whole_seconds(answered_at_us, ended_at_us)


def _whole_seconds(begin_us: int, end_us: int) -> int:
    # Messages that overtook each other would give a negative time; the anomalies tell of them.
    return max(0, end_us - begin_us) // MICROSECONDS


def _first_text(*texts: str) -> str:
    return next((text for text in texts if text), "")
