"""`axbridge simulate` against a fake gateway over HTTP."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.unit.cli.conftest import Cli

A, B, X = "13800001111", "13900001111", "02566000001"


class FakeGateway:
    """A gateway for JSON in its textbook form."""

    def __init__(self) -> None:
        self.callee = B
        self.messages: list[dict[str, Any]] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        message = json.loads(await request.read())
        self.messages.append(message)
        headers = {"Content-Type": "application/json; charset=UTF-8"}
        if message["method"] == "event":
            return web.Response(headers=headers)
        fields = {name: message[name] for name in ("sid", "vccId", "callId", "seq")}
        fields |= {"result": "0000", "chargeExt": ""}
        user = {"number": self.callee, "type": "1", "displayNumber": X}
        body = json.dumps({**fields, "userList": {"user": [user]}}).encode()
        return web.Response(body=body, headers=headers)


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    fake = FakeGateway()
    loop = asyncio.new_event_loop()
    app = web.Application()
    app.router.add_post("/v1/calls", fake.handle)
    runner = web.AppRunner(app)
    started = threading.Event()

    async def start() -> None:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/calls"
        started.set()

    def serve() -> None:
        loop.run_until_complete(start())
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=serve)
    thread.start()
    assert started.wait(10)
    yield fake
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


def command(gateway: FakeGateway, *more: str) -> tuple[str, ...]:
    numbers = ("--tenant", "100001", "--access", X, "--caller", A, "--expect-callee", B)
    return ("simulate", "--url", gateway.url, *numbers, "--format", "json", "--plain", "--seed", "7", *more)


def test_a_run_in_which_everything_is_right(cli: Cli, gateway: FakeGateway, tmp_path: Path) -> None:
    acks = tmp_path / "acks.jsonl"
    shown = cli.ok(*command(gateway, "--calls", "14", "--ack-file", str(acks), "--duplicates", "0.5"))
    for scenario in (
        "answered",
        "callee-hangs-up",
        "busy",
        "no-answer",
        "unreachable",
        "caller-gives-up",
        "max-duration",
    ):
        assert scenario in shown
    assert "every answer was right" in shown
    assert "14 calls of 100001, seed 7" in shown
    sent = {(message["sid"], message["seq"]) for message in gateway.messages if message["method"] == "event"}
    lines = [json.loads(line) for line in acks.read_text("utf-8").splitlines()]
    assert {(line["sid"], line["seq"]) for line in lines} == sent
    assert all(line["sid"].startswith("sim7-") for line in lines)


def test_a_wrong_callee_fails_the_run_by_its_exit_code(cli: Cli, gateway: FakeGateway) -> None:
    gateway.callee = "13900002222"
    result = cli.run(*command(gateway, "--calls", "3", "--scenario", "busy"))
    assert result.exit_code == 1
    assert "the callee is the expected one" in result.stdout
    assert "139****2222 instead of 139****1111" in result.stdout
    assert "--seed 7" in result.stderr
    report = json.loads(cli.run(*command(gateway, "--calls", "3", "--json")).stdout)
    assert (report["passed"], report["broken_rules"]) == (False, {"WRONG_CALLEE": 3})


def test_the_report_for_scripts(cli: Cli, gateway: FakeGateway) -> None:
    report = cli.json(*command(gateway, "--calls", "6", "--scenario", "answered", "--run-id", "mine"))
    assert (report["passed"], report["calls"], report["events"], report["acknowledged"]) == (True, 6, 30, 30)
    assert report["scenarios"]["answered"]["routed"] == 6
    assert report["query_milliseconds"]["count"] == 6
    assert {message["sid"] for message in gateway.messages} == {f"mine-{number:06d}" for number in range(6)}


def test_numbers_from_a_file(cli: Cli, gateway: FakeGateway, tmp_path: Path) -> None:
    numbers = tmp_path / "numbers.csv"
    numbers.write_text(f"caller,access,callee\n{A},{X},{B}\n13800002222,{X},{B}\n", "utf-8")
    base = ("simulate", "--url", gateway.url, "--tenant", "1", "--format", "json", "--plain", "--seed", "3")
    cli.ok(*base, "--numbers", str(numbers), "--calls", "20")
    callers = {message["callingNumber"] for message in gateway.messages if message["method"] == "query"}
    assert callers == {A, "13800002222"}


def test_without_a_seed_every_run_has_calls_of_its_own(cli: Cli, gateway: FakeGateway) -> None:
    base = ("simulate", "--url", gateway.url, "--tenant", "1", "--access", X, "--caller", A)
    runs = {cli.json(*base, "--format", "json", "--plain", "--calls", "1")["run_id"] for _ in range(3)}
    assert len(runs) > 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--access", X), "say who calls what"),
        (("--caller", A), "say who calls what"),
        (("--caller", A, "--access", X, "--access", X, "--access", X), "one --access for all callers"),
        (("--caller", A, "--access", X, "--expect-callee", B, "--expect-callee", B), "one --expect-callee for all"),
        (("--numbers", "/nowhere.csv"), "--numbers"),
        (("--numbers", "/nowhere.csv", "--caller", A), "takes the place of"),
        (("--caller", A, "--access", X, "--url", "gateway"), "--url"),
        (("--caller", A, "--access", X, "--expect-result", "ok"), "four digits"),
        (("--caller", A, "--access", X, "--duplicates", "2"), "--duplicates"),
        (("--caller", A, "--access", X, "--calls", "0"), "--calls"),
        (("--caller", A, "--access", X, "--scenario", "lost"), "--scenario"),
        (("--caller", A, "--access", X, "--ack-file", "/nowhere/acks"), "--ack-file"),
    ],
)
def test_wrong_command_lines(cli: Cli, arguments: tuple[str, ...], said: str) -> None:
    assert said in cli.error("simulate", "--tenant", "1", *arguments, code=2)


def test_a_gateway_that_is_not_there(cli: Cli) -> None:
    numbers = ("--tenant", "1", "--access", X, "--caller", A)
    result = cli.run("simulate", "--url", "http://127.0.0.1:9/v1/calls", *numbers, "--calls", "2")
    assert result.exit_code == 1
    assert "an answer comes at all" in result.stdout
