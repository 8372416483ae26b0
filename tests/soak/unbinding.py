"""Whether an acknowledged unbinding is ever late: `python -m tests.soak.unbinding [--seconds N]`.

Readers and writers on several replicas, real PostgreSQL and Redis, with and without faults; every read is judged. The
exit code is 1 when a read was stale, when too few were made to mean anything, or when the same checker finds nothing on
the naive cache.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.soak.faults import ALL_FAULTS, Fault, keep_breaking, keep_restarting
from tests.soak.history import Report
from tests.soak.replicas import DYING, NAIVE, NORMAL, Replicas
from tests.soak.workload import Client, Slot, World, add_tenant, make_world, read_batch, write_slot, write_tenant

# What was answered from the store proves nothing about the cache.
LEAST_CACHED_SHARE = 0.05


@dataclass(frozen=True)
class Run:
    """What to do for how long. Few access numbers make reads and writes meet often."""

    seconds: float
    modules: Sequence[str] = (NORMAL, NORMAL, DYING)
    faults: Sequence[Fault] = ALL_FAULTS
    access_numbers: int = 12
    readers: int = 6
    writers: int = 4
    batch: int = 64
    seed: int = 1
    ttl_seconds: float = 5.0
    # The run ends with the first stale read.
    until_stale: bool = False

    def goes_on(self, report: Report, stop_at: float) -> bool:
        return time.monotonic() < stop_at and not (self.until_stale and report.stale)


async def carry_out(run: Run, directory: Path) -> Report:
    """Start everything, read and write for a while, stop everything."""
    env = {
        "AXBRIDGE_ROUTING_CACHE_TTL_SECONDS": f"{run.ttl_seconds}",
        # Failed answers are not what is looked for, and prove nothing about those that did not fail.
        "AXBRIDGE_ROUTING_READ_TIMEOUT_SECONDS": "0.8",
        "AXBRIDGE_ROUTING_LOG_LEVEL": "warning",
    }
    report, world = Report(), make_world(run.access_numbers)
    async with Replicas(directory, run.modules, env) as replicas:
        client = Client(replicas.addresses, run.seed)
        await add_tenant(client, world, report)
        started = time.monotonic()
        stop_at = started + run.seconds
        async with asyncio.TaskGroup() as group:
            for _ in range(run.readers):
                group.create_task(_read(client, world, report, run, stop_at))
            for number in range(run.writers):
                group.create_task(_write(client, world, world.slots[number :: run.writers], report, run, stop_at))
            group.create_task(_write_tenant(client, world, report, run, stop_at))
            group.create_task(keep_restarting(replicas, report, lambda: run.goes_on(report, stop_at)))
            if run.faults:
                rng = random.Random(run.seed)
                group.create_task(
                    keep_breaking(
                        replicas,
                        run.faults,
                        rng,
                        report,
                        lambda: run.goes_on(report, stop_at),
                        world.writes_under_way,
                    )
                )
        report.seconds = time.monotonic() - started
        await client.close()
    return report


async def _read(client: Client, world: World, report: Report, run: Run, stop_at: float) -> None:
    while run.goes_on(report, stop_at):
        await read_batch(client, world, report, run.batch)


async def _write(client: Client, world: World, mine: Sequence[Slot], report: Report, run: Run, stop_at: float) -> None:
    while run.goes_on(report, stop_at):
        await write_slot(client, world, client.random.choice(mine), report)
        await asyncio.sleep(client.random.uniform(0, 0.02))


async def _write_tenant(client: Client, world: World, report: Report, run: Run, stop_at: float) -> None:
    while run.goes_on(report, stop_at):
        await write_tenant(client, world, report)
        await asyncio.sleep(client.random.uniform(0, 1.0))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="how long the run with faults takes")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the random choices")
    parser.add_argument("--reads", type=int, default=200_000, help="fewest reads after an unbinding that count")
    options = parser.parse_args()
    print(f"seed {options.seed}")
    failed = False
    with tempfile.TemporaryDirectory() as temporary:
        naive = Run(options.seconds / 10, modules=(NAIVE,) * 3, faults=(), seed=options.seed)
        calm = Run(options.seconds / 4, faults=(), seed=options.seed)
        rough = Run(options.seconds, seed=options.seed)
        for name, run in (("naive, without faults", naive), ("without faults", calm), ("with faults", rough)):
            directory = Path(temporary) / name.replace(" ", "_").replace(",", "")
            directory.mkdir()
            report = asyncio.run(carry_out(run, directory))
            print(f"== {name}", *report.lines(), sep="\n   ", flush=True)
            if run is naive:
                failed |= not report.stale
            else:
                failed |= bool(report.stale) or report.cached_share < LEAST_CACHED_SHARE
        failed |= report.reads_after_unbind < options.reads or not report.writes_hit
    print("FAILED" if failed else "passed: nothing was stale, and the checker finds what is")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
