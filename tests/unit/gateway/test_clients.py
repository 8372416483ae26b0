"""The clients against real gRPC on loopback, with the services played."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import grpc.aio
import pytest
from axbridge.events.v1 import event_service_pb2 as events_pb2
from axbridge.events.v1.event_service_pb2_grpc import EventServiceServicer, add_EventServiceServicer_to_server
from axbridge.routing.v1 import decision_pb2, routing_service_pb2, tenant_pb2, tenant_service_pb2
from axbridge.routing.v1.routing_service_pb2_grpc import RoutingServiceServicer, add_RoutingServiceServicer_to_server
from axbridge.routing.v1.tenant_service_pb2_grpc import TenantServiceServicer, add_TenantServiceServicer_to_server

from common.clock import SystemClock
from common.errors import InvalidArgumentError, ResourceExhaustedError, UnavailableError
from common.grpc_channel import open_channel
from common.grpc_server import GrpcServerOptions, running_server
from common.protocol_codes import ResultCode
from common.telemetry.tracing import Tracer
from gateway.coalescer import CoalescerLimits
from gateway.domain import AnsweredQuery, Event, Query, Receipt, ReceivedEvent, RejectedMessage
from gateway.event_client import DecisionClient, EventClient, QuarantineClient
from gateway.readiness import Backend, Readiness, health_check
from gateway.routing_client import RoutingClient, TenantClient
from tests.unit.gateway.fakes import ROUTED, StepwiseSleep, settle

CLOCK = SystemClock()
OFF = Tracer(None, CLOCK)
RECEIPT = Receipt(1, b"raw", "text/xml")


def query(session_id: str) -> Query:
    return Query(session_id, "100001", "c", "13800001111", "02566000001")


def event(code: str) -> ReceivedEvent:
    return ReceivedEvent(Event("s1", "100001", code), RECEIPT)


class PlayedServices(RoutingServiceServicer, TenantServiceServicer, EventServiceServicer):
    """Answers by name: a session called `1004` has no binding, a code called INVALID can't be stored."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.budgets: list[int] = []
        self.quarantined: list[str] = []
        self.recorded: list[str] = []
        self.recorded_at: list[int] = []
        self.failures: list[grpc.StatusCode] = []

    async def _fail(self, context: grpc.aio.ServicerContext) -> None:  # type: ignore[type-arg]
        if self.failures:
            await context.abort(self.failures.pop(0), "as the test wishes")

    async def ResolveBatch(self, request, context):  # type: ignore[no-untyped-def]
        self.batches.append([item.session_id for item in request.queries])
        self.budgets += [item.budget_milliseconds for item in request.queries]
        await self._fail(context)
        results = {"1004": decision_pb2.ROUTE_RESULT_NO_BINDING}
        return routing_service_pb2.ResolveBatchResponse(
            decisions=[
                decision_pb2.RouteDecision(
                    result=results.get(item.session_id, decision_pb2.ROUTE_RESULT_ROUTED), reason=item.session_id
                )
                for item in request.queries
            ]
        )

    async def ListTenants(self, request, context):  # type: ignore[no-untyped-def]
        await self._fail(context)
        first = not request.page_token
        names = ["1", "2"] if first else ["3"]
        return tenant_service_pb2.ListTenantsResponse(
            tenants=[tenant_pb2.Tenant(tenant_id=name) for name in names], next_page_token="more" if first else ""
        )

    async def GetTenant(self, request, context):  # type: ignore[no-untyped-def]
        await self._fail(context)
        if request.tenant_id != "1":
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such tenant")
        return tenant_service_pb2.GetTenantResponse(tenant=tenant_pb2.Tenant(tenant_id="1", default_region="HK"))

    async def PublishBatch(self, request, context):  # type: ignore[no-untyped-def]
        self.batches.append([item.code for item in request.events])
        await self._fail(context)
        return events_pb2.PublishBatchResponse(
            results=[
                events_pb2.PublishResult(
                    status=events_pb2.PUBLISH_STATUS_INVALID
                    if item.code == "INVALID"
                    else events_pb2.PUBLISH_STATUS_STORED,
                    error="code: bad" if item.code == "INVALID" else "",
                )
                for item in request.events
            ]
        )

    async def QuarantineMessages(self, request, context):  # type: ignore[no-untyped-def]
        await self._fail(context)
        self.quarantined += [message.reason for message in request.messages]
        return events_pb2.QuarantineMessagesResponse()

    async def RecordDecisions(self, request, context):  # type: ignore[no-untyped-def]
        await self._fail(context)
        self.recorded += [decision.session_id for decision in request.decisions]
        self.recorded_at += [decision.received_at_us for decision in request.decisions]
        return events_pb2.RecordDecisionsResponse()


