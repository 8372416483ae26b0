"""What the gateway counts of its batches."""

import asyncio
from collections.abc import Sequence

import pytest

from common.clock import SystemClock
from common.errors import AxbridgeError, ResourceExhaustedError, UnavailableError
from gateway.batch_metrics import ARRIVED, EVENTS, FAILED, BatchMetrics
from gateway.coalescer import Batch, Coalescer, CoalescerLimits


async def test_batches_are_counted_once_each() -> None:
    metrics, gate = BatchMetrics(), asyncio.Event()

    async def send(batch: Batch[int, int]) -> Sequence[int | AxbridgeError]:
        await gate.wait()
        return [entry.item for entry in batch.entries]

    clock = SystemClock()
    coalescer = Coalescer(send, CoalescerLimits(max_batches_in_flight=1), clock, metrics, EVENTS)
    deadline = clock.monotonic() + 60
    first = coalescer.submit("a", 1, deadline)
    await asyncio.sleep(0)
    others = [coalescer.submit("a", number, deadline) for number in range(3)]
    assert coalescer.queued == 3
    gate.set()
    await asyncio.gather(first, *others)
    await coalescer.close()
    assert metrics.sizes.count((EVENTS,)) == 2
    assert metrics.waits.count((EVENTS,)) == 2
    assert metrics.durations.count((EVENTS, ARRIVED)) == 2
    assert metrics.retries.value((EVENTS,)) == 0


async def test_a_second_attempt_is_no_second_batch() -> None:
    metrics, attempts = BatchMetrics(), []

    async def send(batch: Batch[int, int]) -> Sequence[int | AxbridgeError]:
        attempts.append(batch.is_retry)
        if not batch.is_retry:
            raise UnavailableError("away")
        return [entry.item for entry in batch.entries]

    clock = SystemClock()
    coalescer = Coalescer(send, CoalescerLimits(), clock, metrics, EVENTS)
    await coalescer.submit("a", 1, clock.monotonic() + 60)
    await coalescer.close()
    assert attempts == [False, True]
    assert metrics.sizes.count((EVENTS,)) == 1
    assert metrics.retries.value((EVENTS,)) == 1
    assert metrics.durations.count((EVENTS, FAILED)) == 1
    assert metrics.durations.count((EVENTS, ARRIVED)) == 1


async def test_what_finds_no_room_is_counted() -> None:
    metrics = BatchMetrics()

    async def send(batch: Batch[int, int]) -> Sequence[int | AxbridgeError]:
        return [entry.item for entry in batch.entries]

    clock = SystemClock()
    coalescer = Coalescer(send, CoalescerLimits(max_queued=2, max_queued_per_key=1), clock, metrics)
    deadline = clock.monotonic() + 60
    waiting = [coalescer.submit("a", 1, deadline)]
    with pytest.raises(ResourceExhaustedError):
        coalescer.submit("a", 2, deadline)
    waiting.append(coalescer.submit("b", 1, deadline))
    with pytest.raises(ResourceExhaustedError):
        coalescer.submit("c", 1, deadline)
    assert metrics.refused.value(("query",)) == 2
    await asyncio.gather(*waiting)
    await coalescer.close()
