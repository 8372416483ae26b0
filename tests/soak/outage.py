"""What callers notice when Redis or PostgreSQL is gone: `python -m tests.soak.outage [--seconds N] [--rate N]`.

A steady stream of queries, sent whether or not the ones before are answered, through one thing going wrong after the
other. While Redis is killed or frozen no query may fail, and 99 of 100 are answered within the limit. While PostgreSQL
is frozen, what is cached is still answered, the rest fails, nothing hangs; afterwards all is well again by itself.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import grpc.aio
from axbridge.routing.v1 import binding_pb2, binding_service_pb2, decision_pb2, routing_service_pb2

from tests.soak.history import Report
from tests.soak.replicas import NORMAL, Replicas
from tests.soak.workload import TENANT, Client, add_tenant, make_world

HOT, COLD = 200, 1_000
QUERIES_IN_A_BATCH = 10
P99_LIMIT_SECONDS = 0.15
BUDGET_SECONDS = 1.0


@dataclass
class Phase:
    """What came of the queries that were sent in it."""

    name: str
    seconds: list[float] = field(default_factory=list)
    results: Counter[str] = field(default_factory=Counter)
    # Results of queries that had been asked again and again before.
    hot_results: Counter[str] = field(default_factory=Counter)

    def line(self) -> str:
        failed = ", ".join(f"{name} {count:,}" for name, count in sorted(self.results.items()) if name != "ROUTED")
        return (
            f"{self.name:<28} {self.results.total():>7,} queries, p50 {self.percentile(0.5) * 1000:6.1f} ms, "
            f"p99 {self.percentile(0.99) * 1000:6.1f} ms, longest {max(self.seconds, default=0) * 1000:6.0f} ms; "
            f"not routed: {failed or 'none'}"
        )

    def percentile(self, share: float) -> float:
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0

    @property
    def failed(self) -> int:
        return self.results.total() - self.results["ROUTED"]


def caller_and_access_number(number: int) -> tuple[str, str]:
    return f"138{number:08}", f"025660{number:05}"


async def bind(client: Client, number: int) -> None:
    caller, access_number = caller_and_access_number(number)
    binding = binding_pb2.Binding(
        tenant_id=TENANT,
        kind=binding_pb2.BINDING_KIND_AXB,
        access_number=access_number,
        a_number=caller,
        b_number=f"139{number:08}",
    )
    await client.bindings().CreateBinding(binding_service_pb2.CreateBindingRequest(binding=binding), timeout=20)


async def ask(client: Client, numbers: list[int], phase: Phase) -> None:
    queries = []
    for number in numbers:
        caller, access_number = caller_and_access_number(number)
        queries.append(
            routing_service_pb2.ResolveQuery(
                tenant_id=TENANT, session_id="s", calling_number=caller, access_number=access_number
            )
        )
    request = routing_service_pb2.ResolveBatchRequest(queries=queries)
    started = time.monotonic()
    try:
        decisions = (await client.routing().ResolveBatch(request, timeout=BUDGET_SECONDS)).decisions
        results = [decision_pb2.RouteResult.Name(each.result).removeprefix("ROUTE_RESULT_") for each in decisions]
    except grpc.aio.AioRpcError as error:
        results = [error.code().name] * len(numbers)
    phase.seconds.append(time.monotonic() - started)
    phase.results.update(results)
    phase.hot_results.update(result for number, result in zip(numbers, results, strict=True) if number < HOT)


async def stream(client: Client, phase: Phase, seconds: float, rate: float, *, cold: bool = True) -> None:
    """Queries at this rate for so long; most for few bindings, some for any."""
    asking: set[asyncio.Task[None]] = set()
    pause = QUERIES_IN_A_BATCH / rate
    started = time.monotonic()
    sent = 0
    while (now := time.monotonic()) < started + seconds:
        if started + sent * pause > now:
            await asyncio.sleep(started + sent * pause - now)
        numbers = [
            client.random.randrange(COLD if cold and client.random.random() < 0.1 else HOT)
            for _ in range(QUERIES_IN_A_BATCH)
        ]
        task = asyncio.create_task(ask(client, numbers, phase))
        asking.add(task)
        task.add_done_callback(asking.discard)
        sent += 1
    if asking:
        await asyncio.wait(asking)


async def carry_out(seconds: float, rate: float, directory: Path) -> dict[str, Phase]:
    """All phases, each `seconds` long, by name."""
    phases: dict[str, Phase] = {}
    report = Report()
    async with Replicas(directory, (NORMAL, NORMAL)) as replicas:
        client = Client(replicas.addresses, 1)
        await add_tenant(client, make_world(1), report)
        for start in range(0, COLD, 50):
            await asyncio.gather(*(bind(client, number) for number in range(start, start + 50)))

        async def phase(name: str, *, lasting: float = seconds, cold: bool = True) -> None:
            phases[name] = Phase(name)
            await stream(client, phases[name], lasting, rate, cold=cold)
            print("  ", phases[name].line(), flush=True)

        redis, postgres = replicas.redis, replicas.postgres
        faults: list[tuple[str, Callable[[], None], Callable[[], None]]] = [
            ("Redis killed", redis.child.kill, redis.start),
            # Another process by then.
            ("Redis frozen", lambda: redis.child.freeze(), lambda: redis.child.thaw()),
            ("PostgreSQL frozen", postgres.child.freeze, postgres.child.thaw),
        ]
        await phase("warming up", lasting=2.0)
        await phase("all well")
        for name, break_it, mend_it in faults:
            await asyncio.to_thread(break_it)
            # What is asked for often is cached for half of the five seconds at least.
            await phase(name, lasting=2.0 if name.startswith("PostgreSQL") else seconds)
            await asyncio.to_thread(mend_it)
            await phase(f"{name}: mended", lasting=2.0)
            await phase(f"{name}: afterwards", lasting=2.0)
        await client.close()
    return phases


def verdict(phases: dict[str, Phase], p99_limit_seconds: float = P99_LIMIT_SECONDS) -> list[str]:
    """What was not as promised."""
    wrong = []
    for name, phase in phases.items():
        if not name.startswith("PostgreSQL") and phase.failed:
            wrong.append(f"{name}: {phase.failed} queries failed")
        if name.endswith("afterwards") and phase.failed:
            wrong.append(f"{name}: not well again")
        if not name.startswith(("warming", "PostgreSQL")) and phase.percentile(0.99) > p99_limit_seconds:
            wrong.append(f"{name}: p99 {phase.percentile(0.99) * 1000:.0f} ms")
        if max(phase.seconds) > BUDGET_SECONDS + 0.5:
            wrong.append(f"{name}: a call took {max(phase.seconds):.1f} s")
    frozen = phases["PostgreSQL frozen"]
    if frozen.hot_results["ROUTED"] < 0.5 * frozen.hot_results.total():
        wrong.append("PostgreSQL frozen: what was cached was not answered")
    if set(frozen.results) - {"ROUTED", "UNAVAILABLE"}:
        wrong.append("PostgreSQL frozen: the rest is to be UNAVAILABLE")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=6.0, help="how long each fault lasts")
    parser.add_argument("--rate", type=float, default=300.0, help="queries per second")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        wrong = verdict(asyncio.run(carry_out(options.seconds, options.rate, Path(directory))))
    print(*wrong or ["passed"], sep="\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
