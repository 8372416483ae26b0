"""Rolling restarts under load: two replicas of each service, one after the other stopped and started again.

    .venv/bin/python -m tests.soak.rolling_restarts --rounds 100

A round restarts all six, as a rolling upgrade does: SIGTERM, and the next one only when the new process has been ready
for a while. Meanwhile a platform sends queries and events through a balancer in front of the gateways. At the end every
query must have had its answer (0000, within two seconds), and every event that got a 200 must be in the log once.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from axbridge.events.v1 import call_service_pb2
from axbridge.events.v1.call_service_pb2_grpc import CallServiceStub
from axbridge.routing.v1 import binding_pb2, binding_service_pb2, tenant_pb2, tenant_service_pb2
from axbridge.routing.v1.binding_service_pb2_grpc import BindingServiceStub
from axbridge.routing.v1.tenant_service_pb2_grpc import TenantServiceStub
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.support.balancer import Balancer, read_message
from tests.support.http import get_status
from tests.support.postgres import PostgresServer
from tests.support.redis import RedisServer
from tests.support.stack import ACCESS, TENANT, A, B, Service

# What a Deployment calls minReadySeconds: long enough for every client to find the new process.
READY_SECONDS = 2.5
ANSWER_SECONDS = 2.0
START_SECONDS = 60.0


@dataclass
class Outcome:
    """What a platform saw."""

    queries: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    slowest_seconds: float = 0.0
    # Events that got their 200, by call; and those that did not, which the platform sends again.
    acknowledged: dict[str, set[str]] = field(default_factory=dict)
    sent_again: int = 0
    restarts: int = 0
    lost: int = 0
    doubled: int = 0


class Replicas:
    """Two of each, on one PostgreSQL and one Redis; `env` is for all of their processes."""

    def __init__(self, directory: Path, env: Mapping[str, str] | None = None) -> None:
        self._env = dict(env or {})
        self.postgres = PostgresServer(directory / "postgres")
        self.redis = RedisServer(directory / "redis")
        self._directory = directory
        self._databases: dict[str, str] = {}
        self.routing: list[Service] = []
        self.events: list[Service] = []
        self.gateways: list[Service] = []

    @property
    def services(self) -> list[Service]:
        return [*self.routing, *self.events, *self.gateways]

    async def start(self) -> None:
        self.postgres.start()
        self.redis.start()
        routing_env = {
            **self._env,
            "AXBRIDGE_ROUTING_DATABASE_URL": await self.postgres.create_database(),
            "AXBRIDGE_ROUTING_REDIS_URL": self.redis.url,
        }
        events_env = {**self._env, "AXBRIDGE_EVENTS_DATABASE_URL": await self.postgres.create_database()}
        self._databases = {**routing_env, **events_env}
        self.migrate(self._env)
        self.routing = [self._replica("routing_service", "AXBRIDGE_ROUTING", n, routing_env) for n in (1, 2)]
        self.events = [self._replica("event_service", "AXBRIDGE_EVENTS", n, events_env) for n in (1, 2)]
        gateway_env = {
            **self._env,
            "AXBRIDGE_GATEWAY_ROUTING_TARGET": "ipv4:" + ",".join(each.address for each in self.routing),
            "AXBRIDGE_GATEWAY_EVENTS_TARGET": "ipv4:" + ",".join(each.address for each in self.events),
            "AXBRIDGE_GATEWAY_LIMITS_REDIS_URL": self.redis.url,
        }
        self.gateways = [self._replica("gateway", "AXBRIDGE_GATEWAY", n, gateway_env) for n in (1, 2)]
        for service in self.services:
            service.launch()
        for service in self.services:
            service.wait()
            wait_until(lambda service=service: is_serving(service), f"{service.name} never became ready")  # type: ignore[misc]

    def migrate(self, env: Mapping[str, str]) -> None:
        """Bring both databases to the schema of the version that `env` picks. Raises CalledProcessError."""
        environment = {**os.environ, **self._databases, **env}
        subprocess.run([sys.executable, "-m", "cli.main", "migrate"], env=environment, check=True, capture_output=True)

    def stop(self) -> None:
        for service in self.services:
            if service.child.running:
                service.child.kill()
        self.redis.stop()
        self.postgres.stop()

    def restart(self, service: Service) -> None:
        """Stop one as Kubernetes does, and start it again."""
        code = service.stop()
        assert code == 0, f"{service.name} ended with {code}:\n{service.child.log()[-3000:]}"
        service.start()
        wait_until(lambda: is_serving(service), f"{service.name} never became ready again")

    def _replica(self, name: str, prefix: str, number: int, env: dict[str, str]) -> Service:
        directory = self._directory / f"{name}-{number}"
        directory.mkdir(parents=True)
        return Service(name, prefix, directory, {f"{prefix}_DATA_DIR": str(directory), **env})


def is_serving(service: Service) -> bool:
    if service.name == "gateway":
        try:
            return get_status(f"http://{service.address}/readyz") == 200
        except OSError:
            return False
    with grpc.insecure_channel(service.address) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=1)
        except grpc.RpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def wait_until(condition: Callable[[], bool], complaint: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(complaint)
        time.sleep(0.05)


class Platform:
    """Sends queries and events at a fixed rate; an event without its 200 comes again, as platforms do it."""

    def __init__(self, address: str, outcome: Outcome, rate: float) -> None:
        host, _, port = address.rpartition(":")
        self._address = (host, int(port))
        self._outcome = outcome
        self._rate = rate
        self._free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter] | None] = asyncio.Queue()
        for _ in range(64):
            self._free.put_nowait(None)
        self.done = asyncio.Event()

    async def run(self) -> None:
        began = time.perf_counter()
        running: set[asyncio.Task[None]] = set()
        number = 0
        while not self.done.is_set():
            await asyncio.sleep(max(0.0, began + number / self._rate - time.perf_counter()))
            task = asyncio.create_task(self._query(number) if number % 2 else self._event(number))
            running.add(task)
            task.add_done_callback(running.discard)
            number += 1
        await asyncio.gather(*running)
        while not self._free.empty():
            connection = self._free.get_nowait()
            if connection is not None:
                connection[1].close()
                await connection[1].wait_closed()

    async def _query(self, number: int) -> None:
        fields = {"sid": f"q{number}", "method": "query", "callingNumber": A, "accessNumber": ACCESS}
        began = time.perf_counter()
        status, body = await self._send(fields)
        took = time.perf_counter() - began
        self._outcome.queries += 1
        self._outcome.slowest_seconds = max(self._outcome.slowest_seconds, took)
        if status != 200 or b'"0000"' not in body:
            self._outcome.failures[f"{status} {body[:200]!r}"] += 1
        elif took > ANSWER_SECONDS:
            self._outcome.failures["slow"] += 1

    async def _event(self, number: int) -> None:
        session_id, seq = f"s{number // 20}", str(number)
        fields = {"sid": session_id, "method": "event", "chargeExt": "1", "code": "15"}
        for _ in range(30):
            status, _body = await self._send(fields, seq)
            if status == 200:
                self._outcome.acknowledged.setdefault(session_id, set()).add(seq)
                return
            self._outcome.sent_again += 1
            await asyncio.sleep(0.5)

    async def _send(self, fields: dict[str, str], seq: str = "1") -> tuple[int, bytes]:
        body = json.dumps({"vccId": TENANT, "callId": "c", "seq": seq, **fields}).encode()
        head = f"POST /v1/calls HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        connection = await self._free.get()
        try:
            reader, writer = connection or await asyncio.open_connection(*self._address)
            writer.write(head.encode() + b"\r\n\r\n" + body)
            answer = await read_message(reader)
            connection = (reader, writer)
        except (OSError, EOFError) as error:
            connection = None
            return 0, type(error).__name__.encode()
        finally:
            self._free.put_nowait(connection)
        return int(answer.split(b" ", 2)[1]), answer.partition(b"\r\n\r\n")[2]


def prepare(replicas: Replicas) -> None:
    with grpc.insecure_channel(replicas.routing[0].address) as channel:
        tenant = tenant_pb2.Tenant(tenant_id=TENANT)
        TenantServiceStub(channel).CreateTenant(tenant_service_pb2.CreateTenantRequest(tenant=tenant), timeout=10)
        binding = binding_pb2.Binding(
            tenant_id=TENANT, kind=binding_pb2.BINDING_KIND_AXB, access_number=ACCESS, a_number=A, b_number=B
        )
        BindingServiceStub(channel).CreateBinding(binding_service_pb2.CreateBindingRequest(binding=binding), timeout=10)


def count_stored(replicas: Replicas, outcome: Outcome) -> None:
    """Compare what was acknowledged with what is in the log."""
    with grpc.insecure_channel(replicas.events[0].address) as channel:
        stub = CallServiceStub(channel)
        for session_id, acknowledged in outcome.acknowledged.items():
            request = call_service_pb2.ListCallEventsRequest(tenant_id=TENANT, session_id=session_id)
            stored = [item.event.seq for item in stub.ListCallEvents(request, timeout=10).events]
            outcome.lost += len(acknowledged - set(stored))
            outcome.doubled += len(stored) - len(set(stored))


async def play(directory: Path, rounds: int, rate: float, report: Callable[[str], None] = lambda _: None) -> Outcome:
    """Start everything, restart it under load, count."""
    outcome = Outcome()
    replicas = Replicas(directory)
    try:
        await replicas.start()
        await asyncio.to_thread(prepare, replicas)
        async with Balancer([gateway.address for gateway in replicas.gateways]) as balancer:
            while not all(backend.is_ready for backend in balancer.backends):
                await asyncio.sleep(0.05)
            # The gateways' directory of tenants is read again by then.
            await asyncio.sleep(READY_SECONDS)
            platform = Platform(balancer.address, outcome, rate)
            sending = asyncio.create_task(platform.run())
            for number in range(1, rounds + 1):
                for service in replicas.services:
                    await asyncio.to_thread(replicas.restart, service)
                    outcome.restarts += 1
                    await asyncio.sleep(READY_SECONDS)
                report(f"round {number}: {outcome.queries} queries, {sum(outcome.failures.values())} failed")
            platform.done.set()
            await sending
        await asyncio.to_thread(count_stored, replicas, outcome)
    finally:
        replicas.stop()
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100, help="each restarts all six")
    parser.add_argument("--rate", type=float, default=60.0, help="messages per second, half of them queries")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="axbridge-rolling-") as folder:
        outcome = asyncio.run(play(Path(folder), options.rounds, options.rate, lambda line: print(line, flush=True)))
    for failure, count in outcome.failures.most_common(20):
        print(f"{count:6} {failure}")
    events = sum(map(len, outcome.acknowledged.values()))
    print(
        f"{outcome.restarts} restarts in {time.monotonic() - began:.0f} s: {outcome.queries} queries, "
        f"{sum(outcome.failures.values())} failed, slowest {outcome.slowest_seconds * 1000:.0f} ms; {events} events "
        f"acknowledged ({outcome.sent_again} sent again), {outcome.lost} lost, {outcome.doubled} doubled"
    )
    return 1 if outcome.failures or outcome.lost or outcome.doubled else 0


if __name__ == "__main__":
    sys.exit(main())
