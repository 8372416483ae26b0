"""Leasing, sending and settling."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from common.clock import to_microseconds
from common.errors import UnavailableError
from event_service.webhooks.courier import Courier
from event_service.webhooks.dispatcher import Dispatcher, DispatchLimits
from event_service.webhooks.domain import HttpResult, Verdict
from event_service.webhooks.ports import LeasedBatch, LeaseRequest
from event_service.webhooks.schedule import RetrySchedule
from tests.support.clock import FakeClock
from tests.unit.event_service_webhooks.fakes import SEALER, FakePoster, FakeQueue, lease, webhook

SCHEDULE = RetrySchedule((5, 300), lambda: 0.5)


def dispatcher(queue: FakeQueue, poster: FakePoster, **limits: float) -> Dispatcher:
    clock = FakeClock()
    courier = Courier(poster, SEALER, SCHEDULE, clock)
    return Dispatcher(queue, courier, clock, DispatchLimits(**limits))  # type: ignore[arg-type]


async def until_requests(poster: FakePoster, count: int) -> None:
    while len(poster.requests) < count:
        await asyncio.sleep(0)


async def test_what_is_due_is_sent_and_settled() -> None:
    queue, poster = FakeQueue(), FakePoster()
    queue.put(webhook(), lease(1), lease(2))
    made = dispatcher(queue, poster)
    assert await made.lease_step()
    await made.sent()
    assert await made.settle_step() == 2
    assert {each.lease.delivery_id: each.verdict for each in queue.settled} == {
        1: Verdict.DELIVERED,
        2: Verdict.DELIVERED,
    }
    assert not await made.lease_step()
    assert await made.settle_step() == 0


@pytest.mark.parametrize(("seconds", "sent"), [(22, 1), (23, 0)])
async def test_a_lease_that_was_long_in_coming_is_given_back_unsent(seconds: float, sent: int) -> None:
    """Its request could be under way when another replica's begins."""
    clock, poster = FakeClock(), FakePoster()

    class SlowQueue(FakeQueue):
        async def lease(self, request: LeaseRequest) -> Sequence[LeasedBatch]:
            batches = await super().lease(request)
            clock.advance(seconds)
            return batches

    queue = SlowQueue()
    until_us = to_microseconds(clock.now()) + (15 + 30) * 1_000_000
    queue.put(webhook(), replace(lease(1), leased_until_us=until_us))
    made = Dispatcher(queue, Courier(poster, SEALER, SCHEDULE, clock), clock, DispatchLimits(margin_seconds=30.0))
    assert await made.lease_step()
    await made.sent()
    assert len(poster.requests) == sent
    assert [each.delivery_id for each in queue.released] == [1] * (1 - sent)
    assert made.in_flight == 0


async def test_an_endpoint_that_hangs_delays_no_other() -> None:
    queue, poster = FakeQueue(), FakePoster()
    hanging, good = webhook("wh_1"), webhook("wh_2")
    poster.hanging["wh-1.example"] = asyncio.Event()
    queue.put(hanging, *(lease(number, "wh_1") for number in range(50)))
    made = dispatcher(queue, poster, max_in_flight=4)
    for number in range(100, 200):
        queue.put(good, lease(number, "wh_2"))
        await made.lease_step()
        await until_requests(poster, 1)
        while not any(each.lease.delivery_id == number for each in queue.settled):
            await asyncio.sleep(0)
            await made.settle_step()
    hosts = Counter(request.url.split("/")[2] for request in poster.requests)
    assert hosts["wh-2.example"] == 100
    assert 1 <= hosts["wh-1.example"] <= 4
    poster.hanging["wh-1.example"].set()
    await made.sent()


async def test_an_endpoint_that_has_all_it_may_have_is_not_asked_for_at_each_commit() -> None:
    clock, poster, asked = FakeClock(), FakePoster(), Counter[str]()

    class StrictQueue(FakeQueue):
        """The endpoint may have one request at a time."""

        async def lease(self, request: LeaseRequest) -> Sequence[LeasedBatch]:
            asked.update(request.webhook_ids)
            free = [each for each in request.webhook_ids if each != "wh_1" or not made.in_flight]
            return await super().lease(replace(request, webhook_ids=free, most=dict.fromkeys(free, 1)))

    queue = StrictQueue()
    made = Dispatcher(queue, Courier(poster, SEALER, SCHEDULE, clock), clock, DispatchLimits(poll_seconds=0.2))
    poster.hanging["wh-1.example"] = asyncio.Event()
    queue.put(webhook("wh_1"), *(lease(number, "wh_1") for number in range(3)))
    assert await made.lease_step()
    for number in range(100, 110):
        queue.put(webhook("wh_2"), lease(number, "wh_2"))
        assert await made.lease_step()
    # Once for its request, and once to find that it may not have another one.
    assert asked == {"wh_1": 2, "wh_2": 10}
    clock.advance(0.2)
    assert not await made.lease_step()
    assert asked["wh_1"] == 3
    # Its own answer makes room at once.
    poster.hanging["wh-1.example"].set()
    await made.sent()
    await made.settle_step()
    assert await made.lease_step()
    assert asked["wh_1"] == 4
    await made.sent()


async def test_every_endpoint_has_room_for_one_however_many_hang() -> None:
    queue, poster = FakeQueue(), FakePoster()
    for number in range(20):
        name = f"wh_{number}"
        poster.hanging[f"wh-{number}.example"] = asyncio.Event()
        queue.put(webhook(name), *(lease(1000 * number + each, name) for each in range(10)))
    made = dispatcher(queue, poster, max_in_flight=5)
    while await made.lease_step():
        pass
    await until_requests(poster, 20)
    hosts = Counter(request.url.split("/")[2] for request in poster.requests)
    assert set(hosts.values()) == {1}
    queue.put(webhook("wh_new"), lease(9_999_999, "wh_new"))
    assert await made.lease_step()
    await until_requests(poster, 21)
    for event in poster.hanging.values():
        event.set()
    await made.sent()


