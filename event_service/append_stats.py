"""What is counted of the events' way into the log."""

from collections.abc import Sequence

from common.telemetry import names
from common.telemetry.metrics import Counter, Histogram
from event_service.ports import EventOutcome, EventStatus

STORED, FAILED = ("stored",), ("failed",)


class AppendStats:
    """Counted once for each request or commit, and each event's outcome."""

    def __init__(self) -> None:
        self.durations = Histogram(names.APPEND_DURATION)
        self.group_durations = Histogram(names.GROUP_DURATION)
        self.group_sizes = Histogram(names.GROUP_SIZE)
        self.events = Counter(names.EVENTS_APPENDED, *((status.value,) for status in EventStatus))
        self.decisions = 0
        self.refused = 0

    def taken(self, outcomes: Sequence[EventOutcome]) -> None:
        """Events were answered."""
        for outcome in outcomes:
            self.events.add((outcome.status.value,))
