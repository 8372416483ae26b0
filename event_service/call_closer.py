"""Gives up calls whose end never comes, so that no call stays open for ever."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from common.clock import Clock, to_microseconds
from common.errors import AxbridgeError
from common.logs import get_logger
from event_service.ports import CallUpkeep, Patience

CALLS_AT_ONCE = 200
_log = get_logger(__name__)


class CallCloser:
    """Looks for overdue calls again and again. Several replicas may do so at once: a call is given up once."""

    def __init__(self, upkeep: CallUpkeep, clock: Clock, patience: Patience) -> None:
        self._upkeep = upkeep
        self._clock = clock
        self._patience = patience

    async def close_overdue(self) -> int:
        """Give up all calls that are overdue now; how many. Raises AxbridgeError when the store can't be reached."""
        closed = 0
        while True:
            now_us = to_microseconds(self._clock.now())
            names = await self._upkeep.overdue(now_us, self._patience, CALLS_AT_ONCE)
            closed_now = await self._upkeep.close(names, now_us) if names else 0
            closed += closed_now
            # None of them open any more: another replica was faster, and there may be no end of that.
            if len(names) < CALLS_AT_ONCE or not closed_now:
                return closed

    @asynccontextmanager
    async def running(
        self, pause_seconds: float, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> AsyncIterator[None]:
        """Look every `pause_seconds` while the context is open."""
        task = asyncio.create_task(self._keep_closing(pause_seconds, sleep))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _keep_closing(self, pause_seconds: float, sleep: Callable[[float], Awaitable[None]]) -> None:
        while True:
            await sleep(pause_seconds)
            try:
                closed = await self.close_overdue()
            except AxbridgeError as error:
                _log.warning("overdue calls can't be looked for", detail=error.message)
                continue
            if closed:
                _log.info("calls without an end given up", calls=closed)
