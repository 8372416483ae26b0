"""What happens in a call, as the events that a platform sends of it (PROTOCOL: "What a call looks like").

A script is a pure function of the scenario, the call's facts and a seeded random generator: the same seed plays the
same calls. Real platforms vary, so a script does too: ringing (16) may be missing, off hook (31) and the start of the
conversation (40) may come in either order, and a hang-up (22, 32) may be followed or replaced by 44.
"""

from dataclasses import dataclass
from enum import Enum
from random import Random

from common.protocol_codes import CallResult, EventCode, MemberState, MemberType, RecordType
from simulator.messages import EventMember

# Without a limit from the answer, the simulated platform cuts a call off after this long.
PLATFORM_MAX_DURATION_SECONDS = 300
LAST_MINUTE_SECONDS = 60

MISSING_RINGING_CHANCE = 0.1
SWAPPED_ANSWER_CHANCE = 0.15
PARTY_HANGUP_AFTER_CHANCE = 0.15
PARTY_HANGUP_INSTEAD_CHANCE = 0.1


class Scenario(Enum):
    """How a call goes; the value is its name on the command line."""

    ANSWERED = "answered"
    CALLEE_HANGS_UP = "callee-hangs-up"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    UNREACHABLE = "unreachable"
    CALLER_GIVES_UP = "caller-gives-up"
    MAX_DURATION = "max-duration"


BUSY_RESULTS = (CallResult.BUSY, CallResult.SIGNAL_BUSY, CallResult.CALLEE_IN_CALL, CallResult.REJECTED)
NO_ANSWER_RESULTS = (CallResult.NO_ANSWER, CallResult.SIGNAL_NO_ANSWER)
UNREACHABLE_RESULTS = (
    CallResult.OUT_OF_AREA,
    CallResult.POWERED_OFF,
    CallResult.VACANT_NUMBER,
    CallResult.SUSPENDED,
    CallResult.NUMBER_EXPIRED,
    CallResult.MISSING_ZERO,
    CallResult.CALLEE_RESTRICTED,
    CallResult.SIGNAL_OUT_OF_AREA,
    CallResult.LINE_BUSY,
    CallResult.LINE_FAULT,
    CallResult.SIGNAL_VACANT_NUMBER,
)


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What a script depends on, most of it from the answer to the query."""

    session_id: str
    caller: str
    callee: str
    record_type: str
    max_duration_seconds: int
    """0: the platform's own maximum."""


@dataclass(frozen=True, slots=True)
class ScriptedEvent:
    """One step of a call, `at_seconds` after the query was answered."""

    at_seconds: float
    code: EventCode
    members: tuple[EventMember, ...]
    call_result: CallResult | None = None
    file_path: str | None = None


def write_script(
    scenario: Scenario, facts: CallFacts, rng: Random, *, variants: bool = True
) -> tuple[ScriptedEvent, ...]:
    """The call's events in the order in which the platform sends them. Without `variants`, in the textbook's order."""
    script = _Script(facts, rng, variants)
    script.calling()
    if scenario in (Scenario.ANSWERED, Scenario.CALLEE_HANGS_UP, Scenario.MAX_DURATION):
        script.ringing()
        script.answer()
    if scenario is Scenario.ANSWERED:
        script.hang_up(EventCode.CALLER_HANGUP)
    elif scenario is Scenario.CALLEE_HANGS_UP:
        script.hang_up(EventCode.CALLEE_HANGUP)
    elif scenario is Scenario.MAX_DURATION:
        script.run_out_of_time()
    elif scenario is Scenario.BUSY:
        if rng.random() < 0.5:
            script.ringing()
        script.not_reached(rng.choice(BUSY_RESULTS), rng.uniform(0.5, 4))
    elif scenario is Scenario.NO_ANSWER:
        script.ringing()
        script.not_reached(rng.choice(NO_ANSWER_RESULTS), rng.uniform(30, 60))
    elif scenario is Scenario.UNREACHABLE:
        script.not_reached(rng.choice(UNREACHABLE_RESULTS), rng.uniform(0.5, 3))
    else:
        script.give_up()
    return tuple(script.events)


