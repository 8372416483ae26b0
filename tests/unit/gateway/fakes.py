"""The other services, played."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from common.errors import AxbridgeError
from common.protocol_codes import ResultCode
from gateway.domain import (
    AnsweredQuery,
    Member,
    Query,
    ReceivedEvent,
    RejectedMessage,
    RouteDecision,
    TenantSettings,
)

NOW = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
ROUTED = RouteDecision(ResultCode.SUCCESS, "e1", (Member("13900001111", "02566000001"),), binding_id="b1")


class FakeClock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return self.seconds


class FakeResolver:
    """Answers every query alike: with a decision, an error, or not before a future is done."""

    def __init__(self, outcome: RouteDecision | Exception | Awaitable[RouteDecision] = ROUTED) -> None:
        self.outcome = outcome
        self.asked: list[tuple[Query, str, float]] = []

    async def resolve(self, query: Query, traceparent: str, deadline: float) -> RouteDecision:
        self.asked.append((query, traceparent, deadline))
        if isinstance(self.outcome, Exception):
            raise self.outcome
        if isinstance(self.outcome, RouteDecision):
            return self.outcome
        return await self.outcome


class FakePublisher:
    """Stores every event, or fails every time; waits while `gate` is closed."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.stored: list[ReceivedEvent] = []
        self.deadlines: list[float] = []
        self.entered = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def publish(self, event: ReceivedEvent, deadline: float) -> None:
        self.deadlines.append(deadline)
        self.entered.set()
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.stored.append(event)


class FakeQuarantine:
    """Keeps every message, or fails every time; waits while `gate` is closed."""

    def __init__(self) -> None:
        self.error: AxbridgeError | None = None
        self.kept: list[RejectedMessage] = []
        self.timeouts: list[float] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def keep(self, message: RejectedMessage, timeout_seconds: float) -> None:
        self.timeouts.append(timeout_seconds)
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.kept.append(message)


class FakeTenants:
    """Tenants by id; fails while `error` is set, waits while `gate` is closed."""

    def __init__(self, *tenants: TenantSettings) -> None:
        self.tenants = {tenant.tenant_id: tenant for tenant in tenants}
        self.error: AxbridgeError | None = None
        self.asked: list[str] = []
        self.listed = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def list_tenants(self) -> Sequence[TenantSettings]:
        self.listed += 1
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return list(self.tenants.values())

    async def get_tenant(self, tenant_id: str) -> TenantSettings | None:
        self.asked.append(tenant_id)
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return self.tenants.get(tenant_id)


class FakeSink:
    """Remembers answered queries."""

    def __init__(self) -> None:
        self.answered: list[AnsweredQuery] = []

    def add(self, answered: AnsweredQuery) -> None:
        self.answered.append(answered)


class StepwiseSleep:
    """A sleep that ends when the test says so."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self._waiting: list[asyncio.Future[None]] = []

    async def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await future

    def wake(self) -> None:
        """End the sleeps that are under way."""
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        self._waiting.clear()


async def settle(until: Callable[[], bool] | None = None) -> None:
    """Let everything that can run, run; with `until`, until that holds. Fails when that takes for ever."""
    for _ in range(200):
        await asyncio.sleep(0)
        if until is not None and until():
            return
    assert until is None or until(), "this never came to be"
