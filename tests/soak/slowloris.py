"""A thousand connections that never finish a request: does anybody else notice?

    .venv/bin/python -m tests.soak.slowloris

Half of them send headers byte by byte, half a body. Whenever the gateway cuts one, it comes again. Meanwhile a platform
sends queries at a fixed rate, and the time from when each was due to its answer is taken, in turns with and without the
slow ones. Exit code 1: the median of the turns' p99 with them is above 1.5 times that without.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import resource
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path

import psutil

from tests.support.stack import ACCESS, TENANT, A, Stack

BOUND = 1.5
# The platform's, kept alive.
CONNECTIONS = 8
QUERY = json.dumps(
    {
        "sid": "s1",
        "vccId": TENANT,
        "callId": "c1",
        "seq": "1",
        "method": "query",
        "callingNumber": A,
        "accessNumber": ACCESS,
    }
).encode()
HEAD = b"POST /v1/calls HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
REQUEST = HEAD + b"Content-Length: %d\r\n\r\n" % len(QUERY) + QUERY


@dataclass(frozen=True, slots=True)
class Turn:
    """What a platform saw, in seconds, and the share of a processor that the gateway took for it."""

    p50: float
    p99: float
    failed: int
    cpu: float


async def be_slow(address: tuple[str, int], in_body: bool) -> None:
    """One slow connection, for ever: a byte a second."""
    beginning = HEAD + (b"Content-Length: 60000\r\n\r\n{" if in_body else b"X-A: ")
    while True:
        try:
            reader, writer = await asyncio.open_connection(*address)
        except OSError:
            await asyncio.sleep(0.5)
            continue
        ended = asyncio.create_task(reader.read())
        try:
            writer.write(beginning)
            while not ended.done():
                await asyncio.wait({ended}, timeout=1)
                writer.write(b"a")
        except OSError:
            pass
        finally:
            ended.cancel()
            await asyncio.gather(ended, return_exceptions=True)
            writer.close()


def attack(address: tuple[str, int], connections: int, on: Event) -> None:
    """A process of its own, so that its work is not the platform's: slow connections while `on` is set."""
    raise_file_limit()
    # It stands for other machines. On a busy one `chrt -r 10` keeps the rest's load out of the result.
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.nice(19)

    async def run() -> None:
        while True:
            while not on.is_set():
                await asyncio.sleep(0.05)
            slow = [asyncio.create_task(be_slow(address, number % 2 == 0)) for number in range(connections)]
            while on.is_set():
                await asyncio.sleep(0.05)
            for task in slow:
                task.cancel()
            await asyncio.gather(*slow, return_exceptions=True)

    asyncio.run(run())


async def measure(gateway: psutil.Process, address: tuple[str, int], rate: float, seconds: float) -> Turn:
    """Queries at a fixed rate over kept-alive connections."""
    used = sum(gateway.cpu_times()[:2])
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await asyncio.open_connection(*address))
    took: list[float] = []
    failed = 0

    async def query(due: float) -> None:
        nonlocal failed
        reader, writer = await free.get()
        try:
            writer.write(REQUEST)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            body = await reader.readexactly(length)
            failed += b'"0000"' not in body
        except (OSError, EOFError):
            failed += 1
            reader, writer = await asyncio.open_connection(*address)
        took.append(time.perf_counter() - due)
        free.put_nowait((reader, writer))

    began = time.perf_counter()
    running = set()
    for number in range(int(rate * seconds)):
        due = began + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        task = asyncio.create_task(query(due))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
    while not free.empty():
        free.get_nowait()[1].close()
    took.sort()
    cpu = (sum(gateway.cpu_times()[:2]) - used) / (time.perf_counter() - began)
    return Turn(statistics.median(took), took[int(len(took) * 0.99)], failed, cpu)


def raise_file_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def play(directory: Path, connections: int, turns: int, seconds: float, rate: float) -> tuple[list[Turn], list[Turn]]:
    """The turns without and with slow connections."""
    raise_file_limit()
    quiet: list[Turn] = []
    attacked: list[Turn] = []
    with Stack(directory) as stack:
        stack.add_tenant()
        stack.bind_axb()
        host, _, port = stack.gateway.address.rpartition(":")
        address = (host, int(port))
        gateway = psutil.Process(stack.gateway.child.pid)
        context = multiprocessing.get_context("spawn")
        on = context.Event()
        attacker = context.Process(target=attack, args=(address, connections, on), daemon=True)
        attacker.start()
        try:
            asyncio.run(measure(gateway, address, rate, 2))
            for number in range(2 * turns):
                if number % 2:
                    on.set()
                    # Until all of them are there, and the first ones are being cut.
                    time.sleep(6)
                    attacked.append(asyncio.run(measure(gateway, address, rate, seconds)))
                    on.clear()
                    time.sleep(1)
                else:
                    quiet.append(asyncio.run(measure(gateway, address, rate, seconds)))
        finally:
            attacker.terminate()
            attacker.join()
    return quiet, attacked


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rate", type=float, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="axbridge-slowloris-") as folder:
        quiet, attacked = play(Path(folder), options.connections, options.turns, options.seconds, options.rate)
    for name, turns in (("alone", quiet), (f"beside {options.connections} slow connections", attacked)):
        for turn in turns:
            print(
                f"{name}: p50 {turn.p50 * 1000:.2f} ms, p99 {turn.p99 * 1000:.2f} ms, "
                f"failed {turn.failed}, gateway's CPU {turn.cpu:.0%}"
            )
    ratio = statistics.median(turn.p99 for turn in attacked) / statistics.median(turn.p99 for turn in quiet)
    failed = sum(turn.failed for turn in quiet + attacked)
    print(f"medians of p99: ratio {ratio:.2f} (bound {BOUND}), failed queries {failed}")
    return 0 if ratio <= BOUND and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
