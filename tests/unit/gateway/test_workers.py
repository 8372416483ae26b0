"""The processes behind one port, played by programs of a line or two."""

import asyncio
import sys

import pytest

from common.clock import SystemClock
from common.errors import UnavailableError
from gateway.__main__ import main
from gateway.workers import MAX_DEATHS, PoolOptions, WorkerPool, listening_socket, port_behind

ANNOUNCE = "print('axbridge: gateway listening on 127.0.0.1:1', flush=True)"
UNTIL_TOLD = "import signal; signal.sigwait([signal.SIGTERM])"


def pool(program: str, workers: int = 2, grace_seconds: float = 30.0) -> WorkerPool:
    command = (sys.executable, "-ISc", program)
    options = PoolOptions(workers, "127.0.0.1:0", "", grace_seconds, command)
    return WorkerPool(options, listening_socket(options.listen), SystemClock())


async def test_it_has_started_when_all_take_requests_and_ends_when_all_have_ended() -> None:
    stop, started = asyncio.Event(), asyncio.Event()
    block = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])"
    running = asyncio.create_task(pool(f"{block}; {ANNOUNCE}; {UNTIL_TOLD}").run(stop, started.set))
    await asyncio.wait_for(started.wait(), 60)
    assert not running.done()
    stop.set()
    assert await asyncio.wait_for(running, 60) == 0


async def test_told_to_end_before_it_has_started() -> None:
    stop = asyncio.Event()
    stop.set()
    assert await asyncio.wait_for(pool(UNTIL_TOLD).run(stop, lambda: pytest.fail("not started")), 60) == 0


async def test_one_that_does_not_come_up() -> None:
    with pytest.raises(UnavailableError, match="exit code 3 before it took requests"):
        await pool("raise SystemExit(3)").run(asyncio.Event(), lambda: pytest.fail("not started"))


async def test_one_that_always_dies() -> None:
    with pytest.raises(UnavailableError, match=f"{MAX_DEATHS + 1} workers died"):
        await pool(f"{ANNOUNCE}; raise SystemExit(1)").run(asyncio.Event(), lambda: None)


async def test_one_that_does_not_end_is_killed() -> None:
    stop = asyncio.Event()
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    running = pool(f"{deaf}; {ANNOUNCE}; time.sleep(600)", workers=1, grace_seconds=0.2).run(stop, stop.set)
    assert await asyncio.wait_for(running, 60) == 1


async def test_all_of_them_have_the_same_socket() -> None:
    stop, started = asyncio.Event(), asyncio.Event()
    answer = (
        "import os, socket; s = socket.socket(fileno=int(os.environ['AXBRIDGE_GATEWAY_LISTEN_FD'])); "
        f"s.setblocking(True); {ANNOUNCE}; c = s.accept()[0]; "
        f"c.sendall(os.environ['AXBRIDGE_GATEWAY_WORKER'].encode()); c.close(); {UNTIL_TOLD}"
    )
    running_pool = pool(f"import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]); {answer}")
    running = asyncio.create_task(running_pool.run(stop, started.set))
    await asyncio.wait_for(started.wait(), 60)
    host, _, port = running_pool.address.rpartition(":")
    said = set()
    for _ in range(2):
        reader, writer = await asyncio.open_connection(host, int(port))
        said.add(await asyncio.wait_for(reader.read(), 60))
        writer.close()
    assert said == {b"1", b"2"}
    stop.set()
    assert await asyncio.wait_for(running, 60) == 0


def test_an_address_that_is_taken() -> None:
    with listening_socket("127.0.0.1:0") as taken, pytest.raises(OSError, match="in use"):
        listening_socket(f"127.0.0.1:{taken.getsockname()[1]}")


@pytest.mark.parametrize(
    ("listen", "places", "found"),
    [("127.0.0.1:9100", 0, "127.0.0.1:9100"), ("[::]:9100", 2, "[::]:9102"), ("x:0", 1, "x:0"), ("", 1, "")],
)
def test_ports_of_metrics(listen: str, places: int, found: str) -> None:
    assert port_behind(listen, places) == found


def test_a_number_of_workers_that_makes_no_sense(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--workers", "0"]) == 2
    assert "AXBRIDGE_GATEWAY_WORKERS" in capsys.readouterr().err
