"""What is not as it should be in a call: missing, doubled, late or impossible. Pure, like the fold it belongs to.

Each anomaly is `kind:detail`:
- `missing:15`, `missing:31`, `missing:40`: a later event shows that this one must have been; `missing:end`: the call
  must be over, and nothing says that it is; `missing:query`: the answer to the call's query is not known
- `doubled:CODE`: an event that a call has once came under several keys
- `conflict:CODE`: events with one key say different things; `conflict:query`: so do the answers to the query
- `late:CODE`: an event was received after the end of the call, or after the call was given up
- `impossible:…`: times or facts that contradict each other; `impossible:talk_over_maximum`: a longer talk than the
  platform was told to allow, so that its end was most likely reported late; `impossible:too_many_events`: the record
  follows from the first of them only; `impossible:not_folded`: the record could not be made, which is a bug, and is not
  up to date
- `unknown_code:CODE`: a code that the protocol does not name
- `form:…`: what the gateway remarked on a message's form
"""

from collections import Counter

from common.masking import mask_text
from common.protocol_codes import EventCode
from event_service.timeline import Step, Timeline

MAX_ANOMALIES = 64
MAX_ANOMALY_CHARACTERS = 100
# Between the moment at which a platform ends a talk and the one at which its message about it is here.
TALK_TOLERANCE_SECONDS = 60
NOT_FOLDED = "impossible:not_folded"

# A call has these once, whoever is tried.
_ONCE = frozenset(
    {
        EventCode.CALLER_HANGUP,
        EventCode.CALLEE_HANGUP,
        EventCode.CONVERSATION_STARTED,
        EventCode.TIME_UP,
        EventCode.LAST_MINUTE,
        EventCode.PARTY_HANGUP,
    }
)
_AFTER_CALLING = frozenset(EventCode) - {EventCode.CALLING_CALLEE, EventCode.CALLER_HANGUP, EventCode.PARTY_HANGUP}
# Once one of these is there, both signs of the answer must have been.
_AFTER_ANSWER = frozenset({EventCode.LAST_MINUTE, EventCode.CALLEE_HANGUP, EventCode.TIME_UP})
_BEFORE_END = frozenset(
    {
        EventCode.CALLING_CALLEE,
        EventCode.RINGING,
        EventCode.CALLEE_UNREACHABLE,
        EventCode.CALLEE_ANSWERED,
        EventCode.CONVERSATION_STARTED,
        EventCode.LAST_MINUTE,
    }
)


def find_anomalies(
    timeline: Timeline,
    *,
    is_finished: bool,
    called_at_us: int | None,
    ringing_at_us: int | None,
    ended_at_us: int | None,
    has_unfolded_events: bool,
    is_unterminated: bool,
    talk_seconds: int | None,
    closed_at_us: int | None,
) -> tuple[str, ...]:
    """The anomalies of a call, sorted, each once, bounded in number and length. The times are those of its record."""
    found = {
        *_missing(timeline, is_finished),
        *_contradictions(timeline),
        *_impossible_times(timeline, called_at_us, ringing_at_us, ended_at_us),
    }
    if len(timeline.decisions) > 1:
        found.add("conflict:query")
    # Of most calls every event has a code of its own: nothing to compare.
    if len({step.event.code for step in timeline.steps}) < len(timeline.steps):
        found |= _doubled(timeline) | _conflicts(timeline)
    for step in timeline.steps:
        if step.code is None:
            found.add(f"unknown_code:{mask_text(step.event.code)}")
        found.update(f"form:{mask_text(flag)}" for flag in step.event.form_flags)
        if ended_at_us is not None and step.at_us > ended_at_us and step.code in _BEFORE_END:
            found.add(f"late:{step.event.code}")
        if closed_at_us is not None and step.at_us > closed_at_us:
            found.add(f"late:{mask_text(step.event.code)}")
    longest = timeline.decision.max_duration_seconds if timeline.decision is not None else 0
    if longest and talk_seconds is not None and talk_seconds > longest + TALK_TOLERANCE_SECONDS:
        found.add("impossible:talk_over_maximum")
    if has_unfolded_events:
        found.add("impossible:too_many_events")
    if is_unterminated:
        found.add("missing:end")
    return tuple(sorted({anomaly[:MAX_ANOMALY_CHARACTERS] for anomaly in found})[:MAX_ANOMALIES])


