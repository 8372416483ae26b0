"""The routing service over real gRPC, on a SQLite file of the test's own."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from axbridge.routing.v1 import binding_pb2, binding_service_pb2, tenant_pb2, tenant_service_pb2
from axbridge.routing.v1.binding_service_pb2_grpc import BindingServiceStub
from axbridge.routing.v1.number_list_service_pb2_grpc import NumberListServiceStub
from axbridge.routing.v1.number_pool_service_pb2_grpc import NumberPoolServiceStub
from axbridge.routing.v1.routing_service_pb2_grpc import RoutingServiceStub
from axbridge.routing.v1.tenant_service_pb2_grpc import TenantServiceStub

from common.grpc_channel import open_channel
from common.grpc_server import GrpcServerOptions, running_server
from routing_service.api import made_servicers
from routing_service.settings import RoutingServiceSettings
from routing_service.sql_store.database import Database
from routing_service.wiring import opened_stores
from tests.support.spans import CollectedSpans
from tests.unit.routing_service.builders import TENANT, FakeClock

if TYPE_CHECKING:
    # Known to the type checker only.
    from axbridge.routing.v1.binding_service_pb2_grpc import BindingServiceAsyncStub
    from axbridge.routing.v1.number_list_service_pb2_grpc import NumberListServiceAsyncStub
    from axbridge.routing.v1.number_pool_service_pb2_grpc import NumberPoolServiceAsyncStub
    from axbridge.routing.v1.routing_service_pb2_grpc import RoutingServiceAsyncStub
    from axbridge.routing.v1.tenant_service_pb2_grpc import TenantServiceAsyncStub

TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Client:
    """Stubs for a running service, its clock, and shorthands for what nearly every test does."""

    routing: "RoutingServiceAsyncStub"
    bindings: "BindingServiceAsyncStub"
    tenants: "TenantServiceAsyncStub"
    pools: "NumberPoolServiceAsyncStub"
    clock: FakeClock
    database: Database
    lists: "NumberListServiceAsyncStub"
    spans: CollectedSpans

    async def add_tenant(self, tenant_id: str = TENANT, **fields: object) -> tenant_pb2.Tenant:
        message = tenant_pb2.Tenant(tenant_id=tenant_id, **fields)  # type: ignore[arg-type]
        request = tenant_service_pb2.CreateTenantRequest(tenant=message)
        return (await self.tenants.CreateTenant(request, timeout=TIMEOUT_SECONDS)).tenant

    async def bind(self, **fields: object) -> binding_pb2.Binding:
        message = binding_pb2.Binding(
            **{  # type: ignore[arg-type]
                "tenant_id": TENANT,
                "kind": binding_pb2.BINDING_KIND_AXB,
                "access_number": "02566000001",
                "a_number": "13800001111",
                "b_number": "13900001111",
                **fields,
            }
        )
        request = binding_service_pb2.CreateBindingRequest(binding=message)
        return (await self.bindings.CreateBinding(request, timeout=TIMEOUT_SECONDS)).binding


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    settings = RoutingServiceSettings(
        data_dir=tmp_path,
        read_timeout_seconds=TIMEOUT_SECONDS,
        write_timeout_seconds=TIMEOUT_SECONDS,
        default_budget_seconds=TIMEOUT_SECONDS,
    )
    clock = FakeClock()
    async with opened_stores(settings, clock) as stores:
        spans = CollectedSpans()
        add_servicers = made_servicers(settings, stores, None, spans.tracer(clock), clock)
        options = GrpcServerOptions("127.0.0.1:0", drain_seconds=1.0)
        async with running_server(options, add_servicers, ()) as server:
            channel = open_channel(server.address)
            yield Client(
                RoutingServiceStub(channel),
                BindingServiceStub(channel),
                TenantServiceStub(channel),
                NumberPoolServiceStub(channel),
                clock,
                stores.database,
                NumberListServiceStub(channel),
                spans,
            )
            stores.bell.close()
            await channel.close()
