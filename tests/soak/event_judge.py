"""The judge of a fault run: what was acknowledged against what the log holds and what readers have seen."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class EventName(NamedTuple):
    """What names an event."""

    session_id: str
    call_id: str
    seq: str
    code: str


class LogRow(NamedTuple):
    """An event's place in the log."""

    partition: int
    offset: int
    name: EventName


@dataclass
class Verdict:
    """What a run has shown. All of it is 0 (or empty) when nothing is wrong."""

    missing: int = 0
    doubled: int = 0
    # Neighbours within a call that the log holds in another order than the one in which they were acknowledged.
    out_of_order: int = 0
    # Partitions whose offsets do not run from 1 to the head without a gap.
    broken_partitions: list[int] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.missing or self.doubled or self.out_of_order or self.broken_partitions)


def judge_log(acknowledged: Iterable[EventName], log: Sequence[LogRow], heads: Mapping[int, int]) -> Verdict:
    """`acknowledged` in the order in which the platform got its answers: it sends a call's next event only after that.
    `heads` are the partitions with their last offsets."""
    verdict = Verdict()
    copies = Counter(row.name for row in log)
    verdict.doubled = sum(count - 1 for count in copies.values())
    verdict.examples += [f"twice: {name}" for name, count in copies.items() if count > 1][:5]
    places = {row.name: (row.partition, row.offset) for row in log}
    by_call: dict[str, list[EventName]] = defaultdict(list)
    for name in dict.fromkeys(acknowledged):
        if name in places:
            by_call[name.session_id].append(name)
        else:
            verdict.missing += 1
            verdict.examples += [f"missing: {name}"] if verdict.missing <= 5 else []
    for names in by_call.values():
        for earlier, later in itertools.pairwise(names):
            if places[earlier] >= places[later] or places[earlier][0] != places[later][0]:
                verdict.out_of_order += 1
                verdict.examples.append(f"out of order: {earlier} at {places[earlier]}, {later} at {places[later]}")
    offsets: dict[int, list[int]] = defaultdict(list)
    for row in log:
        offsets[row.partition].append(row.offset)
    for partition in sorted({*heads, *offsets}):
        if sorted(offsets[partition]) != list(range(1, heads.get(partition, 0) + 1)):
            verdict.broken_partitions.append(partition)
    return verdict


def unseen(log: Sequence[LogRow], seen: Collection[EventName]) -> list[EventName]:
    """What a reader has never got of what is in the log."""
    return [row.name for row in log if row.name not in seen]


def disordered(log: Sequence[LogRow], first_seen: Iterable[EventName]) -> int:
    """How often a reader got a call's event for the first time after one that is behind it in the log."""
    places = {row.name: row.offset for row in log}
    last: dict[str, int] = {}
    count = 0
    for name in first_seen:
        place = places.get(name)
        if place is None:
            continue
        count += place < last.get(name.session_id, 0)
        last[name.session_id] = max(place, last.get(name.session_id, 0))
    return count
