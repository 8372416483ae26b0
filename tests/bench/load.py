"""Load: as many requests as go through, or a fixed arrival rate with latencies counted from when a request was due.

The first is wrk's where it is installed, and a generator of our own where it is not: that one is Python, so that it
takes more of the processors than wrk does, and everything measured with it is slower alike.
"""

import asyncio
import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import uvloop


class BenchError(RuntimeError):
    """The bench can't run, or what it measured was wrong."""


@dataclass(frozen=True, slots=True)
class Load:
    """What one run showed. Latencies in milliseconds; `wrong` are answers that were not the expected ones."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    wrong: int


@dataclass(frozen=True, slots=True)
class Traffic:
    """What is sent: a body in which `NNNNNNNN` is the request's number and `CCCCC` that of its call.

    A call has `per_call` requests. With `distinct` the numbers begin again after so many, 0: never. `expected` is what
    stands in every right answer.
    """

    template: str
    content_type: str
    expected: str
    distinct: int = 0
    per_call: int = 1

    def body(self, number: int) -> bytes:
        number = number % self.distinct if self.distinct else number
        return (
            self.template.replace("NNNNNNNN", f"{number:08}")
            .replace("CCCCC", f"{number // self.per_call % 100_000:05}")
            .encode()
        )


def closed_loop(url: str, traffic: Traffic, *, connections: int, seconds: float, first: int = 0) -> Load:
    """As many requests as go through, every connection sending its next one when it has its answer.

    Their numbers begin with `first`.
    """
    wrk = shutil.which("wrk")
    if wrk is None:
        return _run(_closed_loop(url, traffic, connections, seconds, first))
    script = f"""
local head = {{ ["Content-Type"] = {json.dumps(traffic.content_type)} }}
local template, distinct = {json.dumps(traffic.template, ensure_ascii=False)}, {traffic.distinct}
local number, prepared, threads = {first}, {{}}, {{}}
function setup(thread) table.insert(threads, thread) end
local function write(n)
  local body = string.gsub(template, "NNNNNNNN", string.format("%08d", n))
  body = string.gsub(body, "CCCCC", string.format("%05d", math.floor(n / {traffic.per_call}) % 100000))
  return wrk.format("POST", nil, head, body)
end
function init(args)
  wrong = 0
  if distinct > 0 then for n = 0, distinct - 1 do prepared[n] = write(n) end end
end
function request()
  number = number + 1
  if distinct > 0 then return prepared[number % distinct] end
  return write(number)
end
function response(status, headers, body)
  if status ~= 200 or not string.find(body, {json.dumps(traffic.expected)}, 1, true) then wrong = wrong + 1 end
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
            [wrk, "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "-s", file.name, url],
            capture_output=True,
            text=True,
            check=True,
            timeout=seconds + 60,
        )
    found = re.search(r"^result (\S+) (\S+) (\S+) (\d+)$", done.stdout, re.MULTILINE)
    if found is None:
        raise BenchError(f"wrk said nothing of use:\n{done.stdout}{done.stderr}")
    return Load(float(found[1]), float(found[2]), float(found[3]), int(found[4]))


def open_loop(url: str, traffic: Traffic, *, rate: float, connections: int, seconds: float, first: int = 0) -> Load:
    """`rate` requests a second, whatever the answers do; one that waits for a free connection is already late."""
    return _run(_open_loop(url, traffic, rate, connections, seconds, first))


def _run(work: Awaitable[Load]) -> Load:
    async def run() -> Load:
        return await work

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


class _Connection(asyncio.Protocol):
    """One keep-alive connection, with one request at a time; `answered` is told of each answer."""

    def __init__(self, expected: bytes, answered: Callable[["_Connection", bool], None]) -> None:
        self._expected = expected
        self._answered = answered
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._is_waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not registered as asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def ask(self, request: bytes) -> None:
        assert self._transport is not None
        self._is_waiting = True
        self._transport.write(request)

    def close(self) -> None:
        self._is_waiting = False
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer = self._buffer + data if self._buffer else data
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = buffer[:end].lower()
        at = head.find(b"content-length:")
        if at < 0 or len(buffer) - end - 4 < int(head[at + 15 :].split(b"\r", 1)[0]):
            return
        self._buffer = b""
        self._tell(head.startswith(b"http/1.1 200") and buffer.find(self._expected, end) >= 0)

    def connection_lost(self, error: Exception | None) -> None:
        self._tell(False)

    def _tell(self, is_right: bool) -> None:
        if self._is_waiting:
            self._is_waiting = False
            self._answered(self, is_right)


