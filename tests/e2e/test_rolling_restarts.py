"""One rolling restart under load; `tests/soak/rolling_restarts.py` makes a hundred."""

from pathlib import Path

import pytest

from tests.soak.rolling_restarts import play


@pytest.mark.timeout(600)
async def test_every_replica_is_restarted_and_nothing_is_lost(tmp_path: Path) -> None:
    outcome = await play(tmp_path, rounds=1, rate=40.0)
    assert outcome.restarts == 6
    assert outcome.queries > 200
    assert not outcome.failures
    assert sum(map(len, outcome.acknowledged.values())) > 200
    assert (outcome.lost, outcome.doubled) == (0, 0)