def _missing(timeline: Timeline, is_finished: bool) -> set[str]:
    found = set()
    codes = timeline.codes
    if timeline.steps and timeline.decision is None:
        found.add("missing:query")
    if not codes.isdisjoint(_AFTER_CALLING) and EventCode.CALLING_CALLEE not in codes:
        found.add("missing:15")
    if timeline.had_conversation:
        # 31 and 40 come in either order, so while the call goes on the other one may be on its way.
        if is_finished or not codes.isdisjoint(_AFTER_ANSWER):
            for code in (EventCode.CALLEE_ANSWERED, EventCode.CONVERSATION_STARTED):
                if code not in codes:
                    found.add(f"missing:{code.text}")
        if is_finished and not timeline.ends:
            found.add("missing:end")
    return found


def _doubled(timeline: Timeline) -> set[str]:
    # The members of a hunt who are not named look all the same.
    is_hunt = len(timeline.routed_numbers) > 1
    keys: dict[tuple[str, object], set[tuple[str, str, str]]] = {}
    for step in timeline.steps:
        if step.code is None or (is_hunt and not step.callee and step.code not in _ONCE):
            continue
        event = step.event
        said = None
        if step.code not in _ONCE:
            said = (event.call_result, event.reason, event.members, event.media_server, event.file_path)
        keys.setdefault((step.code.text, said), set()).add(event.key)
    return {f"doubled:{code}" for (code, _), seen in keys.items() if len(seen) > 1}


def _conflicts(timeline: Timeline) -> set[str]:
    copies = Counter(step.event.key for step in timeline.steps)
    return {f"conflict:{mask_text(code)}" for (_, _, code), count in copies.items() if count > 1}


def _contradictions(timeline: Timeline) -> set[str]:
    found = set()
    answers = timeline.of(EventCode.CALLEE_ANSWERED, EventCode.CONVERSATION_STARTED)
    if len(answers) > 1 and len({step.callee for step in answers if step.callee}) > 1:
        found.add("impossible:two_callees_answered")
    if any(_contradicts(answer, failure, timeline) for answer in answers for failure in timeline.failures):
        found.add("impossible:unreachable_after_answer")
    if timeline.is_refused and (EventCode.CALLING_CALLEE in timeline.codes or timeline.had_conversation):
        found.add("impossible:called_after_refusal")
    return found


def _contradicts(answer: Step, failure: Step, timeline: Timeline) -> bool:
    """Whether the callee who answered is reported as not reached afterwards. Several members may be called at once:
    another one's failure is no contradiction."""
    if failure.at_us <= answer.at_us:
        return False
    if answer.callee and failure.callee:
        return answer.callee == failure.callee
    return len(timeline.routed_numbers) < 2


def _impossible_times(
    timeline: Timeline, called_at_us: int | None, ringing_at_us: int | None, ended_at_us: int | None
) -> set[str]:
    answered_at_us = timeline.answered_at_us
    queried_at_us = timeline.decisions[0].received_at_us if timeline.decisions else None
    first_event_us = timeline.steps[0].at_us if timeline.steps else None
    pairs = (
        ("event_before_query", queried_at_us, first_event_us),
        ("ringing_before_calling", called_at_us, ringing_at_us),
        ("answer_before_calling", called_at_us, answered_at_us),
        ("answer_before_ringing", ringing_at_us, answered_at_us),
        ("end_before_answer", answered_at_us, ended_at_us),
    )
    return {
        f"impossible:{name}"
        for name, earlier_us, later_us in pairs
        if earlier_us is not None and later_us is not None and later_us < earlier_us
    }
