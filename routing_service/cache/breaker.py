"""Not asking again what does not answer."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context

from common.logs import get_logger

_log = get_logger(__name__)

FAILURES_TO_OPEN = 3
PROBE_SECONDS = 0.25


class Breaker:
    """Open after a few failures in a row; closed again by a probe of its own, so that no query pays for trying.

    `probe` returns when what was gone is back, and raises otherwise. `name` is for the log.
    """

    def __init__(
        self,
        name: str,
        probe: Callable[[], Awaitable[None]],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._name = name
        self._probe = probe
        self._sleep = sleep
        self._failures = 0
        self._probing: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is to be left alone for now."""
        return self._probing is not None

    def succeeded(self) -> None:
        """It answered."""
        self._failures = 0

    def failed(self) -> None:
        """It did not answer."""
        self._failures += 1
        if self._failures >= FAILURES_TO_OPEN and self._probing is None:
            _log.warning("not answering", what=self._name)
            # Probing outlives the query that found it out, and is no part of its trace.
            self._probing = asyncio.create_task(self._probe_until_back(), context=Context())

    async def close(self) -> None:
        """Stop probing."""
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.wait({self._probing})

    async def _probe_until_back(self) -> None:
        while True:
            await self._sleep(PROBE_SECONDS)
            try:
                await self._probe()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is not back
                _log.debug("still not answering", what=self._name, error=type(error).__name__)
                continue
            _log.info("answering again", what=self._name)
            self._failures = 0
            self._probing = None
            return
