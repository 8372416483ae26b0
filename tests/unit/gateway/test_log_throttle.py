"""Log lines are held back and counted."""

from gateway.log_throttle import LogThrottle
from tests.unit.gateway.fakes import FakeClock


def test_one_line_in_a_period_with_the_count_of_the_rest() -> None:
    clock = FakeClock()
    throttle = LogThrottle(clock, period_seconds=2)
    assert [throttle.admit() for _ in range(4)] == [0, None, None, None]
    clock.seconds += 2
    assert [throttle.admit(), throttle.admit()] == [3, None]
    clock.seconds += 2
    assert throttle.admit() == 1
