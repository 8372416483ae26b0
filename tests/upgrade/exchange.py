"""What two versions of a service tell each other through the database and the cache that they share."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import grpc
from axbridge.events.v1 import call_service_pb2, event_pb2, event_service_pb2
from axbridge.events.v1.call_service_pb2_grpc import CallServiceStub
from axbridge.events.v1.event_service_pb2_grpc import EventServiceStub
from axbridge.routing.v1 import binding_pb2, binding_service_pb2, routing_service_pb2
from axbridge.routing.v1.binding_service_pb2_grpc import BindingServiceStub
from axbridge.routing.v1.decision_pb2 import RouteDecision
from axbridge.routing.v1.routing_service_pb2_grpc import RoutingServiceStub
from google.protobuf.field_mask_pb2 import FieldMask

from tests.support.stack import ACCESS, TENANT, A, B

CALL_SECONDS = 10.0
_OTHER = "13700002222"
_HOURS = binding_pb2.WeeklySchedule(
    time_zone="Asia/Shanghai",
    hours=[binding_pb2.WeeklyHours(days_of_week=range(1, 8), start="00:00", end="24:00")],
)


@dataclass(frozen=True, slots=True)
class RoutingReplica:
    """One replica of the routing service."""

    bindings: BindingServiceStub
    routes: RoutingServiceStub

    def create(self, binding: binding_pb2.Binding) -> binding_pb2.Binding:
        request = binding_service_pb2.CreateBindingRequest(binding=binding)
        return self.bindings.CreateBinding(request, timeout=CALL_SECONDS).binding

    def show_other_number(self, binding: binding_pb2.Binding, number: str) -> None:
        changed = binding_pb2.Binding(tenant_id=TENANT, binding_id=binding.binding_id, display_number=number)
        request = binding_service_pb2.UpdateBindingRequest(
            binding=changed, update_mask=FieldMask(paths=["display_number"])
        )
        self.bindings.UpdateBinding(request, timeout=CALL_SECONDS)

    def delete(self, binding: binding_pb2.Binding) -> None:
        request = binding_service_pb2.DeleteBindingRequest(tenant_id=TENANT, binding_id=binding.binding_id)
        self.bindings.DeleteBinding(request, timeout=CALL_SECONDS)

    def answer(self, access_number: str, caller: str = A) -> RouteDecision:
        query = routing_service_pb2.ResolveQuery(
            tenant_id=TENANT, session_id="side-by-side", calling_number=caller, access_number=access_number
        )
        request = routing_service_pb2.ResolveBatchRequest(queries=[query])
        (decision,) = self.routes.ResolveBatch(request, timeout=CALL_SECONDS).decisions
        return decision


@dataclass(frozen=True, slots=True)
class EventsReplica:
    """One replica of the event service."""

    log: EventServiceStub
    calls: CallServiceStub

    def publish(self, session_id: str, seq: int, code: str) -> "event_service_pb2.PublishStatus":
        event = event_pb2.CallEvent(
            tenant_id=TENANT,
            session_id=session_id,
            call_id="c",
            seq=str(seq),
            charge_ext="1",
            code=code,
            raw_body=b"{}",
        )
        request = event_service_pb2.PublishBatchRequest(events=[event])
        (result,) = self.log.PublishBatch(request, timeout=CALL_SECONDS).results
        return result.status

    def call(self, session_id: str) -> call_service_pb2.GetCallResponse:
        request = call_service_pb2.GetCallRequest(tenant_id=TENANT, session_id=session_id)
        return self.calls.GetCall(request, timeout=CALL_SECONDS)

    def stored(self, session_id: str) -> list[str]:
        """The numbers of a call's events; none for a call that nothing is known of."""
        request = call_service_pb2.ListCallEventsRequest(tenant_id=TENANT, session_id=session_id)
        try:
            return [each.event.seq for each in self.calls.ListCallEvents(request, timeout=CALL_SECONDS).events]
        except grpc.RpcError as error:
            if isinstance(error, grpc.Call) and error.code() is grpc.StatusCode.NOT_FOUND:
                return []
            raise


@contextmanager
def routing_replicas(addresses: Sequence[str]) -> Iterator[list[RoutingReplica]]:
    channels = [grpc.insecure_channel(address) for address in addresses]
    try:
        yield [RoutingReplica(BindingServiceStub(each), RoutingServiceStub(each)) for each in channels]
    finally:
        for channel in channels:
            channel.close()


@contextmanager
def events_replicas(addresses: Sequence[str]) -> Iterator[list[EventsReplica]]:
    channels = [grpc.insecure_channel(address) for address in addresses]
    try:
        yield [EventsReplica(EventServiceStub(each), CallServiceStub(each)) for each in channels]
    finally:
        for channel in channels:
            channel.close()


def binding_of(kind: "binding_pb2.BindingKind", access_number: str) -> binding_pb2.Binding:
    """One of each kind, with whom A reaches through it."""
    binding = binding_pb2.Binding(tenant_id=TENANT, kind=kind, access_number=access_number, schedule=_HOURS)
    if kind in (binding_pb2.BINDING_KIND_AXB, binding_pb2.BINDING_KIND_AXYB):
        binding.a_number, binding.b_number = A, B
    if kind == binding_pb2.BINDING_KIND_AXYB:
        binding.y_number = ACCESS
    if kind in (binding_pb2.BINDING_KIND_AX, binding_pb2.BINDING_KIND_AXE):
        binding.a_number = B
    if kind == binding_pb2.BINDING_KIND_AXE:
        binding.extension = "801"
    if kind == binding_pb2.BINDING_KIND_AXG:
        binding.targets.extend([binding_pb2.BindingTarget(number=number) for number in (B, _OTHER)])
    return binding
