"""What is counted of deliveries."""

import pytest

from common.clock import to_microseconds
from event_service.delivery_stats import ERROR, LEFT, DeliveryStats
from event_service.webhooks.domain import Attempt, HttpResult, LeasedDelivery, Settlement, Verdict
from tests.support.clock import FakeClock


def settlement(verdict: Verdict, clock: FakeClock, attempt: int = 1) -> Settlement:
    now_us = to_microseconds(clock.now())
    lease = LeasedDelivery(1, "wh_1", "evt_1", "call.event", "s1", b"{}", attempt, 0, "t", 0, now_us - 2_000_000)
    made = Attempt("wh_1", 1, "evt_1", "call.event", attempt, now_us, 500, HttpResult(200))
    return Settlement(lease, made, verdict)


def test_attempts_are_counted_by_what_came_of_them() -> None:
    clock = FakeClock()
    stats = DeliveryStats(clock)
    stats.attempted(settlement(Verdict.DELIVERED, clock))
    stats.attempted(settlement(Verdict.RETRY, clock, 1))
    stats.attempted(settlement(Verdict.DEAD, clock, 10))
    stats.given_up(4)
    assert [stats.webhook_attempts.value((each,)) for each in ("delivered", "retry", "dead")] == [1, 1, 1]
    assert stats.webhook_durations.count() == 3
    assert stats.webhook_dead == 5
    # First attempts only: later ones wait by their schedule.
    assert stats.webhook_lag.count() == 2
    assert stats.webhook_lag._series[()].total == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("reason", "label"),
    [(LEFT, LEFT), ("STREAM_TOO_OLD", "aged"), ("NOT_ACKNOWLEDGED", "not_acknowledged"), ("SOMETHING", ERROR)],
)
def test_streams_are_counted_by_why_they_ended(reason: str, label: str) -> None:
    stats = DeliveryStats(FakeClock())
    stats.ended(reason)
    assert stats.subscription_ends.value((label,)) == 1
