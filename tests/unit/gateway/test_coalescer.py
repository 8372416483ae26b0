"""Items travel together, take turns, and each gets its own answer in its own time."""

import asyncio
import gc
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.clock import SystemClock
from common.errors import (
    AxbridgeError,
    DeadlineExceededError,
    InvalidArgumentError,
    NotFoundError,
    ResourceExhaustedError,
    UnavailableError,
    UnexpectedError,
)
from gateway.coalescer import Batch, Coalescer, CoalescerLimits
from tests.unit.gateway.fakes import FakeClock, settle

FAR = 2000.0


class Carrier:
    """Takes batches, and brings each back when the test says so."""

    def __init__(self) -> None:
        self.batches: list[Batch[str, str]] = []
        self.returns: list[asyncio.Future[Sequence[str | AxbridgeError]]] = []
        self._departed = asyncio.Event()

    async def send(self, batch: Batch[str, str]) -> Sequence[str | AxbridgeError]:
        self.batches.append(batch)
        back: asyncio.Future[Sequence[str | AxbridgeError]] = asyncio.get_running_loop().create_future()
        self.returns.append(back)
        self._departed.set()
        return await back

    async def departed(self, count: int) -> None:
        """Wait until this many batches have left."""
        while len(self.batches) < count:
            self._departed.clear()
            await asyncio.wait_for(self._departed.wait(), 5)

    def sent(self, index: int = -1) -> list[str]:
        return [entry.item for entry in self.batches[index].entries]

    def bring_back(self, index: int = -1) -> None:
        self.returns[index].set_result([item.upper() for item in self.sent(index)])


@pytest.fixture
def carrier() -> Carrier:
    return Carrier()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def coalescer(carrier: Carrier, clock: FakeClock, **limits: float) -> Coalescer[str, str]:
    return Coalescer(carrier.send, CoalescerLimits(**limits), clock)  # type: ignore[arg-type]


async def test_a_lone_item_goes_at_once(carrier: Carrier, clock: FakeClock) -> None:
    future = coalescer(carrier, clock).submit("t", "a", FAR)
    await settle(lambda: len(carrier.batches) == 1)
    carrier.bring_back()
    assert await future == "A"


async def test_items_of_one_turn_travel_together(carrier: Carrier, clock: FakeClock) -> None:
    several = coalescer(carrier, clock)
    futures = [several.submit("t", item, FAR) for item in "abc"]
    await settle()
    assert carrier.sent() == ["a", "b", "c"]
    carrier.bring_back()
    assert await asyncio.gather(*futures) == ["A", "B", "C"]


async def test_at_most_two_batches_fly_and_the_rest_goes_together(carrier: Carrier, clock: FakeClock) -> None:
    several = coalescer(carrier, clock)
    futures = []
    for item in "abcdef":
        futures.append(several.submit("t", item, FAR))
        await settle()
    assert [carrier.sent(0), carrier.sent(1)] == [["a"], ["b"]]
    assert len(carrier.batches) == 2
    assert several.queued == 4
    carrier.bring_back(1)
    await settle()
    assert carrier.sent(2) == ["c", "d", "e", "f"]
    carrier.bring_back(0)
    carrier.bring_back(2)
    assert await asyncio.gather(*futures) == list("ABCDEF")


async def test_a_second_batch_flies_when_it_is_as_big_as_the_first(carrier: Carrier, clock: FakeClock) -> None:
    several = coalescer(carrier, clock, long_flight_seconds=30)
    futures = [several.submit("t", item, FAR) for item in "abc"]
    await settle()
    for item in "de":
        futures.append(several.submit("t", item, FAR))
        await settle()
    assert len(carrier.batches) == 1
    futures.append(several.submit("t", "f", FAR))
    await settle()
    assert carrier.sent(1) == ["d", "e", "f"]
    futures.append(several.submit("t", "g", FAR))
    carrier.bring_back(0)
    await settle()
    assert len(carrier.batches) == 2, "one is less than what still flies"
    carrier.bring_back(1)
    await settle()
    assert carrier.sent(2) == ["g"]
    carrier.bring_back(2)
    assert await asyncio.gather(*futures) == list("ABCDEFG")


