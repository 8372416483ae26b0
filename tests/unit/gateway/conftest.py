"""A gateway over fakes, as an HTTP server on a free port of loopback."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from common.clock import SystemClock
from gateway.domain import TenantSettings
from gateway.handlers import CallHandler, CallLimits, HealthHandler
from gateway.http import HttpOptions, build_app, running_http
from gateway.readiness import Backend, Readiness
from gateway.service import EventOptions, EventService, QueryOptions, QueryService
from gateway.tenants import DirectoryLimits, TenantDirectory
from gateway.trace_sampler import TraceSampler
from gateway.tracked_tasks import TrackedTasks
from tests.unit.gateway.fakes import FakePublisher, FakeQuarantine, FakeResolver, FakeSink, FakeTenants

BODY_TIMEOUT_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Served:
    """What stands behind the server, and a plain way to speak to it."""

    address: str = ""
    resolver: FakeResolver = field(default_factory=FakeResolver)
    publisher: FakePublisher = field(default_factory=FakePublisher)
    quarantine: FakeQuarantine = field(default_factory=FakeQuarantine)
    tenants: FakeTenants = field(default_factory=lambda: FakeTenants(TenantSettings("100001")))
    sink: FakeSink = field(default_factory=FakeSink)
    tasks: TrackedTasks = field(default_factory=TrackedTasks)
    reachable: dict[str, bool] = field(default_factory=lambda: {"routing_service": True, "event_service": True})
    backends: list[Backend] = field(default_factory=list)
    readiness: Readiness | None = None

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, _, port = self.address.rpartition(":")
        return await asyncio.open_connection(host, int(port))

    async def send(self, head: str, *chunks: bytes) -> Reply:
        """Send a request byte by byte as given, and read the answer."""
        reader, writer = await self.connect()
        try:
            writer.write(head.replace("\n", "\r\n").encode() + b"\r\n\r\n")
            for chunk in chunks:
                writer.write(chunk)
                await writer.drain()
            return await read_reply(reader)
        finally:
            writer.close()

    async def post(self, body: bytes, content_type: str | None = "application/xml", **headers: str) -> Reply:
        lines = ["POST /v1/calls HTTP/1.1", "Host: x", f"Content-Length: {len(body)}"]
        lines += [] if content_type is None else [f"Content-Type: {content_type}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return await self.send("\n".join(lines), body)

    async def get(self, path: str) -> Reply:
        return await self.send(f"GET {path} HTTP/1.1\nHost: x")

    async def check_backends(self) -> None:
        for backend in self.backends:
            await backend.check()


async def read_reply(reader: asyncio.StreamReader) -> Reply:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers["content-length"]))
    return Reply(int(head[0].split()[1]), headers, body)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    served = Served()
    clock, sampler = SystemClock(), TraceSampler(0)
    directory = TenantDirectory(served.tenants, DirectoryLimits(), clock)
    calls = CallHandler(
        QueryService(served.resolver, directory, served.sink, QueryOptions(1.0, sampler), clock),
        EventService(served.publisher, directory, served.quarantine, EventOptions(5.0, 1.0, sampler), clock),
        served.tasks,
        clock,
        CallLimits(BODY_TIMEOUT_SECONDS, 3),
    )

    def backend(name: str) -> Backend:
        async def check() -> bool:
            return served.reachable[name]

        return Backend(name, check)

    routing, events = backend("routing_service"), backend("event_service")
    served.backends = [routing, events]
    served.readiness = Readiness(routing, events)
    app = build_app(calls, HealthHandler(served.readiness))
    async with running_http(app, HttpOptions("127.0.0.1:0", 75.0, 1.0)) as address:
        served.address = address
        yield served
    await served.tasks.drain(1.0)
    await directory.close()
