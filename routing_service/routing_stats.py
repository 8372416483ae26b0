"""What the hot path did: counted once for each batch."""

from collections.abc import Mapping, Sequence

from common.telemetry import names
from common.telemetry.metrics import Histogram, Labels
from routing_service.answer import RouteAnswer

_NO_SOURCE = "none"


class RoutingStats:
    """Answers, and the batches that they were given in. Written by the event loop's thread only."""

    def __init__(self) -> None:
        self.durations = Histogram(names.ROUTING_BATCH_DURATION)
        self.sizes = Histogram(names.ROUTING_BATCH_SIZE)
        self._answers: dict[tuple[object, object], int] = {}

    def note(self, answers: Sequence[RouteAnswer], took_seconds: float) -> None:
        """A batch was answered."""
        self.sizes.record(len(answers))
        self.durations.record(took_seconds)
        counts = self._answers
        for answer in answers:
            key = (answer.result, answer.source)
            counts[key] = counts.get(key, 0) + 1

    def answers(self) -> Mapping[Labels, int]:
        """How many answers there were, by result code and where it was read what is bound."""
        return {
            (getattr(result, "text", ""), getattr(source, "value", _NO_SOURCE)): count
            for (result, source), count in self._answers.items()
        }
