"""When a message that was not delivered is tried again, and when it is given up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from common.errors import InvalidArgumentError
from event_service.webhooks.domain import HttpResult

SECOND_US = 1_000_000
# The specification's own: 10 attempts, the last one 75 h 35 min after the first.
DEFAULT_DELAYS_SECONDS = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
# Many messages that failed together must not come back together.
JITTER = 0.1
_LEAST_LIFETIME_SECONDS = 20
# What an endpoint can ask for; more is cut down to this.
MAX_RETRY_AFTER_SECONDS = 86_400.0
GONE = 410


@dataclass(frozen=True, slots=True)
class RetrySchedule:
    """The delays between attempts, in seconds. `random` gives numbers from 0 to 1."""

    delays_seconds: Sequence[float]
    random: Callable[[], float]

    @property
    def max_attempts(self) -> int:
        return len(self.delays_seconds) + 1

    @property
    def lifetime_us(self) -> int:
        """From queueing a message until an attempt that fails is the last one, whatever held it up: the delays at their
        longest, and as much again for waiting one's turn."""
        return int((sum(self.delays_seconds) * (1 + 2 * JITTER) + _LEAST_LIFETIME_SECONDS) * SECOND_US)

    def next_attempt_us(self, attempt: int, now_us: int, result: HttpResult) -> int | None:
        """When to try again after attempt number `attempt` failed; None: never.

        `Retry-After` puts it off, and never brings it forward.
        """
        if attempt >= self.max_attempts:
            return None
        spread = 1 + JITTER * (2 * self.random() - 1)
        delay_seconds = self.delays_seconds[attempt - 1] * spread
        if result.retry_after_seconds is not None:
            delay_seconds = max(delay_seconds, min(result.retry_after_seconds, MAX_RETRY_AFTER_SECONDS))
        return now_us + int(delay_seconds * SECOND_US)


def parse_delays(text: str) -> tuple[float, ...]:
    """Delays in seconds from text such as `5,300,1800`. Raises InvalidArgumentError."""
    try:
        delays = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise InvalidArgumentError("retry_delays", "seconds with commas between them, such as 5,300,1800") from error
    if not delays or any(not 0 < delay <= 30 * 86_400 for delay in delays):
        raise InvalidArgumentError("retry_delays", "each delay is above 0 seconds and at most 30 days")
    return delays
