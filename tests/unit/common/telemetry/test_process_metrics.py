"""How metrics leave a process."""

import asyncio
from pathlib import Path

import aiohttp
import pytest
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData
from opentelemetry.sdk.resources import Resource
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from common.clock import SystemClock
from common.request_lines import RequestLines
from common.telemetry import names
from common.telemetry.loop_lag import INTERVAL_SECONDS, keep_measuring
from common.telemetry.metrics import Histogram, Metrics
from common.telemetry.process_metrics import running_metrics
from common.telemetry.prometheus import serving_metrics
from common.telemetry.pushing import Pusher, open_metrics_exporter
from common.telemetry.settings import TelemetrySettings
from tests.support.clock import FakeClock


async def test_metrics_are_served_in_both_formats() -> None:
    metrics = Metrics(Resource({"service.name": "test"}), SystemClock())
    metrics.observe(names.READY, lambda: 1)
    async with serving_metrics("127.0.0.1:0", metrics.read) as address, aiohttp.ClientSession() as session:
        async with session.get(f"http://{address}/metrics") as response:
            assert response.content_type == "text/plain"
            assert "\naxbridge_ready 1\n" in await response.text()
        accept = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
        async with session.get(f"http://{address}/metrics", headers=accept) as response:
            assert response.content_type == "application/openmetrics-text"
            families = {family.name: family for family in parse_openmetrics(await response.text())}
            assert families["axbridge_ready"].samples[0].value == 1
            assert families["target"].samples[0].labels == {"service_name": "test"}
        async with session.get(f"http://{address}/") as response:
            assert response.status == 404


async def test_nothing_is_served_where_nothing_is_set() -> None:
    metrics = Metrics(Resource({}), SystemClock())
    async with serving_metrics("", metrics.read) as address:
        assert address == ""


async def test_a_process_tells_of_itself() -> None:
    clock = SystemClock()
    metrics = Metrics(Resource({}), clock)
    settings = TelemetrySettings(metrics_listen="127.0.0.1:0")
    async with running_metrics(settings, metrics, RequestLines(1, clock.monotonic()), clock):
        told = {each.name: each for each in metrics.read().resource_metrics[0].scope_metrics[0].metrics}
    for name in ("process.cpu.time", "process.memory.usage", "process.open_file_descriptor.count"):
        (point,) = told[name].data.data_points
        assert point.value > 0  # type: ignore[union-attr]
    assert "axbridge.event_loop.lag" in told


async def test_a_loop_that_wakes_late_is_seen() -> None:
    clock, lag, slept = FakeClock(), Histogram(names.LOOP_LAG), 0

    async def sleep(seconds: float) -> None:
        nonlocal slept
        assert seconds == INTERVAL_SECONDS
        if slept == 2:
            raise asyncio.CancelledError
        slept += 1
        # On time, then 0.3 s late.
        clock.advance(seconds + 0.3 * (slept - 1))

    with pytest.raises(asyncio.CancelledError):
        await keep_measuring(lag, clock, sleep)
    assert lag.count() == 2
    assert lag._series[()].total == pytest.approx(0.3)


class FakeExporter:
    """Takes metrics, or does not."""

    def __init__(self) -> None:
        self.result: MetricExportResult | Exception = MetricExportResult.SUCCESS
        self.taken: list[MetricsData] = []

    def export(self, metrics_data: MetricsData, timeout_millis: float) -> MetricExportResult:
        if isinstance(self.result, Exception):
            raise self.result
        self.taken.append(metrics_data)
        return self.result

    def shutdown(self) -> None:
        return None


async def test_a_receiver_that_fails_is_tried_again() -> None:
    exporter = FakeExporter()
    pusher = Pusher(exporter, Metrics(Resource({}), SystemClock()).read, 1.0)
    exporter.result = MetricExportResult.FAILURE
    assert not await pusher.push()
    exporter.result = OSError("token=secret")
    assert not await pusher.push()
    exporter.result = MetricExportResult.SUCCESS
    assert await pusher.push()
    assert len(exporter.taken) == 2


def test_without_an_exporter_nothing_is_pushed(tmp_path: Path) -> None:
    assert open_metrics_exporter(TelemetrySettings()) is None
    settings = TelemetrySettings(metrics_exporter="otlp-grpc", otlp_headers_file=tmp_path / "missing")
    with pytest.raises(OSError, match="missing"):
        open_metrics_exporter(settings)
