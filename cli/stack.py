"""The three services as one stack of processes that talk gRPC over loopback."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cli.supervisor import ServiceSpec, ShowLine, StartFailedError, Supervisor

READY_SECONDS = 30.0
READY_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class StackOptions:
    """Where the services listen (HOST:PORT, port 0 for a free one) and where they keep their data.

    `workers` gateway processes serve the platform; None: as many as AXBRIDGE_GATEWAY_WORKERS says.
    """

    http: str
    routing: str
    events: str
    data_dir: Path
    workers: int | None = None


@dataclass(frozen=True, slots=True)
class Stack:
    """A running stack: the addresses that the services really have."""

    http: str
    routing: str
    events: str
    data_dir: Path
    supervisor: Supervisor

    @property
    def calls_url(self) -> str:
        """Where the platform posts its queries and events."""
        return f"{_scheme()}://{self.http}/v1/calls"


def default_data_dir() -> Path:
    """Where data is kept when nothing else is said: the user's data folder (XDG)."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "axbridge"


async def start_stack(options: StackOptions, supervisor: Supervisor) -> Stack:
    """Start the three and wait until they take calls. Whatever happens, ending them is the supervisor's `stop`.

    Raises StartFailedError when one of them does not come up.
    """
    try:
        async with asyncio.TaskGroup() as group:
            routing = group.create_task(supervisor.start(routing_spec(options)))
            events = group.create_task(supervisor.start(events_spec(options)))
    except ExceptionGroup as failures:
        # Both may have failed; the first one says enough.
        raise failures.exceptions[0] from None
    http = await supervisor.start(gateway_spec(options, routing.result(), events.result()))
    await _wait_until_ready(http)
    return Stack(http, routing.result(), events.result(), options.data_dir, supervisor)


@asynccontextmanager
async def running_stack(options: StackOptions, show_line: ShowLine) -> AsyncIterator[Stack]:
    """A stack that runs while the context is open, and is stopped at its end, the gateway first."""
    supervisor = Supervisor(show_line)
    try:
        yield await start_stack(options, supervisor)
    finally:
        await supervisor.stop()


def routing_spec(options: StackOptions) -> ServiceSpec:
    environment = {
        "AXBRIDGE_ROUTING_LISTEN": options.routing,
        "AXBRIDGE_ROUTING_DATA_DIR": str(options.data_dir / "routing"),
    }
    return _spec("routing_service", environment)


def events_spec(options: StackOptions) -> ServiceSpec:
    environment = {
        "AXBRIDGE_EVENTS_LISTEN": options.events,
        "AXBRIDGE_EVENTS_DATA_DIR": str(options.data_dir / "events"),
    }
    return _spec("event_service", environment)


def gateway_spec(options: StackOptions, routing: str, events: str) -> ServiceSpec:
    environment = {
        "AXBRIDGE_GATEWAY_LISTEN": options.http,
        "AXBRIDGE_GATEWAY_ROUTING_TARGET": routing,
        "AXBRIDGE_GATEWAY_EVENTS_TARGET": events,
    }
    if options.workers is not None:
        environment["AXBRIDGE_GATEWAY_WORKERS"] = str(options.workers)
    return _spec("gateway", environment)


def _spec(module: str, environment: dict[str, str]) -> ServiceSpec:
    return ServiceSpec(module, (sys.executable, "-m", module), environment)


def _scheme() -> str:
    """What the gateway speaks: it has its settings from our environment."""
    return "https" if os.environ.get("AXBRIDGE_GATEWAY_HTTPS_CERT_FILE") else "http"


async def _wait_until_ready(http: str) -> None:
    # Slow to import, and no other command needs it.
    import aiohttp

    url = f"{_scheme()}://{http}/readyz"
    deadline = asyncio.get_running_loop().time() + READY_SECONDS
    said = "nothing"
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
        while asyncio.get_running_loop().time() < deadline:
            try:
                # It is our own process that is asked, and only whether it is there.
                async with session.get(url, ssl=False) as response:
                    if response.status == 200:
                        return
                    said = f"HTTP {response.status}"
            except (aiohttp.ClientError, TimeoutError) as error:
                said = type(error).__name__
            await asyncio.sleep(READY_POLL_SECONDS)
    raise StartFailedError(f"the gateway at {http} was not ready within {READY_SECONDS:g} s ({said})")
