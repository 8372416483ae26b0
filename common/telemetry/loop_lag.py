"""How late an event loop is: the one number that tells that a process has more to do than it can."""

import asyncio
from collections.abc import Awaitable, Callable

from common.clock import Clock
from common.telemetry.metrics import Histogram

INTERVAL_SECONDS = 0.1


async def keep_measuring(
    lag: Histogram, clock: Clock, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> None:
    """Record, ten times a second for ever, how much later than asked for this task was woken."""
    while True:
        due = clock.monotonic() + INTERVAL_SECONDS
        await sleep(INTERVAL_SECONDS)
        lag.record(max(0.0, clock.monotonic() - due))
