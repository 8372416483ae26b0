"""Answered queries reach the call records as far as there is room; what is lost is counted."""

import asyncio
from collections.abc import Sequence

import pytest
from grpc.aio import UsageError

from common.errors import InvalidArgumentError, UnavailableError
from gateway.decisions import DecisionBuffer, DecisionLimits
from gateway.domain import AnsweredQuery, Query
from tests.unit.gateway.fakes import ROUTED, StepwiseSleep, settle


class Recorder:
    def __init__(self) -> None:
        self.error: Exception | None = None
        self.batches: list[list[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def record(self, answered: Sequence[AnsweredQuery]) -> None:
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.batches.append([one.query.session_id for one in answered])


def answered(name: str) -> AnsweredQuery:
    return AnsweredQuery(Query(name, "1", "c", "a", "x"), ROUTED, 1, 1)


def buffer(recorder: Recorder, sleep: StepwiseSleep | None = None, **limits: int) -> DecisionBuffer:
    return DecisionBuffer(recorder, DecisionLimits(**limits), sleep or StepwiseSleep())


async def test_they_are_recorded_in_batches_in_order() -> None:
    recorder, sleep = Recorder(), StepwiseSleep()
    decisions = buffer(recorder, sleep, max_batch=2)
    flushing = asyncio.create_task(decisions.keep_flushing())
    for name in "abc":
        decisions.add(answered(name))
    await settle(lambda: len(sleep.asked) == 1)
    sleep.wake()
    await settle(lambda: decisions.waiting == 0)
    assert recorder.batches == [["a", "b"], ["c"]]
    decisions.add(answered("d"))
    await settle(lambda: len(sleep.asked) == 2)
    sleep.wake()
    await settle(lambda: len(recorder.batches) == 3)
    assert decisions.dropped == 0
    flushing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await flushing


async def test_a_failure_is_tried_again_after_a_pause() -> None:
    recorder, sleep = Recorder(), StepwiseSleep()
    recorder.error = UnavailableError("down")
    decisions = buffer(recorder, sleep)
    flushing = asyncio.create_task(decisions.keep_flushing())
    decisions.add(answered("a"))
    await settle(lambda: len(sleep.asked) == 1)
    sleep.wake()
    await settle(lambda: len(sleep.asked) == 2)
    assert sleep.asked[1] == DecisionLimits().pause_seconds
    decisions.add(answered("b"))
    recorder.error = None
    sleep.wake()
    await settle(lambda: decisions.waiting == 0)
    assert recorder.batches == [["a", "b"]]
    flushing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await flushing


async def test_the_oldest_are_dropped_and_counted() -> None:
    recorder = Recorder()
    decisions = buffer(recorder, capacity=3)
    for name in "abcde":
        decisions.add(answered(name))
    assert (decisions.waiting, decisions.dropped) == (3, 2)
    assert await decisions.flush_batch()
    assert recorder.batches == [["c", "d", "e"]]


async def test_what_came_while_a_batch_failed_keeps_its_room() -> None:
    recorder = Recorder()
    decisions = buffer(recorder, capacity=3)
    for name in "abc":
        decisions.add(answered(name))
    recorder.gate.clear()
    recorder.error = UnavailableError("down")
    flush = asyncio.create_task(decisions.flush_batch())
    await settle()
    decisions.add(answered("d"))
    recorder.gate.set()
    assert not await flush
    assert (decisions.waiting, decisions.dropped) == (3, 1)
    recorder.error = None
    assert await decisions.flush_batch()
    assert recorder.batches == [["b", "c", "d"]]


async def test_a_cancelled_flush_loses_nothing() -> None:
    recorder = Recorder()
    decisions = buffer(recorder)
    decisions.add(answered("a"))
    recorder.gate.clear()
    flush = asyncio.create_task(decisions.flush_batch())
    await settle()
    flush.cancel()
    with pytest.raises(asyncio.CancelledError):
        await flush
    assert decisions.waiting == 1


@pytest.mark.parametrize(
    "error",
    [
        InvalidArgumentError("decisions[0].result", "missing"),
        ValueError("no UTF-8"),
        UsageError("Channel is closed."),
        LookupError("a bug"),
    ],
)
async def test_what_is_refused_is_dropped_and_does_not_block(error: Exception) -> None:
    recorder = Recorder()
    recorder.error = error
    decisions = buffer(recorder)
    decisions.add(answered("a"))
    assert await decisions.flush_batch()
    assert (decisions.waiting, decisions.dropped) == (0, 1)


async def test_close_records_what_waits() -> None:
    recorder = Recorder()
    decisions = buffer(recorder, max_batch=1)
    for name in "ab":
        decisions.add(answered(name))
    await decisions.close(30)
    assert recorder.batches == [["a"], ["b"]]
    assert decisions.dropped == 0


@pytest.mark.parametrize("hangs", [True, False], ids=["hangs", "fails"])
async def test_close_gives_up_in_time_and_counts(hangs: bool) -> None:
    recorder = Recorder()
    if hangs:
        recorder.gate.clear()
    else:
        recorder.error = UnavailableError("down")
    decisions = buffer(recorder)
    decisions.add(answered("a"))
    await decisions.close(0.01)
    assert (decisions.waiting, decisions.dropped) == (0, 1)
