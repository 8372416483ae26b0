"""Metrics as Prometheus reads them: its text format, and OpenMetrics, which has the exemplars too.

OpenTelemetry's exporter for Prometheus writes no exemplars, and `prometheus_client`, which does, takes 20 µs for a
line: some thousands of them would hold up calls. This takes a tenth of it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from opentelemetry.sdk.metrics.export import Gauge, Histogram, HistogramDataPoint, Metric, MetricsData, Sum

from common.telemetry.definitions import MetricDefinition, MetricKind

OPENMETRICS = "application/openmetrics-text"
_CONTENT_TYPES = {
    False: "text/plain; version=0.0.4; charset=utf-8",
    True: f"{OPENMETRICS}; version=1.0.0; charset=utf-8",
}
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def render(data: MetricsData, accept: str) -> tuple[bytes, str]:
    """The metrics and their content type: OpenMetrics for those whose Accept header names it."""
    is_open = OPENMETRICS in accept
    lines: list[str] = []
    for resource_metrics in data.resource_metrics:
        attributes = {name.replace(".", "_"): value for name, value in resource_metrics.resource.attributes.items()}
        # A kind of its own in OpenMetrics only.
        kind = "target info" if is_open else "target_info gauge"
        lines += [f"# TYPE {kind}", f"target_info{_braced(_labels(attributes))} 1"]
        for scope_metrics in resource_metrics.scope_metrics:
            for metric in scope_metrics.metrics:
                lines += _family(metric, is_open=is_open)
    if is_open:
        lines.append("# EOF")
    return "\n".join([*lines, ""]).encode(), _CONTENT_TYPES[is_open]


def _family(metric: Metric, *, is_open: bool) -> Iterator[str]:
    data = metric.data
    if isinstance(data, Histogram):
        kind = MetricKind.HISTOGRAM
    elif isinstance(data, Sum | Gauge):
        kind = MetricKind.COUNTER if isinstance(data, Sum) else MetricKind.GAUGE
    else:
        raise TypeError(f"{metric.name}: {type(data).__name__} is not used here")
    definition = MetricDefinition(kind, metric.name, metric.unit or "", (), "")
    series = definition.series_names[0] if kind is not MetricKind.HISTOGRAM else definition.family
    # The old format calls a counter's family by the name of its series.
    family = definition.family if is_open else series
    yield f"# HELP {family} {(metric.description or '').translate(_ESCAPES)}"
    yield f"# TYPE {family} {kind.value}"
    if isinstance(data, Histogram):
        for histogram in data.data_points:
            yield from _histogram(series, histogram, with_exemplars=is_open)
    else:
        for point in data.data_points:
            yield f"{series}{_braced(_labels(point.attributes))} {point.value}"


def _histogram(name: str, point: HistogramDataPoint, *, with_exemplars: bool) -> Iterator[str]:
    labels = _labels(point.attributes)
    before = f"{name}_bucket{{{labels},le=" if labels else f"{name}_bucket{{le="
    exemplars = list(point.exemplars) if with_exemplars else []
    count, lower = 0, float("-inf")
    for bound, here in zip([*point.explicit_bounds, float("inf")], point.bucket_counts, strict=True):
        count += here
        le = "+Inf" if bound == float("inf") else str(bound)
        exemplar = next((each for each in exemplars if lower < each.value <= bound), None)
        if exemplar is None or not exemplar.trace_id:
            yield f'{before}"{le}"}} {count}'
        else:
            seconds = exemplar.time_unix_nano / 1e9
            yield f'{before}"{le}"}} {count} # {{trace_id="{exemplar.trace_id:032x}"}} {exemplar.value} {seconds:.3f}'
        lower = bound
    yield f"{name}_count{_braced(labels)} {count}"
    yield f"{name}_sum{_braced(labels)} {point.sum}"


def _labels(attributes: Mapping[str, Any] | None) -> str:
    return ",".join(f'{name}="{str(value).translate(_ESCAPES)}"' for name, value in (attributes or {}).items())


def _braced(labels: str) -> str:
    return f"{{{labels}}}" if labels else ""
