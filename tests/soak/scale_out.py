"""More routing replicas take their share, and one that dies or freezes costs nobody an answer.

`python -m tests.soak.scale_out [--seconds 10] [--json FILE]`

One gateway under a steady load, and replicas that come and go behind a name, as they do behind a headless Service. With
1, 2 and 4 of them each must answer its share, by 10%; a new one must get queries within `max_connection_age` and what a
busy machine needs on top; and one of three is killed, and another frozen (SIGSTOP), without one failed query.
"""

import argparse
import asyncio
import json
import re
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from axbridge.routing.v1 import binding_pb2, binding_service_pb2, tenant_pb2, tenant_service_pb2
from axbridge.routing.v1.binding_service_pb2_grpc import BindingServiceStub
from axbridge.routing.v1.tenant_service_pb2_grpc import TenantServiceStub

from tests.soak.replicas import NORMAL, Replicas
from tests.soak.rolling_restarts import Outcome, Platform, is_serving
from tests.support.names import NameServer
from tests.support.processes import free_port
from tests.support.stack import ACCESS, TENANT, A, B, Service

MOST_REPLICAS = 4
MAX_CONNECTION_AGE_SECONDS = 4.0
# gRPC makes ages differ by a tenth; then a name is looked up, a connection made, a query sent.
NOTICE_SECONDS = 1.1 * MAX_CONNECTION_AGE_SECONDS + 5.0
SHARE_TOLERANCE = 0.10


@dataclass
class Report:
    """What was seen. Shares are by replica, 1 for what each should have; times in seconds."""

    shares: dict[int, list[float]] = field(default_factory=dict)
    noticed_seconds: dict[int, float] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    queries: int = 0
    slowest_seconds: float = 0.0
    examples: list[str] = field(default_factory=list)

    def complaints(self) -> list[str]:
        """Which promises were broken."""
        found = []
        for count, shares in self.shares.items():
            found += [
                f"of {count} replicas, number {number} has {share:.2f} of its share"
                for number, share in enumerate(shares, 1)
                if abs(share - 1) > SHARE_TOLERANCE
            ]
        found += [
            f"replica {number} got its first query after {seconds:.1f} s"
            for number, seconds in self.noticed_seconds.items()
            if seconds > NOTICE_SECONDS
        ]
        found += [f"{failed} failed queries while {what}" for what, failed in self.failures.items() if failed]
        return found


class Queries(Platform):
    """The platform of the rolling restarts, with queries only."""

    async def _event(self, number: int) -> None:
        await self._query(number)


