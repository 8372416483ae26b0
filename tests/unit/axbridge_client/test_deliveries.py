"""The client over streams that a test plays: acknowledging, cuts, silence."""

import asyncio
from collections.abc import AsyncIterator, Callable

import grpc
import grpc.aio
import pytest
from axbridge.events.v1 import call_service_pb2, subscription_pb2
from axbridge.events.v1 import subscription_service_pb2 as pb

from axbridge_client import Deliveries, Patience
from axbridge_client.reconnecting import Backoff
from common.errors import FailedPreconditionError, NotFoundError

QUICK = Patience(silence_seconds=0.05, first_pause_seconds=0.0, longest_pause_seconds=0.0)


def response(*positions: int) -> pb.SubscribeResponse:
    return pb.SubscribeResponse(
        deliveries=[
            subscription_pb2.Delivery(partition=1, position=position, event=call_service_pb2.StoredEvent())
            for position in positions
        ]
    )


def failure(code: grpc.StatusCode) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), "played")


class PlayedStream:
    """Gives what it was made with, one after the other, then nothing more, for ever."""

    def __init__(self, requests: AsyncIterator[pb.SubscribeRequest], *script: object) -> None:
        self._script = list(script)
        self.sent: list[pb.SubscribeRequest] = []
        self.is_cancelled = False
        self.is_over = False
        self.wrote = asyncio.Event()
        self._task = asyncio.create_task(self._take(requests))

    async def read(self) -> object:
        await self.wrote.wait()
        if not self._script:
            await asyncio.Event().wait()
        step = self._script.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    def cancel(self) -> None:
        self.is_cancelled = True

    def done(self) -> bool:
        return self.is_over or self.is_cancelled

    async def _take(self, requests: AsyncIterator[pb.SubscribeRequest]) -> None:
        async for request in requests:
            self.sent.append(request)
            self.wrote.set()


class Played:
    def __init__(self, *scripts: tuple[object, ...]) -> None:
        self._scripts = list(scripts)
        self.streams: list[PlayedStream] = []

    def open(self, requests: AsyncIterator[pb.SubscribeRequest]) -> PlayedStream:
        self.streams.append(PlayedStream(requests, *self._scripts.pop(0)))
        return self.streams[-1]

    def deliveries(self, *, auto_ack: bool = True) -> Deliveries:
        start = pb.SubscribeStart(tenant_id="100001", name="s")
        return Deliveries(self.open, start, auto_ack=auto_ack, patience=QUICK)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


def acknowledged(stream: PlayedStream) -> int:
    return max((request.acknowledge.positions.get(1, 0) for request in stream.sent), default=0)


async def test_asking_for_the_next_one_acknowledges_the_one_before() -> None:
    played = Played((response(1, 2, 3),))
    deliveries = played.deliveries()
    assert [(await anext(deliveries)).position for _ in range(3)] == [1, 2, 3]
    stream = played.streams[0]
    await until(lambda: acknowledged(stream) == 2)
    assert stream.sent[0].start.name == "s"
    await deliveries.close()
    assert acknowledged(stream) == 2
    assert stream.is_cancelled


async def test_without_automatic_acknowledgement_only_ack_does() -> None:
    played = Played((response(1, 2, 3),))
    deliveries = played.deliveries(auto_ack=False)
    seen = [await anext(deliveries) for _ in range(3)]
    await seen[1].ack()
    await seen[0].ack()
    await until(lambda: acknowledged(played.streams[0]) == 2)
    await deliveries.close()


@pytest.mark.parametrize(
    "cut",
    [
        failure(grpc.StatusCode.UNAVAILABLE),
        failure(grpc.StatusCode.RESOURCE_EXHAUSTED),
        failure(grpc.StatusCode.INTERNAL),
        grpc.aio.EOF,
    ],
)
async def test_a_cut_stream_is_opened_again_and_what_was_left_of_it_is_forgotten(cut: object) -> None:
    played = Played((response(1, 2), cut), (response(2, 3),))
    deliveries = played.deliveries()
    first = [await anext(deliveries), await anext(deliveries)]
    assert (await anext(deliveries)).position == 2
    assert deliveries.connections == 2
    # What came over the stream that was cut can't be acknowledged any more.
    await first[1].ack()
    assert acknowledged(played.streams[1]) == 0
    assert played.streams[0].is_cancelled
    await deliveries.close()


async def test_a_stream_without_a_sign_of_life_is_left() -> None:
    played = Played((response(1),), (response(2),))
    deliveries = played.deliveries()
    assert [(await anext(deliveries)).position for _ in range(2)] == [1, 2]
    assert played.streams[0].is_cancelled
    await deliveries.close()


async def test_an_error_that_would_come_again_is_raised() -> None:
    with pytest.raises(NotFoundError):
        await anext(Played((failure(grpc.StatusCode.NOT_FOUND),)).deliveries())


async def test_a_service_that_knows_no_subscriptions_is_not_asked_again() -> None:
    with pytest.raises(FailedPreconditionError):
        await anext(Played((failure(grpc.StatusCode.UNIMPLEMENTED),)).deliveries())


async def test_what_came_over_a_stream_that_has_ended_is_not_given_out_any_more() -> None:
    cut = failure(grpc.StatusCode.UNAVAILABLE)
    played = Played((response(1, 2, 3), response(4, 5), cut), (response(2, 3),))
    deliveries = played.deliveries()
    assert (await anext(deliveries)).position == 1
    # Dealing with it took so long that the stream ended meanwhile. 4 must not come before 2 either.
    played.streams[0].is_over = True
    assert (await anext(deliveries)).position == 2
    assert deliveries.connections == 2
    await deliveries.close()


async def test_closing_ends_an_iteration_in_another_task_and_the_stream_stays_closed() -> None:
    played = Played((response(1), grpc.aio.EOF, grpc.aio.EOF))
    deliveries = played.deliveries()
    assert (await anext(deliveries)).position == 1
    await deliveries.close()
    with pytest.raises(StopAsyncIteration):
        await anext(deliveries)
    assert len(played.streams) == 1


async def test_only_those_that_have_a_connection_are_remembered() -> None:
    connected: set[Deliveries] = set()
    played = Played((response(1), failure(grpc.StatusCode.NOT_FOUND)))
    start = pb.SubscribeStart(tenant_id="100001", name="s")
    deliveries = Deliveries(played.open, start, auto_ack=True, patience=QUICK, connected=connected)
    await anext(deliveries)
    assert connected == {deliveries}
    with pytest.raises(NotFoundError):
        await anext(deliveries)
    assert connected == set()


def test_pauses_double_up_to_the_longest_and_begin_anew_after_a_success() -> None:
    backoff = Backoff(Patience(first_pause_seconds=0.1, longest_pause_seconds=0.5), lambda: 1.0)
    assert [backoff.next_pause_seconds() for _ in range(5)] == pytest.approx([0.1, 0.2, 0.4, 0.5, 0.5])
    backoff.succeeded()
    assert backoff.next_pause_seconds() == pytest.approx(0.1)
