"""Where lots of encoded spans go: OTLP over gRPC or HTTP by the SDK's exporters, or the console.

The SDK's exporters bring connections, TLS, retries and time limits; only its encoder is not used (see `spans.py`).
"""

import sys
from collections.abc import Sequence
from typing import Any, Protocol, TextIO

import grpc
import orjson
import requests
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpanExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ResourceMessage
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SpanExportResult

from common.telemetry.settings import TelemetrySettings
from common.telemetry.spans import encode_lot

SCOPE_NAME = "axbridge"
_GRPC_ENDPOINT, _HTTP_ENDPOINT = "http://127.0.0.1:4317", "http://127.0.0.1:4318"


class LotExporter(Protocol):
    """Sends lots of spans. Used by one thread."""

    def export(self, spans: Sequence[bytes]) -> bool:
        """Whether the receiver took them. Blocks for the time that the settings allow at most."""
        ...

    def shutdown(self) -> None:
        """Break off what is being sent, and close the connection. May be called by any thread."""
        ...


def open_exporter(settings: TelemetrySettings, resource: Resource) -> LotExporter | None:
    """The exporter of the settings, None for none. It connects when it is first used.

    Raises OSError and InvalidArgumentError for files that can't be used.
    """
    if settings.trace_exporter == "none":
        return None
    if settings.trace_exporter == "console":
        return ConsoleExporter()
    own, scope = _message(resource), InstrumentationScope(name=SCOPE_NAME).SerializeToString()
    if settings.trace_exporter == "otlp-grpc":
        return GrpcExporter(settings, own, scope)
    return HttpExporter(settings, own, scope)


class GrpcExporter:
    """OTLP over gRPC."""

    def __init__(self, settings: TelemetrySettings, resource: bytes, scope: bytes) -> None:
        ca_file = settings.otlp_ca_file
        # The SDK retries what may succeed later, and knows when to connect anew.
        self._exporter = _EncodedGrpc(
            endpoint=settings.otlp_endpoint or _GRPC_ENDPOINT,
            credentials=None if ca_file is None else grpc.ssl_channel_credentials(ca_file.read_bytes()),
            headers=settings.otlp_headers,
            timeout=settings.otlp_timeout_seconds,
        )
        self._resource, self._scope = resource, scope

    def export(self, spans: Sequence[bytes]) -> bool:
        return self._exporter.export_lot(encode_lot(self._resource, self._scope, spans))

    def shutdown(self) -> None:
        self._exporter.shutdown()


class _EncodedGrpc(GrpcSpanExporter):
    """The SDK's exporter for what is encoded already."""

    def export_lot(self, lot: bytes) -> bool:
        data: Any = lot
        return self._export(data) is SpanExportResult.SUCCESS

    def _translate_data(self, data: Any) -> ExportTraceServiceRequest:
        return ExportTraceServiceRequest.FromString(data)

    def _count_data(self, data: Any) -> int:
        return 1


class HttpExporter:
    """OTLP over HTTP, protobuf."""

    def __init__(self, settings: TelemetrySettings, resource: bytes, scope: bytes) -> None:
        base = settings.otlp_endpoint or _HTTP_ENDPOINT
        ca_file = settings.otlp_ca_file
        self._exporter = _EncodedHttp(
            endpoint=f"{base.rstrip('/')}/v1/traces",
            certificate_file=None if ca_file is None else str(ca_file),
            headers=settings.otlp_headers,
            timeout=settings.otlp_timeout_seconds,
            session=http_session(),
        )
        self._resource, self._scope = resource, scope

    def export(self, spans: Sequence[bytes]) -> bool:
        return self._exporter.export_lot(encode_lot(self._resource, self._scope, spans))

    def shutdown(self) -> None:
        self._exporter.close()


def http_session() -> Any:
    """What OTLP goes over HTTP by: our settings decide alone. The library would put the environment's proxies and its
    REQUESTS_CA_BUNDLE before the authorities of the settings."""
    session = requests.Session()
    session.trust_env = False
    return session


class _EncodedHttp(HttpSpanExporter):
    """The SDK's exporter for what is encoded already."""

    def export_lot(self, lot: bytes) -> bool:
        return bool(self._client.export(lot).success)

    def close(self) -> None:
        # Without types of its own.
        shut_down: Any = self.shutdown
        shut_down()


class ConsoleExporter:
    """One JSON line a span, on standard output."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out if out is not None else sys.stdout

    def export(self, spans: Sequence[bytes]) -> bool:
        for span in ScopeSpans.FromString(b"".join(spans)).spans:
            self._out.write(orjson.dumps(_shown(span)).decode() + "\n")
        self._out.flush()
        return True

    def shutdown(self) -> None:
        """There is nothing to close."""


def _shown(span: Span) -> dict[str, Any]:
    """A span as the console shows it; `span` is always the first key, so that the lines are told from others."""
    shown: dict[str, Any] = {
        "span": span.name,
        "kind": Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "parent_span_id": span.parent_span_id.hex(),
        "start_unix_nano": span.start_time_unix_nano,
        "duration_us": (span.end_time_unix_nano - span.start_time_unix_nano) // 1000,
        "attributes": _values(span.attributes),
    }
    if span.links:
        shown["links"] = [{"trace_id": each.trace_id.hex(), "span_id": each.span_id.hex()} for each in span.links]
    if span.events:
        shown["events"] = [{"name": each.name, "attributes": _values(each.attributes)} for each in span.events]
    return shown


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value") or "string_value") for each in attributes}


def _message(resource: Resource) -> bytes:
    message = ResourceMessage()
    for name, value in resource.attributes.items():
        attribute = message.attributes.add(key=name)
        attribute.value.string_value = str(value)
    return message.SerializeToString()
