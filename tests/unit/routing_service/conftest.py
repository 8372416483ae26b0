"""The routing service over real gRPC, on a SQLite file of the test's own."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import grpc.aio
import pytest
from axbridge.routing.v1 import binding_pb2, binding_service_pb2, tenant_pb2, tenant_service_pb2
from axbridge.routing.v1.binding_service_pb2_grpc import (
    BindingServiceStub,
    add_BindingServiceServicer_to_server,
)
from axbridge.routing.v1.routing_service_pb2_grpc import (
    RoutingServiceStub,
    add_RoutingServiceServicer_to_server,
)
from axbridge.routing.v1.tenant_service_pb2_grpc import (
    TenantServiceStub,
    add_TenantServiceServicer_to_server,
)

from common.grpc_channel import open_channel
from common.grpc_server import GrpcServerOptions, running_server
from routing_service.binding_ids import BindingIds
from routing_service.migrate import migrate
from routing_service.service.bindings import BindingService
from routing_service.service.routing import RoutingLimits, RoutingService
from routing_service.service.tenants import TenantService
from routing_service.servicer.bindings import BindingServicer
from routing_service.servicer.routing import RoutingServicer
from routing_service.servicer.tenants import TenantServicer
from routing_service.sql_store.binding_store import SqlBindingStore
from routing_service.sql_store.candidates import SqlCandidateSource
from routing_service.sql_store.database import Database, DatabaseLimits
from routing_service.sql_store.tenant_store import SqlTenantStore
from tests.unit.routing_service.builders import TENANT, FakeClock

if TYPE_CHECKING:
    # Known to the type checker only.
    from axbridge.routing.v1.binding_service_pb2_grpc import BindingServiceAsyncStub
    from axbridge.routing.v1.routing_service_pb2_grpc import RoutingServiceAsyncStub
    from axbridge.routing.v1.tenant_service_pb2_grpc import TenantServiceAsyncStub

TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Client:
    """Stubs for a running service, its clock, and shorthands for what nearly every test does."""

    routing: "RoutingServiceAsyncStub"
    bindings: "BindingServiceAsyncStub"
    tenants: "TenantServiceAsyncStub"
    clock: FakeClock
    database: Database

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
    limits = DatabaseLimits(read_timeout_seconds=TIMEOUT_SECONDS, write_timeout_seconds=TIMEOUT_SECONDS)
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'routing.db'}", limits)
    await migrate(database.writers)
    clock = FakeClock()
    bindings, tenants, source = SqlBindingStore(database), SqlTenantStore(database), SqlCandidateSource(database)
    routing = RoutingService(source, source, clock, RoutingLimits(default_budget_seconds=TIMEOUT_SECONDS))

    def add_servicers(server: grpc.aio.Server) -> None:
        add_RoutingServiceServicer_to_server(RoutingServicer(routing), server)
        add_BindingServiceServicer_to_server(
            BindingServicer(BindingService(bindings, tenants, clock, BindingIds(clock))), server
        )
        add_TenantServiceServicer_to_server(TenantServicer(TenantService(tenants)), server)

    options = GrpcServerOptions("127.0.0.1:0", drain_seconds=1.0)
    async with running_server(options, add_servicers, ()) as server:
        channel = open_channel(server.address)
        yield Client(
            RoutingServiceStub(channel), BindingServiceStub(channel), TenantServiceStub(channel), clock, database
        )
        await channel.close()
    await database.close()
