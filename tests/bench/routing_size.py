"""Whether a query takes longer among many bindings: `python -m tests.bench.routing_size [--store sqlite|postgresql]`.

Two databases on one server, one with 1,000 bindings and one with 1,000,000, are asked in turns, so that whatever else
the machine does slows both. Queries are for random bindings, read from the store: the cache would hide its size. The
exit code is 1 when the large one takes more than half as long again.
"""

import argparse
import asyncio
import gc
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import sqlalchemy as sa

from common.clock import SystemClock
from routing_service.domain.binding import Binding, BindingKind, BindingTerms
from routing_service.domain.tenant import Tenant, TenantSettings
from routing_service.migrate import migrate
from routing_service.service.routing import IncomingQuery, RoutingLimits, RoutingService
from routing_service.sql_schema import access_numbers, binding_claims, bindings
from routing_service.sql_store.candidates import SqlCandidateSource
from routing_service.sql_store.database import Database, DatabaseLimits
from routing_service.sql_store.rows import binding_values
from routing_service.sql_store.tenant_store import SqlTenantStore
from tests.support.postgres import PostgresServer

TENANT = "100001"
SMALL, LARGE = 1_000, 1_000_000
MOST_RATIO = 1.5
# Enterprises have few access numbers and many relationships on each.
ACCESS_NUMBERS = 1_000
ROWS_AT_ONCE = 20_000
# A quarter of a small machine's memory, as its documentation advises: with the 128 MB that it comes with, each query
# among many bindings would be some pages copied from the operating system.
_POSTGRES = {"shared_buffers": "2GB"}


def numbers(row: int) -> tuple[str, str, str]:
    """Access number, A and B of a binding."""
    return f"+8625{66000000 + row % ACCESS_NUMBERS}", f"+86138{row:08}", f"+86139{row:08}"


def binding_rows(size: int) -> Iterator[dict[str, Any]]:
    now = SystemClock().now()
    terms = BindingTerms(BindingKind.AXB, *numbers(0))
    template = binding_values(Binding("", TENANT, terms, 1, now, now))
    for row in range(size):
        access_number, a_number, b_number = numbers(row)
        yield template | {
            "binding_id": f"b{row}",
            "access_number": access_number,
            "a_number": a_number,
            "b_number": b_number,
        }


def claim_rows(size: int) -> Iterator[dict[str, Any]]:
    for row in range(size):
        access_number, *callers = numbers(row)
        for caller in callers:
            yield {
                "tenant_id": TENANT,
                "access_number": access_number,
                "number": caller,
                "binding_id": f"b{row}",
            }


def access_number_rows(size: int) -> Iterator[dict[str, Any]]:
    for row in range(min(size, ACCESS_NUMBERS)):
        yield {"access_number": numbers(row)[0], "tenant_id": TENANT}


async def fill(url: str, size: int) -> None:
    """Put the rows there without the checks: it is reading that is measured."""
    database = Database(url, DatabaseLimits(read_timeout_seconds=60.0, write_timeout_seconds=600.0))
    await migrate(database.writers)
    await SqlTenantStore(database).create(Tenant(TENANT, TenantSettings()))
    tables = ((bindings, binding_rows), (access_numbers, access_number_rows), (binding_claims, claim_rows))
    for table, rows_of in tables:
        if database.is_sqlite:
            await _insert(database, table, rows_of(size))
        else:
            await _copy(url, table, rows_of(size))
    await database.close()


async def _copy(url: str, table: sa.Table, rows: Iterator[dict[str, Any]]) -> None:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        names: list[str] = []
        for lot in _lots(rows):
            names = list(lot[0])
            await connection.copy_records_to_table(
                table.name, columns=names, records=[tuple(row.values()) for row in lot]
            )
        # As the database does by itself after a while.
        await connection.execute(f"VACUUM ANALYZE {table.name}")
    finally:
        await connection.close()


async def _insert(database: Database, table: sa.Table, rows: Iterator[dict[str, Any]]) -> None:
    for lot in _lots(rows):
        async with database.writers.begin() as connection:
            await connection.execute(sa.insert(table), lot)


