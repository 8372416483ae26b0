"""An event loop whose time jumps to the next thing to do: minutes of waiting take none, and are the same each time."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from tests.unit.routing_service.builders import NOW

Result = TypeVar("Result")


class _NothingToWaitFor(selectors.SelectSelector):
    """Instead of waiting, tells how long it would have been."""

    def __init__(self, passed: Callable[[float], None]) -> None:
        super().__init__()
        self._passed = passed

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("everything waits, and nothing is going to happen")
        self._passed(timeout)
        return super().select(0)


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._elapsed = 0.0
        super().__init__(_NothingToWaitFor(self._pass))

    def time(self) -> float:
        return self._elapsed

    def _pass(self, seconds: float) -> None:
        # A little more, or what is due now would not be, by the grain of floating numbers.
        self._elapsed += max(seconds, 0.0) + 1e-9


class LoopClock:
    """Clock of one process on such a loop, some seconds ahead of the others or behind them."""

    def __init__(self, ahead_seconds: float) -> None:
        self._ahead_seconds = ahead_seconds

    def now(self) -> Any:
        return NOW + timedelta(seconds=self.monotonic() + self._ahead_seconds)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


def run_in_virtual_time(work: Coroutine[Any, Any, Result]) -> Result:
    """What `work` returns."""
    with asyncio.Runner(loop_factory=_VirtualLoop) as runner:
        return runner.run(work)
