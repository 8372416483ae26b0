"""How long calls are kept."""

from common.clock import Clock, to_microseconds
from event_service.ports import OldCalls, RetentionPosition

CALLS_AT_ONCE = 500
DAY_US = 86_400_000_000


class Retention:
    """Drops calls that are over and did not change for `keep_days`. Several replicas may do so at once."""

    def __init__(self, old_calls: OldCalls, clock: Clock, keep_days: int) -> None:
        self._old_calls = old_calls
        self._clock = clock
        self._keep_days = keep_days

    async def drop_old(self) -> int:
        """Drop all calls that are old now; how many. Raises AxbridgeError when the store can't be reached."""
        # Whole days, so that what is dropped does not depend on the hour.
        today_us = to_microseconds(self._clock.now()) // DAY_US * DAY_US
        dropped = 0
        position: RetentionPosition | None = None
        while True:
            page = await self._old_calls.drop_page(today_us - self._keep_days * DAY_US, position, CALLS_AT_ONCE)
            dropped += page.dropped
            position = page.following
            if position is None:
                return dropped
