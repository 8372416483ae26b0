"""Many waiting callers, few calls: items that come together travel together.

One RPC for each query is what would bound the whole path. So an item that finds nothing in flight goes at once, with
whatever else came in the same turn of the event loop. While a batch is in flight the others wait until it is back, or
there are as many of them as are in flight, or it has been away for long; then they go together, unless too many batches
are in flight already. Sending a second batch any sooner makes more and smaller ones, and their number is what costs.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from common.clock import Clock
from common.errors import (
    AxbridgeError,
    DeadlineExceededError,
    ResourceExhaustedError,
    UnavailableError,
    UnexpectedError,
)
from common.logs import get_logger
from gateway.batch_metrics import ARRIVED, FAILED, QUERIES, BatchMetrics

Item = TypeVar("Item")
Result = TypeVar("Result")
Outcome = TypeVar("Outcome")

# Expired items are answered together, so that thousands of them don't mean thousands of searches.
_SWEEP_GAP_SECONDS = 0.005
# A batch is stuck when it is seen in flight twice, so far apart.
_STUCK_SECONDS = 0.05
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CoalescerLimits:
    """Bounds.

    `attempt_seconds` is the longest first attempt; after it, or when nobody could be reached, a batch is sent once more
    within its items' deadlines, and with round robin to another replica. One key may fill no more than
    `max_queued_per_key` of the `max_queued` places, and half of `max_queued_bytes`. A batch takes further items while
    it has fewer than `max_batch_items` and `max_batch_bytes`. After `long_flight_seconds` a batch in flight holds the
    next one up no longer, however small that is.

    A batch that is away for much longer went to a replica that may never answer, and others need not wait for it: up to
    `max_stuck_batches` of those don't count as in flight. And what is sent once more is sent `retry_copies` times at
    once, with round robin to as many replicas, of which the first to answer counts: so it can't meet that one again.
    """

    max_batch_items: int = 256
    max_batches_in_flight: int = 2
    max_queued: int = 8192
    max_queued_per_key: int = 4096
    attempt_seconds: float = 0.4
    # Longer than most are away, shorter than anybody notices.
    long_flight_seconds: float = 0.002
    max_stuck_batches: int = 0
    retry_copies: int = 1
    # Of items that say how large they are. A batch has to stay well below what gRPC takes as one message.
    max_batch_bytes: int = 8 * 1024 * 1024
    max_queued_bytes: int = 64 * 1024 * 1024


class Waiting(Generic[Item, Result]):
    """An item and who waits for its result, since when. Both times are on the monotonic clock."""

    __slots__ = ("deadline", "future", "item", "since", "size_bytes")

    def __init__(
        self, item: Item, deadline: float, future: asyncio.Future[Result], since: float, size_bytes: int = 0
    ) -> None:
        self.item = item
        self.size_bytes = size_bytes
        self.deadline = deadline
        self.future = future
        self.since = since


@dataclass(frozen=True, slots=True)
class Batch(Generic[Item, Result]):
    """What goes out in one call. `is_retry` says that it went out before, and may have been done."""

    entries: Sequence[Waiting[Item, Result]]
    timeout_seconds: float
    is_retry: bool


# As many results as there were entries, in their order; an error in a result's place is that item's own.
Send = Callable[[Batch[Item, Result]], Awaitable[Sequence[Result | AxbridgeError]]]


class Coalescer(Generic[Item, Result]):
    """Sends items in batches; sending one twice must be safe.

    Keys take turns: when more waits than fits into a batch, it is filled with one item of each key after the other, so
    that one key's flood does not crowd out the rest.
    """

    def __init__(
        self,
        send: Send[Item, Result],
        limits: CoalescerLimits,
        clock: Clock,
        metrics: BatchMetrics | None = None,
        kind: str = QUERIES,
    ) -> None:
        self._send = send
        self._metrics = metrics if metrics is not None else BatchMetrics()
        self._kind = (kind,)
        self._limits = limits
        self._clock = clock
        self._queues: dict[str, deque[Waiting[Item, Result]]] = {}
        self._turns: deque[str] = deque()
        self._queued = 0
        self._queued_bytes = 0
        # By key, of those that have any.
        self._bytes_of: dict[str, int] = {}
        self._flying: dict[asyncio.Task[None], Sequence[Waiting[Item, Result]]] = {}
        # Those of `_flying` that are not stuck.
        self._flying_items = 0
        self._stuck: set[asyncio.Task[None]] = set()
        self._seen_flying: set[asyncio.Task[None]] = set()
        self._look: asyncio.TimerHandle | None = None
        self._is_flush_due = False
        self._late_flush: asyncio.TimerHandle | None = None
        self._is_closing = False
        self._sweep: asyncio.TimerHandle | None = None
        self._sweep_at = 0.0

    def submit(self, key: str, item: Item, deadline: float, size_bytes: int = 0) -> asyncio.Future[Result]:
        """The result to come; it fails with DeadlineExceededError at the deadline at the latest.

        Cancelling it takes the item back as long as it was not sent. Raises ResourceExhaustedError at once when too
        much is waiting, UnavailableError after `close`.
        """
        limits = self._limits
        if self._is_closing:
            raise UnavailableError("shutting down")
        if self._queued >= limits.max_queued:
            self._metrics.refused.add(self._kind)
            raise ResourceExhaustedError("too much is waiting")
        if size_bytes and self._is_over_in_bytes(key, size_bytes):
            self._metrics.refused.add(self._kind)
            raise ResourceExhaustedError("too many bytes are waiting")
        loop = asyncio.get_running_loop()
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = deque()
            self._turns.append(key)
        elif len(queue) >= limits.max_queued_per_key:
            self._metrics.refused.add(self._kind)
            raise ResourceExhaustedError("too much is waiting for this tenant")
        future: asyncio.Future[Result] = loop.create_future()
        queue.append(Waiting(item, deadline, future, self._clock.monotonic(), size_bytes))
        self._queued += 1
        if size_bytes:
            self._queued_bytes += size_bytes
            self._bytes_of[key] = self._bytes_of.get(key, 0) + size_bytes
        if self._sweep is None or deadline < self._sweep_at:
            self._watch(deadline)
        if not self._is_flush_due:
            self._plan_flush()
        return future

    @property
    def queued(self) -> int:
        """How many items wait to be sent."""
        return self._queued

    async def close(self) -> None:
        """Take nothing more, and return when all that was taken is answered: at the last deadline at the latest."""
        self._is_closing = True
        while self._queued or self._flying:
            if self._flying:
                await asyncio.wait(self._flying, return_when=asyncio.FIRST_COMPLETED)
            else:
                await asyncio.sleep(0)
        for timer in (self._sweep, self._late_flush, self._look):
            if timer is not None:
                timer.cancel()
        self._sweep = self._late_flush = self._look = None

    def _is_over_in_bytes(self, key: str, size_bytes: int) -> bool:
        bound = self._limits.max_queued_bytes
        return self._queued_bytes + size_bytes > bound or self._bytes_of.get(key, 0) + size_bytes > bound // 2

    def _plan_flush(self) -> None:
        if len(self._flying) - len(self._stuck) >= self._limits.max_batches_in_flight:
            return
        if self._queued >= self._flying_items:
            self._is_flush_due = True
            asyncio.get_running_loop().call_soon(self._flush)
        elif self._late_flush is None:
            self._late_flush = asyncio.get_running_loop().call_later(self._limits.long_flight_seconds, self._flush)

    def _flush(self) -> None:
        self._is_flush_due = False
        if self._late_flush is not None:
            self._late_flush.cancel()
            self._late_flush = None
        if not self._queued or len(self._flying) - len(self._stuck) >= self._limits.max_batches_in_flight:
            return
        entries = self._compose()
        if entries:
            task = asyncio.get_running_loop().create_task(self._fly(entries))
            self._flying[task] = entries
            self._flying_items += len(entries)
            if self._look is None and self._limits.max_stuck_batches:
                self._look = asyncio.get_running_loop().call_later(_STUCK_SECONDS, self._look_for_stuck)
            task.add_done_callback(self._landed)
        if self._queued:
            self._plan_flush()

    def _landed(self, task: asyncio.Task[None]) -> None:
        entries = self._flying.pop(task)
        if task in self._stuck:
            self._stuck.remove(task)
        else:
            self._flying_items -= len(entries)
        if self._queued and not self._is_flush_due:
            self._plan_flush()

    def _look_for_stuck(self) -> None:
        self._look = None
        for task in self._seen_flying & self._flying.keys() - self._stuck:
            if len(self._stuck) < self._limits.max_stuck_batches:
                self._stuck.add(task)
                self._flying_items -= len(self._flying[task])
        self._seen_flying = set(self._flying)
        if self._flying:
            self._look = asyncio.get_running_loop().call_later(_STUCK_SECONDS, self._look_for_stuck)
        if self._queued and not self._is_flush_due:
            self._plan_flush()

    def _compose(self) -> list[Waiting[Item, Result]]:
        limits = self._limits
        if self._queued <= limits.max_batch_items and self._queued_bytes <= limits.max_batch_bytes:
            entries = [entry for queue in self._queues.values() for entry in queue if not entry.future.done()]
            self._queues.clear()
            self._turns.clear()
            self._bytes_of.clear()
            self._queued = self._queued_bytes = 0
            return entries
        entries = []
        size_bytes = 0
        while self._turns and len(entries) < limits.max_batch_items and size_bytes < limits.max_batch_bytes:
            key = self._turns.popleft()
            queue = self._queues[key]
            entry = queue.popleft()
            self._queued -= 1
            self._release_bytes(key, entry.size_bytes)
            if queue:
                self._turns.append(key)
            else:
                del self._queues[key]
            if not entry.future.done():
                entries.append(entry)
                size_bytes += entry.size_bytes
        return entries

    def _release_bytes(self, key: str, size_bytes: int) -> None:
        if size_bytes:
            self._queued_bytes -= size_bytes
            left = self._bytes_of.pop(key) - size_bytes
            if left:
                self._bytes_of[key] = left

    async def _fly(self, entries: Sequence[Waiting[Item, Result]]) -> None:
        try:
            await self._send_twice(entries)
        except AxbridgeError as error:
            _fail(entries, error)
        except Exception as error:  # noqa: BLE001 - whoever waits must be answered
            _log.error("a batch failed unexpectedly", exc_info=error)
            _fail(entries, UnexpectedError("internal error"))

    async def _send_twice(self, entries: Sequence[Waiting[Item, Result]]) -> None:
        try:
            await self._attempt(entries, is_retry=False)
        except (UnavailableError, DeadlineExceededError):
            now = self._clock.monotonic()
            waiting = [entry for entry in entries if not entry.future.done() and entry.deadline > now]
            if not waiting:
                raise
            await self._attempt(waiting, is_retry=True)

    async def _attempt(self, entries: Sequence[Waiting[Item, Result]], *, is_retry: bool) -> None:
        left = max([entry.deadline for entry in entries]) - self._clock.monotonic()
        if left <= 0:
            raise DeadlineExceededError("the time was up before the batch was sent")
        timeout_seconds = left if is_retry else min(left, self._limits.attempt_seconds)
        batch = Batch(entries, timeout_seconds, is_retry)
        copies = self._limits.retry_copies if is_retry else 1
        if copies == 1:
            results = await self._measured(batch)
        else:
            results = await _first_success([self._measured(batch) for _ in range(copies)])
        if len(results) != len(entries):
            raise UnexpectedError("a batch came back with another number of results")
        for entry, result in zip(entries, results, strict=True):
            future = entry.future
            if future.done():
                continue
            if isinstance(result, AxbridgeError):
                future.set_exception(result)
            else:
                future.set_result(result)

    async def _measured(self, batch: Batch[Item, Result]) -> Sequence[Result | AxbridgeError]:
        metrics, kind = self._metrics, self._kind
        began = self._clock.monotonic()
        if batch.is_retry:
            metrics.retries.add(kind)
        else:
            metrics.sizes.record(len(batch.entries), kind)
            metrics.waits.record(began - batch.entries[0].since, kind)
        outcome = FAILED
        try:
            results = await self._send(batch)
            outcome = ARRIVED
        finally:
            metrics.durations.record(self._clock.monotonic() - began, (*kind, outcome))
        return results

    def _watch(self, deadline: float) -> None:
        """Have everything that is expired answered when the earliest deadline comes."""
        if self._sweep is not None:
            self._sweep.cancel()
        self._sweep_at = deadline
        delay = max(deadline - self._clock.monotonic(), _SWEEP_GAP_SECONDS)
        self._sweep = asyncio.get_running_loop().call_later(delay, self._sweep_expired)

    def _sweep_expired(self) -> None:
        self._sweep = None
        now = self._clock.monotonic()
        for key, queue in list(self._queues.items()):
            if _expire(queue, now):
                self._keep_waiting(key, deque(entry for entry in queue if not entry.future.done()))
        for entries in self._flying.values():
            _expire(entries, now)
        outstanding = [*self._queues.values(), *self._flying.values()]
        deadlines = [entry.deadline for entries in outstanding for entry in entries if not entry.future.done()]
        if deadlines:
            self._watch(min(deadlines))

    def _keep_waiting(self, key: str, queue: deque[Waiting[Item, Result]]) -> None:
        before = self._queues[key]
        self._queued += len(queue) - len(before)
        self._release_bytes(key, sum(each.size_bytes for each in before) - sum(each.size_bytes for each in queue))
        if queue:
            self._queues[key] = queue
        else:
            del self._queues[key]
            self._turns.remove(key)


async def _first_success(attempts: Iterable[Coroutine[Any, Any, Outcome]]) -> Outcome:
    """The result of the first of these to succeed; the others are cancelled. Raises what the last one did."""
    running = {asyncio.create_task(attempt) for attempt in attempts}
    failure: BaseException | None = None
    try:
        while running:
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            failures = [task.exception() for task in done]
            for task, failure in zip(done, failures, strict=True):
                if failure is None:
                    return task.result()
    finally:
        for task in running:
            task.cancel()
        # Read, so that asyncio does not complain of those that nobody waits for.
        await asyncio.gather(*running, return_exceptions=True)
    assert failure is not None
    raise failure


def _expire(entries: Iterable[Waiting[Item, Result]], now: float) -> bool:
    """Answer the entries whose time is up; whether there were any."""
    found = False
    for entry in entries:
        if entry.deadline <= now and not entry.future.done():
            found = True
            entry.future.set_exception(DeadlineExceededError("the time was up"))
    return found


def _fail(entries: Iterable[Waiting[Item, Result]], error: AxbridgeError) -> None:
    for entry in entries:
        if not entry.future.done():
            entry.future.set_exception(error)
