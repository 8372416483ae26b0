"""What is counted of deliveries, to subscribers and to webhooks."""

from collections.abc import Sequence

from common.clock import Clock, to_microseconds
from common.telemetry import names
from common.telemetry.metrics import Counter, Histogram
from event_service.ports import LoggedEvent
from event_service.subscriptions.domain import Delivery
from event_service.webhooks.domain import Settlement, Verdict

LIVE, CATCHING_UP = "live", "catching_up"
LEFT, ERROR = "left", "error"
# Why a stream ended, by the reason of its error.
_ENDS = {
    "SUBSCRIPTION_NOT_FOUND": "deleted",
    "NOT_ACKNOWLEDGED": "not_acknowledged",
    "SERVICE_STOPPING": "stopping",
    "STREAM_TOO_OLD": "aged",
}
_OUTCOMES = {Verdict.DELIVERED: ("delivered",), Verdict.RETRY: ("retry",), Verdict.DEAD: ("dead",)}


class DeliveryStats:
    """One for a process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.subscription_lag = Histogram(names.SUBSCRIPTION_LAG)
        self.subscription_ends = Counter(names.SUBSCRIPTION_ENDS, *((each,) for each in (LEFT, ERROR, *_ENDS.values())))
        self.webhook_attempts = Counter(names.WEBHOOK_ATTEMPTS, *_OUTCOMES.values())
        self.webhook_durations = Histogram(names.WEBHOOK_DURATION)
        self.webhook_lag = Histogram(names.WEBHOOK_LAG)
        self.webhook_dead = 0

    def sent(self, deliveries: Sequence[Delivery], *, live: bool) -> None:
        """These went to a subscriber: live, or while it caught up with what was there before."""
        now_us = to_microseconds(self._clock.now())
        mode = (LIVE,) if live else (CATCHING_UP,)
        for delivery in deliveries:
            if isinstance(delivery.content, LoggedEvent):
                lag_us = now_us - delivery.content.event.received_at_us
                self.subscription_lag.record(max(0, lag_us) / 1_000_000, mode)

    def ended(self, reason: str) -> None:
        """A subscriber's stream ended with an error of this reason; LEFT: by the subscriber."""
        self.subscription_ends.add((LEFT if reason == LEFT else _ENDS.get(reason, ERROR),))

    def attempted(self, settlement: Settlement) -> None:
        """A request to a webhook is over."""
        self.webhook_attempts.add(_OUTCOMES[settlement.verdict])
        self.webhook_durations.record(settlement.attempt.took_ms / 1000)
        if settlement.verdict is Verdict.DEAD:
            self.webhook_dead += 1
        if settlement.lease.attempt == 1:
            ended_at_us = settlement.attempt.started_at_us + settlement.attempt.took_ms * 1000
            self.webhook_lag.record(max(0, ended_at_us - settlement.lease.queued_at_us) / 1_000_000)

    def given_up(self, count: int) -> None:
        """Messages whose time ran out while they waited."""
        self.webhook_dead += count
