"""A call's events and decisions, sorted out: what the record and its anomalies are read from.

Nothing here depends on the order in which events are given, only on what they say and when they were received.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from common.numbers import DEFAULT_REGION, normalize_number
from common.protocol_codes import EventCode, MemberState, MemberType, ResultCode
from event_service.domain import CallEvent, EventMember, LoggedDecision, effective_decision

# Longer text is no phone number; the record is searched by number, so the columns are bounded.
MAX_NUMBER_CHARACTERS = 64

# The callee was reached: an event that can't be without a conversation, or without the callee going off hook.
CONVERSATION_CODES = (
    EventCode.CALLEE_ANSWERED,
    EventCode.CONVERSATION_STARTED,
    EventCode.LAST_MINUTE,
    EventCode.CALLEE_HANGUP,
    EventCode.TIME_UP,
)
ATTEMPT_CODES = (EventCode.CALLING_CALLEE, EventCode.RINGING)
END_CODES = (EventCode.TIME_UP, EventCode.CALLER_HANGUP, EventCode.CALLEE_HANGUP, EventCode.PARTY_HANGUP)

_CODES = {code.text: code for code in EventCode}
# What comes first among events received in the same microsecond: the order in which a call has them.
_RANK = {text: rank for rank, text in enumerate(("15", "16", "31", "40", "43", "30", "42", "22", "32", "44"))}
_STATE_OF_CALLEE = {
    EventCode.CALLING_CALLEE: MemberState.CALLING.text,
    EventCode.RINGING: MemberState.RINGING.text,
    EventCode.CALLEE_UNREACHABLE: MemberState.IDLE.text,
    EventCode.CALLEE_ANSWERED: MemberState.IN_CALL.text,
    EventCode.CONVERSATION_STARTED: MemberState.IN_CALL.text,
}


@dataclass(frozen=True, slots=True)
class Step:
    """One event, read: its code (None: unknown to the protocol), when it came, and the callee that it names."""

    event: CallEvent
    code: EventCode | None
    at_us: int
    # In normal form; empty: the event names none.
    callee: str
    translated: str


class Timeline:
    """The distinct events and decisions of one call, by their hashes; at least one of either."""

    __slots__ = (
        "_by_code",
        "access_number",
        "answered_at_us",
        "calling_number",
        "codes",
        "decision",
        "decisions",
        "ends",
        "failures",
        "had_conversation",
        "is_refused",
        "routed_numbers",
        "started_at_us",
        "steps",
        "unreached_at_us",
    )

    def __init__(self, events: Mapping[bytes, CallEvent], decisions: Mapping[bytes, LoggedDecision]) -> None:
        ordered = sorted(
            events.items(), key=lambda item: (item[1].received_at_us, _RANK.get(item[1].code, len(_RANK)), item[0])
        )
        self.steps: Sequence[Step] = [_step(event) for _, event in ordered]
        self.decisions: Sequence[LoggedDecision] = [
            decision for _, decision in sorted(decisions.items(), key=lambda item: (item[1].received_at_us, item[0]))
        ]
        self._by_code: dict[EventCode, list[Step]] = {}
        for step in self.steps:
            if step.code is not None:
                self._by_code.setdefault(step.code, []).append(step)
        # The protocol's codes that came at all.
        self.codes = self._by_code.keys()
        # When the first of all messages was received.
        self.started_at_us = min([s.at_us for s in self.steps[:1]] + [d.received_at_us for d in self.decisions[:1]])
        # It depends on the decisions only, so that no event can make a finished call unfinished.
        self.decision = effective_decision(self.decisions)
        # Every known answer was a failure, and there was one.
        self.is_refused = self.decision is not None and self.decision.result != ResultCode.SUCCESS.text
        self.calling_number, self.access_number, self.routed_numbers = self._numbers()
        # The callee was reached.
        self.had_conversation = not self.codes.isdisjoint(CONVERSATION_CODES)
        # The events that say that the whole call is over.
        self.ends = self.of(*END_CODES)
        self.failures = self._failures()
        # When the last of the members failed; None while there is somebody left to try. How many there are is known
        # from the decision; without one, the first failure counts as the last.
        needed = max(1, len(self.routed_numbers))
        self.unreached_at_us = self.failures[needed - 1].at_us if len(self.failures) >= needed else None
        # The first sign that the callee went off hook.
        answers = self.of(EventCode.CALLEE_ANSWERED, EventCode.CONVERSATION_STARTED)
        self.answered_at_us = answers[0].at_us if answers else None

    def of(self, *codes: EventCode) -> Sequence[Step]:
        """The steps with one of these codes, in order."""
        if self.codes.isdisjoint(codes):
            return []
        if len(codes) == 1:
            return self._by_code[codes[0]]
        return [step for step in self.steps if step.code in codes]

    def first_at_us(self, code: EventCode) -> int | None:
        """When the first event with this code was received, None when there is none."""
        steps = self._by_code.get(code)
        return steps[0].at_us if steps else None

    @property
    def has_pending_attempt(self) -> bool:
        """Whether somebody was called and not yet reported as not reached."""
        attempts = self.of(*ATTEMPT_CODES)
        failed = {step.callee for step in self.failures if step.callee}
        unnamed_failures = sum(not step.callee for step in self.failures)
        if pending := {step.callee for step in attempts if step.callee} - failed:
            # An unnamed failure may well be the named attempt's.
            return len(pending) > unnamed_failures
        calls = sum(step.code is EventCode.CALLING_CALLEE and not step.callee for step in attempts)
        return calls > unnamed_failures

    def _numbers(self) -> tuple[str, str, tuple[str, ...]]:
        """A, X, and the numbers that the platform was told to call, each once and in order; in normal form, empty where
        not known. Events don't tell X."""
        decision = self.decision
        calling_number = access_number = ""
        routed: tuple[str, ...] = ()
        if decision is not None:
            region = decision.default_region
            calling_number = normal_number(decision.calling_number, region)
            access_number = normal_number(decision.access_number, region)
            if not self.is_refused:
                routed = tuple(dict.fromkeys(normal_number(number, region) for number in decision.called_numbers))
        if not calling_number:
            calling_number = next(filter(None, (_caller_of(step.event) for step in self.steps)), "")
        return calling_number, access_number, routed

    def _failures(self) -> list[Step]:
        """One step for each callee that could not be reached (code 30), in order. A failure that names nobody counts
        as one of its own."""
        failed: list[Step] = []
        seen = set()
        for step in self.of(EventCode.CALLEE_UNREACHABLE):
            if step.callee not in seen:
                failed.append(step)
            if step.callee:
                seen.add(step.callee)
        return failed


