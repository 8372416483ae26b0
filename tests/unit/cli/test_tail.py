"""`axbridge tail` against a subscription service that is a fake, over real gRPC."""

import json
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from datetime import timedelta
from typing import Any

import grpc
import pytest
from axbridge.events.v1 import call_pb2, call_service_pb2, event_pb2, subscription_pb2
from axbridge.events.v1 import subscription_service_pb2 as pb
from axbridge.events.v1.subscription_service_pb2_grpc import (
    SubscriptionServiceServicer,
    add_SubscriptionServiceServicer_to_server,
)
from grpc_status import rpc_status

from common.auth.unmasking import UNMASK_METADATA
from common.errors import AlreadyExistsError
from common.grpc_errors import to_status
from tests.support.cli import COMMAND
from tests.support.processes import ChildProcess
from tests.unit.cli.conftest import Cli

TENANT, A, B = "100001", "13800001111", "13900001111"
PATIENCE_SECONDS = 60.0
Answer = Callable[[Any, grpc.ServicerContext], Any]


class FakeSubscriptions(SubscriptionServiceServicer):
    """Delivers `deliveries`, then nothing, and remembers what was asked of it."""

    def __init__(self) -> None:
        self.target = ""
        self.deliveries: list[subscription_pb2.Delivery] = []
        self.name_is_taken = False
        self.created: list[pb.CreateSubscriptionRequest] = []
        self.deleted: list[str] = []
        self.starts: list[pb.SubscribeStart] = []
        self.was_unmasking = False
        self.acknowledged: queue.Queue[dict[int, int]] = queue.Queue()
        self.is_subscribed = threading.Event()
        self.is_over = threading.Event()

    def CreateSubscription(
        self, request: pb.CreateSubscriptionRequest, context: grpc.ServicerContext
    ) -> pb.CreateSubscriptionResponse:
        self.created.append(request)
        if self.name_is_taken:
            context.abort_with_status(rpc_status.to_status(to_status(AlreadyExistsError("another filter"))))
        return pb.CreateSubscriptionResponse(subscription=request.subscription)

    def DeleteSubscription(
        self, request: pb.DeleteSubscriptionRequest, context: grpc.ServicerContext
    ) -> pb.DeleteSubscriptionResponse:
        self.deleted.append(request.name)
        return pb.DeleteSubscriptionResponse()

    def Subscribe(
        self, requests: Iterator[pb.SubscribeRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.SubscribeResponse]:
        self.starts.append(next(requests).start)
        self.was_unmasking = UNMASK_METADATA in [(key, value) for key, value in context.invocation_metadata()]
        yield pb.SubscribeResponse(deliveries=self.deliveries)
        self.is_subscribed.set()
        for request in requests:
            self.acknowledged.put(dict(request.acknowledge.positions))
        self.is_over.wait(PATIENCE_SECONDS)


@pytest.fixture
def subscriptions() -> Iterator[FakeSubscriptions]:
    fake = FakeSubscriptions()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    add_SubscriptionServiceServicer_to_server(fake, server)
    fake.target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield fake
    fake.is_over.set()
    server.stop(None).wait()


@pytest.fixture
def cli(subscriptions: FakeSubscriptions) -> Cli:
    return Cli(subscriptions.target)


def event(position: int, code: str = "15") -> subscription_pb2.Delivery:
    members = [event_pb2.EventMember(line="1", number=B, type="1")]
    stored = call_service_pb2.StoredEvent(
        event=event_pb2.CallEvent(
            tenant_id=TENANT,
            session_id="s1",
            code=code,
            seq=str(position),
            members=members,
            received_at_us=1_772_323_200_000_000,
        )
    )
    return subscription_pb2.Delivery(partition=3, position=position, event=stored)


def record(position: int) -> subscription_pb2.Delivery:
    call = call_pb2.Call(
        tenant_id=TENANT,
        session_id="s1",
        state=call_pb2.CALL_STATE_COMPLETED,
        calling_number=A,
        called_number=B,
        end_reason="caller hung up, call over",
        talk_seconds=7,
        revision=2,
    )
    return subscription_pb2.Delivery(partition=3, position=position, call=call)


def test_events_are_shown_masked_and_the_subscription_goes_with_the_tail(
    subscriptions: FakeSubscriptions, cli: Cli
) -> None:
    subscriptions.deliveries = [event(1, "15"), event(2, "16"), event(3, "31")]
    lines = cli.ok("tail", "--tenant", TENANT, "--count", "2").splitlines()
    assert [line.split("  ")[1:4] for line in lines] == [
        ["s1", "15 calling the callee", "139****1111"],
        ["s1", "16 callee ringing", "139****1111"],
    ]
    (created,) = subscriptions.created
    name = created.subscription.name
    assert name.startswith("tail-")
    assert created.start.WhichOneof("position") is None
    assert created.subscription.remove_unused_after.ToTimedelta() == timedelta(minutes=5)
    assert subscriptions.deleted == [name]
    assert not subscriptions.was_unmasking
    # The second one was acknowledged when it had been shown.
    assert subscriptions.acknowledged.get(timeout=PATIENCE_SECONDS)[3] in (1, 2)


def test_records_and_whole_numbers_when_asked_for(subscriptions: FakeSubscriptions, cli: Cli) -> None:
    subscriptions.deliveries = [event(1), record(2)]
    shown = cli.ok("tail", "--tenant", TENANT, "--calls", "--unmask", "--count", "2")
    assert subscriptions.was_unmasking
    assert f"15 calling the callee  {B}" in shown
    assert f"s1  completed  {A} → {B}, 7 s of talk, caller hung up, call over, revision 2" in shown
    content = subscriptions.created[0].subscription.filter.content
    assert content == subscription_pb2.SUBSCRIPTION_CONTENT_EVENTS_AND_CALLS


def test_one_json_object_a_line(subscriptions: FakeSubscriptions, cli: Cli) -> None:
    subscriptions.deliveries = [event(1), record(2)]
    printed = cli.ok("tail", "--tenant", TENANT, "--calls", "--json", "--count", "2")
    first, second = map(json.loads, printed.splitlines())
    assert (first["partition"], first["position"], first["event"]["event"]["code"]) == (3, 1, "15")
    assert (second["position"], second["call"]["session_id"]) == (2, "s1")
    assert A not in printed
    assert B not in printed


def test_a_durable_subscription_is_kept(subscriptions: FakeSubscriptions, cli: Cli) -> None:
    subscriptions.deliveries = [event(1)]
    result = cli.run(
        *("tail", "--tenant", TENANT, "--subscription", "billing", "--from", "earliest", "--count", "1"),
        *("--number", A, "--code", "15", "--code", "22"),
    )
    assert result.exit_code == 0
    assert "subscription billing keeps its place when this ends" in result.stderr
    (created,) = subscriptions.created
    assert created.subscription.name == "billing"
    assert created.start.earliest
    assert not created.subscription.HasField("remove_unused_after")
    assert list(created.subscription.filter.codes) == ["15", "22"]
    assert list(created.subscription.filter.numbers) == [A]
    assert subscriptions.starts[0].name == "billing"
    assert subscriptions.deleted == []


def test_a_start_in_the_past(subscriptions: FakeSubscriptions, cli: Cli) -> None:
    subscriptions.deliveries = [event(1)]
    cli.ok("tail", "--tenant", TENANT, "--from", "2026-03-01T08:00Z", "--count", "1")
    assert subscriptions.created[0].start.received_from.ToJsonString() == "2026-03-01T08:00:00Z"


def test_a_subscription_with_another_filter_is_not_taken(subscriptions: FakeSubscriptions, cli: Cli) -> None:
    subscriptions.name_is_taken = True
    result = cli.run("tail", "--tenant", TENANT, "--subscription", "billing")
    assert result.exit_code == 1
    assert "the subscription billing has another filter" in result.stderr
    assert subscriptions.starts == []


def test_an_event_service_that_is_away_is_named() -> None:
    result = Cli("127.0.0.1:1").run("tail", "--tenant", TENANT, "--count", "1")
    assert result.exit_code == 1
    assert "AXBRIDGE_EVENTS_TARGET" in result.stderr


def test_an_interrupt_ends_it_well(subscriptions: FakeSubscriptions, tmp_path_factory: pytest.TempPathFactory) -> None:
    subscriptions.deliveries = [event(1)]
    command = [*COMMAND, "tail", "--tenant", TENANT]
    log = tmp_path_factory.mktemp("tail") / "tail.log"
    tail = ChildProcess(command, log, env={"AXBRIDGE_EVENTS_TARGET": subscriptions.target})
    try:
        assert subscriptions.is_subscribed.wait(PATIENCE_SECONDS), tail.log()
        tail.process.send_signal(signal.SIGINT)
        assert tail.process.wait(PATIENCE_SECONDS) == 0, tail.log()
    finally:
        if tail.running:
            tail.kill()
    assert tail.log().splitlines()[-1] == "ended"
    assert subscriptions.deleted == [subscriptions.created[0].subscription.name]
