"""Token buckets, against the plainest count of what was allowed when."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import ResourceExhaustedError
from common.limits.rpc_limits import RpcLimiter, RpcLimits
from common.limits.token_bucket import LocalRateLimiter, RateLimit, TokenBucket
from tests.support.clock import FakeClock


@settings(deadline=None)
@given(
    rate=st.integers(1, 1000),
    burst=st.integers(1, 100),
    steps=st.lists(st.floats(0, 3, allow_nan=False), min_size=1, max_size=80),
)
def test_no_window_sees_more_than_burst_and_rate(rate: int, burst: int, steps: list[float]) -> None:
    limit, clock = RateLimit(rate, burst), FakeClock()
    bucket = TokenBucket(limit, clock.monotonic())
    allowed: list[float] = []
    for step in steps:
        clock.advance(step)
        if bucket.take(limit, clock.monotonic()):
            allowed.append(clock.monotonic())
    for first in range(len(allowed)):
        for last in range(first, len(allowed)):
            assert last - first + 1 <= burst + rate * (allowed[last] - allowed[first]) + 1e-6


@given(rate=st.integers(1, 1000), burst=st.integers(1, 50))
def test_who_stays_below_the_rate_is_never_refused(rate: int, burst: int) -> None:
    limit, clock = RateLimit(rate, burst), FakeClock()
    bucket = TokenBucket(limit, clock.monotonic())
    for _ in range(200):
        assert bucket.take(limit, clock.monotonic())
        clock.advance(1.0001 / rate)


def test_a_rate_below_one_still_allows_one() -> None:
    limit, clock = RateLimit.of(0.1), FakeClock()
    limiter = LocalRateLimiter(clock)
    assert limiter.allow_now("a", limit)
    assert not limiter.allow_now("a", limit)
    clock.advance(10.001)
    assert limiter.allow_now("a", limit)


def test_keys_do_not_share_and_are_bounded() -> None:
    limit, clock = RateLimit(1, 2), FakeClock()
    limiter = LocalRateLimiter(clock, max_buckets=100)
    for _ in range(2):
        assert limiter.allow_now("ours", limit)
    assert not limiter.allow_now("ours", limit)
    for number in range(90):
        assert limiter.allow_now(f"tenant {number}", limit)
    assert not limiter.allow_now("ours", limit)
    clock.advance(1)
    for number in range(1000):
        limiter.allow_now(f"stranger {number}", limit)
        assert len(limiter._buckets) <= 100


async def test_rpcs_are_counted_by_kind_and_key() -> None:
    limiter = RpcLimiter(LocalRateLimiter(FakeClock()), RpcLimits(RateLimit(1, 1), None, 1))
    await limiter.count_read(["a"])
    await limiter.count_read(["b"])
    with pytest.raises(ResourceExhaustedError, match="over 1 reads per second"):
        await limiter.count_read(["c", "a"])
    for _ in range(100):
        await limiter.count_write(["a"])


def test_a_stream_gives_its_place_back_however_it_ends() -> None:
    limiter = RpcLimiter(LocalRateLimiter(FakeClock()), RpcLimits(None, None, 1))
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), limiter.stream(frozenset({"a", "b"})):
            with pytest.raises(ResourceExhaustedError), limiter.stream(frozenset({"b", "c"})):
                raise AssertionError("opened")
            with limiter.stream(frozenset({"c"})):
                raise ZeroDivisionError
