"""What a process remembers of the calls that it wrote last, so that a call's next event needs no reading.

It can't be stale: every transaction that writes to a partition, by any process, moves the partition's `write_count` on,
by a step of its own, while it holds the partition's row. Whoever locks the row and finds the count that it left there
was the last one to write, and knows what is stored. With another count everything that is remembered of the partition
is forgotten.
"""

from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from event_service.append_plan import KnownCall
from event_service.limits import MAX_FOLDED_EVENTS

# What an event takes in memory beside its body and texts, and what the rest of a call takes.
_EVENT_BYTES = 3000
_CALL_BYTES = 3000


@dataclass(frozen=True, slots=True)
class _Entry:
    call: KnownCall
    # The entry holds while its partition has this generation.
    generation: int
    size_bytes: int


class KnownCalls:
    """Calls of one log by key, the least recently used given up beyond `max_bytes`."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._size_bytes = 0
        self._calls: OrderedDict[bytes, _Entry] = OrderedDict()
        self._write_counts: dict[int, int] = {}
        self._generations: dict[int, int] = {}
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        return len(self._calls)

    @property
    def size_bytes(self) -> int:
        """What the calls take in memory, about."""
        return self._size_bytes

    def take(self, write_counts: Mapping[int, int], partitions: Mapping[bytes, int]) -> dict[bytes, KnownCall]:
        """What is known of these calls, given their partitions and the counts that were found in the locked rows.

        The calls are forgotten here: they come back with `keep` when the transaction that changes them is committed.
        """
        for partition, count in write_counts.items():
            if self._write_counts.get(partition) != count:
                self._write_counts[partition] = count
                self._generations[partition] = self._generations.get(partition, 0) + 1
        found = {}
        for key, partition in partitions.items():
            entry = self._forget(key)
            if entry is not None and entry.generation == self._generations[partition]:
                found[key] = entry.call
        self.hits += len(found)
        self.misses += len(partitions) - len(found)
        return found

    def keep(
        self,
        write_counts: Mapping[int, int],
        partitions: Mapping[bytes, int],
        calls: Mapping[bytes, KnownCall],
        write_step: int = 1,
    ) -> None:
        """Remember calls as they were just committed. `write_counts` are those that `take` was given; since then they
        have grown by `write_step`."""
        mine = self._unless_taken_since(write_counts, write_step)
        for key, call in calls.items():
            if partitions[key] in mine and call.event_count <= MAX_FOLDED_EVENTS:
                bodies = sum(len(row.event.raw_body) for row in call.events.values())
                size_bytes = _CALL_BYTES + _EVENT_BYTES * len(call.events) + bodies
                self._forget(key)
                self._calls[key] = _Entry(call, self._generations[partitions[key]], size_bytes)
                self._size_bytes += size_bytes
        while self._size_bytes > self._max_bytes:
            self._forget(next(iter(self._calls)))

    def _unless_taken_since(self, write_counts: Mapping[int, int], write_step: int) -> Collection[int]:
        """The partitions that nobody else has locked between our commit and now. What they found is newer."""
        mine = set()
        for partition, count in write_counts.items():
            if self._write_counts.get(partition) == count:
                self._write_counts[partition] = count + write_step
                mine.add(partition)
        return mine

    def _forget(self, key: bytes) -> _Entry | None:
        entry = self._calls.pop(key, None)
        if entry is not None:
            self._size_bytes -= entry.size_bytes
        return entry
