"""Whether this gateway should be sent requests."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from common.logs import get_logger

_log = get_logger(__name__)
_CHECK_TIMEOUT_SECONDS = 1.0
_CHECK_PAUSE_SECONDS = 2.0
_FIRST_CHECK_PAUSE_SECONDS = 0.1


class Backend:
    """A service that the gateway needs, and whether it can be reached."""

    def __init__(self, name: str, check: Callable[[], Awaitable[bool]]) -> None:
        self.name = name
        self._check = check
        self.is_reachable = False
        self.was_reached = False

    async def check(self) -> None:
        """Ask once; a change is logged."""
        reachable = await self._check()
        if reachable != self.is_reachable:
            _log.info("service reached" if reachable else "service can't be reached", peer=self.name)
        self.is_reachable = reachable
        self.was_reached = self.was_reached or reachable

    async def keep_checking(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Ask for ever."""
        while True:
            await self.check()
            await sleep(_CHECK_PAUSE_SECONDS if self.was_reached else _FIRST_CHECK_PAUSE_SECONDS)


class Readiness:
    """Ready when calls can be answered: the routing service can be reached, and the event service was reached once.

    An event service that fails later does not make a gateway unready. Queries don't need it, events get their 503 and
    come again, and without a gateway both would be lost.
    """

    def __init__(self, routing: Backend, events: Backend, problems: Callable[[], list[str]] = list) -> None:
        self._routing = routing
        self._events = events
        self._problems = problems
        self.is_draining = False

    def not_ready_reasons(self) -> list[str]:
        """Why no requests should come here; empty when they should."""
        reasons = []
        if self.is_draining:
            reasons.append("shutting down")
        if not self._routing.is_reachable:
            reasons.append(f"{self._routing.name} can't be reached")
        if not self._events.was_reached:
            reasons.append(f"{self._events.name} was not reached yet")
        return reasons

    def degraded_reasons(self) -> list[str]:
        """What does not work at the moment although this gateway may be ready."""
        lost = self._events.was_reached and not self._events.is_reachable
        return ([f"{self._events.name} can't be reached"] if lost else []) + self._problems()


def health_check(channel: grpc.aio.Channel) -> Callable[[], Awaitable[bool]]:
    """A check by the standard health service: serving, or alive without one."""
    stub: Any = HealthStub(channel)

    async def check() -> bool:
        try:
            response = await stub.Check(HealthCheckRequest(), timeout=_CHECK_TIMEOUT_SECONDS)
        except grpc.aio.AioRpcError as error:
            return error.code() is grpc.StatusCode.UNIMPLEMENTED
        return bool(response.status == HealthCheckResponse.SERVING)

    return check
