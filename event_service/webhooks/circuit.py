"""How many requests an endpoint may get now: its circuit breaker, its limits, and what it asked for itself.

Pure functions over a value that all replicas share through the store.
"""

from dataclasses import dataclass, replace
from enum import Enum

from event_service.webhooks.domain import WebhookLimits
from event_service.webhooks.schedule import SECOND_US

# How long an endpoint can hold back everything by Retry-After; the message itself waits longer where that is asked for.
MAX_HOLD_SECONDS = 3600.0
# Messages may bunch up to what would have been sent in this time.
_BURST_US = SECOND_US // 4


class CircuitState(Enum):
    """Whether requests are made."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class CircuitRules:
    """After `failures` in a row no request is made for `open_seconds`, then one at a time; each further failure doubles
    the pause, up to `max_open_seconds`. A success closes the circuit."""

    failures: int = 5
    open_seconds: float = 30.0
    max_open_seconds: float = 600.0


@dataclass(frozen=True, slots=True)
class EndpointHealth:
    """How an endpoint does. `rate_us` is when its rate is used up, by the generic cell rate algorithm."""

    consecutive_failures: int = 0
    # How often the circuit opened since the last success.
    trips: int = 0
    held_until_us: int = 0
    rate_us: int = 0
    last_success_us: int | None = None
    last_failure_us: int | None = None
    last_error: str = ""

    def circuit(self, now_us: int) -> CircuitState:
        """The state of the circuit breaker."""
        if self.trips == 0:
            return CircuitState.CLOSED
        return CircuitState.OPEN if now_us < self.held_until_us else CircuitState.HALF_OPEN

    def room(self, limits: WebhookLimits, in_flight: int, now_us: int) -> int:
        """How many more requests may be made now, beside `in_flight` that are being made."""
        if now_us < self.held_until_us:
            return 0
        most = 1 if self.trips else limits.max_in_flight
        room = max(0, most - in_flight)
        if limits.max_per_second:
            interval_us = SECOND_US // limits.max_per_second
            burst_us = max(interval_us, _BURST_US)
            spent_until_us = max(self.rate_us, now_us)
            room = min(room, (now_us + burst_us - spent_until_us) // interval_us)
        return max(0, room)

    def sending(self, requests: int, limits: WebhookLimits, now_us: int) -> "EndpointHealth":
        """After it was decided to make so many requests."""
        if not limits.max_per_second or not requests:
            return self
        interval_us = SECOND_US // limits.max_per_second
        return replace(self, rate_us=max(self.rate_us, now_us) + requests * interval_us)

    def succeeded(self, now_us: int) -> "EndpointHealth":
        """After a request succeeded. It closes the circuit, but what the endpoint asked for by Retry-After stands: the
        request was made before that."""
        held_until_us = 0 if self.trips else self.held_until_us
        return replace(self, consecutive_failures=0, trips=0, held_until_us=held_until_us, last_success_us=now_us)

    def failed(
        self, error: str, retry_after_seconds: float | None, rules: CircuitRules, now_us: int
    ) -> "EndpointHealth":
        """After a request failed. Requests that were under way when the circuit opened don't open it again."""
        failures = self.consecutive_failures + 1
        trips, held_until_us = self.trips, self.held_until_us
        if (trips or failures >= rules.failures) and held_until_us <= now_us:
            pause_seconds = min(rules.open_seconds * 2 ** min(trips, 20), rules.max_open_seconds)
            trips += 1
            held_until_us = now_us + int(pause_seconds * SECOND_US)
        if retry_after_seconds is not None:
            asked_us = now_us + int(min(retry_after_seconds, MAX_HOLD_SECONDS) * SECOND_US)
            held_until_us = max(held_until_us, asked_us)
        return replace(
            self,
            consecutive_failures=failures,
            trips=trips,
            held_until_us=held_until_us,
            last_failure_us=now_us,
            last_error=error,
        )
