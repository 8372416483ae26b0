"""Durable events end to end, beside raw inserts of the same rows, and among few and many stored ones.

`python -m tests.bench.events [--rows 1000000] [--json FILE]`

An event over HTTP is answered when it is on disk: as many as go through are compared with a program that does nothing
but insert the very same rows into a table like theirs, 256 of them in a transaction, two transactions at a time, by the
driver's executemany; fsync is on for both. Then as many again on a log that holds `--rows` events already.
"""

import argparse
import asyncio
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import sqlalchemy as sa
from axbridge.events.v1 import event_pb2, event_service_pb2

from event_service.sql_schema import call_changes, calls, events
from tests.bench.candidates import Bench, Candidate
from tests.bench.load import BenchError, Load, Traffic, closed_loop
from tests.bench.queries import WARM_UP_SECONDS, machine
from tests.support.stack import TENANT

BATCH, AT_A_TIME = 256, 2
LEAST_RATIO, MOST_SLOWER = 0.5, 1.2
RAW_ROWS = 20_000


def traffic(run: str) -> Traffic:
    """Calls of five events each; `run` keeps the calls of one run apart from another's."""
    fields = {
        "sid": f"bench-{run}-CCCCC",
        "vccId": TENANT,
        "callId": f"call-{run}-CCCCC",
        "seq": "NNNNNNNN",
        "method": "event",
        "chargeExt": "8001",
        "code": "15",
        "clientId": "order-6789",
    }
    return Traffic(json.dumps(fields), "application/json", "", 0, 5)


@dataclass(frozen=True, slots=True)
class EventRow:
    """The median of several runs."""

    what: str
    connections: int
    events_per_second: float
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    cpu_us: dict[str, float] | None = None


class Runs:
    """Events through candidates, each run with calls of its own."""

    def __init__(self) -> None:
        self._count = 0

    def once(self, candidate: Candidate, connections: int, seconds: float) -> tuple[Load, dict[str, float]]:
        """One run, and the processor time of each part in microseconds per event."""
        with candidate.awake():
            self._load(candidate, connections, WARM_UP_SECONDS)
            before = candidate.cpu_seconds()
            load = self._load(candidate, connections, seconds)
            spent = candidate.cpu_seconds()
        if load.wrong:
            raise BenchError(f"{load.wrong} events were not stored")
        count = load.requests_per_second * seconds
        return load, {part: (spent[part] - before[part]) / count * 1e6 for part in spent}

    def _load(self, candidate: Candidate, connections: int, seconds: float) -> Load:
        self._count += 1
        run = f"{candidate.letter}{self._count}"
        return closed_loop(candidate.url, traffic(run), connections=connections, seconds=seconds)


def row_of(what: str, connections: int, runs: Sequence[tuple[Load, dict[str, float]]]) -> EventRow:
    loads = [load for load, _ in runs]
    cpu = {part: round(statistics.median([cpu[part] for _, cpu in runs]), 1) for part in runs[0][1]}
    row = EventRow(
        what,
        connections,
        round(statistics.median([load.requests_per_second for load in loads]), 1),
        round(statistics.median([load.p50_ms for load in loads]), 3),
        round(statistics.median([load.p99_ms for load in loads]), 3),
        cpu,
    )
    show(row)
    return row


def show(row: EventRow) -> None:
    cpu = " ".join(f"{part.removesuffix('_service')} {spent:.0f}" for part, spent in (row.cpu_us or {}).items())
    print(
        f"{row.connections:5} {row.what:45} {row.events_per_second:8.0f}/s  p50 {row.p50_ms:7.2f}  "
        f"p99 {row.p99_ms:7.2f} ms  µs {cpu}",
        flush=True,
    )


async def stored_rows(url: str) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(url)
    try:
        names = ", ".join(column.name for column in events.columns)
        found = await connection.fetch(f"SELECT {names} FROM events LIMIT {RAW_ROWS}")
        return [tuple(row) for row in found]
    finally:
        await connection.close()


async def raw_postgres(url: str, rows: Sequence[tuple[Any, ...]], name: str) -> float:
    """Rows a second, inserted into a table like that of the log, with all of its indexes."""
    connections = [await asyncpg.connect(url) for _ in range(AT_A_TIME)]
    try:
        await connections[0].execute(f"CREATE TABLE {name} (LIKE events INCLUDING ALL)")
        places = ", ".join(f"${place}" for place in range(1, len(rows[0]) + 1))
        statement = f"INSERT INTO {name} VALUES ({places})"

        async def insert(number: int) -> None:
            for start in range(number * BATCH, len(rows), AT_A_TIME * BATCH):
                async with connections[number].transaction():
                    await connections[number].executemany(statement, rows[start : start + BATCH])

        started = time.perf_counter()
        await asyncio.gather(*[insert(number) for number in range(AT_A_TIME)])
        return len(rows) / (time.perf_counter() - started)
    finally:
        for connection in connections:
            await connection.close()


