"""The HTTP server: routes, limits of its connections, start and end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from gateway.codec import MAX_BODY_BYTES
from gateway.handlers import CallHandler, HealthHandler

# How long what a refused sender goes on sending is read and dropped: a connection that is cut while he sends would cost
# him the answer.
_LINGERING_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """How the server listens (`HOST:PORT`, port 0 for a free one), keeps idle connections and ends."""

    listen: str
    keepalive_seconds: float
    drain_seconds: float


def build_app(calls: CallHandler, health: HealthHandler) -> web.Application:
    """The routes. One URL takes queries and events, since that is where the protocol sends both by default."""
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.router.add_post("/v1/calls", calls.handle)
    app.router.add_get("/healthz", health.healthz)
    app.router.add_get("/readyz", health.readyz)
    return app


def build_runner(app: web.Application, options: HttpOptions) -> web.AppRunner:
    """The server's settings: idle connections outlive the platform's, nothing is decompressed, nobody is logged."""
    return web.AppRunner(
        app,
        access_log=None,
        keepalive_timeout=options.keepalive_seconds,
        lingering_time=_LINGERING_SECONDS,
        shutdown_timeout=options.drain_seconds,
        handler_cancellation=False,
        auto_decompress=False,
    )


@asynccontextmanager
async def running_http(app: web.Application, options: HttpOptions) -> AsyncIterator[str]:
    """Serve while the context is open, giving the address; then stop accepting and wait for requests in flight.

    Raises OSError when the address is taken.
    """
    runner = build_runner(app, options)
    await runner.setup()
    host, _, port = options.listen.rpartition(":")
    try:
        await web.TCPSite(runner, host.strip("[]"), int(port), backlog=1024).start()
        yield f"{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