class World:
    """The replicas, each with an address of its own and all with one port, and the gateway before them."""

    def __init__(self, replicas: Replicas, names: NameServer, directory: Path) -> None:
        self._names = names
        self._metrics = [free_port() for _ in range(MOST_REPLICAS)]
        port = free_port()
        self.hosts = [f"127.0.0.{number}" for number in range(1, MOST_REPLICAS + 1)]
        self.replicas = replicas.services
        for host, metrics, replica in zip(self.hosts, self._metrics, self.replicas, strict=True):
            replica.address = f"{host}:{port}"
            replica.use(
                {
                    "AXBRIDGE_ROUTING_LISTEN": replica.address,
                    "AXBRIDGE_ROUTING_METRICS_LISTEN": f"127.0.0.1:{metrics}",
                    "AXBRIDGE_ROUTING_MAX_CONNECTION_AGE_SECONDS": str(MAX_CONNECTION_AGE_SECONDS),
                    "AXBRIDGE_ROUTING_REQUEST_LINES_PER_SECOND": "0",
                }
            )
        events = Service("event_service", "AXBRIDGE_EVENTS", directory, {"AXBRIDGE_EVENTS_DATA_DIR": str(directory)})
        gateway = {
            "AXBRIDGE_GATEWAY_ROUTING_TARGET": f"dns://127.0.0.1:{names.port}/routing.test:{port}",
            "AXBRIDGE_GATEWAY_EVENTS_TARGET": events.address,
            "AXBRIDGE_GATEWAY_REQUEST_LINES_PER_SECOND": "0",
        }
        self.gateway = Service("gateway", "AXBRIDGE_GATEWAY", directory, gateway)
        self.others = [events, self.gateway]

    def say(self, numbers: list[int]) -> None:
        """Have these replicas, from 0, behind the name."""
        self._names.addresses = [self.hosts[number] for number in numbers]

    def answered(self, number: int) -> float:
        """How many queries a replica has answered."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._metrics[number]}/metrics", timeout=10) as response:
            text = response.read().decode()
        return sum(float(count) for count in re.findall(r"^axbridge_routing_answers\w*\{[^}]*\} (\S+)", text, re.M))


def prepare(replica: Service) -> None:
    with grpc.insecure_channel(replica.address) as channel:
        tenant = tenant_pb2.Tenant(tenant_id=TENANT)
        TenantServiceStub(channel).CreateTenant(tenant_service_pb2.CreateTenantRequest(tenant=tenant), timeout=10)
        binding = binding_pb2.Binding(
            tenant_id=TENANT, kind=binding_pb2.BINDING_KIND_AXB, access_number=ACCESS, a_number=A, b_number=B
        )
        BindingServiceStub(channel).CreateBinding(binding_service_pb2.CreateBindingRequest(binding=binding), timeout=10)


async def until(condition: Callable[[], bool], seconds: float) -> float:
    """Wait for something; the seconds that it took. Raises TimeoutError."""
    began = time.monotonic()
    while not await asyncio.to_thread(condition):
        if time.monotonic() - began > seconds:
            raise TimeoutError(f"nothing within {seconds:.0f} s")
        await asyncio.sleep(0.05)
    return time.monotonic() - began


class Trial:
    """The trials, one after the other, on one world and under one load."""

    def __init__(self, world: World, outcome: Outcome, report: Report, seconds: float) -> None:
        self._world = world
        self._outcome = outcome
        self._report = report
        self._seconds = seconds

    async def grow(self, count: int) -> None:
        """Start replicas until there are so many, wait until all get queries, and compare their shares."""
        world = self._world
        running = [number for number, replica in enumerate(world.replicas) if replica.has_started]
        for number in range(len(running), count):
            await asyncio.to_thread(world.replicas[number].start)
            await until(lambda number=number: is_serving(world.replicas[number]), 30)  # type: ignore[misc]
        began = time.monotonic()
        world.say([*range(count)])
        for number in range(len(running), count):
            await until(lambda number=number: world.answered(number) > 0, 60)  # type: ignore[misc]
            self._report.noticed_seconds[number + 1] = round(time.monotonic() - began, 2)
        await asyncio.sleep(1)
        before = [await asyncio.to_thread(world.answered, number) for number in range(count)]
        await asyncio.sleep(self._seconds)
        after = [await asyncio.to_thread(world.answered, number) for number in range(count)]
        got = [later - earlier for earlier, later in zip(before, after, strict=True)]
        self._report.shares[count] = [round(each / sum(got) * count, 3) for each in got]

    async def break_one(self, what: str, number: int) -> None:
        """Kill or freeze a replica under load, and count the queries that failed for it."""
        child = self._world.replicas[number].child
        failed = sum(self._outcome.failures.values())
        await asyncio.to_thread(child.kill if what == "killed" else child.freeze)
        await asyncio.sleep(self._seconds)
        if what == "killed":
            await asyncio.to_thread(self._world.replicas[number].start)
        else:
            child.thaw()
        await asyncio.sleep(2)
        self._report.failures[f"one of three is {what}"] = sum(self._outcome.failures.values()) - failed


async def play(directory: Path, seconds: float, rate: float, counts: tuple[int, ...] = (1, 2, 3, 4)) -> Report:
    """All trials. Replica 4, where there is one, comes last."""
    report, outcome = Report(), Outcome()
    replicas = Replicas(directory, [NORMAL] * MOST_REPLICAS, start=False)
    async with replicas, NameServer([]) as names:
        world = World(replicas, names, directory)
        try:
            await asyncio.to_thread(world.replicas[0].start)
            await asyncio.to_thread(prepare, world.replicas[0])
            world.say([0])
            for service in world.others:
                await asyncio.to_thread(service.start)
            await until(lambda: is_serving(world.gateway), 30)
            platform = Queries(world.gateway.address, outcome, rate)
            sending = asyncio.create_task(platform.run())
            trial = Trial(world, outcome, report, seconds)
            for count in counts:
                await trial.grow(count)
                if count == 3:
                    await trial.break_one("killed", 1)
                    await trial.break_one("frozen", 2)
            platform.done.set()
            await sending
        finally:
            for service in world.others:
                if service.has_started:
                    service.child.kill()
    report.failures["all of it"] = sum(outcome.failures.values())
    report.queries, report.slowest_seconds = outcome.queries, round(outcome.slowest_seconds, 3)
    report.examples = [*Counter(outcome.failures)][:5]
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each share is counted, each fault lasts")
    parser.add_argument("--rate", type=float, default=150.0, help="queries per second")
    parser.add_argument("--json", type=Path, help="write what was seen to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="axbridge-scale-") as folder:
        Path(folder).chmod(0o755)
        report = asyncio.run(play(Path(folder), options.seconds, options.rate))
    for count, shares in report.shares.items():
        print(f"{count} replicas, shares: {' '.join(f'{share:.2f}' for share in shares)}")
    for number, seconds in report.noticed_seconds.items():
        print(f"replica {number} got its first query {seconds:.1f} s after it stood behind the name")
    for what, failed in report.failures.items():
        print(f"{what}: {failed} failed queries")
    print(f"{report.queries} queries, slowest {report.slowest_seconds:.2f} s {report.examples}")
    complaints = report.complaints()
    for complaint in complaints:
        print(f"BROKEN: {complaint}")
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "shares": report.shares,
            "noticed_seconds": report.noticed_seconds,
            "failures": report.failures,
            "queries": report.queries,
            "slowest_seconds": report.slowest_seconds,
            "max_connection_age_seconds": MAX_CONNECTION_AGE_SECONDS,
        }
        options.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