def published(candidate: Candidate, run: str) -> float:
    """Events a second that the event service takes in full batches over gRPC, as gateways under load send them."""
    requests = []
    for start in range(0, RAW_ROWS, BATCH):
        batch = [
            event_pb2.CallEvent(
                tenant_id=TENANT,
                session_id=f"bench-{run}-{number // 5}",
                call_id="c",
                seq=str(number),
                code="15",
                charge_ext="8001",
                client_id="order-6789",
                received_at_us=time.time_ns() // 1000,
                raw_body=traffic(run).body(number),
                content_type="application/json",
            )
            for number in range(start, min(start + BATCH, RAW_ROWS))
        ]
        requests.append(event_service_pb2.PublishBatchRequest(events=batch).SerializeToString())
    address = candidate.events_address
    with candidate.awake(), grpc.insecure_channel(address) as channel, ThreadPoolExecutor(AT_A_TIME) as pool:
        publish = channel.unary_unary("/axbridge.events.v1.EventService/PublishBatch")
        started = time.perf_counter()
        for answer in pool.map(lambda request: publish(request, timeout=60), requests):
            if any(each.error for each in event_service_pb2.PublishBatchResponse.FromString(answer).results):
                raise BenchError("an event was not stored")
        return RAW_ROWS / (time.perf_counter() - started)


def raw_sqlite(path: Path, rows: Sequence[tuple[Any, ...]]) -> float:
    """The same in a file of SQLite's, as the embedded log has it."""
    engine = sa.create_engine(f"sqlite:///{path}")
    events.create(engine)
    engine.dispose()
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        statement = f"INSERT INTO events VALUES ({', '.join('?' * len(rows[0]))})"
        started = time.perf_counter()
        for start in range(0, len(rows), BATCH):
            with connection:
                connection.executemany(statement, rows[start : start + BATCH])
        return len(rows) / (time.perf_counter() - started)
    finally:
        connection.close()


