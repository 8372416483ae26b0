"""Subscribers as processes: nothing is missed when one of them, or the event service, is killed."""

import asyncio
import itertools
import json
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import psutil
import pytest
from axbridge.events.v1 import event_service_pb2, event_service_pb2_grpc
from axbridge.events.v1 import subscription_service_pb2 as pb
from axbridge.events.v1.subscription_service_pb2_grpc import SubscriptionServiceStub

from axbridge_client import AxbridgeClient, Content, Patience, Start
from common.grpc_channel import open_channel
from event_service.convert import event_to_message
from event_service.domain import CallEvent
from tests.support.processes import ChildProcess
from tests.support.stack import Service
from tests.support.subscriber import COMMAND
from tests.unit.event_service.builders import TENANT, event

CODES = ("15", "16", "31", "40", "22")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    env = {"AXBRIDGE_EVENTS_DATA_DIR": str(tmp_path), "AXBRIDGE_EVENTS_SUBSCRIPTIONS_STALL_SECONDS": "2"}
    service = Service("event_service", "AXBRIDGE_EVENTS", tmp_path, env)
    service.start()
    yield service
    if service.child.running:
        service.child.kill()


def call_events(session_id: str) -> list[CallEvent]:
    return [event(code, at, session_id=session_id) for at, code in enumerate(CODES, 1)]


class Publisher:
    """Publishes events one call after the other and one event a request, so that calls are cut anywhere."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.published: dict[str, list[str]] = {}
        self.enough = asyncio.Event()

    async def publish(self, name: str, calls: int | None = None) -> None:
        """So many calls, or calls until there are enough."""
        async with open_channel(self._address) as channel:
            stub = event_service_pb2_grpc.EventServiceStub(channel)
            for number in itertools.count():
                if number == calls or self.enough.is_set():
                    return
                session_id = f"{name}-{number}"
                for each in call_events(session_id):
                    await _publish_until_stored(stub, each)
                self.published[session_id] = list(CODES)


async def _publish_until_stored(stub: event_service_pb2_grpc.EventServiceStub, each: CallEvent) -> None:
    while True:
        try:
            request = event_service_pb2.PublishBatchRequest(events=[event_to_message(each)])
            await stub.PublishBatch(request, timeout=5)  # type: ignore[misc]
        except grpc.RpcError:
            await asyncio.sleep(0.05)
        else:
            return


def consumed(*paths: Path) -> list[tuple[int, int, str, str, str]]:
    """What the consumers wrote, in the order of time: a partition moves between them more than once.

    A line that was cut by a kill does not count.
    """
    lines = [line for path in paths if path.exists() for line in path.read_text().splitlines(keepends=True)]
    rows = sorted(json.loads(line) for line in lines if line.endswith("\n"))
    return [tuple(row) for _, *row in rows]


def codes_in_order(rows: list[tuple[int, int, str, str, str]]) -> dict[str, list[str]]:
    """The codes of each call in the order in which they were first seen."""
    calls: dict[str, list[str]] = {}
    for _, _, session_id, _, code in rows:
        codes = calls.setdefault(session_id, [])
        if code not in codes:
            codes.append(code)
    return calls


async def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.05)


def check_steps(path: Path) -> None:
    """Within a consumer, a call's deliveries go on from where they were or come again: no step is left out."""
    reached: dict[str, int] = {}
    for _, _, session_id, _, code in consumed(path):
        step = CODES.index(code)
        if session_id in reached:
            assert step <= reached[session_id] + 1, f"{session_id}: {code} came too early"
        reached[session_id] = max(step, reached.get(session_id, 0))


