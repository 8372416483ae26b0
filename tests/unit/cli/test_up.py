"""`axbridge up`: its own part, with small children in place of the services."""

import asyncio
import socket
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from cli.stack import default_data_dir
from cli.supervisor import ServiceSpec
from cli.up import _unless
from tests.unit.cli.conftest import Cli

FREE = ("--http", "127.0.0.1:0", "--routing", "127.0.0.1:0", "--events", "127.0.0.1:0")
DYING = "print('axbridge: {name} listening on 127.0.0.1:4242', flush=True)"
READY = """
import http.server, signal
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *arguments):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Ready)
print(f"axbridge: gateway listening on 127.0.0.1:{server.server_port}", flush=True)
{then}
"""
STAYING = "import signal; " + DYING + "; signal.pause()"


def python(name: str, code: str) -> ServiceSpec:
    return ServiceSpec(name, (sys.executable, "-c", code), {})


@pytest.fixture
def fake_services(monkeypatch: pytest.MonkeyPatch) -> None:
    """Services that stay, and a gateway that answers that it is ready once and then ends with 7."""
    then = "server.handle_request(); raise SystemExit(7)"
    monkeypatch.setattr("cli.stack.routing_spec", lambda _o: python("routing_service", STAYING.format(name="r")))
    monkeypatch.setattr("cli.stack.events_spec", lambda _o: python("event_service", STAYING.format(name="e")))
    monkeypatch.setattr("cli.stack.gateway_spec", lambda *_a: python("gateway", READY.replace("{then}", then)))


@pytest.mark.usefixtures("fake_services")
def test_a_death_is_reported_with_exit_code_1(cli: Cli, tmp_path: Path) -> None:
    result = cli.run("up", *FREE, "--data-dir", str(tmp_path / "new" / "data"))
    assert result.exit_code == 1
    assert "axbridge is up" in result.stdout
    assert "/v1/calls" in result.stdout
    assert str(tmp_path / "new" / "data") in result.stdout.replace("\n", "")
    last = result.stderr.splitlines()[-1]
    assert last.startswith("axbridge: gateway (process ")
    assert last.endswith("ended with exit code 7; the other services were stopped")
    assert (tmp_path / "new" / "data").is_dir()


@pytest.mark.parametrize(
    ("option", "address"),
    [("--http", "8080"), ("--routing", ":50051"), ("--events", "localhost:port"), ("--http", "127.0.0.1:70000")],
)
def test_what_is_no_address_is_refused(cli: Cli, option: str, address: str) -> None:
    line = cli.error("up", *FREE, option, address, code=2)
    assert f"{option} takes HOST:PORT" in line


def test_an_address_that_is_taken_is_named_before_anything_starts(cli: Cli, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        line = cli.error("up", *FREE, "--events", address, "--data-dir", str(tmp_path / "data"))
    assert line.startswith(f"axbridge: --events: can't listen on {address} (Address already in use)")
    assert not (tmp_path / "data").exists()


def test_an_address_of_another_machine_is_refused(cli: Cli) -> None:
    assert "can't listen on 192.0.2.1:8080" in cli.error("up", *FREE, "--http", "192.0.2.1:8080")


def test_a_folder_that_can_t_be_made_is_told(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    line = cli.error("up", *FREE, "--data-dir", str(tmp_path / "file" / "data"))
    assert "--data-dir" in line


def test_data_is_kept_where_users_keep_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/somewhere")
    assert default_data_dir() == Path("/somewhere/axbridge")
    monkeypatch.delenv("XDG_DATA_HOME")
    assert default_data_dir() == Path.home() / ".local" / "share" / "axbridge"


async def answer(value: int) -> int:
    return value


async def never() -> int:
    await asyncio.Event().wait()
    return 0


@pytest.mark.parametrize(("work", "stopped", "result"), [(answer(3), False, 3), (never(), True, None)])
async def test_work_ends_early_when_a_stop_is_asked_for(
    work: Coroutine[Any, Any, int], stopped: bool, result: int | None
) -> None:
    stop = asyncio.Event()
    if stopped:
        stop.set()
    assert await asyncio.wait_for(_unless(stop, work), 5) == result


async def test_work_that_fails_is_not_hidden() -> None:
    async def fail() -> int:
        raise ValueError

    with pytest.raises(ValueError):
        await _unless(asyncio.Event(), fail())