def _lots(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    lot: list[dict[str, Any]] = []
    for row in rows:
        lot.append(row)
        if len(lot) == ROWS_AT_ONCE:
            yield lot
            lot = []
    if lot:
        yield lot


@dataclass
class Measured:
    """How long batches took among so many bindings, in milliseconds."""

    bindings: int
    batch: int
    milliseconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.milliseconds)

    @property
    def p99(self) -> float:
        return statistics.quantiles(self.milliseconds, n=100)[98]


class Side:
    """A database of one size, and the service that asks it."""

    def __init__(self, url: str, size: int) -> None:
        self.size = size
        self.database = Database(url, DatabaseLimits(read_timeout_seconds=60.0, write_timeout_seconds=60.0))
        source = SqlCandidateSource(self.database)
        self._service = RoutingService(source, source, SystemClock(), limits=RoutingLimits(default_budget_seconds=60.0))
        self._random = random.Random(1)

    async def ask(self, batch: int) -> float:
        """Ask for random bindings; the milliseconds that it took."""
        queries = []
        for _ in range(batch):
            access_number, a_number, b_number = numbers(self._random.randrange(self.size))
            queries.append(IncomingQuery(TENANT, "s", self._random.choice((a_number, b_number)), access_number))
        started = time.perf_counter()
        answers = await self._service.resolve_batch(queries, None)
        taken = (time.perf_counter() - started) * 1000
        if not all(answer.members for answer in answers):
            raise SystemExit("a query was not answered")
        return taken


async def measure(url_by_size: dict[int, str], batches: dict[int, int]) -> list[Measured]:
    """Ask every size in turns; `batches` says how often for each size of a batch."""
    results = []
    async with AsyncExitStack() as closing:
        sides = []
        for size, url in url_by_size.items():
            sides.append(Side(url, size))
            closing.push_async_callback(sides[-1].database.close)
        for batch, times in batches.items():
            measured = [Measured(side.size, batch) for side in sides]
            for side in sides:
                for _ in range(20):
                    await side.ask(batch)
            gc.collect()
            for _ in range(times):
                for side, result in zip(sides, measured, strict=True):
                    result.milliseconds.append(await side.ask(batch))
            results += measured
    return results


async def run(store: str, large: int, directory: Path) -> list[Measured]:
    urls = {}
    server = PostgresServer(directory / "postgres", _POSTGRES) if store == "postgresql" else None
    try:
        if server is not None:
            server.start()
        for size in (SMALL, large):
            urls[size] = (
                await server.create_database()
                if server is not None
                else f"sqlite+aiosqlite:///{directory / f'{size}.db'}"
            )
            started = time.monotonic()
            await fill(urls[size], size)
            print(f"{size:,} bindings in {store}: {time.monotonic() - started:.0f} s to fill", flush=True)
        return await measure(urls, {1: 1000, 64: 200})
    finally:
        if server is not None:
            server.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", choices=("postgresql", "sqlite"), default="postgresql", help="what is measured")
    parser.add_argument("--large", type=int, default=LARGE, help="bindings in the larger database")
    parser.add_argument("--json", type=Path, help="write what was measured to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        results = asyncio.run(run(options.store, options.large, Path(directory)))
    failed = False
    print(f"{'bindings':>10} {'batch':>6} {'median ms':>10} {'p99 ms':>8}")
    for result in results:
        print(f"{result.bindings:>10,} {result.batch:>6} {result.median:>10.2f} {result.p99:>8.2f}")
    for small, big in zip(results[::2], results[1::2], strict=True):
        ratio = big.median / small.median
        failed |= ratio > MOST_RATIO
        print(f"batches of {small.batch}: {ratio:.2f} times as long among {big.bindings:,} bindings")
    if options.json is not None:
        rows = [
            {
                "store": options.store,
                "bindings": each.bindings,
                "batch": each.batch,
                "median_milliseconds": round(each.median, 3),
                "p99_milliseconds": round(each.p99, 3),
            }
            for each in results
        ]
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
