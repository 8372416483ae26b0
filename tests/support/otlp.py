"""A small real OTLP receiver for traces, over gRPC and over HTTP. It keeps what it gets."""

import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from common.tls import TlsFiles


@dataclass(frozen=True, slots=True)
class Received:
    """A span, and the process that wrote it."""

    service: str
    span: Span


class OtlpReceiver(AbstractContextManager["OtlpReceiver"]):
    """Listens on loopback while the context is open. `refuse` makes it answer that it can't take anything now."""

    def __init__(self, tls: TlsFiles | None = None) -> None:
        self.refuse = False
        self.headers: list[dict[str, str]] = []
        self._requests: list[bytes] = []
        self._lock = threading.Lock()
        self._server = grpc.server(ThreadPoolExecutor(2, "otlp"))
        add_TraceServiceServicer_to_server(_Servicer(self), self._server)
        self._http = _HttpServer(("127.0.0.1", 0), _handler(self))
        if tls is None:
            port, scheme = self._server.add_insecure_port("127.0.0.1:0"), "http"
        else:
            assert tls.cert_file is not None and tls.key_file is not None
            pair = (tls.key_file.read_bytes(), tls.cert_file.read_bytes())
            port, scheme = self._server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair])), "https"
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(tls.cert_file, tls.key_file)
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self.grpc_endpoint = f"{scheme}://127.0.0.1:{port}"
        self.http_endpoint = f"{scheme}://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    def take(self, request: bytes, headers: dict[str, str]) -> None:
        with self._lock:
            self._requests.append(request)
            self.headers.append(headers)

    @property
    def wire(self) -> bytes:
        """Everything that came, as it came."""
        with self._lock:
            return b"".join(self._requests)

    @property
    def spans(self) -> list[Received]:
        """All spans, in the order in which they came."""
        with self._lock:
            requests = [ExportTraceServiceRequest.FromString(each) for each in self._requests]
        return [
            Received(_service(part.resource), span)
            for request in requests
            for part in request.resource_spans
            for scope in part.scope_spans
            for span in scope.spans
        ]

    def trace(self, trace_id: bytes) -> list[Received]:
        """The spans of one trace."""
        return [each for each in self.spans if each.span.trace_id == trace_id]

    def __enter__(self) -> Self:
        self._server.start()
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.stop(None).wait()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def _service(resource: Any) -> str:
    names = {each.key: each.value.string_value for each in resource.attributes}
    return names["service.name"]


class _Servicer(TraceServiceServicer):
    def __init__(self, receiver: OtlpReceiver) -> None:
        self._receiver = receiver

    def Export(self, request: ExportTraceServiceRequest, context: Any) -> ExportTraceServiceResponse:
        if self._receiver.refuse:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "as the test wishes")
        self._receiver.take(request.SerializeToString(), dict(context.invocation_metadata()))
        return ExportTraceServiceResponse()


class _HttpServer(ThreadingHTTPServer):
    # Connections that are kept alive would hold up the end.
    daemon_threads = True
    block_on_close = False


def _handler(receiver: OtlpReceiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            is_ours = self.path == "/v1/traces" and self.headers["Content-Type"] == "application/x-protobuf"
            if is_ours and not receiver.refuse:
                receiver.take(body, {name.lower(): value for name, value in self.headers.items()})
            self.send_response(200 if is_ours and not receiver.refuse else 400)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            """Nobody reads it."""

    return Handler