async def test_a_batch_that_is_away_for_long_holds_nobody_up(carrier: Carrier, clock: FakeClock) -> None:
    several = coalescer(carrier, clock)
    slow = [several.submit("t", item, FAR) for item in "abc"]
    await settle()
    late = several.submit("t", "d", FAR)
    left = asyncio.get_running_loop().time()
    await carrier.departed(2)
    assert asyncio.get_running_loop().time() - left >= 0.001
    carrier.bring_back(1)
    assert await late == "D"
    carrier.bring_back(0)
    assert await asyncio.gather(*slow) == ["A", "B", "C"]


async def test_a_batch_is_never_too_big(carrier: Carrier, clock: FakeClock) -> None:
    several = coalescer(carrier, clock, max_batch_items=4, long_flight_seconds=30)
    futures = [several.submit("t", f"i{number}", FAR) for number in range(10)]
    await settle()
    assert [len(carrier.sent(index)) for index in (0, 1)] == [4, 4]
    carrier.bring_back(0)
    carrier.bring_back(1)
    await settle()
    assert carrier.sent(2) == ["i8", "i9"]
    carrier.bring_back(2)
    assert await asyncio.gather(*futures) == [f"I{number}" for number in range(10)]


async def test_a_flood_of_one_tenant_does_not_fill_the_batches(carrier: Carrier, clock: FakeClock) -> None:
    several = coalescer(carrier, clock, max_batch_items=4, max_batches_in_flight=1)
    for number in range(40):
        several.submit("flood", f"flood{number}", FAR)
    several.submit("b", "b0", FAR)
    several.submit("b", "b1", FAR)
    several.submit("c", "c0", FAR)
    await settle()
    assert carrier.sent() == ["flood0", "b0", "c0", "flood1"]
    carrier.bring_back()
    await settle()
    assert carrier.sent()[:2] == ["b1", "flood2"]
    assert several.queued == 43 - 8


@settings(max_examples=60)
@given(st.lists(st.sampled_from("abcde"), min_size=1, max_size=60), st.integers(1, 8))
def test_turns_are_fair_and_nothing_is_lost(keys: list[str], batch_items: int) -> None:
    async def run() -> None:
        carrier = Carrier()
        several = coalescer(carrier, FakeClock(), max_batch_items=batch_items, max_batches_in_flight=1)
        futures = [several.submit(key, f"{key}{number}", FAR) for number, key in enumerate(keys)]
        waiting = Counter(keys)
        handled = 0
        while any(not future.done() for future in futures):
            handled += 1
            await settle(lambda count=handled: len(carrier.batches) == count)
            taken = Counter(item[0] for item in carrier.sent())
            if sum(waiting.values()) > batch_items:
                most = max(taken.values())
                assert all(taken[key] >= min(most - 1, waiting[key]) for key in waiting), "somebody was passed over"
            waiting -= taken
            carrier.bring_back()
            await settle()
        for number, (key, future) in enumerate(zip(keys, futures, strict=True)):
            assert future.result() == f"{key}{number}".upper()
        for key in set(keys):
            order = [item for index in range(len(carrier.batches)) for item in carrier.sent(index) if item[0] == key]
            assert order == [f"{key}{number}" for number, other in enumerate(keys) if other == key]

    asyncio.run(run())


async def test_each_item_has_its_own_error(carrier: Carrier, clock: FakeClock) -> None:
    several = coalescer(carrier, clock)
    good, bad = several.submit("t", "a", FAR), several.submit("t", "b", FAR)
    await settle()
    carrier.returns[0].set_result(["A", NotFoundError("no b")])
    assert await good == "A"
    with pytest.raises(NotFoundError):
        await bad


async def test_a_full_queue_refuses_at_once(carrier: Carrier, clock: FakeClock) -> None:
    several = coalescer(carrier, clock, max_queued=4, max_queued_per_key=2, max_batches_in_flight=1)
    for item in "ab":
        several.submit("one", item, FAR)
    with pytest.raises(ResourceExhaustedError, match="this tenant"):
        several.submit("one", "c", FAR)
    for item in "de":
        several.submit("two", item, FAR)
    with pytest.raises(ResourceExhaustedError):
        several.submit("three", "f", FAR)
    await settle()
    several.submit("three", "f", FAR)


