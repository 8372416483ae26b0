"""`axbridge up` runs the three services together, and `make demo` convinces: both as real processes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.cli import COMMAND, run_cli
from tests.support.stack import ACCESS, TENANT, A, B

ADDRESSES = ("--http", "127.0.0.1:0", "--routing", "127.0.0.1:0", "--events", "127.0.0.1:0")
NAMES = ("gateway", "event_service", "routing_service")


@dataclass
class Up:
    """A running `axbridge up`."""

    process: subprocess.Popen[str]
    stack: dict[str, Any]
    log_path: Path

    @property
    def cli_env(self) -> dict[str, str]:
        return {
            "AXBRIDGE_ROUTING_TARGET": self.stack["routing_target"],
            "AXBRIDGE_EVENTS_TARGET": self.stack["events_target"],
            "AXBRIDGE_URL": self.stack["calls_url"],
        }

    def log(self) -> str:
        return self.log_path.read_text(encoding="utf-8")

    def children_are_gone(self) -> bool:
        return not any(psutil.pid_exists(process_id) for process_id in self.stack["process_ids"].values())


@contextmanager
def running_up(directory: Path, *arguments: str) -> Iterator[Up]:
    """`axbridge up` on free ports; whatever is left of it at the end is killed."""
    log_path = directory / "up.log"
    with (
        log_path.open("w", encoding="utf-8") as log,
        subprocess.Popen(
            [*COMMAND, "up", *ADDRESSES, "--data-dir", str(directory / "data"), "--json", *arguments],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        ) as process,
    ):
        assert process.stdout is not None
        family: list[psutil.Process] = []
        try:
            line = process.stdout.readline()
            assert line, log_path.read_text(encoding="utf-8")
            up = Up(process, json.loads(line), log_path)
            family = [psutil.Process(process_id) for process_id in up.stack["process_ids"].values()]
            yield up
        finally:
            for member in [process, *family]:
                try:
                    member.kill()
                except (psutil.NoSuchProcess, ProcessLookupError):
                    continue


def test_a_call_goes_through(tmp_path: Path) -> None:
    with running_up(tmp_path) as up:
        pair = ("--tenant", TENANT, "--access", ACCESS, "--a", A, "--b", B)
        run_cli("tenant", "add", TENANT, env=up.cli_env)
        run_cli("bind", "axb", *pair, env=up.cli_env)
        numbers = ("--tenant", TENANT, "--access", ACCESS, "--caller", A, "--expect-callee", B)
        report = run_cli("simulate", *numbers, "--calls", "28", "--seed", "4", "--json", env=up.cli_env)
        assert json.loads(report)["passed"]
        shown = run_cli("calls", "show", "sim4-000000", "--tenant", TENANT, env=up.cli_env)
        assert "15 calling the callee" in shown


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_signal_stops_all_in_order(tmp_path: Path, number: signal.Signals) -> None:
    with running_up(tmp_path) as up:
        assert set(up.stack["process_ids"]) == set(NAMES)
        # To the whole group, as a terminal does.
        os.killpg(up.process.pid, number)
        assert up.process.wait(30) == 0, up.log()
        assert up.children_are_gone()
        stops = [line.split("|")[0].strip() for line in up.log().splitlines() if '"stopping"' in line]
        assert stops == list(NAMES)
        assert "Traceback" not in up.log()


@pytest.mark.parametrize("victim", NAMES)
def test_a_service_that_dies_is_reported_and_stops_the_rest(tmp_path: Path, victim: str) -> None:
    with running_up(tmp_path) as up:
        process_id = up.stack["process_ids"][victim]
        os.kill(process_id, signal.SIGKILL)
        assert up.process.wait(30) == 1
        assert up.children_are_gone()
        last = up.log().splitlines()[-1]
        assert (
            last == f"axbridge: {victim} (process {process_id}) was killed by SIGKILL; the other services were stopped"
        )


def test_what_was_stored_is_there_after_a_restart(tmp_path: Path) -> None:
    with running_up(tmp_path) as up:
        run_cli("tenant", "add", TENANT, "--name", "kept", env=up.cli_env)
        up.process.terminate()
        assert up.process.wait(30) == 0
    with running_up(tmp_path) as up:
        assert json.loads(run_cli("tenant", "show", TENANT, "--json", env=up.cli_env))["display_name"] == "kept"


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    with running_up(tmp_path) as up:
        taken = up.stack["calls_url"].split("/")[2]
        arguments = ("up", *ADDRESSES[2:], "--http", taken, "--data-dir", str(tmp_path / "second"))
        done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"axbridge: --http: can't listen on {taken} (Address already in use)")
        # The first stack did not notice.
        run_cli("tenant", "list", env=up.cli_env)


def test_the_demo_ends_well_and_in_time() -> None:
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "cli.demo"], capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert time.monotonic() - started < 90
    for said in (
        "POST /v1/calls HTTP/1.1",
        "<callingNumber>+8613800001111</callingNumber>",
        "<number>13900001111</number>",
        '"result":"0000"',
        "every answer was right",
        "are in the log, each once",
        "40 conversation started",
        '"result":"1004"',
        "everything was right",
    ):
        assert said in done.stdout
    assert done.stderr == ""
