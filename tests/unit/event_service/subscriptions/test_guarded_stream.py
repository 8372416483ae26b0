"""The stream behind the guard, over a real connection: only the tenant's own, masked, and ended with its credential."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import grpc.aio
import pytest
from axbridge.events.v1 import subscription_service_pb2 as pb
from axbridge.events.v1.subscription_service_pb2_grpc import add_SubscriptionServiceServicer_to_server

from axbridge_client import AxbridgeClient
from common.auth.grants import Scope
from common.auth.interceptor import AccessInterceptor
from common.errors import PermissionDeniedError, UnauthenticatedError
from common.grpc_server import GrpcServerOptions, running_server
from common.limits.rpc_limits import RpcLimiter, RpcLimits
from common.limits.token_bucket import LocalRateLimiter
from common.telemetry.sampling import TraceSampler
from common.telemetry.tracing import Tracer
from event_service.access import REQUIREMENTS
from event_service.delivery_traces import DeliveryTraces
from event_service.subscriptions.consumer import ConsumerRules, Sources
from event_service.subscriptions.domain import HeldPlace, Place, Subscription, SubscriptionFilter, Tenure
from event_service.subscriptions.hub import Hub
from event_service.subscriptions.service import DeliveryStreams, SubscriptionService
from event_service.subscriptions.servicer import SERVICE_NAME, SubscriptionServicer
from tests.support.clock import FakeClock
from tests.unit.common.auth.conftest import Keyring
from tests.unit.event_service.builders import TENANT, A
from tests.unit.event_service.subscriptions.conftest import FakeLeases, FakeTail

READ = frozenset({Scope.READ})


class OneSubscription:
    """A store with a subscription of the name `s` for every tenant."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def find(self, tenant_id: str, name: str) -> Subscription | None:
        self.asked.append(tenant_id)
        return Subscription("id", tenant_id, name, SubscriptionFilter(), 0) if name == "s" else None


class Served:
    def __init__(self) -> None:
        self.clock, self.tail, self.keyring, self.store = FakeClock(), FakeTail({0: 3}), Keyring(), OneSubscription()
        self.leases = FakeLeases(Tenure([HeldPlace(0, 1, Place())], 1))
        self.hub = Hub(self.tail, self.store, self.clock, 0.05)  # type: ignore[arg-type]
        self.address = ""

    def client(self, key: object = None, *, unmask: bool = False) -> AxbridgeClient:
        api_key = "" if key is None else key.text  # type: ignore[attr-defined]
        return AxbridgeClient(self.address, api_key=api_key, unmask=unmask)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with _serving() as served:
        yield served


@asynccontextmanager
async def _serving() -> AsyncIterator[Served]:
    served = Served()
    traces = DeliveryTraces(Tracer(None, served.clock), TraceSampler(0), served.clock)
    sources = Sources(served.leases, served.tail, served.tail, served.clock, traces)
    streams = DeliveryStreams(
        served.store,  # type: ignore[arg-type]
        served.hub,
        sources,
        ConsumerRules(heartbeat_seconds=0.05),
    )
    service = SubscriptionService(served.store, served.clock, 10)  # type: ignore[arg-type]

    def add(server: grpc.aio.Server) -> None:
        add_SubscriptionServiceServicer_to_server(SubscriptionServicer(service, streams), server)

    limiter = RpcLimiter(LocalRateLimiter(served.clock), RpcLimits(None, None, 1))
    guard = AccessInterceptor(REQUIREMENTS, lambda: served.keyring.current, limiter, served.clock)
    options = GrpcServerOptions("127.0.0.1:0", drain_seconds=1.0)
    async with running_server(options, add, (SERVICE_NAME,), [guard]) as server:
        served.address = server.address
        yield served
        await served.hub.drain()


async def test_another_tenants_stream_is_refused_before_anything_is_read(served: Served) -> None:
    async with served.client(served.keyring.add(frozenset({TENANT}))) as client:
        with pytest.raises(PermissionDeniedError):
            await anext(client.subscribe("999", "s"))
        assert served.store.asked == []
        await anext(client.subscribe(TENANT, "s"))
        assert served.store.asked == [TENANT]


@pytest.mark.parametrize("scopes", [READ, READ | {Scope.UNMASK}])
async def test_numbers_are_shown_to_those_who_may_see_them_and_ask(served: Served, scopes: frozenset[Scope]) -> None:
    unmask = Scope.UNMASK in scopes
    async with served.client(served.keyring.add(frozenset({TENANT}), scopes), unmask=unmask) as client:
        delivery = await anext(client.subscribe(TENANT, "s"))
        assert delivery.event is not None
        number = delivery.event.event.members[0].number
        assert number == (A if unmask else "138****1111")


async def test_a_stream_ends_when_its_credential_is_withdrawn(served: Served) -> None:
    key = served.keyring.add(frozenset({TENANT}), READ)
    async with served.client(key) as client:
        deliveries = client.subscribe(TENANT, "s")
        for _ in range(3):
            await anext(deliveries)
        served.keyring.remove(key)
        # The next sign of life is not sent any more.
        with pytest.raises(UnauthenticatedError):
            await anext(deliveries)


async def test_a_tenants_streams_are_counted(served: Served) -> None:
    key = served.keyring.add(frozenset({TENANT}), READ)
    metadata = (("authorization", f"Bearer {key.text}"),)
    async with served.client(key) as client, grpc.aio.insecure_channel(served.address) as channel:
        first = client.subscribe(TENANT, "s")
        await anext(first)
        method = channel.stream_stream(
            f"/{SERVICE_NAME}/Subscribe",
            request_serializer=pb.SubscribeRequest.SerializeToString,
            response_deserializer=pb.SubscribeResponse.FromString,
        )
        second = method(metadata=metadata)
        # Whether writing or reading meets the refusal is a race.
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await second.write(pb.SubscribeRequest(start=pb.SubscribeStart(tenant_id=TENANT, name="s")))
            await second.read()
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_stream_begins_with_a_start(served: Served) -> None:
    key = served.keyring.add(None, READ)
    metadata = (("authorization", f"Bearer {key.text}"),)
    async with grpc.aio.insecure_channel(served.address) as channel:
        method = channel.stream_stream(
            f"/{SERVICE_NAME}/Subscribe",
            request_serializer=pb.SubscribeRequest.SerializeToString,
            response_deserializer=pb.SubscribeResponse.FromString,
        )
        call = method(metadata=metadata)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call.write(pb.SubscribeRequest(acknowledge=pb.Acknowledge(positions={0: 1})))
            await call.read()
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
