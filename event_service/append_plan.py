"""What appending a batch changes, worked out without any I/O, so that every store does the same.

A store locks the partitions, loads what it knows of the batch's calls, asks `plan_append`, and writes the plan.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from common.logs import get_logger
from common.trace_ids import trace_id_for
from event_service.anomalies import NOT_FOLDED
from event_service.domain import (
    Call,
    CallEvent,
    CallRevision,
    CallState,
    LoggedDecision,
    call_key,
    decision_hash,
    earlier_decision,
    earlier_event,
    event_hash,
)
from event_service.fold import fold_distinct
from event_service.limits import MAX_DECISIONS_PER_CALL, MAX_FOLDED_EVENTS
from event_service.ports import EventOutcome, EventStatus, LoggedEvent

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class NamedEvent:
    """An event with the hashes that name it."""

    event: CallEvent
    key: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class NamedDecision:
    """A decision with the hashes that name it."""

    decision: LoggedDecision
    key: bytes
    hash: bytes


@dataclass(slots=True)
class KnownCall:
    """What a store holds of a call, by hashes. `events` are those that the record follows from (their raw bodies may
    be left out), and of the rest those that are in the batch again."""

    events: dict[bytes, LoggedEvent] = field(default_factory=dict)
    decisions: dict[bytes, LoggedDecision] = field(default_factory=dict)
    record: CallRevision | None = None
    # How many different events the log has of the call in all.
    event_count: int = 0

    @property
    def closed_at_us(self) -> int | None:
        """When the call was given up; None: it was not."""
        return None if self.record is None else self.record.call.closed_at_us


@dataclass(frozen=True, slots=True)
class AppendPlan:
    """What to write. `touched` are stored events with new counts or marks; of those in `replaced` the copy changes too:
    one that the gateway received earlier has come in."""

    outcomes: Sequence[EventOutcome]
    inserted: Sequence[tuple[NamedEvent, LoggedEvent]]
    touched: Sequence[LoggedEvent]
    replaced: Sequence[LoggedEvent]
    inserted_decisions: Sequence[NamedDecision]
    changed_decisions: Sequence[NamedDecision]
    # By call key.
    new_records: Sequence[tuple[bytes, CallRevision]]
    changed_records: Sequence[tuple[bytes, CallRevision]]
    # The last offset by partition, of those that grew.
    heads: Mapping[int, int]


def named_events(events: Iterable[CallEvent]) -> list[NamedEvent]:
    """The events with their hashes."""
    return [NamedEvent(event, call_key(event.tenant_id, event.session_id), event_hash(event)) for event in events]


def named_decisions(decisions: Iterable[LoggedDecision]) -> list[NamedDecision]:
    """The decisions with their hashes."""
    return [NamedDecision(d, call_key(d.tenant_id, d.session_id), decision_hash(d)) for d in decisions]


def plan_append(
    events: Sequence[NamedEvent],
    decisions: Sequence[NamedDecision],
    known: Mapping[bytes, KnownCall],
    heads: Mapping[int, int],
    partitions: Mapping[bytes, int],
    now_us: int,
) -> AppendPlan:
    """The plan for a batch. `known` has every call of the batch, `partitions` its partition, `heads` the last offsets
    of these. Changes `known` on the way."""
    return _Planner(known, dict(heads), partitions, now_us).plan(events, decisions)


def plan_refold(known: Mapping[bytes, KnownCall], closed_at_us: int | None = None) -> list[tuple[bytes, CallRevision]]:
    """The records that folding these calls anew changes, or makes where there is none. With `closed_at_us`, those that
    are not over are given up."""
    changed = []
    for key, call in known.items():
        if call.record is None:
            if closed_at_us is None and (call.events or call.decisions):
                changed.append((key, CallRevision(_fold(call), 1)))
            continue
        closing = closed_at_us if not call.record.call.state.is_finished else None
        record = _fold(call, closing)
        if record != call.record.call:
            changed.append((key, CallRevision(record, call.record.revision + 1)))
    return changed


class _Planner:
    """One batch's work. Lists of changed rows hold each row's last version, by partition and offset."""

    def __init__(
        self, known: Mapping[bytes, KnownCall], heads: dict[int, int], partitions: Mapping[bytes, int], now_us: int
    ) -> None:
        self._known = known
        self._heads = heads
        self._partitions = partitions
        self._now_us = now_us
        self._inserted: dict[tuple[int, int], tuple[NamedEvent, LoggedEvent]] = {}
        self._touched: dict[tuple[int, int], LoggedEvent] = {}
        self._replaced: set[tuple[int, int]] = set()
        self._grown: set[int] = set()
        # Calls whose record may have changed.
        self._dirty: dict[bytes, None] = {}

    def plan(self, events: Sequence[NamedEvent], decisions: Sequence[NamedDecision]) -> AppendPlan:
        outcomes = [self._add_event(event) for event in events]
        new_decisions: dict[tuple[bytes, bytes], NamedDecision] = {}
        changed_decisions: dict[tuple[bytes, bytes], NamedDecision] = {}
        for decision in decisions:
            self._add_decision(decision, new_decisions, changed_decisions)
        new_records, changed_records = self._fold_records()
        return AppendPlan(
            outcomes=outcomes,
            inserted=list(self._inserted.values()),
            touched=[row for place, row in self._touched.items() if place not in self._replaced],
            replaced=[row for place, row in self._touched.items() if place in self._replaced],
            inserted_decisions=list(new_decisions.values()),
            changed_decisions=list(changed_decisions.values()),
            new_records=new_records,
            changed_records=changed_records,
            heads={partition: self._heads[partition] for partition in sorted(self._grown)},
        )

    def _add_event(self, named: NamedEvent) -> EventOutcome:
        call = self._known[named.key]
        stored = call.events.get(named.hash)
        if stored is not None:
            self._count_copy(named, stored, call)
            return EventOutcome(EventStatus.DUPLICATE, stored.log_offset)
        namesakes = _with_key(call.events.items(), named.event.key)
        partition = self._partitions[named.key]
        self._heads[partition] += 1
        self._grown.add(partition)
        row = LoggedEvent(
            event=named.event,
            partition_id=partition,
            log_offset=self._heads[partition],
            call_ordinal=call.event_count,
            received_count=1,
            last_received_at_us=named.event.received_at_us,
            stored_at_us=self._now_us,
            conflict=bool(namesakes),
        )
        call.event_count += 1
        call.events[named.hash] = row
        self._inserted[(partition, row.log_offset)] = (named, row)
        self._dirty[named.key] = None
        for name, namesake in namesakes:
            if not namesake.conflict:
                self._change(NamedEvent(namesake.event, named.key, name), replace(namesake, conflict=True), call)
        return EventOutcome(EventStatus.CONFLICT if namesakes else EventStatus.STORED, row.log_offset)

    def _count_copy(self, named: NamedEvent, stored: LoggedEvent, call: KnownCall) -> None:
        first = earlier_event(stored.event, named.event)
        row = replace(
            stored,
            event=first,
            received_count=stored.received_count + 1,
            last_received_at_us=max(stored.last_received_at_us, named.event.received_at_us),
        )
        if first is not stored.event:
            self._dirty[named.key] = None
            self._replaced.add((row.partition_id, row.log_offset))
        self._change(NamedEvent(first, named.key, named.hash), row, call)

    def _change(self, named: NamedEvent, row: LoggedEvent, call: KnownCall) -> None:
        call.events[named.hash] = row
        place = (row.partition_id, row.log_offset)
        if place in self._inserted:
            self._inserted[place] = (named, row)
        else:
            self._touched[place] = row

    def _add_decision(
        self,
        named: NamedDecision,
        new: dict[tuple[bytes, bytes], NamedDecision],
        changed: dict[tuple[bytes, bytes], NamedDecision],
    ) -> None:
        call = self._known[named.key]
        place = (named.key, named.hash)
        stored = call.decisions.get(named.hash)
        if stored is None:
            if len(call.decisions) >= MAX_DECISIONS_PER_CALL:
                _log.warning("decision dropped: the call has too many", tenant_id=named.decision.tenant_id)
                return
            new[place] = named
        elif earlier_decision(stored, named.decision) is not stored:
            (new if place in new else changed)[place] = named
        else:
            return
        call.decisions[named.hash] = named.decision
        self._dirty[named.key] = None

    def _fold_records(self) -> tuple[list[tuple[bytes, CallRevision]], list[tuple[bytes, CallRevision]]]:
        new, changed = [], []
        for key in self._dirty:
            call = self._known[key]
            record = _fold(call)
            if call.record is None:
                new.append((key, CallRevision(record, 1)))
            elif record != call.record.call:
                changed.append((key, CallRevision(record, call.record.revision + 1)))
        return new, changed


def _with_key(
    events: Collection[tuple[bytes, LoggedEvent]], key: tuple[str, str, str]
) -> list[tuple[bytes, LoggedEvent]]:
    return [(name, row) for name, row in events if row.event.key == key]


def _fold(call: KnownCall, closing_at_us: int | None = None) -> Call:
    """The record. A bug in making it must not keep the events from being stored: then it stays as it was, flagged, and
    can be made again from the log."""
    folded = {name: row.event for name, row in call.events.items() if row.call_ordinal < MAX_FOLDED_EVENTS}
    try:
        return fold_distinct(
            folded,
            call.decisions,
            unfolded_events=call.event_count - len(folded),
            closed_at_us=call.closed_at_us if call.closed_at_us is not None else closing_at_us,
        )
    except Exception:  # noqa: BLE001 - an event is worth more than the record
        _log.exception("a call record could not be made from its events; they are stored")
    if call.record is not None:
        last = call.record.call
    else:
        first = next(iter(folded.values()), None) or next(iter(call.decisions.values()))
        trace_id = trace_id_for(first.tenant_id, first.session_id)
        last = Call(first.tenant_id, first.session_id, first.received_at_us, trace_id)
    anomalies = tuple(sorted({*last.anomalies, NOT_FOLDED}))
    record = replace(last, event_count=call.event_count, anomalies=anomalies)
    if closing_at_us is None:
        return record
    # Else it would be given up again and again.
    return replace(record, state=CallState.UNTERMINATED, closed_at_us=closing_at_us)