@pytest.mark.parametrize(("endpoints", "each"), [(32, 8), (4, 64), (200, 8)])
async def test_slow_endpoints_that_hold_all_of_the_bound_leave_every_other_its_own_part(
    endpoints: int, each: int
) -> None:
    """They answer in the end, so no circuit breaker ever stops them."""
    queue, poster = FakeQueue(), FakePoster()
    for number in range(endpoints):
        poster.hanging[f"slow-{number}.example"] = asyncio.Event()
        queue.put(webhook(f"slow_{number}"), *(lease(1000 * number + one, f"slow_{number}") for one in range(each)))
    made = dispatcher(queue, poster)
    while await made.lease_step():
        pass
    assert made.in_flight == endpoints * each
    good = webhook("wh_good")
    poster.hanging["wh-good.example"] = asyncio.Event()
    queue.put(good, *(lease(1_000_000 + one, "wh_good") for one in range(20)))
    assert await made.lease_step()
    # As many as its own limits usually allow; and no more, so that there is a bound.
    assert made.in_flight == endpoints * each + 8
    assert not await made.lease_step()
    await until_requests(poster, endpoints * each + 8)
    # They are its own again as soon as they are done.
    poster.hanging.pop("wh-good.example").set()
    while len(queue.settled) < 20:
        await asyncio.sleep(0)
        if await made.settle_step():
            # Their tasks end a moment later.
            await asyncio.sleep(0)
            await made.lease_step()
        assert made.in_flight <= endpoints * each + 8
    for event in poster.hanging.values():
        event.set()
    await made.sent()


async def test_where_an_operator_wants_few_requests_few_are_reserved() -> None:
    assert [DispatchLimits(most).reserved for most in (1, 32, 64, 256, 1024)] == [1, 1, 2, 8, 32]


async def test_room_comes_back_when_what_came_of_a_request_is_written_down() -> None:
    queue, poster = FakeQueue(), FakePoster()
    queue.put(webhook(), *(lease(number) for number in range(6)))
    made = dispatcher(queue, poster, max_in_flight=2)
    sent = []
    for _ in range(3):
        await made.lease_step()
        await made.sent()
        assert not await made.lease_step()
        sent.append(await made.settle_step())
    assert sent == [2, 2, 2]


async def test_what_cannot_be_written_down_is_kept_for_the_next_time() -> None:
    queue, poster = FakeQueue(), FakePoster(HttpResult(500, "answered with HTTP status 500"))
    queue.put(webhook(), lease(1))
    made = dispatcher(queue, poster)
    await made.lease_step()
    await made.sent()
    queue.broken = UnavailableError("away")
    for _ in range(3):
        with pytest.raises(UnavailableError):
            await made.settle_step()
    queue.broken = None
    assert await made.settle_step() == 1
    assert [each.verdict for each in queue.settled] == [Verdict.RETRY]


async def test_running_does_it_all_by_itself_and_is_woken() -> None:
    queue, poster = FakeQueue(), FakePoster()
    made = dispatcher(queue, poster, poll_seconds=3600)
    async with made.running():
        await asyncio.sleep(0)
        queue.put(webhook(), lease(1), lease(2))
        made.wake()
        async with asyncio.timeout(10):
            while len(queue.settled) < 2:
                await asyncio.sleep(0)


async def test_at_the_end_requests_get_their_time_and_are_written_down() -> None:
    queue, poster = FakeQueue(), FakePoster()
    poster.hanging["wh-1.example"] = asyncio.Event()
    queue.put(webhook(), lease(1))
    made = dispatcher(queue, poster, poll_seconds=3600, drain_seconds=60)
    async with made.running():
        await until_requests(poster, 1)
        asyncio.get_running_loop().call_later(0.01, poster.hanging["wh-1.example"].set)
    assert [each.verdict for each in queue.settled] == [Verdict.DELIVERED]
    assert queue.released == []


async def test_at_the_end_what_takes_too_long_is_given_back() -> None:
    queue, poster = FakeQueue(), FakePoster()
    poster.hanging["wh-1.example"] = asyncio.Event()
    queue.put(webhook("wh_1"), lease(1, "wh_1"))
    queue.put(webhook("wh_2"), lease(2, "wh_2"))
    made = dispatcher(queue, poster, poll_seconds=3600, drain_seconds=0.01)
    async with made.running():
        await until_requests(poster, 2)
    assert [each.delivery_id for each in queue.released] == [1]
    assert [each.lease.delivery_id for each in queue.settled] == [2]


async def test_a_bug_in_one_delivery_stops_neither_the_others_nor_the_loop() -> None:
    queue = FakeQueue()

    class Broken(FakePoster):
        async def post(self, request: object) -> HttpResult:
            raise RuntimeError("bug")

    queue.put(webhook(), lease(1))
    made = dispatcher(queue, Broken())
    await made.lease_step()
    await made.sent()
    assert await made.settle_step() == 0
    queue.put(webhook(), lease(2))
    assert await made.lease_step()
    await made.sent()


async def test_the_lease_has_the_margin_of_the_settings() -> None:
    queue, poster = FakeQueue(), FakePoster()
    queue.put(webhook(), lease(1))
    made = dispatcher(queue, poster, margin_seconds=2.5)
    await made.lease_step()
    await made.sent()
    assert queue.requests[0].margin_us == 2_500_000