async def test_an_item_is_answered_at_its_deadline_while_its_neighbour_waits_on(carrier: Carrier) -> None:
    clock = SystemClock()
    several: Coalescer[str, str] = Coalescer(carrier.send, CoalescerLimits(), clock)
    patient = several.submit("t", "patient", clock.monotonic() + 30)
    hasty = several.submit("t", "hasty", clock.monotonic() + 0.02)
    with pytest.raises(DeadlineExceededError):
        await hasty
    assert not patient.done()
    carrier.bring_back()
    assert await patient == "PATIENT"


async def test_an_item_that_expires_while_it_waits_is_never_sent(carrier: Carrier) -> None:
    clock = SystemClock()
    several: Coalescer[str, str] = Coalescer(carrier.send, CoalescerLimits(max_batches_in_flight=1), clock)
    first = several.submit("t", "first", clock.monotonic() + 30)
    await settle(lambda: len(carrier.batches) == 1)
    expired = several.submit("x", "expired", clock.monotonic() + 0.02)
    waiting = several.submit("t", "waiting", clock.monotonic() + 30)
    with pytest.raises(DeadlineExceededError):
        await expired
    assert several.queued == 1
    carrier.bring_back()
    await settle(lambda: len(carrier.batches) == 2)
    assert carrier.sent() == ["waiting"]
    carrier.bring_back()
    assert await asyncio.gather(first, waiting) == ["FIRST", "WAITING"]


async def test_a_cancelled_item_is_not_sent(carrier: Carrier, clock: FakeClock) -> None:
    several = coalescer(carrier, clock)
    kept, cancelled = several.submit("t", "kept", FAR), several.submit("t", "cancelled", FAR)
    cancelled.cancel()
    await settle()
    assert carrier.sent() == ["kept"]
    carrier.bring_back()
    assert await kept == "KEPT"


async def test_only_cancelled_items_make_no_batch(carrier: Carrier, clock: FakeClock) -> None:
    several = coalescer(carrier, clock)
    several.submit("t", "a", FAR).cancel()
    await settle()
    assert carrier.batches == []
    assert several.queued == 0


@pytest.mark.parametrize("failure", [UnavailableError("gone"), DeadlineExceededError("frozen")])
async def test_a_failed_batch_is_sent_once_more(carrier: Carrier, clock: FakeClock, failure: AxbridgeError) -> None:
    several = coalescer(carrier, clock, attempt_seconds=0.25)
    future = several.submit("t", "a", clock.monotonic() + 1)
    await settle()
    assert (carrier.batches[0].timeout_seconds, carrier.batches[0].is_retry) == (0.25, False)
    clock.seconds += 0.3
    carrier.returns[0].set_exception(failure)
    await settle(lambda: len(carrier.batches) == 2)
    assert carrier.batches[1].is_retry
    assert carrier.batches[1].timeout_seconds == pytest.approx(0.7)
    carrier.bring_back()
    assert await future == "A"


async def test_a_batch_is_not_sent_a_third_time(carrier: Carrier, clock: FakeClock) -> None:
    several = coalescer(carrier, clock)
    future = several.submit("t", "a", FAR)
    for attempt in range(2):
        await settle(lambda count=attempt: len(carrier.batches) == count + 1)
        carrier.returns[attempt].set_exception(UnavailableError("gone"))
    with pytest.raises(UnavailableError):
        await future
    assert len(carrier.batches) == 2


@pytest.mark.parametrize("failure", [InvalidArgumentError("x", "bad"), ResourceExhaustedError("full")])
async def test_what_would_fail_again_is_not_sent_again(
    carrier: Carrier, clock: FakeClock, failure: AxbridgeError
) -> None:
    several = coalescer(carrier, clock)
    futures = [several.submit("t", item, FAR) for item in "ab"]
    await settle()
    carrier.returns[0].set_exception(failure)
    assert await asyncio.gather(*futures, return_exceptions=True) == [failure, failure]
    assert len(carrier.batches) == 1