async def fill(url: str, count: int) -> None:
    """Put so many events of others' calls into a log that nobody writes to meanwhile, five to a call."""
    connection = await asyncpg.connect(url, command_timeout=7200)

    async def copies(table: sa.Table, number: int, changed: dict[str, str]) -> None:
        columns = [column.name for column in table.columns]
        values = ", ".join(changed.get(name, f"one.{name}") for name in columns)
        await connection.execute(
            f"INSERT INTO {table.name} ({', '.join(columns)}) SELECT {values} "
            f"FROM (SELECT * FROM {table.name} LIMIT 1) one, generate_series(0, {number - 1}) n, "
            "LATERAL (SELECT n % (SELECT count(*) FROM partition_heads) AS id) p "
            "JOIN partition_heads head ON head.partition_id = p.id"
        )

    try:
        partitions = await connection.fetchval("SELECT count(*) FROM partition_heads")
        place = f"n / {partitions}"
        call = "decode(md5('fill' || {}), 'hex')"
        await copies(
            events,
            count,
            {
                "partition_id": "p.id::int",
                "log_offset": f"head.last_offset + 1 + {place}",
                "call_key": call.format("(n / 5)"),
                "event_hash": "decode(md5('event' || n), 'hex')",
                "session_id": "'fill-' || (n / 5)",
            },
        )
        await copies(calls, count // 5, {"call_key": call.format("n"), "session_id": "'fill-' || n"})
        await copies(
            call_changes,
            count // 5,
            {
                "partition_id": "p.id::int",
                "change_offset": f"head.last_change + 1 + {place}",
                "call_key": call.format("n"),
            },
        )
        await connection.execute(
            "UPDATE partition_heads head SET write_count = write_count + 1, "
            "last_offset = coalesce((SELECT max(log_offset) FROM events e "
            "WHERE e.partition_id = head.partition_id), last_offset), "
            "last_change = coalesce((SELECT max(change_offset) FROM call_changes c "
            "WHERE c.partition_id = head.partition_id), last_change)"
        )
        # As the database does by itself after a while.
        for table in ("events", "calls", "call_changes", "partition_heads"):
            await connection.execute(f"VACUUM ANALYZE {table}")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


def plain(url: str) -> str:
    return url.replace("+asyncpg", "")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="events in the larger log")
    parser.add_argument("--rounds", type=int, default=3, help="runs of which the median is told")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each run takes")
    parser.add_argument("--connections", type=int, nargs="+", default=[32, 128, 512])
    parser.add_argument("--json", type=Path, help="write what was measured to this file")
    arguments = parser.parse_args()
    about = machine()
    print(" ".join(f"{name}: {value}" for name, value in about.items()), flush=True)
    runs, rows = Runs(), []
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        directory = Path(scratch)
        directory.chmod(0o755)
        bench = Bench(directory, stack)
        databases = {}
        for letter in ("small", "large"):
            env = bench.production(letter)
            databases[letter] = plain(env["AXBRIDGE_EVENTS_DATABASE_URL"])
            bench.add_axbridge(letter, letter, env)
        bench.add_axbridge("embedded", "embedded", {})
        found = {candidate.letter: candidate for candidate in bench.candidates}
        best: dict[str, float] = {}
        for connections in arguments.connections:
            measured: dict[str, list[tuple[Load, dict[str, float]]]] = {"small": [], "embedded": []}
            for _ in range(arguments.rounds):
                for letter, of_it in measured.items():
                    of_it.append(runs.once(found[letter], connections, arguments.seconds))
            for letter, store in (("small", "PostgreSQL"), ("embedded", "SQLite")):
                rows.append(row_of(f"axbridge, {store}", connections, measured[letter]))
                best[store] = max(best.get(store, 0.0), rows[-1].events_per_second)
        in_batches = {}
        for letter, store in (("small", "PostgreSQL"), ("embedded", "SQLite")):
            rates = [published(found[letter], f"grpc{number}") for number in range(arguments.rounds)]
            in_batches[store] = statistics.median(rates)
            rows.append(EventRow(f"event service alone, full batches, {store}", AT_A_TIME, round(in_batches[store], 1)))
            show(rows[-1])
        same = asyncio.run(stored_rows(databases["small"]))
        raw = {
            "PostgreSQL": statistics.median(
                [asyncio.run(raw_postgres(databases["small"], same, f"raw_{number}")) for number in range(3)]
            ),
            "SQLite": statistics.median([raw_sqlite(directory / f"raw-{number}.db", same) for number in range(3)]),
        }
        for store, rate in raw.items():
            rows.append(EventRow(f"raw inserts, {store}", AT_A_TIME if store == "PostgreSQL" else 1, round(rate, 1)))
            show(rows[-1])
        # What copies are made of.
        runs.once(found["large"], 32, 1.0)
        started = time.monotonic()
        asyncio.run(fill(databases["large"], arguments.rows))
        print(f"{arguments.rows:,} events filled in {time.monotonic() - started:.0f} s", flush=True)
        turns: dict[str, list[tuple[Load, dict[str, float]]]] = {"small": [], "large": []}
        connections = arguments.connections[-1]
        for _ in range(arguments.rounds + 2):
            for letter, of_it in turns.items():
                of_it.append(runs.once(found[letter], connections, arguments.seconds))
        few = row_of("axbridge, PostgreSQL, few events stored", connections, turns["small"])
        many = row_of(f"axbridge, PostgreSQL, {arguments.rows:,} events stored", connections, turns["large"])
        rows += [few, many]
    slower = few.events_per_second / many.events_per_second
    ratios = [
        {
            "what": f"{what} / raw inserts of the same rows, {store}",
            "measured": round(rate[store] / raw[store], 3),
            "bound": LEAST_RATIO,
            "at_least": True,
            "holds": rate[store] / raw[store] >= LEAST_RATIO,
        }
        for store in raw
        for what, rate in (("durable events over HTTP", best), ("durable events in full batches", in_batches))
    ]
    ratios.append(
        {
            "what": f"publishing among {arguments.rows:,} events: times slower",
            "measured": round(slower, 3),
            "bound": MOST_SLOWER,
            "at_least": False,
            "holds": slower <= MOST_SLOWER,
        }
    )
    for ratio in ratios:
        sign = ">=" if ratio["at_least"] else "<="
        verdict = "holds" if ratio["holds"] else "FAILS"
        print(f"{verdict}  {ratio['what']}: {ratio['measured']} ({sign} {ratio['bound']})")
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        content = {"machine": about, "rows": [asdict(row) for row in rows], "ratios": ratios}
        arguments.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
