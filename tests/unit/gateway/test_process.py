"""`python -m gateway` as a process: it starts without its peers, says where it is, and ends in order."""

import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from common.lifecycle import parse_announcement
from gateway.settings import GatewaySettings


def start(**env: str) -> "subprocess.Popen[str]":
    settings = {f"AXBRIDGE_GATEWAY_{name}": value for name, value in env.items()}
    return subprocess.Popen(
        [sys.executable, "-m", "gateway"],
        env={"PATH": "", **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def lonely() -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A gateway whose services are not there."""
    nobody = "127.0.0.1:1"
    process = start(LISTEN="127.0.0.1:0", ROUTING_TARGET=nobody, EVENTS_TARGET=nobody, EVENT_BUDGET_SECONDS="0.2")
    assert process.stdout is not None
    announcement = parse_announcement(process.stdout.readline().strip())
    assert announcement is not None
    assert announcement[0] == "gateway"
    yield process, announcement[1]
    if process.poll() is None:
        process.kill()
    process.communicate()


def ask(address: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    headers = {} if body is None else {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://{address}{path}", data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_without_its_services_it_answers_and_stops_in_order(
    lonely: tuple["subprocess.Popen[str]", str],
) -> None:
    process, address = lonely
    query = {"sid": "s", "vccId": "1", "callId": "c", "method": "query", "callingNumber": "1", "accessNumber": "2"}
    status, body = ask(address, "/v1/calls", json.dumps(query).encode())
    assert (status, json.loads(body)["result"]) == (200, "9002")
    assert ask(address, "/v1/calls", json.dumps({**query, "method": "event", "code": "15"}).encode())[0] == 503
    assert ask(address, "/healthz")[0] == 200
    status, body = ask(address, "/readyz")
    assert status == 503
    assert len(json.loads(body)["reasons"]) == 2
    process.send_signal(signal.SIGTERM)
    out, log = process.communicate(timeout=20)
    assert process.returncode == 0
    assert out == ""
    assert '"listening"' in log
    assert '"stopping"' in log
    assert "Traceback" not in log


def test_a_taken_port_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = start(LISTEN=f"127.0.0.1:{taken.getsockname()[1]}")
        out, log = process.communicate(timeout=20)
    assert process.returncode == 1
    assert out == ""
    assert "can't start" in log
    assert "Traceback" not in log


def test_wrong_settings_are_told() -> None:
    process = start(QUERY_BUDGET_SECONDS="-1")
    _, log = process.communicate(timeout=20)
    assert process.returncode == 2
    assert "AXBRIDGE_GATEWAY_QUERY_BUDGET_SECONDS" in log


def test_the_settings_are_frozen_and_documented() -> None:
    settings = GatewaySettings()
    with pytest.raises(ValueError, match="frozen"):
        settings.listen = "0.0.0.0:80"  # type: ignore[misc]
    assert all(field.description for field in GatewaySettings.model_fields.values())
    assert settings.query_attempt_seconds < settings.query_budget_seconds