class _Requests:
    """The requests of a run, one after the other."""

    def __init__(self, url: str, traffic: Traffic, first: int) -> None:
        address, _, path = url.removeprefix("http://").partition("/")
        host, _, port = address.rpartition(":")
        self.place = host, int(port)
        self._head = f"POST /{path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: {traffic.content_type}\r\n"
        self._traffic = traffic
        self._number = first
        self._prepared = [self._write(number) for number in range(traffic.distinct)]

    def next(self) -> bytes:
        self._number += 1
        return self._prepared[self._number % len(self._prepared)] if self._prepared else self._write(self._number)

    def _write(self, number: int) -> bytes:
        body = self._traffic.body(number)
        return f"{self._head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def _closed_loop(url: str, traffic: Traffic, connections: int, seconds: float, first: int) -> Load:
    loop = asyncio.get_running_loop()
    requests = _Requests(url, traffic, first)
    asked_at: dict[_Connection, float] = {}
    latencies: list[float] = []
    wrong = 0

    def answered(connection: _Connection, is_right: bool) -> None:
        nonlocal wrong
        now = time.perf_counter()
        wrong += not is_right
        latencies.append((now - asked_at[connection]) * 1000)
        asked_at[connection] = now
        if is_right:
            connection.ask(requests.next())

    opened = []
    for _ in range(connections):
        _, made = await loop.create_connection(
            lambda: _Connection(traffic.expected.encode(), answered), *requests.place
        )
        opened.append(made)
    started = time.perf_counter()
    for connection in opened:
        asked_at[connection] = time.perf_counter()
        connection.ask(requests.next())
    await asyncio.sleep(seconds)
    took = time.perf_counter() - started
    for connection in opened:
        connection.close()
    if not latencies:
        raise BenchError("nothing was answered")
    latencies.sort()
    count = len(latencies)
    return Load(count / took, latencies[count // 2], latencies[int(count * 0.99)], wrong)


async def _open_loop(url: str, traffic: Traffic, rate: float, connections: int, seconds: float, first: int) -> Load:
    loop = asyncio.get_running_loop()
    requests = _Requests(url, traffic, first)
    free: list[_Connection] = []
    due: list[float] = []
    asked_due: dict[_Connection, float] = {}
    latencies: list[float] = []
    finished = loop.create_future()
    count = max(1, int(rate * seconds))
    wrong = 0

    def answered(connection: _Connection, is_right: bool) -> None:
        nonlocal wrong
        wrong += not is_right
        latencies.append((time.perf_counter() - asked_due[connection]) * 1000)
        if due:
            ask(connection, due.pop(0))
        else:
            free.append(connection)
        if len(latencies) == count and not finished.done():
            finished.set_result(None)

    def ask(connection: _Connection, at: float) -> None:
        asked_due[connection] = at
        connection.ask(requests.next())

    opened = []
    for _ in range(connections):
        _, made = await loop.create_connection(
            lambda: _Connection(traffic.expected.encode(), answered), *requests.place
        )
        opened.append(made)
    free.extend(opened)
    started = time.perf_counter()
    for number in range(count):
        at = started + number / rate
        if at > time.perf_counter():
            await asyncio.sleep(at - time.perf_counter())
        if free:
            ask(free.pop(), at)
        else:
            due.append(at)
    await asyncio.wait_for(finished, 60)
    took = time.perf_counter() - started
    for connection in opened:
        connection.close()
    latencies.sort()
    return Load(count / took, latencies[count // 2], latencies[int(count * 0.99)], wrong)


def write_file(directory: Path, name: str, content: bytes) -> Path:
    """A file for a child process to read."""
    path = directory / name
    path.write_bytes(content)
    return path
