"""Work that outlives whoever asked for it."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class TrackedTasks:
    """Tasks that go on when the one who awaits them is cancelled, and that can be waited for at the end."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """The result of the work, or its exception. Cancelling this leaves the work running."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    async def drain(self, timeout_seconds: float) -> int:
        """Wait for all tasks, cancel those that are left after the time, and return how many those were."""
        if not self._tasks:
            return 0
        _, left = await asyncio.wait(self._tasks, timeout=timeout_seconds)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        return len(left)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            # Retrieved, also when nobody waits any more.
            task.exception()
