"""The HTTP server: routes, limits of its connections, start and end."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from common.clock import SystemClock
from common.telemetry import names
from common.telemetry.metrics import Metrics
from gateway.codec import MAX_BODY_BYTES
from gateway.connections import Connections, WatchedSite, raise_file_limit
from gateway.entrance import CALLS_PATH, is_calls_path
from gateway.handlers import CallHandler, HealthHandler

# How long what a refused sender goes on sending is read and dropped: a connection that is cut while he sends would cost
# him the answer.
_LINGERING_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """How the server listens (`HOST:PORT`, port 0 for a free one), keeps connections and ends.

    `lame_duck_seconds` is how long it still takes requests when it ends, telling each client to leave.
    """

    listen: str
    keepalive_seconds: float
    drain_seconds: float
    header_timeout_seconds: float = 5.0
    max_connections: int = 10_000
    lame_duck_seconds: float = 1.0
    tls: ssl.SSLContext | None = None
    # What is listened on already, in place of `listen`.
    listener: socket.socket | None = None

    @property
    def connection_options(self) -> dict[str, Any]:
        """Idle connections outlive the platform's, nothing is decompressed, nobody is logged."""
        return {
            "access_log": None,
            "keepalive_timeout": self.keepalive_seconds,
            "lingering_time": _LINGERING_SECONDS,
            "auto_decompress": False,
        }


class Draining:
    """Whether the server is about to end."""

    def __init__(self) -> None:
        self.is_on = False

    async def dismiss(self, _request: web.Request, response: web.StreamResponse) -> None:
        """Before each answer: a client that is told to close its connection opens the next one somewhere else.

        Nobody is told what serves here, and which version.
        """
        response.headers.popall("Server", None)
        if self.is_on:
            response.force_close()
            # The headers are made by now.
            response.headers["Connection"] = "close"


_CALLS = web.AppKey("calls", CallHandler)


class FrontDoor:
    """Takes the platform's messages straight to their handler; everything else goes through the application's routes.

    Finding the route and the application's hooks around it would take as long as reading the message does.
    """

    def __init__(self, calls: CallHandler, others: Callable[[Any], Awaitable[web.StreamResponse]], draining: Draining):
        self._calls = calls
        self._others = others
        self._draining = draining

    async def handle(self, request: Any) -> web.StreamResponse:
        """The answer to a request, whatever it is."""
        if request.method != "POST" or not is_calls_path(request.rel_url.raw_path) or "Expect" in request.headers:
            return await self._others(request)
        response = await self._calls.handle(request)
        if self._draining.is_on:
            response.force_close()
        return response


def build_app(calls: CallHandler, health: HealthHandler) -> web.Application:
    """The routes. One URL takes queries and events, since that is where the protocol sends both by default."""
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app[_CALLS] = calls
    app.router.add_post(CALLS_PATH, calls.handle)
    app.router.add_post(f"{CALLS_PATH}/{{token}}", calls.handle)
    app.router.add_get("/livez", health.healthz)
    app.router.add_get("/healthz", health.healthz)
    app.router.add_get("/readyz", health.readyz)
    return app


@asynccontextmanager
async def running_http(
    app: web.Application, options: HttpOptions, metrics: Metrics | None = None
) -> AsyncIterator[str]:
    """Serve while the context is open, giving the address.

    At its end requests are still taken until every client has left, for `lame_duck_seconds` at most: one that was told
    nothing would send its next request into a connection that is being closed. Then nothing is accepted any more, and
    requests in flight are waited for. Raises OSError when the address is taken.
    """
    draining = Draining()
    app.on_response_prepare.append(draining.dismiss)
    runner = web.AppRunner(
        app, shutdown_timeout=options.drain_seconds, handler_cancellation=False, **options.connection_options
    )
    await runner.setup()
    server = runner.server
    assert server is not None
    if _CALLS in app:
        server.request_handler = FrontDoor(app[_CALLS], server.request_handler, draining).handle
    host, _, port = options.listen.rpartition(":")
    connections = Connections(options.header_timeout_seconds, raise_file_limit(options.max_connections), SystemClock())
    if metrics is not None:
        metrics.observe(names.CONNECTIONS, lambda: connections.open)
        metrics.observe(names.CONNECTIONS_CUT, lambda: {("slow",): connections.cut, ("full",): connections.refused})
    sweeping = asyncio.create_task(connections.keep_sweeping())
    try:
        place = options.listener or (host.strip("[]"), int(port))
        await WatchedSite(runner, place, connections, options.connection_options, options.tls).start()
        yield f"{host}:{runner.addresses[0][1]}"
        draining.is_on = True
        await _everybody_left(connections, options.lame_duck_seconds)
    finally:
        sweeping.cancel()
        await runner.cleanup()


async def _everybody_left(connections: Connections, at_most_seconds: float) -> None:
    try:
        async with asyncio.timeout(at_most_seconds):
            await connections.emptied.wait()
    except TimeoutError:
        return
