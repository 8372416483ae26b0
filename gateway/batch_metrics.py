"""What the gateway counts of its batches, those of queries and those of events."""

from common.telemetry import names
from common.telemetry.metrics import Counter, Histogram

QUERIES, EVENTS = "query", "event"
ARRIVED, FAILED = "arrived", "failed"


class BatchMetrics:
    """Counted once for each batch, whatever it holds; the label `kind` tells whose it is."""

    def __init__(self) -> None:
        self.sizes = Histogram(names.BATCH_SIZE)
        self.waits = Histogram(names.BATCH_WAIT)
        self.durations = Histogram(names.BATCH_DURATION)
        self.retries = Counter(names.BATCH_RETRIES, (QUERIES,), (EVENTS,))
        self.refused = Counter(names.QUEUE_REFUSED, (QUERIES,), (EVENTS,))
