"""Metrics as Prometheus reads them: its text format, and OpenMetrics, which has the exemplars too.

OpenTelemetry's own exporter for Prometheus writes no exemplars, so the SDK's data is put into `prometheus_client`'s
families here, which writes both formats.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from opentelemetry.sdk.metrics.export import Gauge, Histogram, HistogramDataPoint, Metric, MetricsData, Sum
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.metrics_core import (
    Metric as Family,
)
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.samples import Exemplar as PrometheusExemplar

from common.telemetry.definitions import MetricDefinition, MetricKind

OPENMETRICS = "application/openmetrics-text"


class _Families:
    """What `prometheus_client` calls a registry."""

    def __init__(self, data: MetricsData) -> None:
        self._data = data

    def collect(self) -> Iterator[Family]:
        """The families, one for each metric, and the process' own description."""
        for resource_metrics in self._data.resource_metrics:
            attributes = {
                name.replace(".", "_"): str(value) for name, value in resource_metrics.resource.attributes.items()
            }
            yield InfoMetricFamily("target", "What is read here.", value=attributes)
            for scope_metrics in resource_metrics.scope_metrics:
                for metric in scope_metrics.metrics:
                    yield _family(metric)


def render(data: MetricsData, accept: str) -> tuple[bytes, str]:
    """The metrics and their content type: OpenMetrics for those whose Accept header names it."""
    registry: Any = _Families(data)
    if OPENMETRICS in accept:
        write: Any = openmetrics.generate_latest
        return write(registry), openmetrics.CONTENT_TYPE_LATEST
    return generate_latest(registry), CONTENT_TYPE_LATEST


def _family(metric: Metric) -> Family:
    data = metric.data
    if isinstance(data, Histogram):
        return _histogram_family(metric, data)
    kind = MetricKind.COUNTER if isinstance(data, Sum) else MetricKind.GAUGE
    if not isinstance(data, Gauge | Sum):
        raise TypeError(f"{metric.name}: {type(data).__name__} is not used here")
    labels = _label_names(data.data_points)
    name = _name(kind, metric)
    family = (CounterMetricFamily if isinstance(data, Sum) else GaugeMetricFamily)(
        name, metric.description or "", labels=labels
    )
    for point in data.data_points:
        family.add_metric(_values(point.attributes, labels), point.value)
    return family


def _histogram_family(metric: Metric, data: Histogram) -> Family:
    labels = _label_names(data.data_points)
    family = HistogramMetricFamily(_name(MetricKind.HISTOGRAM, metric), metric.description or "", labels=labels)
    for point in data.data_points:
        family.add_metric(_values(point.attributes, labels), _buckets(point), sum_value=point.sum)
    return family


def _buckets(point: HistogramDataPoint) -> list[Any]:
    """(upper bound, count up to it, exemplar) of each bucket."""
    bounds = [*point.explicit_bounds, float("inf")]
    buckets, count, lower = [], 0, float("-inf")
    for bound, here in zip(bounds, point.bucket_counts, strict=True):
        count += here
        exemplar = next((each for each in point.exemplars if lower < each.value <= bound), None)
        text = "+Inf" if bound == float("inf") else str(bound)
        if exemplar is None or not exemplar.trace_id:
            buckets.append((text, count))
        else:
            trace = {"trace_id": f"{exemplar.trace_id:032x}"}
            seconds = exemplar.time_unix_nano / 1e9
            buckets.append((text, count, PrometheusExemplar(trace, exemplar.value, seconds)))  # type: ignore[arg-type]
        lower = bound
    return buckets


def _name(kind: MetricKind, metric: Metric) -> str:
    return MetricDefinition(kind, metric.name, metric.unit or "", (), "").family


def _label_names(points: Sequence[Any]) -> list[str]:
    return [*points[0].attributes] if points else []


def _values(attributes: Any, labels: Sequence[str]) -> list[str]:
    return [str(attributes[label]) for label in labels]


@asynccontextmanager
async def serving_metrics(listen: str, read: Callable[[], MetricsData]) -> AsyncIterator[str]:
    """Serve GET /metrics on `listen` (HOST:PORT, port 0 for a free one) while the context is open.

    Gives the address; nothing is served for an empty `listen`. Raises OSError when the address is taken.
    """
    if not listen:
        yield ""
        return

    async def metrics(request: web.Request) -> web.Response:
        # Read here, where nothing changes meanwhile; written by another thread, so that no call waits for it.
        body, content_type = await asyncio.to_thread(render, read(), request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=75, shutdown_timeout=1)
    try:
        await runner.setup()
        host, _, port = listen.rpartition(":")
        await web.TCPSite(runner, host.strip("[]"), int(port)).start()
        yield f"{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
