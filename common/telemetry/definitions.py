"""What a metric is: its name, its unit, its labels. The metrics themselves stand in `common.telemetry.names`."""

from dataclasses import dataclass
from enum import Enum

# OpenTelemetry's units, as Prometheus writes them at the end of a name.
_UNITS = {"s": "seconds", "By": "bytes"}


class MetricKind(Enum):
    """What a metric's value does."""

    # Only grows.
    COUNTER = "counter"
    # Goes up and down.
    GAUGE = "gauge"
    # Counts values by size.
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    """A metric by its OpenTelemetry name. `bounds` are the upper bounds of a histogram's buckets, rising."""

    kind: MetricKind
    name: str
    unit: str
    labels: tuple[str, ...]
    meaning: str
    bounds: tuple[float, ...] = ()

    @property
    def family(self) -> str:
        """The name that Prometheus has for it, by the rules that OpenTelemetry gives: dots are underscores, and the
        unit stands at the end. What is exposed for a counter ends with `_total` beside."""
        unit = _UNITS.get(self.unit)
        return self.name.replace(".", "_") + (f"_{unit}" if unit else "")

    @property
    def series_names(self) -> tuple[str, ...]:
        """Every name under which Prometheus stores it."""
        if self.kind is MetricKind.COUNTER:
            return (f"{self.family}_total",)
        if self.kind is MetricKind.GAUGE:
            return (self.family,)
        return (f"{self.family}_bucket", f"{self.family}_count", f"{self.family}_sum")


def counter(name: str, unit: str, meaning: str, *labels: str) -> MetricDefinition:
    """A number that only grows, from 0 when the process starts."""
    return MetricDefinition(MetricKind.COUNTER, name, unit, labels, meaning)


def gauge(name: str, unit: str, meaning: str, *labels: str) -> MetricDefinition:
    """A number as it is at the moment."""
    return MetricDefinition(MetricKind.GAUGE, name, unit, labels, meaning)


def histogram(name: str, unit: str, meaning: str, *labels: str, bounds: tuple[float, ...]) -> MetricDefinition:
    """Values counted by size."""
    return MetricDefinition(MetricKind.HISTOGRAM, name, unit, labels, meaning, bounds)
