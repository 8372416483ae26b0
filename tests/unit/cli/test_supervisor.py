"""The supervisor with small children: one that dies is reported, all end in order, none is left behind."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from cli.stack import StackOptions, events_spec, gateway_spec, routing_spec, running_stack
from cli.supervisor import Death, ServiceSpec, StartFailedError, Supervisor

# Announces itself, says what signal it got, and ends; `ignore` makes it stay.
CHILD = """
import os, signal, sys
name, mode = sys.argv[1:3]
stop = []
def on_signal(number, frame):
    print(f"got {signal.Signals(number).name}", flush=True)
    if mode != "ignore":
        print("gone", file=sys.stderr, flush=True)
        os._exit(0)
signal.signal(signal.SIGTERM, on_signal)
if mode == "fail":
    print("the reason", file=sys.stderr, flush=True)
    sys.exit(3)
if mode == "long":
    print("x" * 3_000_000, flush=True)
print(os.environ.get("AXBRIDGE_TEST", "no variable"), flush=True)
if mode != "silent":
    print(f"axbridge: {name} listening on 127.0.0.1:{4000 + len(name)}", flush=True)
while True:
    signal.pause()
"""


class Lines:
    """What the children wrote, and a way to wait for it."""

    def __init__(self) -> None:
        self.written: list[tuple[str, str]] = []
        self._more = asyncio.Event()

    def __call__(self, name: str, line: str) -> None:
        self.written.append((name, line))
        self._more.set()

    async def until(self, wanted: Callable[[tuple[str, str]], bool]) -> None:
        while not any(map(wanted, self.written)):
            self._more.clear()
            await asyncio.wait_for(self._more.wait(), 10)


@pytest.fixture
async def lines() -> Lines:
    return Lines()


@pytest.fixture
async def supervisor(lines: Lines) -> AsyncIterator[Supervisor]:
    made = Supervisor(lines, ready_seconds=10, grace_seconds=10)
    yield made
    made.hurry()
    await made.stop()
    assert not any(psutil.pid_exists(process_id) for process_id in made.process_ids.values())


def child(name: str, mode: str = "normal", **environment: str) -> ServiceSpec:
    return ServiceSpec(name, (sys.executable, "-c", CHILD, name, mode), environment)


async def test_a_child_is_up_when_it_announces_itself(supervisor: Supervisor, lines: Lines) -> None:
    assert await supervisor.start(child("one", AXBRIDGE_TEST="its variable")) == "127.0.0.1:4003"
    assert lines.written == [("one", "its variable")]
    assert psutil.Process(supervisor.process_ids["one"]).is_running()


async def test_all_stop_the_last_one_first(supervisor: Supervisor, lines: Lines) -> None:
    for name in ("a", "bb", "ccc"):
        await supervisor.start(child(name))
    await supervisor.stop()
    signals = [item for item in lines.written if item[1] in ("got SIGTERM", "gone")]
    assert [name for name, line in signals if line == "got SIGTERM"] == ["ccc", "bb", "a"]
    # Each one is gone before the next is asked.
    assert [name for name, _ in signals] == ["ccc", "ccc", "bb", "bb", "a", "a"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
async def test_a_child_that_is_killed_is_reported(supervisor: Supervisor, number: signal.Signals) -> None:
    await supervisor.start(child("a"))
    await supervisor.start(child("bb"))
    process_id = supervisor.process_ids["a"]
    os.kill(process_id, number)
    death = await asyncio.wait_for(supervisor.first_death(), 10)
    assert death == Death("a", process_id, -number)
    assert str(death) == f"a (process {process_id}) was killed by {number.name}"
    await supervisor.stop()


async def test_a_child_that_ends_by_itself_is_reported(supervisor: Supervisor) -> None:
    await supervisor.start(child("a"))
    os.kill(supervisor.process_ids["a"], signal.SIGTERM)
    death = await asyncio.wait_for(supervisor.first_death(), 10)
    assert (death.name, death.return_code) == ("a", 0)
    assert "ended with exit code 0" in str(death)


async def test_a_child_that_fails_at_its_start(supervisor: Supervisor, lines: Lines) -> None:
    with pytest.raises(StartFailedError, match=r"one \(process \d+\) ended with exit code 3 before it was ready"):
        await supervisor.start(child("one", "fail"))
    assert ("one", "the reason") in lines.written


async def test_a_child_that_says_nothing_is_not_waited_for_for_ever(lines: Lines) -> None:
    supervisor = Supervisor(lines, ready_seconds=0.2)
    with pytest.raises(StartFailedError, match=r"did not say within 0\.2 s"):
        await supervisor.start(child("one", "silent"))
    await supervisor.stop()


async def test_a_program_that_is_not_there(supervisor: Supervisor) -> None:
    with pytest.raises(StartFailedError, match="could not be started"):
        await supervisor.start(ServiceSpec("one", ("/nowhere/program",), {}))


async def test_a_child_that_does_not_end_is_killed(lines: Lines) -> None:
    supervisor = Supervisor(lines, grace_seconds=0.2)
    await supervisor.start(child("one", "ignore"))
    process_id = supervisor.process_ids["one"]
    await supervisor.stop()
    assert not psutil.pid_exists(process_id)
    assert any("killed" in line for _, line in lines.written)


async def test_the_second_ctrl_c_waits_for_nobody(supervisor: Supervisor, lines: Lines) -> None:
    await supervisor.start(child("one", "ignore"))
    stopping = asyncio.create_task(supervisor.stop())
    await lines.until(lambda item: item[1] == "got SIGTERM")
    supervisor.hurry()
    await asyncio.wait_for(stopping, 5)


async def test_a_line_of_any_length_does_not_stop_the_reading(supervisor: Supervisor) -> None:
    assert await supervisor.start(child("one", "long")) == "127.0.0.1:4003"


async def test_children_have_sessions_of_their_own(supervisor: Supervisor) -> None:
    await supervisor.start(child("one"))
    process_id = supervisor.process_ids["one"]
    # A Ctrl-C on the terminal reaches the process group in front, which is ours.
    assert os.getsid(process_id) == process_id


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux")
def test_children_do_not_outlive_a_parent_that_is_killed() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, CHILD], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]
    )
    with parent:
        assert parent.stdout is not None
        process_id = int(parent.stdout.readline())
        orphan = psutil.Process(process_id)
        parent.kill()
        assert parent.wait(10) == -signal.SIGKILL
        # It is gone once its own parent, whoever that is now, has taken note of it.
        try:
            orphan.wait(10)
        except psutil.TimeoutExpired:
            assert orphan.status() == psutil.STATUS_ZOMBIE


PARENT = """
import asyncio, sys
from cli.supervisor import ServiceSpec, Supervisor
async def main():
    supervisor = Supervisor(lambda name, line: None)
    await supervisor.start(ServiceSpec("one", (sys.executable, "-c", sys.argv[1], "one", "normal"), {}))
    print(supervisor.process_ids["one"], flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


def test_each_service_is_told_where_the_others_are(tmp_path: Path) -> None:
    options = StackOptions("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3", tmp_path)
    routing, events = routing_spec(options), events_spec(options)
    gateway = gateway_spec(options, "127.0.0.1:22", "127.0.0.1:33")
    assert [spec.command[1:] for spec in (routing, events, gateway)] == [
        ("-m", "routing_service"),
        ("-m", "event_service"),
        ("-m", "gateway"),
    ]
    assert routing.environment["AXBRIDGE_ROUTING_LISTEN"] == "127.0.0.1:2"
    assert events.environment["AXBRIDGE_EVENTS_LISTEN"] == "127.0.0.1:3"
    assert gateway.environment == {
        "AXBRIDGE_GATEWAY_LISTEN": "127.0.0.1:1",
        "AXBRIDGE_GATEWAY_ROUTING_TARGET": "127.0.0.1:22",
        "AXBRIDGE_GATEWAY_EVENTS_TARGET": "127.0.0.1:33",
    }
    folders = {routing.environment["AXBRIDGE_ROUTING_DATA_DIR"], events.environment["AXBRIDGE_EVENTS_DATA_DIR"]}
    assert all(folder.startswith(str(tmp_path)) for folder in folders)
    assert len(folders) == 2


async def test_a_stack_whose_part_fails_is_stopped_as_a_whole(
    monkeypatch: pytest.MonkeyPatch, lines: Lines, tmp_path: Path
) -> None:
    monkeypatch.setattr("cli.stack.routing_spec", lambda _options: child("routing"))
    monkeypatch.setattr("cli.stack.events_spec", lambda _options: child("events"))
    monkeypatch.setattr("cli.stack.gateway_spec", lambda *_arguments: child("gateway", "fail"))
    with pytest.raises(StartFailedError, match="gateway"):
        async with running_stack(StackOptions("h", "r", "e", tmp_path), lines):
            pytest.fail("it never was up")
    assert ("routing", "gone") in lines.written
    assert ("events", "gone") in lines.written


def test_gateway_processes_are_asked_for_only_when_somebody_wants_them(tmp_path: Path) -> None:
    options = StackOptions("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3", tmp_path, workers=3)
    assert gateway_spec(options, "r", "e").environment["AXBRIDGE_GATEWAY_WORKERS"] == "3"
