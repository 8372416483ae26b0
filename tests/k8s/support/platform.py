"""The platform outside of the cluster, as a process: the simulator, and looking up what it was told is stored."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc
from axbridge.events.v1.call_service_pb2 import ListCallEventsRequest
from axbridge.events.v1.call_service_pb2_grpc import CallServiceStub

from tests.k8s.support.programs import ROOT, output_of

TENANT, ACCESS, A, B = "100001", "02566000001", "13800001111", "13900001111"
# Enough for a run that was told to stop.
END_SECONDS = 60.0


def axbridge(*words: str, routing: str = "", events: str = "", env: Mapping[str, str] | None = None) -> str:
    """Run the `axbridge` command against the services at these addresses; what it prints.

    Raises ProgramFailedError with what it says when it fails.
    """
    environment = {"AXBRIDGE_ROUTING_TARGET": routing, "AXBRIDGE_EVENTS_TARGET": events, **(env or {})}
    return output_of(sys.executable, "-m", "cli.main", *words, env=environment)


class Simulation:
    """Calls played against a gateway in the background, until they are done or it is told to stop."""

    def __init__(self, address: str, run_id: str, directory: Path, *, calls: int, rate: float, token: str = "") -> None:
        self.ack_file = directory / f"{run_id}.jsonl"
        self._command = [
            *(sys.executable, "-m", "cli.main", "simulate", "--tenant", TENANT),
            *("--access", ACCESS, "--caller", A, "--expect-callee", B),
            *("--caller", B, "--expect-callee", A),
            *("--url", f"http://{address}/v1/calls{token and f'/{token}'}", "--calls", str(calls), "--rate", str(rate)),
            *("--retry-seconds", "30", "--run-id", run_id, "--seed", "7"),
            *("--ack-file", str(self.ack_file), "--json"),
        ]
        self._output = directory / f"{run_id}.json"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=output, cwd=ROOT, env=os.environ
            )
        return self

    def __exit__(self, *_error: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(END_SECONDS)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def wait(self, timeout_seconds: float) -> dict[str, Any]:
        """The report, once all calls were played."""
        self.process.wait(timeout_seconds)
        return self._report()

    def stop(self) -> dict[str, Any]:
        """The report of what was played until now."""
        assert self.process.poll() is None, "it ended before it was stopped"
        self.process.send_signal(signal.SIGTERM)
        return self.wait(END_SECONDS)

    def _report(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self._output.read_text(encoding="utf-8"))
        return report


class Followers:
    """Internal systems that follow along while the context is open: all events, and all changes of bindings.

    They are the command line's, in processes of their own, and have to get over every cut by themselves.
    """

    def __init__(self, routing: str, events: str, directory: Path) -> None:
        self._commands = {
            directory / "events.followed": ("tail", "--tenant", TENANT, "--json"),
            directory / "bindings.followed": ("bindings", "watch", "--tenant", TENANT, "--json"),
        }
        self._env = {**os.environ, "AXBRIDGE_ROUTING_TARGET": routing, "AXBRIDGE_EVENTS_TARGET": events}
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        for path, words in self._commands.items():
            command = [sys.executable, "-m", "cli.main", *words]
            with path.open("wb") as output:
                process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, cwd=ROOT, env=self._env)
            self._processes.append(process)
        return self

    def __exit__(self, *_error: type[BaseException] | BaseException | TracebackType | None) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.terminate()
                process.wait(END_SECONDS)

    @property
    def are_following(self) -> bool:
        return all(process.poll() is None for process in self._processes)

    def events(self) -> set[tuple[str, str]]:
        """The call and number of each event that was seen."""
        stored = [each["event"]["event"] for each in self._lines(0)]
        return {(event["session_id"], event["seq"]) for event in stored}

    def changes(self) -> list[int]:
        """The positions of the changes that were seen."""
        return [int(each["position"]) for each in self._lines(1)]

    def _lines(self, number: int) -> list[Any]:
        text = list(self._commands)[number].read_text(encoding="utf-8")
        # What is being written has no end yet.
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def acknowledged_events(ack_file: Path) -> set[tuple[str, str]]:
    """The call and number of each event that a simulation was told is stored."""
    lines = ack_file.read_text(encoding="utf-8").splitlines()
    return {(event["sid"], event["seq"]) for event in map(json.loads, lines)}


def lost_events(ack_file: Path, events: str) -> tuple[int, list[str]]:
    """How many events were acknowledged, and the calls of which one is not in the log exactly once."""
    acknowledged: dict[str, Counter[str]] = {}
    for line in ack_file.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        acknowledged.setdefault(event["sid"], Counter())[event["seq"]] += 1
    wrong = []
    with grpc.insecure_channel(events) as channel:
        calls = CallServiceStub(channel)
        for session_id, sequence in acknowledged.items():
            request = ListCallEventsRequest(tenant_id=TENANT, session_id=session_id)
            stored = Counter(item.event.seq for item in calls.ListCallEvents(request, timeout=10).events)
            # One that was stored and whose answer got lost is there without having been acknowledged.
            if sequence - stored or any(count > 1 for count in stored.values()):
                wrong.append(session_id)
    return sum(each.total() for each in acknowledged.values()), wrong
