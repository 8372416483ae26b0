"""`make bench`: queries end to end, beside what HTTP itself allows and what a user would otherwise write.

Everything is measured in the same run, in turns, on the same machine, and told as ratios of medians: absolute numbers
say more about the machine than about the code.

(a) bare aiohttp sending the same answer back  (b) axbridge with one RPC per query  (c) a handwritten FastAPI service
(d) axbridge on SQLite  (e) axbridge on PostgreSQL and Redis, every query a cache hit
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import redis

from tests.bench.load import BenchError, Load, closed_loop, open_loop, write_file
from tests.support.http import get_status
from tests.support.postgres import PostgresServer
from tests.support.processes import ChildProcess, free_port
from tests.support.redis import RedisServer
from tests.support.stack import ACCESS, TENANT, A, B, Stack

QUERY = {
    "sid": "bench-session-0001",
    "vccId": TENANT,
    "callId": "bench-call-0001",
    "seq": "1",
    "method": "query",
    "callingNumber": A,
    "accessNumber": ACCESS,
}
BODIES = {
    "xml": (
        '<?xml version="1.0" encoding="UTF-8"?><request>'
        + "".join(f"<{name}>{text}</{name}>" for name, text in QUERY.items())
        + "</request>",
        "application/xml; charset=UTF-8",
    ),
    "json": (json.dumps(QUERY), "application/json; charset=UTF-8"),
}
NO_LIMITS = {
    "AXBRIDGE_GATEWAY_TENANT_QUERIES_PER_SECOND": "0",
    "AXBRIDGE_GATEWAY_TENANT_EVENTS_PER_SECOND": "0",
    "AXBRIDGE_GATEWAY_LOG_LEVEL": "warning",
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that is measured, by its letter."""

    letter: str
    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Row:
    """The medians of several runs."""

    letter: str
    name: str
    wire_format: str
    connections: int
    requests_per_second: float
    p50_ms: float
    p99_ms: float


def median_of(measure: Callable[[], Load], rounds: int) -> Load:
    runs = [measure() for _ in range(rounds)]
    if wrong := sum(run.wrong for run in runs):
        raise BenchError(f"{wrong} answers were wrong: what was measured is worth nothing")
    return Load(
        *(
            statistics.median(getattr(run, name) for run in runs)
            for name in ("requests_per_second", "p50_ms", "p99_ms")
        ),
        0,
    )


def baseline(stack: ExitStack, directory: Path, module: str, argument: str) -> str:
    """Start a baseline and wait until it answers; its URL."""
    port = free_port()
    command = [sys.executable, "-m", f"tests.bench.baselines.{module}", str(port), argument]
    child = ChildProcess(command, directory / f"{module}.log")
    stack.callback(child.kill)
    deadline = time.monotonic() + 20
    while True:
        try:
            get_status(f"http://127.0.0.1:{port}/")
        except OSError:
            if not child.running or time.monotonic() > deadline:
                raise BenchError(f"{module} did not start:\n{child.log()}") from None
            time.sleep(0.05)
        else:
            return f"http://127.0.0.1:{port}/v1/calls"


def axbridge(stack: ExitStack, directory: Path, env: dict[str, str]) -> str:
    directory.mkdir()
    running = stack.enter_context(Stack(directory, {**NO_LIMITS, **env}))
    running.add_tenant()
    running.bind_axb()
    return running.calls_url


def start_all(stack: ExitStack, directory: Path, answer: bytes) -> list[Candidate]:
    """Everything that is measured, running."""
    postgres = PostgresServer(directory / "postgres")
    stack.callback(postgres.stop)
    postgres.start()
    cache = RedisServer(directory / "redis")
    stack.callback(cache.stop)
    cache.start()
    handwritten_cache = RedisServer(directory / "redis-handwritten")
    stack.callback(handwritten_cache.stop)
    handwritten_cache.start()
    client = redis.Redis(port=handwritten_cache.port)
    client.set(f"binding:{TENANT}:{ACCESS}:{A}", json.dumps({"called": B, "profile": {}}))
    client.close()

    def production(prefix: str) -> dict[str, str]:
        return {
            "AXBRIDGE_ROUTING_DATABASE_URL": asyncio.run(postgres.create_database()),
            "AXBRIDGE_ROUTING_MIGRATE_AT_START": "yes",
            "AXBRIDGE_ROUTING_REDIS_URL": cache.url,
            "AXBRIDGE_ROUTING_REDIS_KEY_PREFIX": prefix,
        }

    # As many RPCs at a time as the setting allows.
    one_by_one = {"AXBRIDGE_GATEWAY_MAX_BATCH_ITEMS": "1", "AXBRIDGE_GATEWAY_MAX_BATCHES_IN_FLIGHT": "64"}
    answer_file = write_file(directory, "answer.xml", answer)
    return [
        Candidate("a", "bare aiohttp", baseline(stack, directory, "echo", str(answer_file))),
        Candidate("c", "handwritten FastAPI", baseline(stack, directory, "handwritten", handwritten_cache.url)),
        Candidate("d", "axbridge, SQLite", axbridge(stack, directory / "d", {})),
        Candidate("e", "axbridge, PostgreSQL + Redis", axbridge(stack, directory / "e", production("bench-e"))),
        Candidate(
            "b",
            "axbridge, one RPC per query",
            axbridge(stack, directory / "b", {**production("bench-b"), **one_by_one}),
        ),
    ]


