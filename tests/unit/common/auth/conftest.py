"""A guarded server over a real connection, with a service whose methods are of every kind."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
import pytest
from axbridge.events.v1 import call_service_pb2, event_service_pb2

from common.auth.api_keys import ApiKey, Pepper, generate_api_key
from common.auth.credentials import Credentials, KeyEntry
from common.auth.grants import Grant, Scope, current_grant
from common.auth.interceptor import AccessInterceptor
from common.auth.requirements import (
    Charge,
    Requirement,
    for_all_tenants,
    for_known_callers,
    for_tenants_at,
    standard_requirements,
)
from common.auth.unmasking import UNMASK_METADATA, UnmaskedRequest
from common.errors import AxbridgeError
from common.grpc_server import GrpcServerOptions, running_server
from common.limits.rpc_limits import RpcLimiter, RpcLimits
from common.limits.token_bucket import LocalRateLimiter, RateLimit
from tests.support.clock import FakeClock

SERVICE = "test.Service"
Request = call_service_pb2.ListCallsRequest
Response = call_service_pb2.GetCallResponse
Batch = event_service_pb2.PublishBatchRequest
PEPPER = Pepper(b"p" * 32)
EVERY_SCOPE = frozenset(Scope)


@dataclass
class Keyring:
    """Credentials that a test changes while the server runs."""

    entries: dict[str, KeyEntry] = field(default_factory=dict)
    certificates: dict[str, Grant] = field(default_factory=dict)
    current: Credentials = field(default_factory=lambda: Credentials({}, {}, PEPPER))

    def add(
        self,
        tenants: frozenset[str] | None,
        scopes: frozenset[Scope] = EVERY_SCOPE,
        caller: str = "billing",
        key: ApiKey | None = None,
        **grant: Any,
    ) -> ApiKey:
        key = key or generate_api_key()
        self.entries[key.key_id] = KeyEntry(PEPPER.hash(key), Grant(caller, key.key_id, tenants, scopes, **grant))
        self.apply()
        return key

    def remove(self, key: ApiKey) -> None:
        del self.entries[key.key_id]
        self.apply()

    def apply(self) -> None:
        self.current = Credentials(dict(self.entries), dict(self.certificates), PEPPER)


class EveryKind(grpc.GenericRpcHandler):
    """Methods of all four kinds, and of both ways to write one. What they are asked is kept in `served`."""

    def __init__(self) -> None:
        self.served: list[tuple[str, str]] = []
        self.callers: list[str] = []

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        name = str(details.method).removeprefix(f"/{SERVICE}/")
        wrap, method, request_type = {
            "One": (grpc.unary_unary_rpc_method_handler, self.one, Request),
            "All": (grpc.unary_unary_rpc_method_handler, self.one, Request),
            "Write": (grpc.unary_unary_rpc_method_handler, self.one, Request),
            "Admin": (grpc.unary_unary_rpc_method_handler, self.one, Request),
            "Known": (grpc.unary_unary_rpc_method_handler, self.one, Request),
            "Unruled": (grpc.unary_unary_rpc_method_handler, self.one, Request),
            "Items": (grpc.unary_unary_rpc_method_handler, self.items, Batch),
            "Many": (grpc.unary_stream_rpc_method_handler, self.many, Request),
            "ManyWritten": (grpc.unary_stream_rpc_method_handler, self.many_written, Request),
            "Collect": (grpc.stream_unary_rpc_method_handler, self.collect, Request),
            "Talk": (grpc.stream_stream_rpc_method_handler, self.talk, Request),
            "TalkWritten": (grpc.stream_stream_rpc_method_handler, self.talk_written, Request),
        }.get(name, (None, None, None))
        if wrap is None:
            return None
        return wrap(
            method,
            request_deserializer=request_type.FromString,
            response_serializer=Response.SerializeToString,
        )

    def note(self, kind: str, tenant_id: str) -> Any:
        self.served.append((kind, tenant_id))
        grant = current_grant()
        self.callers.append("" if grant is None else grant.caller)
        response = Response()
        response.call.tenant_id = tenant_id
        response.call.calling_number = "13800001111"
        response.call.access_number = "02566000001"
        return response

    async def one(self, request: Any, context: Any) -> Any:
        return self.note("one", request.tenant_id)

    async def items(self, request: Any, context: Any) -> Any:
        return self.note("items", ",".join(event.tenant_id for event in request.events))

    async def many(self, request: Any, context: Any) -> AsyncIterator[Any]:
        for _ in range(3):
            yield self.note("many", request.tenant_id)

    async def many_written(self, request: Any, context: Any) -> None:
        for _ in range(3):
            await context.write(self.note("many", request.tenant_id))

    async def collect(self, requests: Any, context: Any) -> Any:
        tenants = [self.note("collect", request.tenant_id).call.tenant_id async for request in requests]
        return self.note("collected", ",".join(tenants))

    async def talk(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            yield self.note("talk", request.tenant_id)

    async def talk_written(self, _requests: Any, context: Any) -> None:
        while (request := await context.read()) is not grpc.aio.EOF:
            await context.write(self.note("talk", request.tenant_id))


def table() -> dict[str, Requirement]:
    read = for_tenants_at("tenant_id", scopes=(Scope.READ,), charge=Charge.READ)
    return {
        **standard_requirements(),
        **{f"/{SERVICE}/{name}": read for name in ("One", "Many", "ManyWritten", "Collect", "Talk", "TalkWritten")},
        f"/{SERVICE}/Write": for_tenants_at("tenant_id", scopes=(Scope.WRITE,), charge=Charge.WRITE),
        f"/{SERVICE}/Items": for_tenants_at("events[].tenant_id", scopes=(Scope.WRITE,), charge=Charge.WRITE),
        f"/{SERVICE}/All": for_all_tenants(Scope.READ, charge=Charge.READ),
        f"/{SERVICE}/Admin": for_tenants_at("tenant_id", scopes=(Scope.ADMIN,), charge=Charge.NOTHING),
        f"/{SERVICE}/Known": for_known_callers(),
    }


class Audit:
    """UnmaskAudit that can fail."""

    def __init__(self) -> None:
        self.entries: list[UnmaskedRequest] = []
        self.error: AxbridgeError | None = None

    async def record(self, request: UnmaskedRequest) -> None:
        if self.error is not None:
            raise self.error
        self.entries.append(request)


@dataclass
class Guarded:
    """A running server and what a test needs of it."""

    address: str
    channel: grpc.aio.Channel
    keys: Keyring
    clock: FakeClock
    handler: EveryKind
    audit: Audit

    async def call(self, method: str, tenant_id: str = "100001", key: ApiKey | str | None = None) -> Any:
        return await self.send(method, Request(tenant_id=tenant_id), key)

    async def send(self, method: str, request: Any, key: ApiKey | str | None = None) -> Any:
        call = self.channel.unary_unary(
            f"/{SERVICE}/{method}", request_serializer=lambda m: m.SerializeToString(), response_deserializer=parse
        )
        return await call(request, metadata=metadata(key), timeout=5)

    async def ask(self, method: str, request: Any, key: ApiKey | str | None = None) -> list[Any]:
        """One request and whatever comes back, for every kind of method.

        A client that streams its requests can see an error of its own when it is refused before it has sent them.
        """
        call = self.channel.unary_stream(
            f"/{SERVICE}/{method}", request_serializer=lambda m: m.SerializeToString(), response_deserializer=parse
        )
        return [response async for response in call(request, metadata=metadata(key), timeout=5)]

    async def stream(
        self, method: str, requests: AsyncIterator[Any] | list[Any], key: ApiKey | str | None = None
    ) -> list[Any]:
        """Every kind of call can be made as a stream of both sides."""
        return [response async for response in self.open_stream(method, requests, key)]

    def open_stream(
        self,
        method: str,
        requests: AsyncIterator[Any] | list[Any],
        key: ApiKey | str | None,
        *,
        unmask: bool = False,
    ) -> Any:
        call = self.channel.stream_stream(
            f"/{SERVICE}/{method}", request_serializer=lambda m: m.SerializeToString(), response_deserializer=parse
        )
        return call(requests, metadata=metadata(key) + ((UNMASK_METADATA,) if unmask else ()), timeout=5)


def parse(content: bytes) -> Any:
    return Response.FromString(content)


def metadata(key: ApiKey | str | None) -> tuple[tuple[str, str], ...]:
    if key is None:
        return ()
    return (("authorization", f"Bearer {key.text}" if isinstance(key, ApiKey) else key),)


LimitsOf = Callable[[], RpcLimits]


@pytest.fixture
def rpc_limits() -> RpcLimits:
    """Replaced by tests of the limits."""
    return RpcLimits(RateLimit.of(1000), RateLimit.of(1000), 100)


@asynccontextmanager
async def guarded_server(rpc_limits: RpcLimits, *, with_credentials: bool = True) -> AsyncIterator[Guarded]:
    keys, clock, handler, audit = Keyring(), FakeClock(), EveryKind(), Audit()
    limiter = RpcLimiter(LocalRateLimiter(clock), rpc_limits)
    credentials = (lambda: keys.current) if with_credentials else None
    interceptor = AccessInterceptor(table(), credentials, limiter, clock, audit)
    options = GrpcServerOptions("127.0.0.1:0", drain_seconds=1)

    def add(server: grpc.aio.Server) -> None:
        server.add_generic_rpc_handlers((handler,))

    async with (
        running_server(options, add, [], [interceptor]) as server,
        grpc.aio.insecure_channel(server.address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel,
    ):
        yield Guarded(server.address, channel, keys, clock, handler, audit)


@pytest.fixture
async def guarded(rpc_limits: RpcLimits) -> AsyncIterator[Guarded]:
    async with guarded_server(rpc_limits) as guarded:
        yield guarded


@pytest.fixture
async def unguarded(rpc_limits: RpcLimits) -> AsyncIterator[Guarded]:
    """The same without credentials, as on loopback."""
    async with guarded_server(rpc_limits, with_credentials=False) as guarded:
        yield guarded