def normal_number(text: str, region: str) -> str:
    """The number in normal form; text that is no number stays as it is, bounded in length."""
    if not text:
        return ""
    if len(text) > MAX_NUMBER_CHARACTERS:
        return text[:MAX_NUMBER_CHARACTERS]
    try:
        return normalize_number(text, region or DEFAULT_REGION)
    except ValueError:
        return text.strip()


def _caller_of(event: CallEvent) -> str:
    """The caller's number that an event names, in normal form; empty: none."""
    for member in event.members:
        if member.number and _is_member(member, MemberType.CALLER, line="0"):
            return normal_number(member.number, event.default_region)
    return ""


def _step(event: CallEvent) -> Step:
    code = _CODES.get(event.code)
    member = _callee_of(event, code)
    if member is None:
        return Step(event, code, event.received_at_us, "", "")
    translated = normal_number(member.translated_number, event.default_region) if member.translated_number else ""
    return Step(event, code, event.received_at_us, normal_number(member.number, event.default_region), translated)


def _callee_of(event: CallEvent, code: EventCode | None) -> EventMember | None:
    """The callee that an event is about. Of several, the one whose state fits the code, or else the last."""
    callees = [m for m in event.members if m.number and _is_member(m, MemberType.CALLED, line="1")]
    if len(callees) > 1 and code in _STATE_OF_CALLEE:
        callees = [m for m in callees if m.state == _STATE_OF_CALLEE[code]] or callees
    return callees[-1] if callees else None


def _is_member(member: EventMember, wanted: MemberType, *, line: str) -> bool:
    """By its type; where that says nothing, by its line: the caller is on line 0, the callee on line 1."""
    known = member.type in (MemberType.CALLER.text, MemberType.CALLED.text)
    return member.type == wanted.text if known else member.line == line
