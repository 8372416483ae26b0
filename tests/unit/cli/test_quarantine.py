"""The quarantine: listed masked, replayed as it came, removed once taken."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from axbridge.events.v1 import event_service_pb2

from tests.unit.cli.conftest import Cli, FakeServices

XML = "application/xml; charset=GBK"


class FakeGateway:
    """Takes what `accepts` says, with 400 for the rest; like the real one, it quarantines what it refuses."""

    def __init__(self, quarantine: "FakeQuarantine") -> None:
        self.quarantine = quarantine
        self.accepts: set[bytes] = set()
        self.received: list[tuple[str | None, bytes]] = []
        self.url = ""


class FakeQuarantine:
    """The event service's quarantine."""

    def __init__(self, services: FakeServices) -> None:
        self.messages: list[event_service_pb2.QuarantinedMessage] = []
        services.answers["ListQuarantined"] = self._list
        services.answers["DeleteQuarantined"] = self._delete

    def add(self, body: bytes, tenant: str = "100001", content_type: str = XML) -> int:
        message_id = 1 + max((message.message_id for message in self.messages), default=0)
        self.messages.append(
            event_service_pb2.QuarantinedMessage(
                message_id=message_id,
                received_at_us=1_772_323_200_000_000,
                reason="sid: missing",
                tenant_id=tenant,
                raw_body=body,
                content_type=content_type,
            )
        )
        return message_id

    @property
    def ids(self) -> list[int]:
        return [message.message_id for message in self.messages]

    def _list(self, request: event_service_pb2.ListQuarantinedRequest) -> event_service_pb2.ListQuarantinedResponse:
        first = int(request.page_token or 0)
        fitting = [item for item in self.messages if request.tenant_id in ("", item.tenant_id)]
        size = min(request.page_size, 2)
        token = str(first + size) if len(fitting) > first + size else ""
        return event_service_pb2.ListQuarantinedResponse(messages=fitting[first : first + size], next_page_token=token)

    def _delete(
        self, request: event_service_pb2.DeleteQuarantinedRequest
    ) -> event_service_pb2.DeleteQuarantinedResponse:
        kept = [message for message in self.messages if message.message_id not in request.message_ids]
        deleted = len(self.messages) - len(kept)
        self.messages = kept
        return event_service_pb2.DeleteQuarantinedResponse(deleted=deleted)


@pytest.fixture
def quarantine(services: FakeServices) -> FakeQuarantine:
    return FakeQuarantine(services)


@pytest.fixture
def gateway(quarantine: FakeQuarantine) -> Iterator[FakeGateway]:
    fake = FakeGateway(quarantine)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            fake.received.append((self.headers["Content-Type"], body))
            if body not in fake.accepts:
                fake.quarantine.add(body)
            self.send_response(200 if body in fake.accepts else 400)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            """Nothing on the test's standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}/v1/calls"
    yield fake
    server.shutdown()
    thread.join()
    server.server_close()


def test_bodies_are_listed_masked(cli: Cli, quarantine: FakeQuarantine) -> None:
    quarantine.add(b"<r><number>13800001111</number></r>")
    shown = cli.ok("quarantine", "list")
    assert "138****1111" in shown
    assert "sid: missing" in shown
    assert "13800001111" not in shown
    assert "13800001111" in cli.ok("quarantine", "list", "--unmask")
    (masked,) = cli.json("quarantine", "list")
    assert "13800001111" not in str(masked)
    assert "raw_body" not in masked


def test_lists_are_filtered_and_end_at_their_limit(cli: Cli, quarantine: FakeQuarantine) -> None:
    for number in range(5):
        quarantine.add(b"%d" % number, tenant="1" if number % 2 else "2")
    assert [item["message_id"] for item in cli.json("quarantine", "list")] == [1, 2, 3, 4, 5]
    assert [item["message_id"] for item in cli.json("quarantine", "list", "--limit", "3")] == [1, 2, 3]
    assert [item["message_id"] for item in cli.json("quarantine", "list", "--tenant", "1")] == [2, 4]
    assert "empty" in cli.ok("quarantine", "list", "--tenant", "3")


def test_a_replay_sends_what_came_and_removes_what_is_taken(
    cli: Cli, quarantine: FakeQuarantine, gateway: FakeGateway
) -> None:
    body = "<请求/>".encode("gbk")
    first, second = quarantine.add(body), quarantine.add(b"other")
    gateway.accepts = {body}
    assert "1 taken" in cli.ok("quarantine", "replay", str(first), "--url", gateway.url)
    assert gateway.received == [(XML, body)]
    assert quarantine.ids == [second]


def test_what_is_refused_again_stays_once_under_its_own_id(
    cli: Cli, quarantine: FakeQuarantine, gateway: FakeGateway
) -> None:
    quarantine.add(b"good")
    refused = [quarantine.add(b"bad"), quarantine.add(b"worse")]
    gateway.accepts = {b"good"}
    result = cli.run("quarantine", "replay", "--all", "--url", gateway.url)
    assert result.exit_code == 1
    assert "1 taken, 2 refused again" in result.stdout
    assert "HTTP 400" in result.stderr
    assert quarantine.ids == refused


def test_nobody_loses_a_message_to_a_gateway_that_is_away(cli: Cli, quarantine: FakeQuarantine) -> None:
    quarantine.add(b"x")
    line = cli.error("quarantine", "replay", "--all", "--url", "http://127.0.0.1:9/v1/calls")
    assert "can't reach the gateway" in line
    assert "axbridge up" in line
    assert quarantine.ids == [1]


def test_deleting(cli: Cli, quarantine: FakeQuarantine) -> None:
    for number in range(4):
        quarantine.add(b"%d" % number, tenant="1" if number == 3 else "2")
    assert "2 deleted" in cli.ok("quarantine", "delete", "1", "3")
    assert quarantine.ids == [2, 4]
    assert cli.json("quarantine", "delete", "--all", "--tenant", "1") == {"deleted": 1}
    assert quarantine.ids == [2]


def test_one_has_to_say_which(cli: Cli, quarantine: FakeQuarantine) -> None:
    quarantine.add(b"x")
    for command in ("replay", "delete"):
        assert "their ids, or --all" in cli.error("quarantine", command, code=2)
        assert "their ids, or --all" in cli.error("quarantine", command, "1", "--all", code=2)
        assert "not in the quarantine: 7" in cli.error("quarantine", command, "1", "7")
    assert quarantine.ids == [1]
