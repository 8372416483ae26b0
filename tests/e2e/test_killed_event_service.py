"""An event that got its 200 survives a killed event service."""

import json
import subprocess
import time
from pathlib import Path

from tests.support.acknowledged import check_log, read_acknowledged
from tests.support.cli import COMMAND
from tests.support.http import JSON, post
from tests.support.stack import ACCESS, TENANT, A, B, Stack

CALLS = 420


def acknowledged_so_far(path: Path) -> int:
    return len(path.read_bytes().splitlines()) if path.exists() else 0


def test_acknowledged_events_survive_kill_9_in_the_middle_of_two_thousand(stack: Stack, tmp_path: Path) -> None:
    ack_file = tmp_path / "acknowledged.jsonl"
    with subprocess.Popen(
        [
            *COMMAND,
            *("simulate", "--url", stack.calls_url, "--tenant", TENANT, "--access", ACCESS, "--caller", A),
            *("--expect-callee", B, "--calls", str(CALLS), "--scenario", "answered", "--seed", "3"),
            *("--retry-seconds", "30", "--duplicates", "0.1", "--reorder", "0.1", "--ack-file", str(ack_file)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as simulation:
        for wanted in (300, 900, 1500):
            deadline = time.monotonic() + 60
            while acknowledged_so_far(ack_file) < wanted:
                assert simulation.poll() is None, simulation.communicate()[0]
                assert time.monotonic() < deadline, "the simulation does not get on"
                time.sleep(0.01)
            stack.events.child.kill()
            stack.events.start()
        output, _ = simulation.communicate(timeout=90)
        assert simulation.returncode == 0, output
    acknowledged = read_acknowledged(ack_file)
    assert sum(map(len, acknowledged.values())) >= 2000
    assert check_log(stack.calls, acknowledged) == (0, 0)


def test_events_get_503_while_the_event_service_is_away_and_200_afterwards(stack: Stack) -> None:
    fields = {
        "sid": "s9",
        "vccId": TENANT,
        "callId": "c9",
        "seq": "1",
        "method": "event",
        "chargeExt": "",
        "code": "15",
    }
    event = json.dumps(fields).encode()
    assert post(stack.calls_url, event, JSON)[0] == 200
    stack.events.child.kill()
    assert post(stack.calls_url, event.replace(b'"15"', b'"16"'), JSON)[0] == 503
    stack.events.start()
    deadline = time.monotonic() + 15
    while post(stack.calls_url, event.replace(b'"15"', b'"16"'), JSON)[0] != 200:
        assert time.monotonic() < deadline, "no recovery"
    acknowledged = {(TENANT, "s9"): {("c9", "1", "15"), ("c9", "1", "16")}}
    assert check_log(stack.calls, acknowledged) == (0, 0)
