"""What the event service speaks of: events, decisions, and the call records that follow from them. Pure values."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import orjson

from common.protocol_codes import ResultCode

CALL_KEY_BYTES = 16


@dataclass(frozen=True, slots=True)
class EventMember:
    """One member of an event's `userList`, as text that came."""

    line: str = ""
    number: str = ""
    type: str = ""
    state: str = ""
    translated_number: str = ""


@dataclass(frozen=True, slots=True)
class CallEvent:
    """One event of a call, as the platform sent it. Fields and their names in the protocol: events/v1/event.proto."""

    tenant_id: str
    session_id: str
    code: str
    received_at_us: int
    call_id: str = ""
    seq: str = ""
    charge_ext: str = ""
    client_id: str = ""
    call_result: str = ""
    reason: str = ""
    user_data: str = ""
    members: tuple[EventMember, ...] = ()
    media_server: str = ""
    file_path: str = ""
    # Name and text, sorted by name.
    unknown_fields: tuple[tuple[str, str], ...] = ()
    form_flags: tuple[str, ...] = ()
    raw_body: bytes = b""
    content_type: str = ""
    traceparent: str = ""
    # ISO 3166-1 alpha-2; empty: CN.
    default_region: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it this event within its call: `callId`, `seq` and `code`."""
        return (self.call_id, self.seq, self.code)


@dataclass(frozen=True, slots=True)
class LoggedDecision:
    """What was answered to a call's query. Fields: events/v1/event.proto."""

    tenant_id: str
    session_id: str
    result: str
    received_at_us: int
    call_id: str = ""
    calling_number: str = ""
    access_number: str = ""
    called_numbers: tuple[str, ...] = ()
    reason: str = ""
    binding_id: str = ""
    binding_revision: int = 0
    direction: str = ""
    decision_source: str = ""
    took_us: int = 0
    max_duration_seconds: int = 0
    traceparent: str = ""
    default_region: str = ""


class CallState(Enum):
    """Where a call is, or how it ended. The values are stored."""

    QUERIED = "queried"
    CALLING = "calling"
    RINGING = "ringing"
    ANSWERED = "answered"
    COMPLETED = "completed"
    UNREACHED = "unreached"
    ABANDONED = "abandoned"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    UNTERMINATED = "unterminated"

    @property
    def is_finished(self) -> bool:
        """Whether the call is over. No event moves a call that is over to a state that is not."""
        return self in _FINISHED


_FINISHED = frozenset(
    {CallState.COMPLETED, CallState.UNREACHED, CallState.ABANDONED, CallState.REFUSED, CallState.UNTERMINATED}
)


class HangupParty(Enum):
    """Who ended a call. The values are stored."""

    UNSPECIFIED = ""
    CALLER = "caller"
    CALLEE = "callee"
    PLATFORM = "platform"
    EITHER = "either"


@dataclass(frozen=True, slots=True)
class Call:
    """A call record. Fields and their meaning: events/v1/call.proto. Times are microseconds since 1970 UTC."""

    tenant_id: str
    session_id: str
    started_at_us: int
    trace_id: str
    call_id: str = ""
    state: CallState = CallState.UNKNOWN
    calling_number: str = ""
    access_number: str = ""
    called_number: str = ""
    translated_number: str = ""
    direction: str = ""
    binding_id: str = ""
    binding_revision: int = 0
    query_result: str = ""
    called_at_us: int | None = None
    ringing_at_us: int | None = None
    answered_at_us: int | None = None
    ended_at_us: int | None = None
    ring_seconds: int | None = None
    talk_seconds: int | None = None
    hangup_party: HangupParty = HangupParty.UNSPECIFIED
    call_result: str = ""
    end_reason: str = ""
    end_reason_zh: str = ""
    recording_path: str = ""
    client_id: str = ""
    charge_ext: str = ""
    user_data: str = ""
    # Sorted, each once.
    anomalies: tuple[str, ...] = ()
    event_count: int = 0
    # What the platform was told the talk may last, seconds; 0: its own maximum.
    max_duration_seconds: int = 0
    # When the call was given up, because no end had come in all the time it may take. It stays set when one comes.
    closed_at_us: int | None = None


@dataclass(frozen=True, slots=True)
class CallRevision:
    """A call record as it is stored: `revision` is 1 at first and grows by one with every change of the record."""

    call: Call
    revision: int


def effective_decision(decisions: Sequence[LoggedDecision]) -> LoggedDecision | None:
    """Of all answers to a call's query, in the order of the queries, the one that counts: the last success, since a
    query is sent again when an answer got lost, or else the last failure; None when there is none."""
    successes = [decision for decision in decisions if decision.result == ResultCode.SUCCESS.text]
    return next(reversed(successes or decisions), None)


def call_key(tenant_id: str, session_id: str) -> bytes:
    """The name of a call in 16 bytes. Stored: it can't change."""
    # The length prefix keeps ("ab", "c") and ("a", "bc") apart.
    name = f"{len(tenant_id)}:{tenant_id}{session_id}".encode()
    return hashlib.blake2b(name, digest_size=CALL_KEY_BYTES, person=b"axbridge-call").digest()


def partition_of(key: bytes, partition_count: int) -> int:
    """The partition of the log, from 0, that a call's events are in. Stored: it can't change."""
    return int.from_bytes(key[:8], "big") % partition_count


def event_hash(event: CallEvent) -> bytes:
    """The identity of an event within its call: 16 bytes over its key and its content. Stored: it can't change.

    What the platform said counts, not how and when it came: neither the receive time, nor the body's layout, nor the
    gateway's remarks on its form.
    """
    members = [[m.line, m.number, m.type, m.state, m.translated_number] for m in event.members]
    # orjson quotes every value, so that no two different contents become the same text.
    content = orjson.dumps(
        [
            event.call_id,
            event.seq,
            event.code,
            event.charge_ext,
            event.client_id,
            event.call_result,
            event.reason,
            event.user_data,
            members,
            event.media_server,
            event.file_path,
            event.unknown_fields,
        ]
    )
    return hashlib.blake2b(content, digest_size=16, person=b"axbridge-event").digest()


def decision_hash(decision: LoggedDecision) -> bytes:
    """The identity of a decision within its call: 16 bytes over what was answered, and not when. Stored."""
    content = orjson.dumps(
        [
            decision.call_id,
            decision.calling_number,
            decision.access_number,
            decision.called_numbers,
            decision.result,
            decision.reason,
            decision.binding_id,
            decision.binding_revision,
            decision.direction,
            decision.max_duration_seconds,
        ]
    )
    return hashlib.blake2b(content, digest_size=16, person=b"axbridge-decisn").digest()


def earlier_event(one: CallEvent, other: CallEvent) -> CallEvent:
    """Of two copies of one event, the one that is kept: the one that the gateway received first.

    Of copies received in the same microsecond the gateway's remarks decide, so that it never matters which one is seen
    first here; `one` wins when nothing tells them apart.
    """
    return min(one, other, key=lambda copy: (copy.received_at_us, copy.form_flags, copy.default_region))


def earlier_decision(one: LoggedDecision, other: LoggedDecision) -> LoggedDecision:
    """Of two copies of one decision, the one that is kept: the one for the query that came first."""
    return min(one, other, key=lambda copy: (copy.received_at_us, copy.default_region, copy.decision_source))
