"""What the use cases need from a store. Adapters implement these; the contract suite holds them to the docstrings.

Every method may raise UnavailableError when the store can't be reached or does not answer in time; what was to be
written is then written or not, and never half. Everything read was committed.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from common.auth.grants import ANONYMOUS
from event_service.domain import CallEvent, CallRevision, CallState, LoggedDecision


class EventStatus(Enum):
    """What became of an event."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class EventOutcome:
    """What became of one event: where it, or its first copy, stands in its partition, or why it does not."""

    status: EventStatus
    log_offset: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event with what the log knows of it. The event is the copy that was received first."""

    event: CallEvent
    partition_id: int
    # From 1.
    log_offset: int
    # The place among the call's own events, from 0.
    call_ordinal: int
    received_count: int
    last_received_at_us: int
    stored_at_us: int
    # Whether the call has another event with the same key but other content.
    conflict: bool


@dataclass(frozen=True, slots=True)
class CallHistory:
    """All that is known of one call. Events in the order of the log, decisions in the order of their queries."""

    events: Sequence[LoggedEvent]
    decisions: Sequence[LoggedDecision]


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Which calls to list; all that is set must hold. `number` in normal form stands as A, X or B; empty: any."""

    tenant_id: str
    number: str = ""
    states: frozenset[CallState] = frozenset()
    started_from_us: int | None = None
    started_before_us: int | None = None


@dataclass(frozen=True, slots=True)
class CallPosition:
    """A place in the list of calls: just behind the call with these values."""

    started_at_us: int
    call_key: bytes


@dataclass(frozen=True, slots=True)
class CallChange:
    """A change of the record of a call that is over. `change_offset` is its place in the partition, from 1."""

    partition_id: int
    change_offset: int
    # The revision that the change made.
    revision: int
    # The record as it is now: of that revision or a later one. A later one of a call that is over has its own change.
    current: CallRevision


@dataclass(frozen=True, slots=True)
class CallName:
    """Which call: vccId and sid."""

    tenant_id: str
    session_id: str


@dataclass(frozen=True, slots=True)
class CallPeriod:
    """A tenant's calls that started in a time; None: no bound."""

    tenant_id: str
    started_from_us: int | None = None
    started_before_us: int | None = None


@dataclass(frozen=True, slots=True)
class CallTally:
    """How many calls are in this state with exactly these anomalies."""

    state: CallState
    anomalies: Sequence[str]
    calls: int


@dataclass(frozen=True, slots=True)
class LogSlice:
    """Calls without a record, of those whose messages stand next in the log by call key, and the last of those keys;
    None: there are no further ones."""

    names: Sequence[CallName]
    last_key: bytes | None


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a call may take: `default_talk_seconds` where its longest talk was left to the platform, and
    `margin_seconds` for calling, ringing and late messages on top."""

    default_talk_seconds: int
    margin_seconds: int


@dataclass(frozen=True, slots=True)
class RetentionPosition:
    """A place in the order in which calls are looked at."""

    updated_at_us: int
    call_key: bytes


@dataclass(frozen=True, slots=True)
class DroppedPage:
    """How many calls were dropped of one page, and where the next one begins; None: this was the last."""

    dropped: int
    following: RetentionPosition | None


@dataclass(frozen=True, slots=True)
class SweepPosition:
    """A place among what is left of calls that were dropped: behind a call's key in a part of the log."""

    partition: str
    call_key: bytes


@dataclass(frozen=True, slots=True)
class SweptPage:
    """How many messages were deleted, and where the next page begins; None: this was the last."""

    deleted: int
    following: SweepPosition | None


@dataclass(frozen=True, slots=True)
class QuarantinedMessage:
    """A message that could not be taken as an event. `message_id` is given by the quarantine."""

    received_at_us: int
    reason: str
    tenant_id: str
    raw_body: bytes
    content_type: str
    message_id: int = 0


class EventLog(Protocol):
    """The durable log: partitions of events, each call's in one of them, and the call records that follow from them."""

    async def append(self, events: Sequence[CallEvent], decisions: Sequence[LoggedDecision]) -> Sequence[EventOutcome]:
        """Store messages that passed the limits, in one transaction with the call records that follow from them.

        Returns one outcome for each event, after the commit: what is returned is on disk. An event that is stored
        already (domain.event_hash) is a DUPLICATE: it is counted at the first copy, and that is written too. One whose
        key is taken by other content is stored and marked, like the other one. A decision that is stored already is
        stored once; of many different ones for one call the later ones are dropped (limits).

        A batch may hold repetitions. The order of arrival is the order in the batch; the record does not depend on it.
        Raises InvalidArgumentError when the store can't hold some message: then none of the batch is stored.
        """
        ...

    async def read(self, partition_id: int, after_offset: int, limit: int) -> Sequence[LoggedEvent]:
        """The next events of a partition behind `after_offset` (0: from the start), at most `limit`; empty: none yet.

        Offsets are gapless from 1 and in commit order: a reader that goes on from the last one it saw misses nothing,
        whatever is being written at the same time. Raises InvalidArgumentError: no such partition.
        """
        ...

    async def heads(self) -> Sequence[int]:
        """The offset of each partition's last event, 0 where there is none; by partition. There are as many as when the
        log was created."""
        ...


