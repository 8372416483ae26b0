"""What a consumer is sent, when it is paused, and when it is cut."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest

from common.errors import NotFoundError, ResourceExhaustedError, UnavailableError
from event_service.subscriptions.consumer import Outgoing
from event_service.subscriptions.domain import Place
from tests.unit.event_service.subscriptions.conftest import Bench


async def test_no_more_is_sent_than_may_be_unacknowledged(bench: Bench) -> None:
    bench.hold(0, 1)
    bench.tail.lengths = {0: 8, 1: 100}
    await bench.consumer.renew()
    assert await bench.deliver() == [*((0, n) for n in range(1, 9)), (1, 1), (1, 2)]
    assert await bench.deliver() == []
    bench.consumer.acknowledge({0: 3})
    assert await bench.deliver() == [(1, 3), (1, 4), (1, 5)]
    bench.consumer.acknowledge({0: 8, 1: 5})
    assert len(await bench.deliver()) == 10


async def test_acknowledging_is_cumulative_and_what_was_not_sent_does_not_count(bench: Bench) -> None:
    bench.hold(0)
    bench.tail.lengths = {0: 20}
    await bench.consumer.renew()
    await bench.deliver()
    bench.consumer.acknowledge({0: 4, 7: 99})
    await bench.consumer.keep()
    assert bench.leases.places == {0: Place(4)}
    bench.consumer.acknowledge({0: 2})
    bench.consumer.acknowledge({0: 1_000_000})
    await bench.consumer.keep()
    assert bench.leases.places == {0: Place(10)}


async def test_what_is_not_wanted_is_passed_without_an_acknowledgement(bench: Bench) -> None:
    bench.hold(0)
    bench.tail.lengths, bench.tail.wanted = {0: 500}, False
    await bench.consumer.renew()
    assert await bench.deliver() == []
    await bench.consumer.renew()
    assert bench.leases.places == {0: Place(500)}


async def test_a_consumer_that_acknowledges_nothing_is_cut(bench: Bench) -> None:
    bench.hold(0)
    bench.tail.lengths = {0: 20}
    # So that it is not ended for its age.
    bench.clock.advance(-100)
    await bench.consumer.renew()
    await bench.deliver()
    bench.clock.advance(59)
    bench.consumer.check()
    bench.consumer.acknowledge({0: 1})
    bench.clock.advance(60)
    bench.consumer.check()
    bench.clock.advance(1)
    with pytest.raises(ResourceExhaustedError) as cut:
        bench.consumer.check()
    assert cut.value.reason == "NOT_ACKNOWLEDGED"


async def test_without_a_lease_nothing_is_sent(bench: Bench) -> None:
    bench.hold(0)
    bench.tail.lengths = {0: 5}
    await bench.consumer.renew()
    bench.clock.advance(5)
    assert await bench.deliver() == []
    bench.leases.failure = UnavailableError("away")
    with pytest.raises(UnavailableError):
        await bench.consumer.renew()
    assert await bench.deliver() == []
    bench.leases.failure = None
    await bench.consumer.renew()
    assert len(await bench.deliver()) == 5


async def test_a_partition_that_was_lost_is_forgotten(bench: Bench) -> None:
    bench.hold(0, 1)
    bench.tail.lengths = {0: 3, 1: 3}
    await bench.consumer.renew()
    await bench.deliver()
    bench.leases.lost = {0}
    bench.consumer.acknowledge({0: 3})
    await bench.consumer.keep()
    assert bench.leases.places == {}
    bench.hold(1)
    await bench.consumer.renew()
    # Somebody else had it meanwhile: it begins where that one left it.
    bench.hold(1)
    bench.leases.lost = set()
    bench.tail.lengths = {0: 3, 1: 5}
    assert await bench.deliver() == [(1, 4), (1, 5)]
    bench.hold(1, generation=2, at=1)
    await bench.consumer.renew()
    assert await bench.deliver() == [(1, 2), (1, 3), (1, 4), (1, 5)]


async def test_a_surplus_partition_goes_when_what_is_under_way_is_acknowledged(bench: Bench) -> None:
    bench.hold(0, 1)
    bench.tail.lengths = {0: 2, 1: 2}
    await bench.consumer.renew()
    await bench.deliver()
    bench.hold(0, 1, share=1)
    await bench.consumer.renew()
    bench.tail.lengths = {0: 3, 1: 3}
    assert await bench.deliver() == [(0, 3)]
    await bench.consumer.renew()
    assert bench.leases.renewals[-1].releasing == []
    bench.consumer.acknowledge({1: 2})
    await bench.consumer.renew()
    assert bench.leases.renewals[-1].releasing == [1]
    assert bench.leases.places[1] == Place(2)


async def test_a_surplus_partition_goes_after_two_seconds_in_any_case(bench: Bench) -> None:
    bench.hold(0, 1)
    bench.tail.lengths = {0: 2, 1: 2}
    await bench.consumer.renew()
    await bench.deliver()
    bench.hold(0, 1, share=1)
    await bench.consumer.renew()
    bench.clock.advance(2.5)
    await bench.consumer.renew()
    assert bench.leases.renewals[-1].releasing == [1]
    # Not acknowledged: it comes again, to whoever has the partition then.
    assert bench.leases.places == {}


async def test_an_old_stream_ends_when_all_is_acknowledged(bench: Bench) -> None:
    bench.hold(0)
    bench.tail.lengths = {0: 2}
    await bench.consumer.renew()
    await bench.deliver()
    bench.clock.advance(51)
    await bench.consumer.renew()
    bench.consumer.check()
    bench.tail.lengths = {0: 5}
    assert await bench.deliver() == []
    bench.consumer.acknowledge({0: 2})
    with pytest.raises(UnavailableError) as ended:
        bench.consumer.check()
    assert ended.value.reason == "STREAM_TOO_OLD"


async def test_a_stopping_service_waits_two_seconds_for_acknowledgements(bench: Bench) -> None:
    bench.hold(0)
    bench.tail.lengths = {0: 2}
    await bench.consumer.renew()
    await bench.deliver()
    bench.consumer.drain()
    bench.clock.advance(1.9)
    bench.consumer.check()
    bench.clock.advance(0.2)
    with pytest.raises(UnavailableError) as ended:
        bench.consumer.check()
    assert ended.value.reason == "SERVICE_STOPPING"


async def test_a_deleted_subscription_ends_its_streams(bench: Bench) -> None:
    with pytest.raises(NotFoundError):
        await bench.consumer.renew()


class Requests:
    """The acknowledgements of a consumer; they end when the test says so."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Mapping[int, int] | None] = asyncio.Queue()

    async def __aiter__(self) -> AsyncIterator[Mapping[int, int]]:
        while (positions := await self.queue.get()) is not None:
            yield positions