@pytest.fixture
def services() -> PlayedServices:
    return PlayedServices()


@pytest.fixture
async def channel(services: PlayedServices) -> AsyncIterator[grpc.aio.Channel]:
    def add(server: grpc.aio.Server) -> None:
        add_RoutingServiceServicer_to_server(services, server)
        add_TenantServiceServicer_to_server(services, server)
        add_EventServiceServicer_to_server(services, server)

    options = GrpcServerOptions("127.0.0.1:0", drain_seconds=0.1)
    async with running_server(options, add, []) as server, open_channel(server.address) as channel:
        yield channel


def soon() -> float:
    return CLOCK.monotonic() + 10


async def test_queries_travel_together_and_each_gets_its_own(
    channel: grpc.aio.Channel, services: PlayedServices
) -> None:
    client = RoutingClient(channel, CoalescerLimits(), OFF, CLOCK)
    decisions = await asyncio.gather(*[client.resolve(query(name), "", soon()) for name in ("a", "1004", "b")])
    assert [decision.reason for decision in decisions] == ["a", "1004", "b"]
    assert [decision.result for decision in decisions] == [
        ResultCode.SUCCESS,
        ResultCode.NO_BINDING,
        ResultCode.SUCCESS,
    ]
    assert services.batches == [["a", "1004", "b"]]
    assert all(9_000 < budget <= 10_000 for budget in services.budgets)
    await client.close()


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED])
async def test_queries_are_sent_again_when_a_replica_fails(
    channel: grpc.aio.Channel, services: PlayedServices, code: grpc.StatusCode
) -> None:
    client = RoutingClient(channel, CoalescerLimits(), OFF, CLOCK)
    services.failures = [code]
    assert (await client.resolve(query("a"), "", soon())).result is ResultCode.SUCCESS
    assert services.batches == [["a"], ["a"]]
    services.failures = [code, code]
    with pytest.raises(Exception, match="as the test wishes"):
        await client.resolve(query("a"), "", soon())


async def test_nobody_there() -> None:
    async with open_channel("127.0.0.1:1") as channel:
        client = RoutingClient(channel, CoalescerLimits(), OFF, CLOCK)
        with pytest.raises(UnavailableError):
            await client.resolve(query("a"), "", soon())


async def test_tenants_are_listed_to_the_last_page(channel: grpc.aio.Channel, services: PlayedServices) -> None:
    client = TenantClient(channel, 5.0)
    assert [tenant.tenant_id for tenant in await client.list_tenants()] == ["1", "2", "3"]
    services.failures = [grpc.StatusCode.UNAVAILABLE]
    with pytest.raises(UnavailableError):
        await client.list_tenants()


async def test_a_tenant(channel: grpc.aio.Channel, services: PlayedServices) -> None:
    client = TenantClient(channel, 5.0)
    found = await client.get_tenant("1")
    assert found is not None
    assert found.default_region == "HK"
    assert await client.get_tenant("2") is None
    services.failures = [grpc.StatusCode.UNAVAILABLE]
    with pytest.raises(UnavailableError):
        await client.get_tenant("1")


