"""Load: closed-loop maxima by wrk, and latencies at a fixed arrival rate, counted from when a request was due."""

import asyncio
import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import uvloop

_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


class BenchError(RuntimeError):
    """The bench can't run, or what it measured was wrong."""


@dataclass(frozen=True, slots=True)
class Load:
    """What one run showed. Latencies in milliseconds; `wrong` are answers that were not the expected ones."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    wrong: int


def closed_loop(url: str, body: str, content_type: str, expected: str, *, connections: int, seconds: int) -> Load:
    """As many requests as go through, every connection sending its next one when it has its answer."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise BenchError("wrk is needed for the load: install it (Debian and Ubuntu: apt-get install wrk)")
    script = f"""
wrk.method = "POST"
wrk.headers["Content-Type"] = {json.dumps(content_type)}
wrk.body = {json.dumps(body)}
local threads = {{}}
function setup(thread) table.insert(threads, thread) end
function init(args) wrong = 0 end
function response(status, headers, body)
  if status ~= 200 or not string.find(body, {json.dumps(expected)}, 1, true) then wrong = wrong + 1 end
end
function done(summary, latency, requests)
  local sum = 0
  for _, thread in ipairs(threads) do sum = sum + thread:get("wrong") end
  local errors = summary.errors.connect + summary.errors.read + summary.errors.timeout
  io.write(string.format("result %f %f %f %d\\n", summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, sum + errors))
end
"""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        done = subprocess.run(
            [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "-s", file.name, url],
            capture_output=True,
            text=True,
            check=True,
            timeout=seconds + 30,
        )
    found = re.search(r"^result (\S+) (\S+) (\S+) (\d+)$", done.stdout, re.MULTILINE)
    if found is None:
        raise BenchError(f"wrk said nothing of use:\n{done.stdout}{done.stderr}")
    return Load(float(found[1]), float(found[2]), float(found[3]), int(found[4]))


class _Connection(asyncio.Protocol):
    """One keep-alive connection; answers come in the order of the requests."""

    def __init__(self, expected: bytes) -> None:
        self.expected = expected
        self.transport: asyncio.Transport | None = None
        self.waiting: asyncio.Future[bool] | None = None
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not registered as asyncio's.
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, blank, body = self.buffer.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
        if not blank or length is None or len(body) < int(length[1]):
            return
        right = head.startswith(b"HTTP/1.1 200") and self.expected in body
        self.buffer = b""
        if self.waiting is not None and not self.waiting.done():
            self.waiting.set_result(right)

    def connection_lost(self, error: Exception | None) -> None:
        if self.waiting is not None and not self.waiting.done():
            self.waiting.set_result(False)


def open_loop(
    url: str, body: str, content_type: str, expected: str, *, rate: float, connections: int, seconds: float
) -> Load:
    """`rate` requests a second, whatever the answers do; one that waits for a free connection is already late."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_open_loop(url, body, content_type, expected, rate, connections, seconds))


async def _open_loop(
    url: str, body: str, content_type: str, expected: str, rate: float, connections: int, seconds: float
) -> Load:
    address, _, path = url.removeprefix("http://").partition("/")
    host, _, port = address.rpartition(":")
    loop = asyncio.get_running_loop()
    free: asyncio.LifoQueue[_Connection] = asyncio.LifoQueue()
    for _ in range(connections):
        _, made = await loop.create_connection(lambda: _Connection(expected.encode()), host, int(port))
        free.put_nowait(made)
    payload = body.encode()
    request = (
        f"POST /{path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(payload)}\r\n\r\n"
    ).encode() + payload
    latencies: list[float] = []
    wrong = 0

    async def ask(due: float) -> None:
        nonlocal wrong
        connection = await free.get()
        assert connection.transport is not None
        connection.waiting = loop.create_future()
        connection.transport.write(request)
        wrong += not await connection.waiting
        latencies.append((loop.time() - due) * 1000)
        free.put_nowait(connection)

    tasks: set[asyncio.Task[None]] = set()
    started = loop.time()
    count = int(rate * seconds)
    for number in range(count):
        due = started + number / rate
        if due > loop.time():
            await asyncio.sleep(due - loop.time())
        task = loop.create_task(ask(due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    took = loop.time() - started
    while not free.empty():
        connection = free.get_nowait()
        assert connection.transport is not None
        connection.transport.close()
    latencies.sort()
    return Load(count / took, latencies[count // 2], latencies[int(count * 0.99)], wrong)


def write_file(directory: Path, name: str, content: bytes) -> Path:
    """A file for a child process to read."""
    path = directory / name
    path.write_bytes(content)
    return path
