"""Exporters against a real receiver on loopback: OTLP over gRPC and over HTTP, and the console."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.resources import Resource

from common.errors import InvalidArgumentError
from common.telemetry import names
from common.telemetry.exporters import ConsoleExporter, open_exporter
from common.telemetry.settings import TelemetrySettings, TraceExporter, parse_headers
from common.telemetry.spans import SpanContext, encode_span
from common.telemetry.tracing import running_tracing
from tests.support.certificates import CertificateAuthority
from tests.support.clock import FakeClock
from tests.support.otlp import OtlpReceiver
from tests.support.processes import free_port
from tests.support.spans import attributes_of

CONTEXT, LINKED = SpanContext(b"t" * 16, b"s" * 8), SpanContext(b"l" * 16, b"l" * 8)
OTLP: list[TraceExporter] = ["otlp-grpc", "otlp-http"]
RESOURCE = Resource({"service.name": "gateway"})


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with OtlpReceiver() as receiver:
        yield receiver


def settings(kind: TraceExporter, receiver: OtlpReceiver, **fields: object) -> TelemetrySettings:
    endpoint = receiver.grpc_endpoint if kind == "otlp-grpc" else receiver.http_endpoint
    return TelemetrySettings(**{"trace_exporter": kind, "otlp_endpoint": endpoint, **fields})  # type: ignore[arg-type]


def encoded(attributes: dict[str, str | int] | None = None) -> bytes:
    error = ValueError("call 13800001111")
    return encode_span(names.QUERY, CONTEXT, b"p" * 8, (5_000, 12_000), attributes or {}, (LINKED,), error)


@pytest.mark.parametrize("kind", OTLP)
def test_a_receiver_gets_the_spans_their_resource_and_the_headers(
    kind: TraceExporter, receiver: OtlpReceiver, tmp_path: Path
) -> None:
    headers = tmp_path / "headers"
    headers.write_text("# for the receiver\nAuthorization: Bearer a:b\n\nx-scope:  one \n")
    exporter = open_exporter(settings(kind, receiver, otlp_headers_file=headers), RESOURCE)
    assert exporter is not None
    assert exporter.export([encoded({"axbridge.result": "0000"}), encoded({"axbridge.result": "1004"})])
    exporter.shutdown()
    found = receiver.spans
    assert [attributes_of(each.span)["axbridge.result"] for each in found] == ["0000", "1004"]
    assert {each.service for each in found} == {"gateway"}
    assert receiver.headers[0]["authorization"] == "Bearer a:b"
    assert receiver.headers[0]["x-scope"] == "one"


@pytest.mark.parametrize("kind", OTLP)
def test_over_tls_only_the_right_authority_is_believed(kind: TraceExporter, tmp_path: Path) -> None:
    files = CertificateAuthority.create().issue(tmp_path / "right", "receiver")
    wrong = CertificateAuthority.create("other").issue(tmp_path / "wrong", "receiver")
    with OtlpReceiver(files) as receiver:
        for ca_file, is_taken in ((files.ca_file, True), (wrong.ca_file, False)):
            trusting = settings(kind, receiver, otlp_ca_file=ca_file, otlp_timeout_seconds=10 if is_taken else 0.5)
            exporter = open_exporter(trusting, RESOURCE)
            assert exporter is not None
            assert exporter.export([encoded()]) is is_taken
            exporter.shutdown()
        assert len(receiver.spans) == 1


@pytest.mark.parametrize("kind", OTLP)
def test_what_a_receiver_refuses_is_not_taken_for_sent(kind: TraceExporter, receiver: OtlpReceiver) -> None:
    exporter = open_exporter(settings(kind, receiver), RESOURCE)
    assert exporter is not None
    receiver.refuse = True
    assert not exporter.export([encoded()])
    receiver.refuse = False
    assert exporter.export([encoded()])
    exporter.shutdown()


@pytest.mark.parametrize("kind", OTLP)
def test_a_receiver_that_is_not_there_costs_spans_only(kind: TraceExporter) -> None:
    nowhere = TelemetrySettings(
        trace_exporter=kind, otlp_endpoint=f"http://127.0.0.1:{free_port()}", otlp_timeout_seconds=0.1
    )
    exporter = open_exporter(nowhere, RESOURCE)
    assert exporter is not None
    assert not exporter.export([encoded()])
    exporter.shutdown()


@pytest.mark.parametrize("kind", OTLP)
async def test_the_end_of_the_process_sends_what_waits(kind: TraceExporter, receiver: OtlpReceiver) -> None:
    async with running_tracing(settings(kind, receiver), "event_service", FakeClock()) as tracer:
        tracer.write(names.EVENT, CONTEXT, b"", (1.0, 2.0))
    (found,) = receiver.spans
    assert (found.service, found.span.name) == ("event_service", names.EVENT.name)


def test_the_console_shows_one_json_line_a_span() -> None:
    out = io.StringIO()
    ConsoleExporter(out).export([encoded({"axbridge.result": "0000", "axbridge.batch_size": 3})] * 2)
    first, second = out.getvalue().splitlines()
    assert first == second
    assert first.startswith('{"span":')
    assert json.loads(first) == {
        "span": "POST /v1/calls query",
        "kind": "server",
        "trace_id": CONTEXT.trace_id.hex(),
        "span_id": CONTEXT.span_id.hex(),
        "parent_span_id": (b"p" * 8).hex(),
        "start_unix_nano": 5000,
        "duration_us": 7,
        "attributes": {
            "http.request.method": "POST",
            "http.route": "/v1/calls",
            "axbridge.result": "0000",
            "axbridge.batch_size": 3,
            "error.type": "ValueError",
        },
        "links": [{"trace_id": LINKED.trace_id.hex(), "span_id": LINKED.span_id.hex()}],
        "events": [
            {
                "name": "exception",
                "attributes": {"exception.type": "ValueError", "exception.message": "call 138****1111"},
            }
        ],
    }


def test_without_settings_nothing_is_exported() -> None:
    assert open_exporter(TelemetrySettings(), RESOURCE) is None


@pytest.mark.parametrize(
    "endpoint", ["127.0.0.1:4317", "ftp://host:1", "http://", "http://user:secret@host:4317", "http://host/?key=secret"]
)
def test_an_endpoint_that_is_none_is_refused_without_repeating_it(endpoint: str) -> None:
    with pytest.raises(ValueError, match="otlp_endpoint") as refused:
        TelemetrySettings(otlp_endpoint=endpoint)
    assert "secret" not in str([each["msg"] for each in refused.value.errors()])  # type: ignore[attr-defined]


def test_a_ca_file_without_tls_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="https://"):
        TelemetrySettings(otlp_endpoint="http://host:4317", otlp_ca_file=tmp_path / "ca.pem")


@pytest.mark.parametrize("text", [b"no colon", b": no name", b"na me: x", b"name: \xe4", b"name: a\x01b"])
def test_a_headers_file_that_is_wrong_is_refused_without_repeating_it(text: bytes) -> None:
    with pytest.raises(InvalidArgumentError, match="line 2") as refused:
        parse_headers(b"good: one\n" + text)
    assert "no colon" not in str(refused.value)
