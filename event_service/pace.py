"""Loops that do a step again and again until they are stopped, whatever goes wrong in one of them."""

import asyncio
from collections.abc import Awaitable, Callable

from common.errors import AxbridgeError
from common.logs import get_logger

_log = get_logger(__name__)
_MAX_BACKOFF = 5.0


class Pace:
    """When a loop does its next step: at once when it is woken, and at the latest after `poll_seconds`."""

    def __init__(self, poll_seconds: float) -> None:
        self._poll_seconds = poll_seconds
        self._wake = asyncio.Event()
        self._stopped = False

    @property
    def stopped(self) -> bool:
        return self._stopped

    def wake(self) -> None:
        """There may be something to do."""
        self._wake.set()

    def stop(self) -> None:
        """Do no further step."""
        self._stopped = True
        self._wake.set()

    async def wait(self, failures: int) -> None:
        """Wait for the next step; longer after several failures in a row."""
        seconds = self._poll_seconds
        if failures:
            seconds = min(seconds * 2 ** min(failures, 16), max(_MAX_BACKOFF, seconds))
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()


async def keep_stepping(name: str, step: Callable[[], Awaitable[bool]], pace: Pace) -> None:
    """Do steps until the pace is stopped. A step returns whether there may be more to do at once."""
    failures = 0
    while not pace.stopped:
        try:
            more = await step()
        except AxbridgeError as error:
            failures += 1
            more = False
            _log.warning("a step failed and is repeated", step=name, problem=error.message)
        except Exception:  # noqa: BLE001 - a loop that ends takes all that it does with it
            failures += 1
            more = False
            _log.exception("a step failed and is repeated", step=name)
        else:
            failures = 0
        if not more and not pace.stopped:
            await pace.wait(failures)
