"""What a service says of itself: that it lives, and whether to send it calls, with the reasons.

Liveness says that the process works: it asks about nothing else, since a restart brings no database back. Readiness
says that calls can be answered here. A dependency that was there and is away makes a replica degraded, not unready: all
replicas share it, so taking one out of the balancer would help nobody, and what can be answered without it still is.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager

from aiohttp import web

from common.logs import get_logger

CHECK_SECONDS = 2.0
_log = get_logger(__name__)

Check = Callable[[], Awaitable[str]]
"""Looks at a dependency; returns what is wrong with it in one phrase, empty when nothing is."""


class ServiceHealth:
    """Ready once every check was right at the same time, and while the `vital` ones are; `problems` are further things
    that are wrong but bearable."""

    def __init__(
        self, checks: Mapping[str, Check], problems: Callable[[], list[str]], vital: Mapping[str, Check] | None = None
    ) -> None:
        self._vital = vital or {}
        self._checks = {**checks, **self._vital}
        self._problems = problems
        self._wrong: dict[str, str] = dict.fromkeys(self._checks, "not checked yet")
        self._was_ready = False
        self.is_draining = False

    def not_ready_reasons(self) -> list[str]:
        """Why no calls should come here; empty when they should."""
        reasons = ["shutting down"] if self.is_draining else []
        return reasons + self._failures(self._vital if self._was_ready else self._checks)

    def degraded_reasons(self) -> list[str]:
        """What does not work at the moment although calls may come."""
        bearable = self._checks.keys() - self._vital.keys() if self._was_ready else ()
        return self._failures(bearable) + self._problems()

    async def check(self) -> None:
        """Look at every dependency once."""
        for name, look in self._checks.items():
            wrong = await look()
            if wrong != self._wrong[name]:
                log = _log.warning if wrong else _log.info
                log("a dependency fails" if wrong else "a dependency works", dependency=name, detail=wrong)
            self._wrong[name] = wrong
        self._was_ready = self._was_ready or not self._failures(self._checks)

    async def keep_checking(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Look again and again, for ever."""
        while True:
            await self.check()
            await sleep(CHECK_SECONDS)

    def _failures(self, names: Collection[str]) -> list[str]:
        return [f"{name}: {wrong}" for name, wrong in self._wrong.items() if wrong and name in names]


def add_health_routes(app: web.Application, health: ServiceHealth) -> None:
    """GET /livez (and /healthz): 200. GET /readyz: 200, or 503, with the reasons."""

    async def livez(_request: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def readyz(_request: web.Request) -> web.Response:
        reasons = health.not_ready_reasons()
        content = {"ready": not reasons, "reasons": reasons, "degraded": health.degraded_reasons()}
        return web.json_response(content, status=503 if reasons else 200)

    app.router.add_get("/livez", livez)
    app.router.add_get("/healthz", livez)
    app.router.add_get("/readyz", readyz)


@asynccontextmanager
async def running_health(listen: str, health: ServiceHealth) -> AsyncIterator[str]:
    """Check dependencies, and serve the answers over HTTP on `listen`, while the context is open.

    Gives the address; nothing is served for an empty `listen`. Raises OSError when the address is taken.
    """
    checking = asyncio.create_task(health.keep_checking())
    app = web.Application()
    add_health_routes(app, health)
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=75, shutdown_timeout=1)
    try:
        if not listen:
            yield ""
            return
        await runner.setup()
        host, _, port = listen.rpartition(":")
        await web.TCPSite(runner, host.strip("[]"), int(port)).start()
        yield f"{host}:{runner.addresses[0][1]}"
    finally:
        checking.cancel()
        await asyncio.gather(checking, return_exceptions=True)
        await runner.cleanup()