class _Script:
    """A script while it is written."""

    def __init__(self, facts: CallFacts, rng: Random, variants: bool) -> None:
        self.events: list[ScriptedEvent] = []
        self._facts = facts
        self._rng = rng
        self._variants = variants
        self._now = 0.0
        self._rang = False
        self._answered = False

    def calling(self) -> None:
        self._now += self._rng.uniform(0.05, 0.3)
        self._add(EventCode.CALLING_CALLEE, MemberState.IN_CALL, MemberState.CALLING)

    def ringing(self) -> None:
        self._now += self._rng.uniform(1, 4)
        if self._happens(MISSING_RINGING_CHANCE):
            return
        self._rang = True
        self._add(EventCode.RINGING, MemberState.IN_CALL, MemberState.RINGING)

    def answer(self) -> None:
        self._now += self._rng.uniform(2, 15)
        self._answered = True
        codes = [EventCode.CALLEE_ANSWERED, EventCode.CONVERSATION_STARTED]
        if self._happens(SWAPPED_ANSWER_CHANCE):
            codes.reverse()
        for code in codes:
            self._add(code, MemberState.IN_CALL, MemberState.IN_CALL)
            self._now += 0.02

    def hang_up(self, code: EventCode) -> None:
        self._now += self._rng.uniform(3, 240)
        codes = [code]
        if self._happens(PARTY_HANGUP_INSTEAD_CHANCE):
            codes = [EventCode.PARTY_HANGUP]
        elif self._happens(PARTY_HANGUP_AFTER_CHANCE):
            codes.append(EventCode.PARTY_HANGUP)
        for ending in codes:
            self._add(ending, MemberState.IDLE, MemberState.IDLE, ends=True)
            self._now += 0.05

    def run_out_of_time(self) -> None:
        limit = self._facts.max_duration_seconds or PLATFORM_MAX_DURATION_SECONDS
        start = self._now
        self._now = start + max(limit - LAST_MINUTE_SECONDS, 0)
        self._add(EventCode.LAST_MINUTE, MemberState.IN_CALL, MemberState.IN_CALL)
        self._now = start + limit
        self._add(EventCode.TIME_UP, MemberState.IDLE, MemberState.IDLE, ends=True)

    def not_reached(self, result: CallResult, after_seconds: float) -> None:
        self._now += after_seconds
        self._add(EventCode.CALLEE_UNREACHABLE, MemberState.IN_CALL, MemberState.IDLE, call_result=result)

    def give_up(self) -> None:
        if self._rng.random() < 0.7:
            self.ringing()
        self._now += self._rng.uniform(1, 20)
        # 180 says that the phone was still ringing.
        result = CallResult.RINGING if self._rang else CallResult.NONE
        self._add(EventCode.CALLER_HANGUP, MemberState.IDLE, MemberState.IDLE, call_result=result)

    def _happens(self, chance: float) -> bool:
        # The generator is asked either way, so that the rest of the script is the same without variants.
        drawn = self._rng.random()
        return self._variants and drawn < chance

    def _add(
        self,
        code: EventCode,
        caller_state: MemberState,
        callee_state: MemberState,
        *,
        call_result: CallResult | None = None,
        ends: bool = False,
    ) -> None:
        facts = self._facts
        recorded = (
            ends and self._answered and facts.record_type in (RecordType.AT_ONCE.text, RecordType.AFTER_ANSWER.text)
        )
        self.events.append(
            ScriptedEvent(
                at_seconds=round(self._now, 3),
                code=code,
                members=(
                    EventMember("0", facts.caller, MemberType.CALLER, caller_state),
                    EventMember("1", facts.callee, MemberType.CALLED, callee_state),
                ),
                call_result=call_result,
                file_path=f"/record/{facts.session_id}.wav" if recorded else None,
            )
        )
