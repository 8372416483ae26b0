"""The judge: whether a read may have seen what it saw.

Every register has one writer, who writes one thing after the other; so its states are numbered. A read that begins
when state `a` was the last one acknowledged, and ends when `b` was the last one begun, may see any state from `a` to
`b`, and no other. Everything is recorded in one process, so that "before" is the order of its own steps.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

UNBOUND = ""
View = Callable[[Hashable], Hashable]


def as_it_is(state: Hashable) -> Hashable:
    """A state as its writer has written it."""
    return state


def seen_by_target(target: Hashable, caller: Hashable) -> View:
    """A pair as the number sees it that calls back: it reaches the caller while it is the target, else nobody."""
    return lambda state: caller if state == target else UNBOUND


class Register:
    """What one relationship was, over time. It begins unbound, and acknowledged so."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._states: list[Hashable] = [UNBOUND]
        self._acknowledged = 0
        self._first_unbinding: int | None = None

    @property
    def current(self) -> Hashable:
        """The state that was last begun."""
        return self._states[-1]

    @property
    def acknowledged(self) -> int:
        """The number of the last acknowledged state."""
        return self._acknowledged

    @property
    def is_being_written(self) -> bool:
        """Whether a write is sent and not acknowledged yet."""
        return self._acknowledged < len(self._states) - 1

    @property
    def latest(self) -> Sequence[Hashable]:
        """The last few states, the last one last."""
        return self._states[-3:]

    def was_unbound(self, acknowledged: int) -> bool:
        """Whether an unbinding is among the writes up to this acknowledged one."""
        return self._first_unbinding is not None and self._first_unbinding <= acknowledged

    def begin(self, state: Hashable) -> None:
        """A write of this state is about to be sent. Only when the one before is acknowledged."""
        if self._acknowledged != len(self._states) - 1:
            raise RuntimeError(f"{self.name}: the write before is not acknowledged yet")
        if state == UNBOUND and self._first_unbinding is None:
            self._first_unbinding = len(self._states)
        self._states.append(state)

    def acknowledge(self) -> None:
        """The write that was begun has been answered."""
        self._acknowledged = len(self._states) - 1

    def allows(self, seen: Hashable, acknowledged_before: int, view: View = as_it_is) -> bool:
        """Whether a read that ends now, and began when that state was the last acknowledged, may have seen this.

        `view`: what each state looks like to who has read.
        """
        return seen in map(view, self._states[acknowledged_before:])

    def describe(self, seen: Hashable, acknowledged_before: int, view: View = as_it_is) -> str:
        """What a read saw, against what it was allowed to see."""
        states = [view(each) for each in self._states]
        allowed = states[acknowledged_before:]
        age = next((len(states) - 1 - n for n, each in enumerate(states) if each == seen), None)
        return f"{self.name}: saw {seen!r} ({age} writes old), allowed were {allowed!r}"


@dataclass
class Report:
    """What a run came to."""

    reads: int = 0
    # Reads of relationships that had been unbound, and that acknowledged, before the read began; bound anew or not.
    reads_after_unbind: int = 0
    # Of those, reads that began in the first second after the last change.
    reads_soon_after_unbind: int = 0
    stale: list[str] = field(default_factory=list)
    writes: Counter[str] = field(default_factory=Counter)
    # Failed answers and failed calls, by their code.
    failures: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    # Writes that were under way when something broke.
    writes_hit: int = 0
    batch_seconds: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def cached_share(self) -> float:
        """How many of the reads were answered from the cache: without those a run says nothing about it."""
        return self.sources["DECISION_SOURCE_CACHE"] / max(self.reads, 1)

    def percentile(self, share: float) -> float:
        """The time of a batch in seconds that this share of the batches did not exceed."""
        ordered = sorted(self.batch_seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0

    def lines(self) -> list[str]:
        """The report for people."""
        return [
            f"{self.seconds:.0f} s, {self.reads:,} reads ({self.reads / max(self.seconds, 0.001):,.0f}/s), "
            f"{self.reads_after_unbind:,} of them after an acknowledged unbinding, "
            f"{self.reads_soon_after_unbind:,} within a second of a change",
            f"stale: {len(self.stale)}",
            f"writes: {_counted(self.writes)}",
            f"answered from: {_counted(self.sources)}",
            f"failures: {_counted(self.failures)}",
            f"faults: {_counted(self.faults)}; writes under way when one began: {self.writes_hit:,}",
            f"batches: p50 {self.percentile(0.5) * 1000:.1f} ms, p99 {self.percentile(0.99) * 1000:.1f} ms, "
            f"longest {max(self.batch_seconds, default=0) * 1000:.0f} ms",
            *self.stale[:10],
        ]


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counter.items())) or "none"