async def test_the_second_attempt_leaves_out_whose_time_is_up(carrier: Carrier, clock: FakeClock) -> None:
    several = coalescer(carrier, clock)
    hasty = several.submit("t", "hasty", clock.monotonic() + 1)
    patient = several.submit("t", "patient", clock.monotonic() + 9)
    await settle()
    clock.seconds += 2
    carrier.returns[0].set_exception(UnavailableError("gone"))
    await settle(lambda: len(carrier.batches) == 2)
    assert carrier.sent() == ["patient"]
    carrier.bring_back()
    assert await patient == "PATIENT"
    assert not hasty.done(), "its timer answers it"
    hasty.cancel()


async def test_no_second_attempt_after_every_deadline(carrier: Carrier, clock: FakeClock) -> None:
    several = coalescer(carrier, clock)
    future = several.submit("t", "a", clock.monotonic() + 1)
    await settle()
    clock.seconds += 1
    carrier.returns[0].set_exception(UnavailableError("gone"))
    with pytest.raises(UnavailableError):
        await future
    assert len(carrier.batches) == 1


async def test_an_item_that_comes_too_late_is_not_sent(carrier: Carrier, clock: FakeClock) -> None:
    with pytest.raises(DeadlineExceededError):
        await coalescer(carrier, clock).submit("t", "a", clock.monotonic())
    assert carrier.batches == []


@pytest.mark.parametrize("failure", [RuntimeError("13800001111"), None], ids=["error", "wrong number of results"])
async def test_a_broken_sender_is_an_opaque_error(
    carrier: Carrier, clock: FakeClock, failure: Exception | None
) -> None:
    several = coalescer(carrier, clock)
    future = several.submit("t", "a", FAR)
    await settle()
    if failure is None:
        carrier.returns[0].set_result(["A", "B"])
    else:
        carrier.returns[0].set_exception(failure)
    with pytest.raises(UnexpectedError) as caught:
        await future
    assert "13800001111" not in str(caught.value)
    again = several.submit("t", "b", FAR)
    await settle(lambda: len(carrier.batches) == 2)
    carrier.bring_back()
    assert await again == "B"


async def test_close_waits_for_everything_and_takes_no_more(carrier: Carrier, clock: FakeClock) -> None:
    several = coalescer(carrier, clock, max_batches_in_flight=1)
    futures = [several.submit("t", "a", FAR)]
    await settle()
    futures.append(several.submit("t", "b", FAR))
    closing = asyncio.create_task(several.close())
    await settle()
    assert not closing.done()
    with pytest.raises(UnavailableError):
        several.submit("t", "c", FAR)
    carrier.bring_back()
    await settle(lambda: len(carrier.batches) == 2)
    carrier.bring_back()
    await closing
    assert [future.result() for future in futures] == ["A", "B"]


async def test_close_when_nothing_was_ever_sent(carrier: Carrier, clock: FakeClock) -> None:
    await coalescer(carrier, clock).close()


