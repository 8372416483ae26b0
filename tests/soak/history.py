"""The judge: whether a read may have seen what it saw.

Every register has one writer, who writes one thing after the other; so its states are numbered. A read that begins
when state `a` was the last one acknowledged, and ends when `b` was the last one begun, may see any state from `a` to
`b`, and no other. Everything is recorded in one process, so that "before" is the order of its own steps.
"""

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field

UNBOUND = ""


class Register:
    """What one relationship was, over time. It begins unbound, and acknowledged so."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._states: list[Hashable] = [UNBOUND]
        self._acknowledged = 0

    @property
    def current(self) -> Hashable:
        """The state that was last begun."""
        return self._states[-1]

    @property
    def acknowledged(self) -> int:
        """The number of the last acknowledged state."""
        return self._acknowledged

    def begin(self, state: Hashable) -> None:
        """A write of this state is about to be sent. Only when the one before is acknowledged."""
        if self._acknowledged != len(self._states) - 1:
            raise RuntimeError(f"{self.name}: the write before is not acknowledged yet")
        self._states.append(state)

    def acknowledge(self) -> None:
        """The write that was begun has been answered."""
        self._acknowledged = len(self._states) - 1

    def allows(self, seen: Hashable, acknowledged_before: int) -> bool:
        """Whether a read that ends now, and began when that state was the last acknowledged, may have seen this."""
        return seen in self._states[acknowledged_before:]

    def describe(self, seen: Hashable, acknowledged_before: int) -> str:
        """What a read saw, against what it was allowed to see."""
        allowed = self._states[acknowledged_before:]
        age = next((len(self._states) - 1 - n for n, each in enumerate(self._states) if each == seen), None)
        return f"{self.name}: saw {seen!r} ({age} writes old), allowed were {allowed!r}"


@dataclass
class Report:
    """What a run came to."""

    reads: int = 0
    # Reads of relationships that had been unbound or changed, with that acknowledged, before the read began.
    reads_after_unbind: int = 0
    # Of those, reads that began in the first second after it.
    reads_soon_after_unbind: int = 0
    stale: list[str] = field(default_factory=list)
    writes: Counter[str] = field(default_factory=Counter)
    # Failed answers and failed calls, by their code.
    failures: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    batch_seconds: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def percentile(self, share: float) -> float:
        """The time of a batch in seconds that this share of the batches did not exceed."""
        ordered = sorted(self.batch_seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0

    def lines(self) -> list[str]:
        """The report for people."""
        return [
            f"{self.seconds:.0f} s, {self.reads:,} reads ({self.reads / max(self.seconds, 0.001):,.0f}/s), "
            f"{self.reads_after_unbind:,} of them after an acknowledged change, "
            f"{self.reads_soon_after_unbind:,} within a second of it",
            f"stale: {len(self.stale)}",
            f"writes: {_counted(self.writes)}",
            f"answered from: {_counted(self.sources)}",
            f"failures: {_counted(self.failures)}",
            f"faults: {_counted(self.faults)}",
            f"batches: p50 {self.percentile(0.5) * 1000:.1f} ms, p99 {self.percentile(0.99) * 1000:.1f} ms, "
            f"longest {max(self.batch_seconds, default=0) * 1000:.0f} ms",
            *self.stale[:10],
        ]


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counter.items())) or "none"