async def test_a_killed_consumer_is_taken_over_within_ten_seconds(service: Service, tmp_path: Path) -> None:
    publisher = Publisher(service.address)
    paths = [tmp_path / "one.jsonl", tmp_path / "other.jsonl"]
    async with AxbridgeClient(service.address) as client:
        await client.create_subscription(TENANT, "shared")
    children = [
        ChildProcess(
            [*COMMAND, service.address, TENANT, "shared", str(path)],
            tmp_path / f"{path.stem}.log",
            env={"PYTHONPATH": str(ROOT)},
        )
        for path in paths
    ]
    try:
        # Until the other one has something of every partition: one without events would show nothing.
        publishing = asyncio.create_task(publisher.publish("s"))
        await until(lambda: all(len(consumed(path)) > 50 for path in paths), 20, "both consume")
        children[0].kill()
        seen = {row[0] for row in consumed(paths[0])}
        before = len(consumed(paths[1]))
        await until(lambda: seen <= {row[0] for row in consumed(paths[1])[before:]}, 10, "taken over")
        publisher.enough.set()
        await publishing
        await until(lambda: codes_in_order(consumed(*paths)).keys() >= publisher.published.keys(), 20, "all seen")
        await until(
            lambda: all(len(codes) == len(CODES) for codes in codes_in_order(consumed(*paths)).values()), 20, "no gap"
        )
    finally:
        for child in children:
            if child.running:
                child.kill()
    # A call whose first steps the dead consumer dealt with goes on with the other one.
    assert codes_in_order(consumed(*paths)) == publisher.published
    check_steps(paths[0])
    positions: dict[int, int] = {}
    for partition, position, *_ in consumed(paths[0]):
        assert position > positions.get(partition, 0), "nothing comes twice without a cut"
        positions[partition] = position


async def test_a_killed_service_makes_a_client_resume_and_miss_nothing(service: Service) -> None:
    publisher = Publisher(service.address)
    seen: list[tuple[int, int, str, str, str]] = []
    async with AxbridgeClient(service.address) as client:
        await client.create_subscription(TENANT, "steady", content=Content.EVENTS_AND_CALLS)
        deliveries = client.subscribe(TENANT, "steady", patience=Patience(silence_seconds=8))
        calls: set[str] = set()

        async def consume() -> None:
            async for delivery in deliveries:
                if delivery.call is not None:
                    calls.add(delivery.call.session_id)
                elif delivery.event is not None:
                    each = delivery.event.event
                    seen.append((delivery.partition, delivery.position, each.session_id, each.seq, each.code))

        consuming = asyncio.create_task(consume())
        publishing = asyncio.create_task(publisher.publish("k", 60))
        for wanted in (40, 120):
            await until(lambda wanted=wanted: len(seen) > wanted, 20, "it gets on")  # type: ignore[misc]
            service.child.kill()
            await asyncio.to_thread(service.start)
        await publishing
        await until(lambda: len(calls) == 60, 20, "every call's record came")
        # All may have come before the second kill.
        await until(lambda: deliveries.connections >= 3, 20, "it connects again after each kill")
        consuming.cancel()
        await asyncio.gather(consuming, return_exceptions=True)
        assert codes_in_order(seen) == publisher.published
        await deliveries.close()


async def test_a_stopping_service_ends_streams_at_once_with_unavailable(service: Service) -> None:
    async with AxbridgeClient(service.address) as client, open_channel(service.address) as channel:
        await client.create_subscription(TENANT, "ended")
        stream = SubscriptionServiceStub(channel).Subscribe()
        await stream.write(  # type: ignore[attr-defined]
            pb.SubscribeRequest(start=pb.SubscribeStart(tenant_id=TENANT, name="ended"))
        )
        assert len((await stream.read()).assigned.partitions) == 16  # type: ignore[attr-defined]
        began = time.monotonic()
        service.child.process.terminate()
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            while True:
                await stream.read()  # type: ignore[attr-defined]
        assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "stopping" in str(ended.value.details())
        assert time.monotonic() - began < 5
        assert await asyncio.to_thread(service.stop) == 0


async def test_a_consumer_that_acknowledges_nothing_is_bounded_and_then_cut(service: Service) -> None:
    publisher = Publisher(service.address)
    async with AxbridgeClient(service.address) as client:
        await client.create_subscription(TENANT, "slow", start=Start.earliest())
        await publisher.publish("b", 30)
        async with open_channel(service.address) as channel:
            stub = SubscriptionServiceStub(channel)
            stream = stub.Subscribe()
            await stream.write(  # type: ignore[attr-defined]
                pb.SubscribeRequest(start=pb.SubscribeStart(tenant_id=TENANT, name="slow", max_unacknowledged=7))
            )
            count = 0
            with pytest.raises(grpc.aio.AioRpcError) as cut:
                while True:
                    count += len((await stream.read()).deliveries)  # type: ignore[attr-defined]
            assert cut.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert count == 7
        # What it was sent comes again, to whoever comes next.
        deliveries = client.subscribe(TENANT, "slow")
        seen = set()
        async for delivery in deliveries:
            assert delivery.event is not None
            seen.add((delivery.event.event.session_id, delivery.event.event.code))
            if len(seen) == 30 * len(CODES):
                break
        await deliveries.close()