ANSWER = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<response><sid>bench-session-0001</sid><vccId>100001</vccId>'
    "<callId>bench-call-0001</callId><seq>1</seq><chargeExt></chargeExt><result>0000</result><userList><user>"
    f"<number>{B}</number><type>1</type><displayNumber>{ACCESS}</displayNumber></user></userList></response>"
).encode()


def measure(candidates: list[Candidate], arguments: argparse.Namespace) -> list[Row]:
    rows = []
    for wire_format, (body, content_type) in BODIES.items():
        for connections in arguments.connections:
            for each in candidates:
                # The baseline sends XML whatever it is asked in: its bytes are what counts.
                expected = "0000"

                def once(
                    url: str = each.url, b: str = body, t: str = content_type, c: int = connections, e: str = expected
                ) -> Load:
                    return closed_loop(url, b, t, e, connections=c, seconds=arguments.seconds)

                once()
                load = median_of(once, arguments.rounds)
                rows.append(
                    Row(
                        each.letter,
                        each.name,
                        wire_format,
                        connections,
                        load.requests_per_second,
                        load.p50_ms,
                        load.p99_ms,
                    )
                )
                print(
                    f"{wire_format:4} {connections:5} connections  ({each.letter}) {each.name:30} "
                    f"{load.requests_per_second:9.0f}/s  p50 {load.p50_ms:7.2f} ms  p99 {load.p99_ms:7.2f} ms",
                    flush=True,
                )
    return rows


def print_ratios(rows: list[Row]) -> None:
    rates = {(row.letter, row.wire_format, row.connections): row.requests_per_second for row in rows}
    print("\nratios of the rates of (e) and (d)")
    for wire_format, connections in dict.fromkeys((row.wire_format, row.connections) for row in rows):
        parts = [
            f"{letter}/{base} {rates[letter, wire_format, connections] / rates[base, wire_format, connections]:5.2f}"
            for letter in ("e", "d")
            for base in ("a", "b", "c")
        ]
        print(f"{wire_format:4} {connections:5} connections  {'   '.join(parts)}")


def print_latencies(candidates: list[Candidate], arguments: argparse.Namespace) -> list[dict[str, object]]:
    """Latencies at one and the same arrival rate, the greatest part of which the slowest one can bear."""
    body, content_type = BODIES["xml"]
    found = []
    print(f"\nlatency at {arguments.rate:.0f} queries a second, open loop, XML, 64 connections")
    for each in candidates:
        load = median_of(
            lambda url=each.url: open_loop(  # type: ignore[misc]
                url, body, content_type, "0000", rate=arguments.rate, connections=64, seconds=arguments.seconds
            ),
            arguments.rounds,
        )
        print(f"({each.letter}) {each.name:30} p50 {load.p50_ms:7.2f} ms  p99 {load.p99_ms:7.2f} ms", flush=True)
        found.append({"letter": each.letter, "rate": arguments.rate, "p50_ms": load.p50_ms, "p99_ms": load.p99_ms})
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=4, help="how long each run takes")
    parser.add_argument("--rounds", type=int, default=3, help="runs of which the median is told")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8, 32, 128])
    parser.add_argument("--rate", type=float, default=1000.0, help="arrivals a second of the open loop")
    parser.add_argument("--json", type=Path, help="write what was measured to this file")
    arguments = parser.parse_args()
    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        directory = Path(scratch)
        candidates = start_all(stack, directory, ANSWER)
        rows = measure(candidates, arguments)
        print_ratios(rows)
        latencies = print_latencies(candidates, arguments)
    if arguments.json is not None:
        arguments.json.write_text(
            json.dumps({"closed_loop": [asdict(row) for row in rows], "open_loop": latencies}, indent=2) + "\n",
            encoding="utf-8",
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
