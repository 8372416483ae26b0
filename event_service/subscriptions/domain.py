"""What subscriptions speak of: places in the log, filters, deliveries. Pure values and rules."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from common.numbers import DEFAULT_REGION, normalize_number
from event_service.domain import Call, CallEvent, CallRevision
from event_service.ports import LoggedEvent


class SubscriptionContent(Enum):
    """What is delivered. The values are stored."""

    EVENTS = "events"
    CALLS = "calls"
    EVENTS_AND_CALLS = "events_and_calls"

    @property
    def has_events(self) -> bool:
        return self is not SubscriptionContent.CALLS

    @property
    def has_calls(self) -> bool:
        return self is not SubscriptionContent.EVENTS


@dataclass(frozen=True, slots=True)
class SubscriptionFilter:
    """What a subscription delivers; all that is set must hold. Numbers in normal form; empty sets: all."""

    content: SubscriptionContent = SubscriptionContent.EVENTS
    codes: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Subscription:
    """A durable, named reader of a tenant's events. `remove_unused_us` 0: it stays for ever."""

    subscription_id: str
    tenant_id: str
    name: str
    filter: SubscriptionFilter
    created_at_us: int
    remove_unused_us: int = 0


@dataclass(frozen=True, slots=True)
class SubscriptionStatus:
    """A subscription, when something was last acknowledged (None: never), and how much of the log is before it."""

    subscription: Subscription
    acknowledged_at_us: int | None
    backlog: int


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a partition: behind this event and this change of a record.

    Both are read in one order: a change comes behind the last event that was in the log when it was committed, and
    before the next one. So there is one place for each position, and the other way round.
    """

    log_offset: int = 0
    change_offset: int = 0

    @property
    def position(self) -> int:
        """What the contract calls the place: how many rows of the partition are before it."""
        return self.log_offset + self.change_offset

    def is_before(self, head: "Place") -> bool:
        """Whether something is between this place and the head."""
        return self.log_offset < head.log_offset or self.change_offset < head.change_offset


@dataclass(frozen=True, slots=True)
class Delivery:
    """One thing that is delivered; `place` is behind it."""

    partition_id: int
    place: Place
    content: LoggedEvent | CallRevision


@dataclass(frozen=True, slots=True)
class HeldPlace:
    """A place of a partition that a consumer has. `generation` counts the partition's consumers: it fences old ones."""

    partition_id: int
    generation: int
    place: Place


class StartKind(Enum):
    """What a start position says."""

    NOW = "now"
    EARLIEST = "earliest"
    RECEIVED_FROM = "received_from"
    POSITIONS = "positions"


@dataclass(frozen=True, slots=True)
class StartPosition:
    """Where to read from. Partitions that `positions` does not name stay where they are, or begin now."""

    kind: StartKind = StartKind.NOW
    received_from_us: int = 0
    positions: tuple[tuple[int, int], ...] = ()


def fair_share(partitions: int, consumers: int, rank: int) -> int:
    """How many partitions the consumer of this rank (from 0, those that came first) is to have."""
    share, rest = divmod(partitions, max(consumers, 1))
    return share + (1 if rank < rest else 0)


def event_matches(event: CallEvent, known_of_call: Collection[str], numbers: Collection[str]) -> bool:
    """Whether one of the numbers is a member's, or stands in what is known of the event's call."""
    if any(number in numbers for number in known_of_call):
        return True
    region = event.default_region or DEFAULT_REGION
    for member in event.members:
        for written in (member.number, member.translated_number):
            if written and _normal(written, region) in numbers:
                return True
    return False


def call_matches(call: Call, numbers: Collection[str]) -> bool:
    """Whether one of the numbers stands in the record."""
    return any(number in numbers for number in numbers_of(call))


def numbers_of(call: Call) -> tuple[str, ...]:
    return (call.calling_number, call.access_number, call.called_number, call.translated_number)


def _normal(written: str, region: str) -> str:
    try:
        return normalize_number(written, region)
    except ValueError:
        return written


@dataclass(frozen=True, slots=True)
class Tenure:
    """What a consumer has after a renewal: its partitions with their places, and how many are its fair share."""

    held: Sequence[HeldPlace]
    share: int


Heads = Mapping[int, Place]
