"""Work that a replica does again and again beside its requests."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from common.errors import AxbridgeError
from common.logs import get_logger

_log = get_logger(__name__)


@asynccontextmanager
async def repeating(
    name: str,
    work: Callable[[], Awaitable[int]],
    pause_seconds: float,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[None]:
    """Do `work` after every `pause_seconds` while the context is open.

    What it counts is logged under `name` unless it is nothing; after an AxbridgeError it is tried again next time.
    """

    async def keep_working() -> None:
        while True:
            await sleep(pause_seconds)
            try:
                count = await work()
            except AxbridgeError as error:
                _log.warning("work failed, it is tried again", work=name, detail=error.message)
                continue
            if count:
                _log.info("work done", work=name, count=count)

    task = asyncio.create_task(keep_working())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