async def test_events_travel_together_and_each_gets_its_own(
    channel: grpc.aio.Channel, services: PlayedServices
) -> None:
    client = EventClient(channel, CoalescerLimits(), OFF, CLOCK)
    stored, invalid = await asyncio.gather(
        client.publish(event("15"), soon()), client.publish(event("INVALID"), soon()), return_exceptions=True
    )
    assert stored is None
    assert isinstance(invalid, InvalidArgumentError)
    assert services.batches == [["15", "INVALID"]]
    await client.close()


async def test_events_with_the_largest_bodies_fit_into_what_grpc_takes(
    channel: grpc.aio.Channel, services: PlayedServices
) -> None:
    client = EventClient(channel, CoalescerLimits(), OFF, CLOCK)
    receipt = Receipt(1, b"x" * 65_536, "text/xml")
    large = [
        ReceivedEvent(Event("s1", f"10000{number % 2}", str(number), user_data="x" * 65_536), receipt)
        for number in range(256)
    ]
    # Together they are more than one message may be.
    await asyncio.gather(*(client.publish(each, CLOCK.monotonic() + 60) for each in large))
    assert sum(map(len, services.batches)) == 256


async def test_events_are_sent_again_but_not_when_the_log_is_full(
    channel: grpc.aio.Channel, services: PlayedServices
) -> None:
    client = EventClient(channel, CoalescerLimits(), OFF, CLOCK)
    services.failures = [grpc.StatusCode.UNAVAILABLE]
    await client.publish(event("15"), soon())
    services.failures = [grpc.StatusCode.RESOURCE_EXHAUSTED]
    with pytest.raises(ResourceExhaustedError):
        await client.publish(event("16"), soon())
    assert services.batches == [["15"], ["15"], ["16"]]


async def test_the_quarantine(channel: grpc.aio.Channel, services: PlayedServices) -> None:
    client = QuarantineClient(channel)
    await client.keep(RejectedMessage(RECEIPT, "sid: missing"), 5.0)
    assert services.quarantined == ["sid: missing"]
    services.failures = [grpc.StatusCode.UNAVAILABLE]
    with pytest.raises(UnavailableError):
        await client.keep(RejectedMessage(RECEIPT, "sid: missing"), 5.0)


async def test_answered_queries(channel: grpc.aio.Channel, services: PlayedServices) -> None:
    client = DecisionClient(channel, 5.0, CLOCK)
    await client.record([AnsweredQuery(query("a"), ROUTED, 1, 1), AnsweredQuery(query("b"), ROUTED, 2, 3)])
    assert services.recorded == ["a", "b"]
    assert services.recorded_at[1] - services.recorded_at[0] == 1_000_000
    services.failures = [grpc.StatusCode.UNAVAILABLE]
    with pytest.raises(UnavailableError):
        await client.record([AnsweredQuery(query("a"), ROUTED, 1, 1)])


async def test_health_checks(channel: grpc.aio.Channel) -> None:
    assert await health_check(channel)()
    async with open_channel("127.0.0.1:1") as nobody:
        assert not await health_check(nobody)()


async def test_backends_are_checked_for_ever() -> None:
    states = [False, True, False]
    sleep = StepwiseSleep()

    async def check() -> bool:
        return states.pop(0)

    routing, events = Backend("routing_service", check), Backend("event_service", check)
    readiness = Readiness(routing, events)
    checking = asyncio.create_task(routing.keep_checking(sleep))
    seen = []
    for count in (1, 2, 3):
        await settle(lambda wanted=count: len(sleep.asked) == wanted)
        seen.append(
            (
                routing.is_reachable,
                routing.was_reached,
                "routing_service can't be reached" in readiness.not_ready_reasons(),
            )
        )
        sleep.wake()
    assert seen == [(False, False, True), (True, True, False), (False, True, True)]
    assert sleep.asked[0] < sleep.asked[1], "until it was reached once it is asked often"
    with pytest.raises(IndexError):
        await checking
