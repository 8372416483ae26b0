"""While nobody wants messages the feeder leaves the database alone, and it hears of the first one who does."""

from collections.abc import Collection, Sequence

import pytest

from event_service.webhooks.domain import Webhook
from event_service.webhooks.feeder import Feeder, FeedSources
from event_service.webhooks.ports import FeedPosition, FeedStep
from tests.support.clock import FakeClock


class FakeFeed:
    """A feed that always has something behind its position, and counts how often it is asked."""

    def __init__(self, partitions: int = 1) -> None:
        self._partitions = partitions
        self.is_wanted = False
        self.asked = 0
        self.passed_over: list[FeedStep] = []

    async def positions(self, owner: str, now_us: int) -> Sequence[FeedPosition]:
        self.asked += 1
        return [FeedPosition(number, 0, 0, 5, 0) for number in range(self._partitions)]

    async def has_subscribers(self) -> bool:
        return self.is_wanted

    async def subscribers(self, tenant_ids: Collection[str]) -> Sequence[Webhook]:
        return ()

    async def commit(self, steps: Sequence[FeedStep], owner: str, now_us: int, expires_at_us: int) -> Collection[int]:
        self.passed_over += steps
        return [step.position.partition_id for step in steps]


class FakeLog:
    """A log of which nothing may be read while nobody wants anything."""

    def __init__(self, feed: FakeFeed) -> None:
        self._feed = feed
        self.read_count = 0

    async def read(self, partition_id: int, after_offset: int, limit: int) -> Sequence[object]:
        assert self._feed.is_wanted, "nobody wants messages"
        self.read_count += 1
        return ()


@pytest.fixture
def feed() -> FakeFeed:
    return FakeFeed()


async def test_without_webhooks_the_database_is_asked_once_a_second(feed: FakeFeed) -> None:
    clock, log = FakeClock(), FakeLog(feed)
    feeder = Feeder(FeedSources(log, None), feed, clock, owner="one", lifetime_us=1)  # type: ignore[arg-type]
    for _ in range(100):
        assert not await feeder.step()
    assert feed.asked == 1
    assert [step.to_log_offset for step in feed.passed_over] == [5]
    clock.advance(1.0)
    await feeder.step()
    await feeder.step()
    assert feed.asked == 2
    # Positions are moved on less often still.
    assert len(feed.passed_over) == 1
    clock.advance(10.0)
    await feeder.step()
    assert len(feed.passed_over) == 2


async def test_the_first_webhook_is_served_at_once_where_it_was_added(feed: FakeFeed) -> None:
    clock, log = FakeClock(), FakeLog(feed)
    feeder = Feeder(FeedSources(log, None), feed, clock, owner="one", lifetime_us=1)  # type: ignore[arg-type]
    await feeder.step()
    feed.is_wanted = True
    assert not await feeder.step()
    feeder.rouse()
    assert await feeder.step()
    assert await feeder.step()
    assert log.read_count == 2


async def test_other_replicas_see_it_within_a_second(feed: FakeFeed) -> None:
    clock, log = FakeClock(), FakeLog(feed)
    feeder = Feeder(FeedSources(log, None), feed, clock, owner="one", lifetime_us=1)  # type: ignore[arg-type]
    await feeder.step()
    feed.is_wanted = True
    clock.advance(1.0)
    assert await feeder.step()


async def test_partitions_that_always_have_something_do_not_starve_the_others() -> None:
    feed = FakeFeed(partitions=40)
    feed.is_wanted = True
    feeder = Feeder(FeedSources(FakeLog(feed), None), feed, FakeClock(), owner="one", lifetime_us=1)  # type: ignore[arg-type]
    for _ in range(5):
        assert await feeder.step()
    served = [step.position.partition_id for step in feed.passed_over]
    assert served == [*range(40), *range(40)]