async def test_a_stream_that_ends_gives_everything_up_at_once(bench: Bench) -> None:
    bench.hold(0)
    bench.tail.lengths = {0: 3}
    requests = Requests()
    delivered = asyncio.Event()

    async def send(outgoing: Outgoing) -> None:
        assert outgoing.assigned == [0]
        assert len(outgoing.deliveries) == 3
        delivered.set()

    running = asyncio.create_task(bench.consumer.run(requests.__aiter__(), send))
    await delivered.wait()
    await requests.queue.put({0: 2})
    await requests.queue.put(None)
    await running
    assert bench.leases.left
    assert bench.leases.places == {0: Place(2)}


async def test_a_consumer_that_reads_nothing_can_still_be_ended(bench: Bench) -> None:
    bench.hold(0)
    bench.tail.lengths = {0: 3}
    blocked = asyncio.Event()

    async def send(_: Outgoing) -> None:
        blocked.set()
        await asyncio.Event().wait()

    running = asyncio.create_task(bench.consumer.run(Requests().__aiter__(), send))
    await blocked.wait()
    bench.clock.advance(61)
    with pytest.raises(ResourceExhaustedError):
        await running
    assert bench.leases.left


async def test_a_consumer_with_little_room_gets_something_of_each_partition(bench: Bench) -> None:
    bench.hold(0, 1, 2)
    bench.tail.lengths = {0: 100, 1: 100, 2: 100}
    await bench.consumer.renew()
    seen = [partition for partition, _ in await bench.deliver()]
    for _ in range(5):
        bench.consumer.acknowledge({0: 100, 1: 100, 2: 100})
        seen += [partition for partition, _ in await bench.deliver()]
    assert [seen.count(partition) for partition in (0, 1, 2)] == [20, 20, 20]


async def test_a_consumer_hears_something_in_time_also_when_nothing_is_for_it(bench: Bench) -> None:
    bench.hold(0)
    await bench.consumer.renew()
    heard = asyncio.Queue[Outgoing]()
    running = asyncio.create_task(bench.consumer.run(Requests().__aiter__(), heard.put))
    async with asyncio.timeout(5):
        assert (await heard.get()).assigned == [0]
        # Each renewal and each commit of anybody's wakes it, more often than it would show a sign of life.
        for _ in range(3):
            bench.clock.advance(1.2)
            await bench.consumer.renew()
            for _ in range(20):
                await asyncio.sleep(0)
        assert heard.get_nowait() == Outgoing()
        # Likewise while it reads what others' events there are.
        bench.tail.wanted = False
        for length in range(100, 400, 100):
            bench.clock.advance(1.2)
            bench.tail.lengths = {0: length}
            await bench.consumer.renew()
            for _ in range(20):
                await asyncio.sleep(0)
        assert heard.get_nowait() == Outgoing()
        assert heard.empty()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
