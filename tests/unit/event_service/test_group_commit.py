"""Groups: what shares a transaction, what is refused, and whom a failure reaches."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from common.errors import InvalidArgumentError, ResourceExhaustedError, UnavailableError
from event_service.domain import CallEvent, LoggedDecision
from event_service.group_commit import GroupCommitter, GroupLimits
from event_service.ports import EventOutcome, EventStatus, LoggedEvent
from tests.unit.event_service.builders import decision, event


class GatedLog:
    """A log whose transactions wait for the test, and which refuses poison."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.decisions: list[int] = []
        self.gate = asyncio.Event()
        self.entered = asyncio.Event()
        self.fail_with: Exception | None = None
        self._stored: dict[str, int] = {}

    async def append(self, events: Sequence[CallEvent], decisions: Sequence[LoggedDecision]) -> list[EventOutcome]:
        self.groups.append([e.seq for e in events])
        self.decisions.append(len(decisions))
        self.entered.set()
        await self.gate.wait()
        if self.fail_with is not None:
            raise self.fail_with
        if any(e.seq == "bug" for e in events):
            raise LookupError("a bug")
        if any(e.seq == "poison" for e in events) or any(d.reason == "poison" for d in decisions):
            raise InvalidArgumentError("message", "can't be stored")
        return [EventOutcome(EventStatus.STORED, self._stored.setdefault(e.seq, len(self._stored) + 1)) for e in events]

    async def read(self, partition_id: int, after_offset: int, limit: int) -> Sequence[LoggedEvent]:
        raise NotImplementedError

    async def heads(self) -> Sequence[int]:
        raise NotImplementedError


def batch(*seqs: str, size: int = 0) -> list[CallEvent]:
    return [event("15", 1, seq=seq, raw_body=b"x" * size) for seq in seqs]


@asynccontextmanager
async def blocked(log: GatedLog, limits: GroupLimits) -> AsyncIterator[tuple[GroupCommitter, asyncio.Task[object]]]:
    """A committer whose writer is inside a transaction of one event, and the task that waits for it."""
    committer = GroupCommitter(log, limits)
    async with committer.running():
        first: asyncio.Task[object] = asyncio.create_task(committer.append(batch("first")))
        await log.entered.wait()
        try:
            yield committer, first
        finally:
            log.gate.set()


def start(committer: GroupCommitter, *seqs: str, size: int = 0) -> asyncio.Task[Sequence[EventOutcome]]:
    return asyncio.create_task(committer.append(batch(*seqs, size=size)))


