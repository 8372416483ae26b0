"""When a message is tried again."""

import pytest

from common.errors import InvalidArgumentError
from event_service.webhooks.domain import HttpResult
from event_service.webhooks.schedule import DEFAULT_DELAYS_SECONDS, SECOND_US, RetrySchedule, parse_delays

FAILED = HttpResult(500, "answered with HTTP status 500")


def schedule(random: float = 0.5) -> RetrySchedule:
    return RetrySchedule(DEFAULT_DELAYS_SECONDS, lambda: random)


def test_ten_attempts_over_seventy_five_hours() -> None:
    now_us = attempt = 0
    times = [0]
    while True:
        attempt += 1
        next_us = schedule().next_attempt_us(attempt, now_us, FAILED)
        if next_us is None:
            break
        now_us = next_us
        times.append(now_us // SECOND_US)
    assert len(times) == attempt == schedule().max_attempts == 10
    assert times[:4] == [0, 5, 305, 2105]
    assert times[-1] == 75 * 3600 + 35 * 60 + 5


@pytest.mark.parametrize(("random", "delay"), [(0.0, 270), (0.5, 300), (1.0, 330)])
def test_each_delay_varies_by_a_tenth(random: float, delay: int) -> None:
    assert schedule(random).next_attempt_us(2, 7, FAILED) == pytest.approx(7 + delay * SECOND_US, abs=1)


def test_the_lifetime_leaves_room_for_the_longest_delays() -> None:
    longest = sum(DEFAULT_DELAYS_SECONDS) * 1.1 * SECOND_US
    assert longest < schedule().lifetime_us < 91 * 3600 * SECOND_US


@pytest.mark.parametrize(
    ("attempt", "asked", "delay"),
    [(1, 3.0, 5), (1, 100.0, 100), (3, 100.0, 1800), (1, 1e9, 86_400), (1, 0.0, 5)],
)
def test_retry_after_puts_off_and_never_brings_forward(attempt: int, asked: float, delay: int) -> None:
    result = HttpResult(429, "busy", retry_after_seconds=asked)
    assert schedule().next_attempt_us(attempt, 0, result) == delay * SECOND_US


def test_retry_after_gives_no_attempt_beyond_the_last() -> None:
    assert schedule().next_attempt_us(10, 0, HttpResult(429, "busy", retry_after_seconds=5.0)) is None


def test_delays_from_text() -> None:
    assert parse_delays("5, 300,0.5") == (5.0, 300.0, 0.5)


@pytest.mark.parametrize("text", ["", "5,", "five", "0", "-1", "nan", "inf", "99999999"])
def test_wrong_delays_are_refused(text: str) -> None:
    with pytest.raises(InvalidArgumentError):
        parse_delays(text)
