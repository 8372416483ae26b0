"""Metrics pushed to a real OTLP receiver, over gRPC and over HTTP."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import (
    MetricsServiceServicer,
    add_MetricsServiceServicer_to_server,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.sdk.resources import Resource

from common.telemetry import names
from common.telemetry.metrics import Counter, Histogram, Metrics
from common.telemetry.pushing import pushing_metrics
from common.telemetry.settings import TelemetrySettings
from tests.support.clock import FakeClock

TRACE = bytes(range(16))


class Receiver(MetricsServiceServicer):
    """Keeps what it gets."""

    def __init__(self) -> None:
        self.requests: list[ExportMetricsServiceRequest] = []
        self.headers: list[dict[str, str]] = []

    def Export(self, request: ExportMetricsServiceRequest, context: Any) -> ExportMetricsServiceResponse:
        self.requests.append(request)
        self.headers.append(dict(context.invocation_metadata()))
        return ExportMetricsServiceResponse()

    @property
    def metrics(self) -> dict[str, Metric]:
        """What came last, by name."""
        (resource,) = self.requests[-1].resource_metrics
        assert {each.key: each.value.string_value for each in resource.resource.attributes}["service.name"] == "test"
        return {metric.name: metric for scope in resource.scope_metrics for metric in scope.metrics}


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture(params=["otlp-grpc", "otlp-http"])
def settings(request: pytest.FixtureRequest, receiver: Receiver, tmp_path: Path) -> Iterator[TelemetrySettings]:
    headers = tmp_path / "headers"
    headers.write_text("x-token: t1\n", encoding="utf-8")

    def made(port: int) -> TelemetrySettings:
        return TelemetrySettings(
            metrics_exporter=request.param,
            otlp_endpoint=f"http://127.0.0.1:{port}",
            otlp_headers_file=headers,
            otlp_timeout_seconds=20,
            metrics_export_seconds=3600,
        )

    if request.param == "otlp-grpc":
        server = grpc.server(ThreadPoolExecutor(1))
        add_MetricsServiceServicer_to_server(receiver, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield made(port)
        server.stop(None).wait()
        return

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path == "/v1/metrics"
            receiver.requests.append(ExportMetricsServiceRequest.FromString(body))
            receiver.headers.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        # Connections that are kept alive would hold up the end.
        http.daemon_threads, http.block_on_close = True, False
        thread = threading.Thread(target=http.serve_forever, args=(0.05,))
        thread.start()
        yield made(http.server_address[1])
        http.shutdown()
        thread.join()


async def test_what_was_counted_arrives_at_the_end(settings: TelemetrySettings, receiver: Receiver) -> None:
    clock = FakeClock()
    metrics = Metrics(Resource({"service.name": "test"}), clock)
    queries, limited = Histogram(names.QUERY_DURATION, clock), Counter(names.LIMITED_MESSAGES)
    metrics.add(queries, limited)
    metrics.observe(names.READY, lambda: 1)
    async with pushing_metrics(settings, metrics.read):
        queries.record(0.004, ("100001", "0000"), TRACE)
        limited.add(("query",), 3)
    told = receiver.metrics
    assert told["axbridge.ready"].gauge.data_points[0].as_int == 1
    total = told["axbridge.gateway.limited.messages"].sum
    assert total.is_monotonic
    assert total.data_points[0].as_int == 3
    (point,) = told["axbridge.gateway.query.duration"].histogram.data_points
    assert told["axbridge.gateway.query.duration"].unit == "s"
    assert {each.key: each.value.string_value for each in point.attributes} == {"tenant": "100001", "result": "0000"}
    assert point.count == 1
    assert list(point.explicit_bounds) == list(names.QUERY_DURATION.bounds)
    assert [each.trace_id for each in point.exemplars] == [TRACE]
    assert receiver.headers[-1]["x-token"] == "t1"
