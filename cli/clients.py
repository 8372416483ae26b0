"""The way to the services: one-shot calls over gRPC, with a deadline, and errors that name the target."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, TypeVar

import grpc
import typer
from axbridge.events.v1 import (
    call_service_pb2_grpc,
    event_service_pb2_grpc,
    privacy_service_pb2_grpc,
    webhook_service_pb2_grpc,
)
from axbridge.routing.v1 import (
    binding_service_pb2_grpc,
    number_list_service_pb2_grpc,
    number_pool_service_pb2_grpc,
    routing_service_pb2_grpc,
    tenant_service_pb2_grpc,
)

from cli.errors import unreachable
from cli.security import current_security, open_way
from common.errors import AxbridgeError, DeadlineExceededError
from common.grpc_errors import from_rpc_error

ROUTING_VARIABLE = "AXBRIDGE_ROUTING_TARGET"
EVENTS_VARIABLE = "AXBRIDGE_EVENTS_TARGET"
DEFAULT_ROUTING_TARGET = "127.0.0.1:50051"
DEFAULT_EVENTS_TARGET = "127.0.0.1:50052"
DEFAULT_TIMEOUT_SECONDS = 10.0

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")

Timeout = Annotated[float, typer.Option("--timeout", help="Seconds to wait for an answer.", min=0.1)]


@dataclass(frozen=True, slots=True)
class RoutingTarget:
    """Options: where the routing service is."""

    routing_target: Annotated[
        str, typer.Option("--routing-target", envvar=ROUTING_VARIABLE, help="HOST:PORT of the routing service.")
    ] = DEFAULT_ROUTING_TARGET
    timeout: Timeout = DEFAULT_TIMEOUT_SECONDS


@dataclass(frozen=True, slots=True)
class EventsTarget:
    """Options: where the event service is."""

    events_target: Annotated[
        str, typer.Option("--events-target", envvar=EVENTS_VARIABLE, help="HOST:PORT of the event service.")
    ] = DEFAULT_EVENTS_TARGET
    timeout: Timeout = DEFAULT_TIMEOUT_SECONDS


@dataclass(frozen=True, slots=True)
class Caller:
    """Makes calls with a deadline. Raises the AxbridgeError that a failed call stands for."""

    service: str
    target: str
    option: str
    variable: str
    timeout_seconds: float
    # What proves who calls.
    metadata: tuple[tuple[str, str], ...] = ()

    def call(self, method: "grpc.UnaryUnaryMultiCallable[_Request, _Response]", request: _Request) -> _Response:
        try:
            return method(request, timeout=self.timeout_seconds, metadata=self.metadata)
        except grpc.RpcError as error:
            raise self._translate(error) from error

    def stream(
        self, method: "grpc.UnaryStreamMultiCallable[_Request, _Response]", request: _Request
    ) -> Iterator[_Response]:
        """The answers as they come, without a deadline: a stream lasts as long as there is something to tell."""
        try:
            yield from method(request, metadata=self.metadata)
        except grpc.RpcError as error:
            raise self._translate(error) from error

    def exchange(
        self, method: "grpc.StreamStreamMultiCallable[_Request, _Response]", requests: Iterator[_Request]
    ) -> Iterator[_Response]:
        """The answers to a stream of requests, as they come, without a deadline. Raises what `requests` raises, too."""
        failures: list[Exception] = []

        def sent() -> Iterator[_Request]:
            # They are read in a thread of the call's, which would only say that something was raised there.
            try:
                yield from requests
            except Exception as error:
                failures.append(error)
                raise

        try:
            yield from method(sent(), metadata=self.metadata)
        except grpc.RpcError as error:
            raise failures[0] if failures else self._translate(error) from error

    def _translate(self, error: grpc.RpcError) -> AxbridgeError:
        code = error.code() if isinstance(error, grpc.Call) else None
        said: list[str] = [key for key, _ in error.trailing_metadata() or ()] if isinstance(error, grpc.Call) else []
        # Without a status of its own it is not the service that speaks, but the way to it.
        if code is grpc.StatusCode.UNAVAILABLE and "grpc-status-details-bin" not in said:
            return unreachable(self.service, self.target, self.option, self.variable)
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return DeadlineExceededError(f"the {self.service} at {self.target} took over {self.timeout_seconds:g} s")
        if code is grpc.StatusCode.UNIMPLEMENTED:
            return AxbridgeError(f"what answers at {self.target} is not the {self.service}: check {self.option}")
        return from_rpc_error(error)


@dataclass(frozen=True, slots=True)
class RoutingClient:
    """The routing service's interfaces."""

    caller: Caller
    tenants: tenant_service_pb2_grpc.TenantServiceStub
    bindings: binding_service_pb2_grpc.BindingServiceStub
    routing: routing_service_pb2_grpc.RoutingServiceStub
    number_lists: number_list_service_pb2_grpc.NumberListServiceStub
    pools: number_pool_service_pb2_grpc.NumberPoolServiceStub


@dataclass(frozen=True, slots=True)
class EventsClient:
    """The event service's interfaces."""

    caller: Caller
    calls: call_service_pb2_grpc.CallServiceStub
    events: event_service_pb2_grpc.EventServiceStub
    webhooks: webhook_service_pb2_grpc.WebhookServiceStub
    privacy: privacy_service_pb2_grpc.PrivacyServiceStub


@contextmanager
def routing_client(target: RoutingTarget) -> Iterator[RoutingClient]:
    """A client of the routing service; closed at the end."""
    way = open_way(target.routing_target, current_security())
    caller = Caller(
        "routing service",
        target.routing_target,
        "--routing-target",
        ROUTING_VARIABLE,
        target.timeout,
        way.metadata,
    )
    with way.channel as channel:
        yield RoutingClient(
            caller,
            tenant_service_pb2_grpc.TenantServiceStub(channel),
            binding_service_pb2_grpc.BindingServiceStub(channel),
            routing_service_pb2_grpc.RoutingServiceStub(channel),
            number_list_service_pb2_grpc.NumberListServiceStub(channel),
            number_pool_service_pb2_grpc.NumberPoolServiceStub(channel),
        )


@contextmanager
def events_client(target: EventsTarget, *, unmask: bool = False) -> Iterator[EventsClient]:
    """A client of the event service; closed at the end. With `unmask` for what can't be done with masked numbers."""
    way = open_way(target.events_target, current_security(), unmask=unmask)
    caller = Caller(
        "event service", target.events_target, "--events-target", EVENTS_VARIABLE, target.timeout, way.metadata
    )
    with way.channel as channel:
        yield EventsClient(
            caller,
            call_service_pb2_grpc.CallServiceStub(channel),
            event_service_pb2_grpc.EventServiceStub(channel),
            webhook_service_pb2_grpc.WebhookServiceStub(channel),
            privacy_service_pb2_grpc.PrivacyServiceStub(channel),
        )
