"""Dropping old calls leaves room for those who append."""

from event_service.ports import DroppedPage, RetentionPosition
from event_service.retention import CALLS_AT_ONCE, Retention
from tests.support.clock import FakeClock


class SlowStore:
    """Three pages, each of which takes so long to drop."""

    def __init__(self, clock: FakeClock, *seconds: float) -> None:
        self._clock = clock
        self._seconds = list(seconds)
        self.limits: list[int] = []
        # How many pages were looked at before.
        self.days_dropped_after: list[int] = []

    async def drop_page(self, before_us: int, after: RetentionPosition | None, limit: int) -> DroppedPage:
        self.limits.append(limit)
        self._clock.advance(self._seconds.pop(0))
        return DroppedPage(limit, RetentionPosition(1, b"k") if self._seconds else None)

    async def drop_days(self, before_us: int) -> int:
        self.days_dropped_after.append(len(self.limits))
        return 1


async def test_pages_are_short_and_as_long_apart_as_they_took() -> None:
    clock = FakeClock()
    store = SlowStore(clock, 0.5, 0.25, 2.0)
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    assert await Retention(store, clock, 10, sleep).drop_old() == 3 * CALLS_AT_ONCE
    assert store.limits == [CALLS_AT_ONCE] * 3
    assert pauses == [0.5, 0.25]
    # Days are dropped when all calls were looked at.
    assert store.days_dropped_after == [3]
