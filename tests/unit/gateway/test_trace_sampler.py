"""Calls are traced whole or not at all."""

import re

from common.trace_ids import trace_id_for
from gateway.trace_sampler import TraceSampler

CALLS = [("100001", f"s{number}") for number in range(2000)]


def test_a_traced_message_carries_its_calls_trace_id() -> None:
    traceparent = TraceSampler(1).traceparent(" 100001", "s1\n")
    assert re.fullmatch(f"00-{trace_id_for('100001', 's1')}-[0-9a-f]{{16}}-01", traceparent)
    assert TraceSampler(1).traceparent("100001", "s1") != traceparent, "every message has a span of its own"


def test_the_share_is_kept_and_every_gateway_chooses_the_same_calls() -> None:
    for ratio in (0.0, 0.1, 0.5, 1.0):
        chosen = [bool(TraceSampler(ratio).traceparent(*call)) for call in CALLS]
        assert abs(sum(chosen) / len(CALLS) - ratio) < 0.04
        assert chosen == [bool(TraceSampler(ratio).traceparent(*call)) for call in CALLS]


def test_a_larger_share_holds_the_smaller() -> None:
    small, large = TraceSampler(0.2), TraceSampler(0.6)
    assert all(large.traceparent(*call) for call in CALLS if small.traceparent(*call))
