"""Loops that go on whatever happens."""

import asyncio

from common.errors import UnavailableError
from event_service.pace import Pace, keep_stepping


class CountingPace(Pace):
    """Waits for nobody, and notes after how many failures it was to wait."""

    def __init__(self) -> None:
        super().__init__(3600)
        self.waits: list[int] = []

    async def wait(self, failures: int) -> None:
        self.waits.append(failures)
        await asyncio.sleep(0)


async def test_a_step_with_more_to_do_is_followed_at_once() -> None:
    pace, left = CountingPace(), [True, True, False, True, False]

    async def step() -> bool:
        more = left.pop(0)
        if not left:
            pace.stop()
        return more

    await keep_stepping("test", step, pace)
    assert pace.waits == [0]


async def test_failures_are_waited_out_longer_and_longer_and_forgotten_after_a_success() -> None:
    pace = CountingPace()
    outcomes: list[Exception | None] = [
        UnavailableError("away"),
        RuntimeError("bug"),
        UnavailableError("away"),
        None,
        RuntimeError("bug"),
        None,
    ]

    async def step() -> bool:
        outcome = outcomes.pop(0)
        if not outcomes:
            pace.stop()
        if outcome is not None:
            raise outcome
        return False

    await keep_stepping("test", step, pace)
    assert pace.waits == [1, 2, 3, 0, 1]


async def test_waking_ends_the_wait_and_so_does_stopping() -> None:
    pace = Pace(3600)
    for end in (pace.wake, pace.stop):
        waiting = asyncio.create_task(pace.wait(0))
        await asyncio.sleep(0)
        assert not waiting.done()
        end()
        async with asyncio.timeout(5):
            await waiting
    assert pace.stopped


async def test_the_wait_ends_by_itself() -> None:
    async with asyncio.timeout(5):
        await Pace(0.001).wait(0)
        await Pace(0.001).wait(3)
