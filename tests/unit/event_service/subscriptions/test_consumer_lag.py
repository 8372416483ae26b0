"""Which deliveries count as live: those that wait for nothing but us."""

from collections.abc import Sequence

from event_service.subscriptions.domain import Delivery
from tests.unit.event_service.subscriptions.conftest import Bench


async def test_what_was_there_before_is_no_lag(bench: Bench) -> None:
    stats = bench.consumer._sources.stats
    modes: list[bool] = []

    def sent(deliveries: Sequence[Delivery], *, live: bool) -> None:
        modes.extend([live] * len(deliveries))

    stats.sent = sent  # type: ignore[method-assign, assignment]
    bench.hold(0)
    bench.tail.lengths = {0: 5}
    await bench.consumer.renew()
    await bench.deliver()
    assert modes == [False] * 5
    # It has caught up: what comes now is live.
    bench.tail.lengths = {0: 7}
    await bench.deliver()
    assert modes[5:] == [True] * 2
    # It acknowledges nothing, so its window is full: what waits for that is its own doing.
    bench.tail.lengths = {0: 50}
    await bench.deliver()
    bench.consumer.acknowledge({0: 10})
    modes.clear()
    await bench.deliver()
    assert modes == [False] * 10
