"""GET /metrics, for Prometheus."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from opentelemetry.sdk.metrics.export import MetricsData

from common.telemetry.exposition import render


@asynccontextmanager
async def serving_metrics(listen: str, read: Callable[[], MetricsData]) -> AsyncIterator[str]:
    """Serve GET /metrics on `listen` (HOST:PORT, port 0 for a free one) while the context is open.

    Gives the address; nothing is served for an empty `listen`. Raises OSError when the address is taken.
    """
    if not listen:
        yield ""
        return

    async def metrics(request: web.Request) -> web.Response:
        # Read here, where nothing changes meanwhile; written by another thread, so that no call waits for it.
        body, content_type = await asyncio.to_thread(render, read(), request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=75, shutdown_timeout=1)
    try:
        await runner.setup()
        host, _, port = listen.rpartition(":")
        await web.TCPSite(runner, host.strip("[]"), int(port)).start()
        yield f"{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