async def test_results_that_nobody_waits_for_leave_no_trace(
    carrier: Carrier, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    several = coalescer(carrier, clock)
    future = several.submit("t", "a", FAR)
    await settle()
    future.cancel()
    carrier.returns[0].set_exception(InvalidArgumentError("x", "bad"))
    del future
    await settle()
    gc.collect()
    assert caplog.records == []


async def test_who_is_stuck_holds_nobody_up(carrier: Carrier, clock: FakeClock) -> None:
    batching = coalescer(carrier, clock, max_batches_in_flight=1, max_stuck_batches=2)
    stuck = batching.submit("t", "a", FAR)
    await carrier.departed(1)
    others = []
    for count, item in enumerate("bc", 2):
        others.append(batching.submit("t", item, FAR))
        await carrier.departed(count)
        assert carrier.sent() == [item]
    waits = batching.submit("t", "d", FAR)
    await asyncio.sleep(0)
    assert batching.queued == 1, "more than two are not gone around"
    for index in (2, 1, 0):
        carrier.bring_back(index)
    assert await asyncio.gather(stuck, *others) == ["A", "B", "C"]
    await carrier.departed(4)
    carrier.bring_back()
    assert await waits == "D"
    await asyncio.wait_for(batching.close(), 5)


async def test_copies_of_what_is_sent_again(carrier: Carrier, clock: FakeClock) -> None:
    batching = coalescer(carrier, clock, retry_copies=2)
    future = batching.submit("t", "a", FAR)
    await carrier.departed(1)
    carrier.returns[0].set_exception(DeadlineExceededError("frozen"))
    await carrier.departed(3)
    assert [batch.is_retry for batch in carrier.batches] == [False, True, True]
    carrier.bring_back(2)
    assert await future == "A"
    await settle(lambda: carrier.returns[1].cancelled())


async def test_a_copy_that_fails_leaves_it_to_the_other(carrier: Carrier, clock: FakeClock) -> None:
    batching = coalescer(carrier, clock, retry_copies=2)
    first, second = batching.submit("t", "a", FAR), batching.submit("t", "b", FAR)
    await carrier.departed(1)
    carrier.returns[0].set_exception(UnavailableError("gone"))
    await carrier.departed(3)
    carrier.returns[1].set_exception(UnavailableError("gone too"))
    carrier.returns[2].set_exception(DeadlineExceededError("frozen"))
    for future in (first, second):
        with pytest.raises((UnavailableError, DeadlineExceededError)):
            await future


async def test_a_batch_of_large_items_has_fewer_of_them(carrier: Carrier, clock: FakeClock) -> None:
    several = coalescer(carrier, clock, max_batch_bytes=25, max_batches_in_flight=1)
    futures = [several.submit("t", item, FAR, 10) for item in "abcde"]
    futures += [several.submit("u", item, FAR) for item in "xy"]
    await settle()
    # Keys take turns; what is small travels with what is large.
    assert carrier.sent(0) == ["a", "x", "b", "y", "c"]
    carrier.bring_back(0)
    await settle()
    assert carrier.sent(1) == ["d", "e"]
    carrier.bring_back(1)
    assert await asyncio.gather(*futures) == list("ABCDEXY")


async def test_too_many_bytes_are_refused_and_one_key_gets_half_of_the_room(carrier: Carrier, clock: FakeClock) -> None:
    several = coalescer(carrier, clock, max_queued_bytes=100, max_batches_in_flight=1, max_queued=8)
    flying = several.submit("t", "a", FAR, 10)
    await settle()
    waiting = [several.submit("t", item, FAR, 25) for item in "bc"]
    with pytest.raises(ResourceExhaustedError):
        several.submit("t", "d", FAR, 1)
    waiting += [several.submit("u", "e", FAR, 40), several.submit("v", "f", FAR, 10)]
    with pytest.raises(ResourceExhaustedError):
        several.submit("w", "g", FAR, 1)
    # Room comes back with what was sent and with what nobody waits for any more.
    carrier.bring_back(0)
    await settle()
    carrier.bring_back(1)
    assert await asyncio.gather(flying, *waiting) == list("ABCEF")
    later = [several.submit("t", "h", FAR, 50), several.submit("u", "i", FAR, 50)]
    await settle()
    carrier.bring_back(2)
    assert await asyncio.gather(*later) == ["H", "I"]


async def test_bytes_of_what_expired_are_free_again(carrier: Carrier) -> None:
    clock = SystemClock()
    several: Coalescer[str, str] = Coalescer(
        carrier.send, CoalescerLimits(max_queued_bytes=100, max_batches_in_flight=1), clock
    )
    flying = several.submit("t", "a", clock.monotonic() + FAR)
    await settle()
    expiring = several.submit("t", "b", clock.monotonic(), 50)
    with pytest.raises(DeadlineExceededError):
        await expiring
    last = several.submit("t", "c", clock.monotonic() + FAR, 50)
    carrier.bring_back(0)
    await settle()
    carrier.bring_back(1)
    assert await asyncio.gather(flying, last) == ["A", "C"]