async def test_a_consumer_that_reads_nothing_holds_up_nobody_and_is_cut(service: Service) -> None:
    large = {"user_data": "x" * 60_000}
    async with AxbridgeClient(service.address) as client, open_channel(service.address) as channel:
        await client.create_subscription(TENANT, "deaf", start=Start.earliest())
        await client.create_subscription(TENANT, "awake", start=Start.earliest())
        stub = event_service_pb2_grpc.EventServiceStub(channel)
        for number in range(20):
            events = [event(code, at, session_id=f"d-{number}", **large) for at, code in enumerate(CODES, 1)]
            request = event_service_pb2.PublishBatchRequest(events=[event_to_message(each) for each in events])
            await stub.PublishBatch(request, timeout=10)  # type: ignore[misc]
        deaf = SubscriptionServiceStub(channel).Subscribe()
        await deaf.write(  # type: ignore[attr-defined]
            pb.SubscribeRequest(start=pb.SubscribeStart(tenant_id=TENANT, name="deaf", max_unacknowledged=10_000))
        )
        began = time.monotonic()
        count = 0
        async for _ in client.subscribe(TENANT, "awake"):
            count += 1
            if count == 100:
                break
        assert time.monotonic() - began < 10

        async def backlog() -> dict[str, int]:
            return {each.name: each.backlog for each in await client.list_subscriptions(TENANT)}

        await asyncio.sleep(4)
        assert (await backlog())["deaf"] >= 100
        # Its partitions are free again: a seek is refused while there is a consumer.
        await client.seek_subscription(TENANT, "deaf", Start.now())
        assert (await backlog())["deaf"] == 0
        with pytest.raises(grpc.aio.AioRpcError) as cut:
            while True:
                await deaf.read()  # type: ignore[attr-defined]
        assert cut.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_what_consumers_do_not_read_is_not_read_into_memory(service: Service) -> None:
    # For each of them 60 MB are waiting, and it would be sent all of it at once.
    consumers, calls = 5, 200
    large = {"user_data": "x" * 60_000}
    async with AsyncExitStack() as channels:
        client = await channels.enter_async_context(AxbridgeClient(service.address))
        publishing = await channels.enter_async_context(open_channel(service.address))
        stub = event_service_pb2_grpc.EventServiceStub(publishing)
        for number in range(consumers):
            await client.create_subscription(TENANT, f"deaf-{number}", start=Start.earliest())
        for number in range(calls):
            events = [event(code, at, session_id=f"d-{number}", **large) for at, code in enumerate(CODES, 1)]
            request = event_service_pb2.PublishBatchRequest(events=[event_to_message(each) for each in events])
            await stub.PublishBatch(request, timeout=10)  # type: ignore[misc]
        process = psutil.Process(service.child.pid)
        before_bytes = process.memory_info().rss
        streams = []
        for number in range(consumers):
            # A connection each, since streams of one share what it takes.
            channel = await channels.enter_async_context(open_channel(service.address))
            stream = SubscriptionServiceStub(channel).Subscribe()
            start = pb.SubscribeStart(tenant_id=TENANT, name=f"deaf-{number}", max_unacknowledged=10_000)
            await stream.write(pb.SubscribeRequest(start=start))  # type: ignore[attr-defined]
            streams.append(stream)
        # Each is really being sent something, and now reads no further.
        for stream in streams:
            while not (await stream.read()).deliveries:  # type: ignore[attr-defined]
                pass
        grown_bytes = 0
        for _ in range(30):
            await asyncio.sleep(0.05)
            grown_bytes = max(grown_bytes, process.memory_info().rss - before_bytes)
        # One read of one partition each, what is made of it, and what the connection takes.
        assert grown_bytes < consumers * 20_000_000
