"""The circuit breaker, what an endpoint asks for, and its rate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_service.webhooks.circuit import CircuitRules, CircuitState, EndpointHealth
from event_service.webhooks.domain import WebhookLimits

S = 1_000_000
RULES = CircuitRules(failures=3, open_seconds=30.0, max_open_seconds=100.0)
LIMITS = WebhookLimits(max_in_flight=8)


def failed(times: int, now_us: int = 0, start: EndpointHealth | None = None) -> EndpointHealth:
    health = start or EndpointHealth()
    for _ in range(times):
        health = health.failed("no answer in time", None, RULES, now_us)
    return health


def test_it_opens_after_failures_in_a_row_and_a_success_starts_the_count_anew() -> None:
    assert failed(2).room(LIMITS, 0, 1) == 8
    assert failed(2, start=failed(2).succeeded(1)).room(LIMITS, 0, 1) == 8
    opened = failed(3)
    assert opened.circuit(1) is CircuitState.OPEN
    assert opened.room(LIMITS, 0, 30 * S - 1) == 0


def test_half_open_lets_one_through_at_a_time() -> None:
    opened = failed(3)
    assert opened.circuit(30 * S) is CircuitState.HALF_OPEN
    assert opened.room(LIMITS, 0, 30 * S) == 1
    assert opened.room(LIMITS, 1, 30 * S) == 0
    closed = opened.succeeded(30 * S)
    assert closed.circuit(30 * S) is CircuitState.CLOSED
    assert closed.room(LIMITS, 0, 30 * S) == 8


def test_each_failure_of_a_trial_doubles_the_pause_up_to_the_longest() -> None:
    health, now_us, pauses = failed(3), 0, []
    for _ in range(5):
        pauses.append((health.held_until_us - now_us) // S)
        now_us = health.held_until_us
        health = failed(1, now_us, health)
    assert pauses == [30, 60, 100, 100, 100]


def test_what_was_under_way_when_it_opened_does_not_open_it_again() -> None:
    assert failed(20).trips == 1
    assert failed(20).held_until_us == 30 * S
    assert failed(20).consecutive_failures == 20


def test_retry_after_holds_the_endpoint_for_at_most_an_hour() -> None:
    asked = EndpointHealth().failed("busy", 120.0, RULES, 0)
    assert asked.circuit(1) is CircuitState.CLOSED
    assert asked.room(LIMITS, 0, 120 * S - 1) == 0
    assert asked.room(LIMITS, 0, 120 * S) == 8
    assert EndpointHealth().failed("busy", 1e9, RULES, 0).held_until_us == 3600 * S
    assert failed(3).failed("busy", 1.0, RULES, 0).held_until_us == 30 * S


def test_a_success_of_what_was_under_way_does_not_take_back_what_was_asked_for() -> None:
    asked = EndpointHealth().failed("busy", 120.0, RULES, 0).succeeded(S)
    assert asked.room(LIMITS, 0, 120 * S - 1) == 0
    assert asked.room(LIMITS, 0, 120 * S) == 8
    assert asked.consecutive_failures == 0
    assert failed(3).succeeded(S).room(LIMITS, 0, S) == 8


def test_room_is_what_the_limit_leaves() -> None:
    assert [EndpointHealth().room(LIMITS, n, 0) for n in (0, 5, 8, 9)] == [8, 3, 0, 0]


@given(rate=st.integers(1, 1000), steps=st.lists(st.integers(1, 2_000_000), min_size=1, max_size=60))
def test_never_more_than_the_rate_and_a_quarter_of_a_second(rate: int, steps: list[int]) -> None:
    limits = WebhookLimits(max_in_flight=64, max_per_second=rate)
    health, now_us, sent = EndpointHealth(), 10**15, 0
    start_us = now_us
    for step in steps:
        room = health.room(limits, 0, now_us)
        assert 0 <= room <= 64
        health = health.sending(room, limits, now_us)
        sent += room
        now_us += step
    assert sent <= (now_us - start_us + S // 4) * rate / S * 1.001 + 1


def test_a_slow_rate_still_lets_one_through() -> None:
    limits = WebhookLimits(max_per_second=1)
    first = EndpointHealth()
    assert first.room(limits, 0, 5 * S) == 1
    assert first.sending(1, limits, 5 * S).room(limits, 0, 6 * S - 1) == 0
    assert first.sending(1, limits, 5 * S).room(limits, 0, 6 * S) == 1


@pytest.mark.parametrize("count", [0, 3])
def test_without_a_rate_nothing_is_counted(count: int) -> None:
    assert EndpointHealth().sending(count, LIMITS, 5) == EndpointHealth()
