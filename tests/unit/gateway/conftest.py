"""A gateway over fakes, as an HTTP server on a free port of loopback."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from opentelemetry.sdk.resources import Resource

from common.clock import SystemClock
from common.limits.token_bucket import LocalRateLimiter, RateLimit
from common.request_lines import RequestLines
from common.telemetry.metrics import Metrics
from common.telemetry.sampling import TraceSampler
from common.telemetry.tenant_labels import TenantLabels
from common.telemetry.tracing import Tracer
from gateway.call_traces import CallTraces
from gateway.domain import TenantSettings
from gateway.entrance import Entrance, EntranceLimits
from gateway.forwarded import TrustedProxies, parse_network
from gateway.handlers import CallHandler, HealthHandler
from gateway.http import HttpOptions, build_app, running_http
from gateway.platform_access import parse_access
from gateway.readiness import Backend, Readiness
from gateway.request_report import RequestReport
from gateway.service import EventOptions, EventService, QueryOptions, QueryService
from gateway.tenants import DirectoryLimits, TenantDirectory
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
    report: RequestReport | None = None
    metrics: Metrics = field(default_factory=lambda: Metrics(Resource({}), SystemClock()))

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

    async def post(
        self, body: bytes, content_type: str | None = "application/xml", path: str = "/v1/calls", **headers: str
    ) -> Reply:
        lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}"]
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


@dataclass(frozen=True, slots=True)
class Setup:
    """What a test wants different at the entrance. Whoever comes from 127.0.0.1 is believed as a proxy is."""

    access: str | None = None
    queries: RateLimit | None = None
    events: RateLimit | None = None
    header_timeout_seconds: float = 5.0
    max_connections: int = 1000
    lame_duck_seconds: float = 1.0


@pytest.fixture
def setup() -> Setup:
    """Replaced by tests that need another one."""
    return Setup()


@pytest.fixture
async def served(setup: Setup) -> AsyncIterator[Served]:
    served = Served()
    access = None if setup.access is None else parse_access(setup.access)
    clock = SystemClock()
    traces = CallTraces(Tracer(None, clock), TraceSampler(0))
    directory = TenantDirectory(served.tenants, DirectoryLimits(), clock)
    served.report = RequestReport(TenantLabels(2, directory.is_known), RequestLines(1000, clock.monotonic()), clock)
    calls = CallHandler(
        QueryService(served.resolver, directory, served.sink, QueryOptions(1.0, traces), clock),
        EventService(served.publisher, directory, served.quarantine, EventOptions(5.0, 1.0, traces), clock),
        Entrance(
            None if access is None else lambda: access,
            TrustedProxies([parse_network("127.0.0.1/32", "proxies")]),
            LocalRateLimiter(clock),
            EntranceLimits(BODY_TIMEOUT_SECONDS, 3, setup.queries, setup.events),
            clock,
        ),
        served.tasks,
        served.report,
    )

    def backend(name: str) -> Backend:
        async def check() -> bool:
            return served.reachable[name]

        return Backend(name, check)

    routing, events = backend("routing_service"), backend("event_service")
    served.backends = [routing, events]
    served.readiness = Readiness(routing, events)
    app = build_app(calls, HealthHandler(served.readiness))
    options = HttpOptions(
        "127.0.0.1:0", 75.0, 1.0, setup.header_timeout_seconds, setup.max_connections, setup.lame_duck_seconds
    )
    async with running_http(app, options, served.metrics) as address:
        served.address = address
        yield served
    await served.tasks.drain(1.0)
    await directory.close()
