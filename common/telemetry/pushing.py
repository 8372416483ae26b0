"""Metrics pushed to an OTLP receiver, by the SDK's exporters."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol

import grpc
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetricExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetricExporter
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData

from common.logs import get_logger
from common.telemetry.exporters import http_session
from common.telemetry.settings import TelemetrySettings

_log = get_logger(__name__)
_GRPC_ENDPOINT, _HTTP_ENDPOINT = "http://127.0.0.1:4317", "http://127.0.0.1:4318"


class Exporter(Protocol):
    """Sends metrics."""

    def export(self, metrics_data: MetricsData, timeout_millis: float) -> MetricExportResult:
        """Whether the receiver took them. Blocks for that long at most."""
        ...

    def shutdown(self) -> None:
        """Close the connection."""
        ...


def open_metrics_exporter(settings: TelemetrySettings) -> Exporter | None:
    """The exporter of the settings, None for none. It connects when it is first used.

    Raises OSError and InvalidArgumentError for files that can't be used.
    """
    if settings.metrics_exporter == "none":
        return None
    ca_file = settings.otlp_ca_file
    if settings.metrics_exporter == "otlp-grpc":
        return GrpcMetricExporter(
            endpoint=settings.otlp_endpoint or _GRPC_ENDPOINT,
            credentials=None if ca_file is None else grpc.ssl_channel_credentials(ca_file.read_bytes()),
            headers=settings.otlp_headers,
            timeout=settings.otlp_timeout_seconds,
        )
    base = settings.otlp_endpoint or _HTTP_ENDPOINT
    return HttpMetricExporter(
        endpoint=f"{base.rstrip('/')}/v1/metrics",
        certificate_file=None if ca_file is None else str(ca_file),
        headers=settings.otlp_headers,
        timeout=settings.otlp_timeout_seconds,
        session=http_session(),
    )


class Pusher:
    """Pushes what is counted, now and then. What can't be pushed is pushed the next time: the numbers only grow."""

    def __init__(self, exporter: Exporter, read: Callable[[], MetricsData], timeout_seconds: float) -> None:
        self._exporter = exporter
        self._read = read
        self._timeout_ms = timeout_seconds * 1000
        self._is_failing = False

    async def push(self) -> bool:
        """Push once; whether it was taken."""
        try:
            # Read here, where nothing changes meanwhile; sent by another thread.
            result = await asyncio.to_thread(self._exporter.export, self._read(), timeout_millis=self._timeout_ms)
            taken = result is MetricExportResult.SUCCESS
        except Exception as error:  # noqa: BLE001 - whatever it is, the next one may go
            # Not the message: it may quote the receiver's headers.
            _log.error("metrics could not be exported", error=type(error).__name__)
            taken = False
        if taken is self._is_failing:
            (_log.info if taken else _log.warning)("metrics are taken again" if taken else "metrics are not taken")
        self._is_failing = not taken
        return taken

    async def keep_pushing(self, seconds: float, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Push for ever."""
        while True:
            await sleep(seconds)
            await self.push()


@asynccontextmanager
async def pushing_metrics(settings: TelemetrySettings, read: Callable[[], MetricsData]) -> AsyncIterator[None]:
    """Push while the context is open, where the settings say so, and once more at its end."""
    exporter = open_metrics_exporter(settings)
    if exporter is None:
        yield
        return
    pusher = Pusher(exporter, read, settings.otlp_timeout_seconds)
    task = asyncio.create_task(pusher.keep_pushing(settings.metrics_export_seconds))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await pusher.push()
        await asyncio.to_thread(exporter.shutdown)