class CallChanges(Protocol):
    """The changes of the records of calls that are over, in the log's partitions."""

    async def read_changes(self, partition_id: int, after_offset: int, limit: int) -> Sequence[CallChange]:
        """The next changes of a partition behind `after_offset` (0: from the start), at most `limit`; empty: none yet.

        Offsets are gapless from 1 and in commit order, like the log's.
        """
        ...


class CallReader(Protocol):
    """The call records. Another tenant's are never seen."""

    async def get(self, tenant_id: str, session_id: str) -> CallRevision | None:
        """The record of a call, None when nothing is known of it."""
        ...

    async def list_page(self, which: CallFilter, after: CallPosition | None, limit: int) -> Sequence[CallRevision]:
        """At most `limit` calls behind `after`, newest first: by `started_at_us`, then call key, both falling.

        Going on from the last one of each page visits every call that matches throughout. A call whose start moves
        back in time meanwhile, because an earlier message of it came late, can be seen twice.
        """
        ...

    async def history(self, tenant_id: str, session_id: str) -> CallHistory | None:
        """What a call's record follows from, None when nothing is known of it."""
        ...


class CallUpkeep(Protocol):
    """What keeps the call records right beside the events that come in."""

    async def overdue(self, now_us: int, patience: Patience, limit: int) -> Sequence[CallName]:
        """Calls that are not over although all the time they may take has passed, at most `limit`."""
        ...

    async def close(self, names: Sequence[CallName], now_us: int, patience: Patience) -> int:
        """Give up those of these calls that are still overdue; how many there were."""
        ...

    async def refold(self, names: Sequence[CallName], *, dry_run: bool, actor: str = ANONYMOUS) -> Sequence[CallName]:
        """Make these calls' records anew from the log; those whose record was different, or missing. With `dry_run`
        nothing is written. Those that are written are named in the audit log, by `actor`: one entry for each tenant."""
        ...

    async def unrecorded(self, tenant_id: str, after_key: bytes, limit: int) -> LogSlice:
        """Look at the next `limit` calls of all tenants that the log has behind `after_key` (empty: from the start),
        for those of this tenant that have no record although they are to be kept."""
        ...


class OldCalls(Protocol):
    """Where calls are dropped that were kept long enough."""

    async def drop_page(self, before_us: int, after: RetentionPosition | None, limit: int) -> DroppedPage:
        """Look at the next `limit` calls that are over and did not change since `before_us`, and drop them.

        A call goes with all that belongs to it. One that some reader of the log has not got yet stays.
        """
        ...

    async def drop_days(self, before_us: int) -> int:
        """Give back the room of messages stored before that day whose calls are all dropped; how many parts of the log
        went. A store that gave it back with the calls has none."""
        ...

    async def sweep_page(self, before_us: int, after: SweepPosition | None, limit: int) -> SweptPage:
        """Delete messages stored before that day whose calls are dropped where whole days can't be given back, of the
        next `limit` calls."""
        ...


class CallReports(Protocol):
    """Walks through a tenant's call records."""

    async def walk(self, which: CallPeriod, after: CallPosition | None, limit: int) -> Sequence[CallRevision]:
        """At most `limit` calls behind `after`, oldest first: by `started_at_us`, then call key.

        A call that is going on may be passed over: its start moves back in time when an earlier message of it comes
        late, and the walk may be past that place by then.
        """
        ...

    async def first_start(self, which: CallPeriod) -> int | None:
        """When the first call of the period started; None: it has none."""
        ...

    async def tally(self, which: CallPeriod) -> Sequence[CallTally]:
        """The calls of the period, counted by state and anomalies. One statement: the period is to be short."""
        ...

    async def count_states(self, tenant_id: str, states: Collection[CallState]) -> Mapping[CallState, int]:
        """How many calls are in each of these states; states without calls are left out."""
        ...


class Quarantine(Protocol):
    """A bounded store of raw messages. Ids grow in the order of storing and are never given twice."""

    async def add(self, messages: Sequence[QuarantinedMessage]) -> int:
        """Store messages, whatever ids they have, and drop the oldest ones that are over the bound; how many of those.

        Nothing tells a repetition: a message that is added twice is there twice.
        """
        ...

    async def list_page(self, tenant_id: str, after_id: int, limit: int) -> Sequence[QuarantinedMessage]:
        """At most `limit` messages behind `after_id` by id; of one tenant, or of all for an empty `tenant_id`."""
        ...

    async def delete(self, message_ids: Collection[int], now_us: int, actor: str = ANONYMOUS) -> int:
        """Remove messages; how many there were. Ids that are not there are passed over.

        Those that there were are named in the audit log, by `actor`: one entry for each tenant, `*` where a message
        names none.
        """
        ...
