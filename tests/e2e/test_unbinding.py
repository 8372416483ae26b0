"""No query that begins after an acknowledged unbinding is answered from before it; tests/soak has longer runs."""

from pathlib import Path

import pytest

from tests.soak.replicas import NAIVE
from tests.soak.unbinding import LEAST_CACHED_SHARE, Run, carry_out


@pytest.mark.timeout(300)
async def test_an_acknowledged_unbinding_is_never_late_whatever_breaks(tmp_path: Path) -> None:
    report = await carry_out(Run(seconds=40.0, ttl_seconds=1.0, seed=3), tmp_path)
    print(*report.lines(), sep="\n")

    assert report.stale == []
    # Enough that it means something, on the slowest machine.
    assert report.reads_after_unbind > 1000
    assert report.writes["unbound"] > 20
    assert report.faults.total() > 5
    assert report.writes_hit > 0
    assert report.cached_share > LEAST_CACHED_SHARE


@pytest.mark.timeout(300)
async def test_the_same_check_finds_what_the_naive_cache_does_wrong(tmp_path: Path) -> None:
    report = await carry_out(Run(seconds=120.0, modules=(NAIVE,) * 3, faults=(), until_stale=True), tmp_path)
    print(*report.lines(), sep="\n")

    assert report.stale