async def settle() -> None:
    """Let every task that can run come to its next wait."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_lone_request_does_not_wait_for_company() -> None:
    log = GatedLog()
    log.gate.set()
    committer = GroupCommitter(log, GroupLimits())
    async with committer.running():
        assert await committer.append(batch("a")) == [EventOutcome(EventStatus.STORED, 1)]
    assert log.groups == [["a"]]


async def test_what_comes_in_meanwhile_shares_the_next_transaction_and_each_gets_its_own_answers() -> None:
    log = GatedLog()
    async with blocked(log, GroupLimits()) as (committer, first):
        others = [start(committer, "a", "b"), start(committer, "c"), start(committer, "d", "e", "f")]
        await settle()
        log.gate.set()
        answers = await asyncio.gather(first, *others)
    assert log.groups == [["first"], ["a", "b", "c", "d", "e", "f"]]
    assert [[o.log_offset for o in answer] for answer in answers] == [[1], [2, 3], [4], [5, 6, 7]]  # type: ignore[attr-defined]


async def test_a_group_is_bounded_and_the_order_is_kept() -> None:
    log = GatedLog()
    async with blocked(log, GroupLimits(max_group_items=3)) as (committer, _):
        others = [start(committer, *seqs) for seqs in ("ab", "cd", "e", "fghi", "j")]
        await settle()
        log.gate.set()
        await asyncio.gather(*others)
    # A request is never divided.
    assert log.groups == [["first"], list("abcd"), list("efghi"), ["j"]]


async def test_a_group_of_large_bodies_has_fewer_of_them() -> None:
    log = GatedLog()
    async with blocked(log, GroupLimits(max_group_bytes=30_000)) as (committer, _):
        others = [start(committer, seq, size=10_000) for seq in "abc"]
        others += [start(committer, seq) for seq in "def"]
        await settle()
        log.gate.set()
        await asyncio.gather(*others)
    assert log.groups == [["first"], ["a", "b"], list("cdef")]


async def test_too_many_waiting_are_refused_at_once_and_room_comes_back() -> None:
    log = GatedLog()
    async with blocked(log, GroupLimits(max_queued_items=4)) as (committer, _):
        waiting = [start(committer, "a", "b"), start(committer, "c", "d")]
        await settle()
        with pytest.raises(ResourceExhaustedError) as refused:
            await asyncio.wait_for(committer.append(batch("e")), 1)
        assert refused.value.reason == "EVENT_QUEUE_FULL"
        log.gate.set()
        await asyncio.gather(*waiting)
        await committer.append(batch("e"))
    assert log.groups == [["first"], list("abcd"), ["e"]]


async def test_too_many_bytes_waiting_are_refused() -> None:
    log = GatedLog()
    async with blocked(log, GroupLimits(max_queued_bytes=30_000)) as (committer, _):
        waiting = start(committer, "a", size=10_000)
        await settle()
        with pytest.raises(ResourceExhaustedError):
            await committer.append(batch("b", size=10_000))
        small = start(committer, "c")
        log.gate.set()
        await asyncio.gather(waiting, small)


async def test_a_request_larger_than_the_room_is_taken_when_nothing_waits() -> None:
    log = GatedLog()
    async with blocked(log, GroupLimits(max_queued_items=2)) as (committer, _):
        large = start(committer, *"abcdef")
        await settle()
        log.gate.set()
        assert len(await large) == 6


async def test_decisions_leave_room_for_events() -> None:
    log = GatedLog()
    async with blocked(log, GroupLimits(max_queued_items=8)) as (committer, _):
        waiting = asyncio.create_task(committer.append([], [decision()] * 4))
        await settle()
        with pytest.raises(ResourceExhaustedError):
            await committer.append([], [decision()])
        events = start(committer, *"abcd")
        await settle()
        log.gate.set()
        assert await waiting == []
        await events
    assert log.decisions == [0, 4]


async def test_a_cancelled_waiter_does_not_cancel_the_group() -> None:
    log = GatedLog()
    async with blocked(log, GroupLimits()) as (committer, first):
        others = [start(committer, "a"), start(committer, "b")]
        await settle()
        first.cancel()
        await settle()
        log.entered.clear()
        log.gate.set()
        await log.entered.wait()
        others[0].cancel()
        assert [o.log_offset for o in await others[1]] == [3]
    assert log.groups == [["first"], ["a", "b"]]


async def test_who_gave_up_before_the_transaction_is_left_out_and_frees_the_room() -> None:
    log = GatedLog()
    async with blocked(log, GroupLimits(max_queued_items=2)) as (committer, _):
        gone, stays = start(committer, "gone"), start(committer, "stays")
        await settle()
        gone.cancel()
        await settle()
        log.gate.set()
        await stays
        await committer.append(batch("x", "y"))
    assert log.groups == [["first"], ["stays"], ["x", "y"]]


async def test_one_event_that_can_not_be_stored_fails_alone() -> None:
    log = GatedLog()
    async with blocked(log, GroupLimits()) as (committer, _):
        good, mixed = start(committer, "a"), start(committer, "b", "poison", "c")
        await settle()
        log.gate.set()
        assert [o.status for o in await good] == [EventStatus.STORED]
        outcomes = await mixed
    assert [o.status for o in outcomes] == [EventStatus.STORED, EventStatus.INVALID, EventStatus.STORED]
    assert outcomes[1].error == "message: can't be stored"


async def test_a_decision_that_can_not_be_stored_fails_nobody() -> None:
    log = GatedLog()
    async with blocked(log, GroupLimits()) as (committer, _):
        good = start(committer, "a")
        answers = asyncio.create_task(committer.append([], [decision(reason="poison"), decision()]))
        await settle()
        log.gate.set()
        assert await answers == []
        assert [o.status for o in await good] == [EventStatus.STORED]
    assert log.decisions[-2:] == [1, 1]


async def test_a_bug_fails_the_request_that_meets_it_and_the_writer_goes_on() -> None:
    log = GatedLog()
    async with blocked(log, GroupLimits()) as (committer, _):
        good, bad = start(committer, "a"), start(committer, "bug", "b")
        await settle()
        log.gate.set()
        assert [o.status for o in await good] == [EventStatus.STORED]
        with pytest.raises(LookupError):
            await bad
        assert [o.status for o in await committer.append(batch("c"))] == [EventStatus.STORED]


async def test_an_unreachable_store_fails_the_group_once_and_the_writer_goes_on() -> None:
    log = GatedLog()
    async with blocked(log, GroupLimits()) as (committer, first):
        others = [start(committer, "a"), start(committer, "b")]
        await settle()
        log.fail_with = UnavailableError("away")
        log.gate.set()
        results = await asyncio.gather(first, *others, return_exceptions=True)
        assert [type(result) for result in results] == [UnavailableError] * 3
        # A store that is away is not asked for every request of the group.
        assert len(log.groups) == 2
        log.fail_with = None
        assert len(await committer.append(batch("c"))) == 1


async def test_at_the_end_what_waits_is_written_and_nothing_new_is_taken() -> None:
    log = GatedLog()
    async with blocked(log, GroupLimits(max_group_items=1)) as (committer, first):
        others = [start(committer, "a"), start(committer, "b")]
        await settle()
    assert [len(await task) for task in (first, *others)] == [1, 1, 1]  # type: ignore[arg-type]
    with pytest.raises(UnavailableError):
        await committer.append(batch("late"))
