"""How long calls are kept."""

import asyncio
from collections.abc import Awaitable, Callable

from common.clock import Clock, to_microseconds
from event_service.ports import OldCalls, RetentionPosition, SweepPosition

# Few, since nobody can append to their partitions while they are dropped.
CALLS_AT_ONCE = 100
# Nobody waits for these.
SWEPT_AT_ONCE = 500
# How long the partitions are left to those who append, as a multiple of how long dropping a page took.
_PAUSE_SHARE = 1.0
DAY_US = 86_400_000_000


class Retention:
    """Drops calls that are over and did not change for `keep_days`. Several replicas may do so at once."""

    def __init__(
        self,
        old_calls: OldCalls,
        clock: Clock,
        keep_days: int,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._old_calls = old_calls
        self._clock = clock
        self._keep_days = keep_days
        self._sleep = sleep
        self._swept_before_us = 0

    async def drop_old(self) -> int:
        """Drop all calls that are old now; how many. Raises AxbridgeError when the store can't be reached."""
        # Whole days, so that what is dropped does not depend on the hour.
        before_us = (to_microseconds(self._clock.now()) // DAY_US - self._keep_days) * DAY_US
        dropped = 0
        position: RetentionPosition | None = None
        while True:
            began = self._clock.monotonic()
            page = await self._old_calls.drop_page(before_us, position, CALLS_AT_ONCE)
            dropped += page.dropped
            position = page.following
            if position is None:
                await self._old_calls.drop_days(before_us)
                await self._sweep(before_us)
                return dropped
            await self._sleep((self._clock.monotonic() - began) * _PAUSE_SHARE)

    async def _sweep(self, before_us: int) -> None:
        """Once a day, since it looks at all that is left."""
        if before_us == self._swept_before_us:
            return
        position: SweepPosition | None = None
        while True:
            began = self._clock.monotonic()
            page = await self._old_calls.sweep_page(before_us, position, SWEPT_AT_ONCE)
            position = page.following
            if position is None:
                self._swept_before_us = before_us
                return
            await self._sleep((self._clock.monotonic() - began) * _PAUSE_SHARE)
