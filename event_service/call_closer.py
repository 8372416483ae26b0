"""Gives up calls whose end never comes, so that no call stays open for ever."""

import asyncio
from collections.abc import Awaitable, Callable

from common.clock import Clock, to_microseconds
from event_service.ports import CallUpkeep, Patience

# Few, since nobody can append to their partitions while they are closed.
CALLS_AT_ONCE = 50
# How long the partitions are left to those who append, as a multiple of how long closing some took.
_PAUSE_SHARE = 1.0


class CallCloser:
    """Looks for overdue calls again and again. Several replicas may do so at once: a call is given up once."""

    def __init__(
        self,
        upkeep: CallUpkeep,
        clock: Clock,
        patience: Patience,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._upkeep = upkeep
        self._clock = clock
        self._patience = patience
        self._sleep = sleep

    async def close_overdue(self) -> int:
        """Give up all calls that are overdue now; how many. Raises AxbridgeError when the store can't be reached."""
        closed = 0
        while True:
            now_us = to_microseconds(self._clock.now())
            names = await self._upkeep.overdue(now_us, self._patience, CALLS_AT_ONCE)
            began = self._clock.monotonic()
            closed_now = await self._upkeep.close(names, now_us, self._patience) if names else 0
            closed += closed_now
            # None of them open any more: another replica was faster, and there may be no end of that.
            if len(names) < CALLS_AT_ONCE or not closed_now:
                return closed
            await self._sleep((self._clock.monotonic() - began) * _PAUSE_SHARE)
