"""What is measured side by side, as processes. All but the one that is measured stand still meanwhile."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import redis
from axbridge.routing.v1 import binding_pb2, binding_service_pb2
from axbridge.routing.v1.binding_service_pb2_grpc import BindingServiceStub

from tests.bench.load import BenchError, write_file
from tests.support.http import get_status
from tests.support.postgres import PostgresServer
from tests.support.processes import ChildProcess, free_port
from tests.support.redis import RedisServer
from tests.support.stack import TENANT, Stack

BINDINGS = 1000
PAIRS_ON_AN_ACCESS_NUMBER = 100
# A busy machine must not make the setting up fail.
IMPORTED_AT_ONCE = 100
# The limits of enterprises are there to stop this.
NO_LIMITS = {
    "AXBRIDGE_GATEWAY_TENANT_QUERIES_PER_SECOND": "0",
    "AXBRIDGE_GATEWAY_TENANT_EVENTS_PER_SECOND": "0",
    **{f"AXBRIDGE_{service}_LOG_LEVEL": "warning" for service in ("GATEWAY", "ROUTING", "EVENTS")},
}
# What none of the handwritten ones keep: see candidate `records`.
NO_RECORDS = {"AXBRIDGE_GATEWAY_RECORD_DECISIONS": "false"}


def caller(number: int) -> str:
    return f"138{number:08}"


def callee(number: int) -> str:
    return f"139{number:08}"


def access_number(number: int) -> str:
    return f"025660{number // PAIRS_ON_AN_ACCESS_NUMBER:05}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that is measured, by its letter; `parts` are its processes, `metrics_url` is its gateway's."""

    letter: str
    name: str
    url: str
    parts: Mapping[str, ChildProcess]
    metrics_url: str = ""
    events_address: str = ""

    def cpu_seconds(self) -> dict[str, float]:
        """The processor time that each part has used so far."""
        found = {}
        for name, part in self.parts.items():
            found[name] = sum(sum(member.cpu_times()[:2]) for member in part.family())
        return found

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Running while the context is open."""
        for part in self.parts.values():
            part.thaw()
        try:
            yield
        finally:
            for part in self.parts.values():
                part.freeze()


@dataclass
class Bench:
    """The databases that candidates share, and the candidates."""

    directory: Path
    stack: ExitStack
    candidates: list[Candidate] = field(default_factory=list)
    postgres: PostgresServer = field(init=False)
    cache: RedisServer = field(init=False)

    def __post_init__(self) -> None:
        self.postgres = PostgresServer(self.directory / "postgres")
        self.stack.callback(self.postgres.stop)
        self.postgres.start()
        self.cache = RedisServer(self.directory / "redis")
        self.stack.callback(self.cache.stop)
        self.cache.start()

    def add_baseline(self, letter: str, name: str, module: str, argument: str) -> None:
        port = free_port()
        child = self._start(module, str(port), argument)
        deadline = time.monotonic() + 20
        while True:
            try:
                get_status(f"http://127.0.0.1:{port}/")
            except OSError:
                if not child.running or time.monotonic() > deadline:
                    raise BenchError(f"{module} did not start:\n{child.log()}") from None
                time.sleep(0.05)
            else:
                break
        self._add(Candidate(letter, name, f"http://127.0.0.1:{port}/v1/calls", {"server": child}))

    def add_handwritten(self, letter: str) -> None:
        client = redis.Redis(port=self.cache.port)
        pipeline = client.pipeline()
        for number in range(BINDINGS):
            key = f"binding:{TENANT}:{access_number(number)}:{caller(number)}"
            pipeline.set(key, json.dumps({"called": callee(number), "profile": {}}))
        pipeline.execute()
        client.close()
        self.add_baseline(letter, "FastAPI + Redis by hand", "handwritten", self.cache.url)

    def add_echo(self, letter: str, answer: bytes) -> None:
        self.add_baseline(letter, "bare aiohttp", "echo", str(write_file(self.directory, "answer.xml", answer)))

    def add_axbridge(self, letter: str, name: str, env: Mapping[str, str]) -> None:
        folder = self.directory / letter
        folder.mkdir()
        metrics = f"127.0.0.1:{free_port()}"
        running = self.stack.enter_context(
            Stack(folder, {**NO_LIMITS, "AXBRIDGE_GATEWAY_METRICS_LISTEN": metrics, **env})
        )
        running.add_tenant()
        with grpc.insecure_channel(running.routing.address) as channel:
            for answer in BindingServiceStub(channel).ImportBindings(_imports()):
                if wrong := [result.error for result in answer.results if result.error]:
                    raise BenchError(wrong[0])
        parts = {service.name: service.child for service in running.services}
        # Of several gateway processes each has metrics of its own.
        metrics_url = "" if env.get("AXBRIDGE_GATEWAY_METRICS_LISTEN") == "" else f"http://{metrics}/metrics"
        self._add(Candidate(letter, name, running.calls_url, parts, metrics_url, running.events.address))

    def production(self, letter: str) -> dict[str, str]:
        """PostgreSQL and Redis, with a place in both of the candidate's own."""
        databases = {f"AXBRIDGE_{service}_DATABASE_URL": self.database() for service in ("ROUTING", "EVENTS")}
        command = [sys.executable, "-m", "cli.main", "migrate"]
        subprocess.run(command, env=os.environ | databases, check=True, capture_output=True)
        return databases | {
            "AXBRIDGE_ROUTING_REDIS_URL": self.cache.url,
            # Longer than the slowest of them needs to be asked for all bindings.
            "AXBRIDGE_ROUTING_CACHE_TTL_SECONDS": "60",
            "AXBRIDGE_ROUTING_REDIS_KEY_PREFIX": f"bench-{letter}",
        }

    def database(self) -> str:
        return asyncio.run(self.postgres.create_database())

    def traced(self, ratio: float) -> dict[str, str]:
        """Spans of a share of the calls, sent to somebody who forgets them."""
        port = free_port()
        self._start("otlp_sink", str(port))
        settings = {
            "TRACE_EXPORTER": "otlp-grpc",
            "OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
            "TRACE_SAMPLE_RATIO": str(ratio),
        }
        return {
            f"AXBRIDGE_{each}_{key}": value
            for each in ("GATEWAY", "ROUTING", "EVENTS")
            for key, value in settings.items()
        }

    def _start(self, module: str, *arguments: str) -> ChildProcess:
        command = [sys.executable, "-m", f"tests.bench.baselines.{module}", *arguments]
        child = ChildProcess(command, self.directory / f"{module}-{time.monotonic_ns()}.log")
        self.stack.callback(child.kill)
        return child

    def _add(self, candidate: Candidate) -> None:
        self.candidates.append(candidate)
        # Frozen processes can't end by themselves.
        self.stack.callback(lambda: [part.thaw() for part in candidate.parts.values()])
        for part in candidate.parts.values():
            part.freeze()


def _imports() -> Iterator[binding_service_pb2.ImportBindingsRequest]:
    options = binding_service_pb2.ImportOptions(tenant_id=TENANT, request_id="bench")
    yield binding_service_pb2.ImportBindingsRequest(options=options)
    bindings: Sequence[binding_pb2.Binding] = [
        binding_pb2.Binding(
            kind=binding_pb2.BINDING_KIND_AXB,
            access_number=access_number(number),
            a_number=caller(number),
            b_number=callee(number),
        )
        for number in range(BINDINGS)
    ]
    for start in range(0, BINDINGS, IMPORTED_AT_ONCE):
        yield binding_service_pb2.ImportBindingsRequest(bindings=bindings[start : start + IMPORTED_AT_ONCE])
