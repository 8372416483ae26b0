"""What is counted of the events' way into the log."""

import asyncio

import pytest

from common.clock import SystemClock
from common.errors import ResourceExhaustedError, UnavailableError
from event_service.append_stats import FAILED, STORED
from event_service.group_commit import GroupCommitter, GroupLimits
from event_service.known_calls import KnownCalls
from event_service.ports import EventStatus
from event_service.service import EventIntake
from tests.unit.event_service.test_group_commit import GatedLog, batch


async def test_requests_commits_and_outcomes_are_counted() -> None:
    log = GatedLog()
    committer = GroupCommitter(log, GroupLimits(max_queued_items=4))
    intake = EventIntake(committer, SystemClock(), committer.stats)
    async with committer.running():
        first = asyncio.create_task(intake.publish(batch("1")))
        await log.entered.wait()
        second, third = (asyncio.create_task(intake.publish(batch(seq))) for seq in ("2", "3"))
        await asyncio.sleep(0)
        assert committer.queued_items == 2
        assert committer.queued_bytes > 0
        assert committer.oldest_seconds >= 0
        with pytest.raises(ResourceExhaustedError):
            await intake.publish(batch("4", "5", "6"))
        log.gate.set()
        await asyncio.gather(first, second, third)
        log.fail_with = UnavailableError("away")
        with pytest.raises(UnavailableError):
            await intake.publish(batch("7"))
        assert committer.oldest_seconds == 0
    stats = committer.stats
    assert stats.durations.count(STORED) == 3
    assert stats.durations.count(FAILED) == 1
    assert stats.group_sizes.count() == stats.group_durations.count() == 2
    assert stats.events.value((EventStatus.STORED.value,)) == 3
    assert stats.refused == 1


def test_known_calls_count_what_they_knew() -> None:
    known = KnownCalls(1000)
    assert known.take({0: 1}, {b"a": 0, b"b": 0}) == {}
    assert (known.hits, known.misses, len(known), known.size_bytes) == (0, 2, 0, 0)
