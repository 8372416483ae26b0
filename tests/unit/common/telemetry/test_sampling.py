"""Calls are traced whole or not at all."""

import pytest

from common.telemetry.sampling import TraceSampler
from common.trace_ids import trace_id_bytes

CALLS = [("100001", f"s{number}") for number in range(4000)]


@pytest.mark.parametrize("ratio", [0.01, 0.1, 0.5])
def test_about_the_ratio_is_sampled_and_always_the_same_calls(ratio: float) -> None:
    chosen = [TraceSampler(ratio).sampled(*call) for call in CALLS]
    assert chosen == [TraceSampler(ratio).sampled(*call) for call in CALLS]
    # The ids are fixed, so these numbers are.
    assert 0.8 * ratio < sum(each is not None for each in chosen) / len(CALLS) < 1.2 * ratio
    assert all(each in (None, trace_id_bytes(*call)) for each, call in zip(chosen, CALLS, strict=True))


def test_a_larger_ratio_samples_all_that_a_smaller_one_does() -> None:
    small, large = TraceSampler(0.2), TraceSampler(0.6)
    assert all(large.sampled(*call) for call in CALLS if small.sampled(*call))


def test_0_is_nothing_and_1_is_all() -> None:
    assert not TraceSampler(0).is_on
    assert not any(TraceSampler(0).sampled(*call) for call in CALLS)
    assert TraceSampler(1).is_on
    assert all(TraceSampler(1).sampled(*call) for call in CALLS)
