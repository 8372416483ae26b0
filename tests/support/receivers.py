"""Webhook endpoints as integrators have them, good ones and bad ones, each on a free port of loopback."""

import json
import socket
import threading
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from standardwebhooks import Webhook, WebhookVerificationError


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request that came in. `verified`: its signature was right for the receiver's secret."""

    message_id: str
    body: dict[str, Any]
    headers: dict[str, str]
    received_at: float
    verified: bool


@dataclass
class Answer:
    """What an endpoint does: `status`, after `delay_seconds`; or nothing at all."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    # Take the request, and never answer.
    hangs: bool = False
    # Take the request, and close.
    drops: bool = False


class Receiver(AbstractContextManager["Receiver"]):
    """An endpoint. `answer` may be changed at any time; `secret` is what signatures are checked with."""

    def __init__(self, answer: Answer | None = None) -> None:
        self.answer = answer or Answer()
        self.secret = ""
        self._received: list[Delivery] = []
        self._changed = threading.Condition()
        self._closing = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                receiver._handle(self)

            def log_message(self, *_arguments: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, *_arguments: object) -> None:
                # A client that went away is the client's business.
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/hook"

    @property
    def received(self) -> list[Delivery]:
        with self._changed:
            return list(self._received)

    def wait_for(self, count: int, timeout_seconds: float = 30.0) -> list[Delivery]:
        """What came in, when it is so many different messages. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._messages()) >= count, timeout_seconds):
                raise TimeoutError(f"{len(self._messages())} of {count} messages came in {timeout_seconds} s")
            return list(self._received)

    def calls(self) -> dict[str, list[str]]:
        """The messages of each call in the order in which they first came: event codes, or `record`."""
        found: dict[str, dict[str, str]] = {}
        for delivery in self.received:
            data = delivery.body["data"]
            what = data["code"] if delivery.body["type"] == "call.event" else "record"
            found.setdefault(data["session_id"], {}).setdefault(delivery.message_id, what)
        return {session_id: list(messages.values()) for session_id, messages in found.items()}

    def _messages(self) -> set[str]:
        return {delivery.message_id for delivery in self._received}

    def _handle(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        answer = self.answer
        headers = {name.lower(): value for name, value in request.headers.items()}
        delivery = Delivery(
            headers["webhook-id"], json.loads(body), headers, time.monotonic(), self._verify(body, headers)
        )
        with self._changed:
            self._received.append(delivery)
            self._changed.notify_all()
        if answer.delay_seconds:
            self._closing.wait(answer.delay_seconds)
        if answer.hangs:
            self._closing.wait(600)
        if answer.hangs or answer.drops:
            request.close_connection = True
            request.connection.shutdown(socket.SHUT_RDWR)
            return
        request.send_response(answer.status)
        for name, value in answer.headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", "0")
        request.end_headers()

    def _verify(self, body: bytes, headers: dict[str, str]) -> bool:
        if not self.secret:
            return False
        try:
            Webhook(self.secret).verify(body, headers)
        except WebhookVerificationError:
            return False
        return True

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
