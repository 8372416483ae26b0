"""Dropping old calls leaves room for those who append."""

from event_service.ports import DroppedPage, RetentionPosition, SweepPosition, SweptPage
from event_service.retention import CALLS_AT_ONCE, Retention
from tests.support.clock import FakeClock


class SlowStore:
    """Three pages, each of which takes so long to drop."""

    def __init__(self, clock: FakeClock, *seconds: float) -> None:
        self._clock = clock
        self.seconds = list(seconds)
        self.limits: list[int] = []
        # How many pages were looked at before.
        self.days_dropped_after: list[int] = []
        self.swept: list[SweepPosition | None] = []

    async def drop_page(self, before_us: int, after: RetentionPosition | None, limit: int) -> DroppedPage:
        self.limits.append(limit)
        self._clock.advance(self.seconds.pop(0))
        return DroppedPage(limit, RetentionPosition(1, b"k") if self.seconds else None)

    async def drop_days(self, before_us: int) -> int:
        self.days_dropped_after.append(len(self.limits))
        return 1

    async def sweep_page(self, before_us: int, after: SweepPosition | None, limit: int) -> SweptPage:
        self.swept.append(after)
        self._clock.advance(0.125)
        return SweptPage(limit, SweepPosition("p", b"k") if after is None else None)


async def test_pages_are_short_and_as_long_apart_as_they_took() -> None:
    clock = FakeClock()
    store = SlowStore(clock, 0.5, 0.25, 2.0)
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    assert await Retention(store, clock, 10, sleep).drop_old() == 3 * CALLS_AT_ONCE
    assert store.limits == [CALLS_AT_ONCE] * 3
    assert pauses == [0.5, 0.25, 0.125]
    # Days are dropped when all calls were looked at.
    assert store.days_dropped_after == [3]
    assert store.swept == [None, SweepPosition("p", b"k")]


async def test_what_is_left_is_looked_at_once_a_day() -> None:
    clock = FakeClock()
    store = SlowStore(clock, 0.0)

    async def sleep(_seconds: float) -> None: ...

    retention = Retention(store, clock, 10, sleep)
    looks = []
    for pause in (0.0, 60.0, 86_400.0):
        clock.advance(pause)
        store.seconds[:] = [0.0]
        await retention.drop_old()
        looks.append(len(store.swept))
    assert looks == [2, 2, 4]
