"""What a consumer was sent and has not acknowledged: the places between reading and acknowledging. Pure."""

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from event_service.subscriptions.domain import HeldPlace, Place


@dataclass(slots=True)
class _Partition:
    generation: int
    # Up to where it was read, acknowledged, and acknowledged in the store.
    read: Place
    done: Place
    stored: Place
    sent: deque[Place] = field(default_factory=deque)


class Flight:
    """The partitions of one consumer. At most `max_unacknowledged` deliveries are under way. Times are monotonic."""

    def __init__(self, max_unacknowledged: int) -> None:
        self._max = max_unacknowledged
        self._partitions: dict[int, _Partition] = {}
        self._outstanding = 0
        self._waiting_since: float | None = None

    @property
    def partitions(self) -> list[int]:
        """The partitions that the consumer has, rising."""
        return sorted(self._partitions)

    @property
    def outstanding(self) -> int:
        """Deliveries that were sent and not acknowledged."""
        return self._outstanding

    @property
    def room(self) -> int:
        """How many more may be sent."""
        return max(self._max - self._outstanding, 0)

    def has(self, partition_id: int, generation: int) -> bool:
        held = self._partitions.get(partition_id)
        return held is not None and held.generation == generation

    def reading_from(self, partition_id: int) -> HeldPlace:
        """Where to read on."""
        held = self._partitions[partition_id]
        return HeldPlace(partition_id, held.generation, held.read)

    def is_idle(self, partition_id: int) -> bool:
        """Whether nothing of the partition is under way."""
        return not self._partitions[partition_id].sent

    def assign(self, held: Sequence[HeldPlace]) -> bool:
        """Have exactly these: what is no longer among them is forgotten, what is new begins at its place. Whether
        anything changed."""
        wanted = {each.partition_id: each for each in held}
        gone = [number for number, mine in self._partitions.items() if not _is_same(mine, wanted.get(number))]
        for number in gone:
            self._outstanding -= len(self._partitions.pop(number).sent)
        if self._outstanding == 0:
            self._waiting_since = None
        new = [each for each in held if each.partition_id not in self._partitions]
        for each in new:
            self._partitions[each.partition_id] = _Partition(each.generation, each.place, each.place, each.place)
        return bool(gone or new)

    def send(self, partition_id: int, places: Sequence[Place], to: Place, now: float) -> None:
        """These deliveries are sent, in order, and the partition was read up to `to`."""
        held = self._partitions[partition_id]
        held.sent.extend(places)
        held.read = to
        if not held.sent:
            held.done = to
        self._outstanding += len(places)
        if self._outstanding and self._waiting_since is None:
            self._waiting_since = now

    def acknowledge(self, positions: Mapping[int, int], now: float) -> bool:
        """Everything up to these positions is dealt with; whether anything was under way. What the consumer does not
        have, or was not sent, is passed over."""
        count = 0
        for partition_id, position in positions.items():
            held = self._partitions.get(partition_id)
            if held is None:
                continue
            while held.sent and held.sent[0].position <= position:
                held.done = held.sent.popleft()
                count += 1
            if not held.sent:
                # What was read behind it is not wanted.
                held.done = held.read
        self._outstanding -= count
        if count:
            self._waiting_since = now if self._outstanding else None
        return count > 0

    def to_store(self) -> list[HeldPlace]:
        """The places that the store does not know yet."""
        return [
            HeldPlace(number, held.generation, held.done)
            for number, held in sorted(self._partitions.items())
            if held.done != held.stored
        ]

    def stored(self, places: Sequence[HeldPlace], kept: Collection[int]) -> None:
        """The store has these places, for the partitions in `kept`; the others are somebody else's now."""
        for each in places:
            held = self._partitions.get(each.partition_id)
            if held is None or held.generation != each.generation:
                continue
            if each.partition_id in kept:
                held.stored = each.place
            else:
                self._outstanding -= len(held.sent)
                del self._partitions[each.partition_id]
        if self._outstanding == 0:
            self._waiting_since = None

    def stalled_seconds(self, now: float) -> float:
        """How long something is under way and nothing was acknowledged; 0 when nothing is under way."""
        return 0.0 if self._waiting_since is None else now - self._waiting_since


def _is_same(mine: _Partition, wanted: HeldPlace | None) -> bool:
    return wanted is not None and wanted.generation == mine.generation
