"""The servicers of a routing service, on its stores."""

from collections.abc import Callable
from datetime import timedelta

import grpc.aio
from axbridge.routing.v1.binding_service_pb2_grpc import add_BindingServiceServicer_to_server
from axbridge.routing.v1.number_list_service_pb2_grpc import add_NumberListServiceServicer_to_server
from axbridge.routing.v1.number_pool_service_pb2_grpc import add_NumberPoolServiceServicer_to_server
from axbridge.routing.v1.routing_service_pb2_grpc import add_RoutingServiceServicer_to_server
from axbridge.routing.v1.tenant_service_pb2_grpc import add_TenantServiceServicer_to_server

from common.clock import Clock
from common.telemetry.metrics import Metrics
from common.telemetry.tracing import Tracer
from routing_service.binding_ids import BindingIds
from routing_service.call_memory import CallMemory
from routing_service.metrics import add_routing
from routing_service.service.audit import AuditService
from routing_service.service.bindings import BindingService
from routing_service.service.changes import ChangeService
from routing_service.service.imports import ImportService
from routing_service.service.number_lists import NumberListService
from routing_service.service.pools import NumberPoolService
from routing_service.service.routing import RoutingLimits, RoutingService
from routing_service.service.shadow import ShadowService, ShadowStores
from routing_service.service.tenants import TenantService
from routing_service.servicer.bindings import BindingServicer
from routing_service.servicer.number_lists import NumberListServicer
from routing_service.servicer.pools import NumberPoolServicer
from routing_service.servicer.routing import RoutingServicer
from routing_service.servicer.tenants import TenantServicer
from routing_service.settings import RoutingServiceSettings
from routing_service.sql_store.importer import SqlBindingImporter
from routing_service.sql_store.journal_reader import SqlAuditLog, SqlChangeFeed
from routing_service.sql_store.number_list_store import SqlNumberListStore
from routing_service.sql_store.pool_store import SqlNumberPoolStore
from routing_service.wiring import Stores

SERVICE_NAMES = tuple(
    f"axbridge.routing.v1.{name}Service" for name in ("Routing", "Binding", "Tenant", "NumberList", "NumberPool")
)


def made_servicers(
    settings: RoutingServiceSettings,
    stores: Stores,
    memory: CallMemory | None,
    tracer: Tracer,
    clock: Clock,
    metrics: Metrics | None = None,
) -> Callable[[grpc.aio.Server], None]:
    """A function that adds every servicer to a server."""
    limits = RoutingLimits(settings.max_batch_queries, settings.default_budget_seconds)
    ids = BindingIds(clock)
    pools = SqlNumberPoolStore(stores.database, clock, stores.writer)
    deciding = RoutingService(stores.source, stores.history, clock, limits, memory)
    if metrics is not None:
        add_routing(metrics, deciding.stats)
    routing = RoutingServicer(
        deciding,
        ShadowService(
            ShadowStores(stores.source, stores.history, stores.bindings, stores.tenants, pools),
            clock,
        ),
        tracer,
    )
    binding = BindingServicer(
        BindingService(stores.bindings, stores.tenants, clock, ids),
        ImportService(SqlBindingImporter(stores.database, clock, stores.writer), stores.tenants, clock, ids),
        ChangeService(SqlChangeFeed(stores.database), stores.tenants, stores.bell),
        AuditService(SqlAuditLog(stores.database)),
    )
    cool_down = timedelta(seconds=settings.pool_cool_down_seconds)
    pool = NumberPoolServicer(NumberPoolService(pools, stores.tenants, clock, ids, cool_down))
    tenant = TenantServicer(TenantService(stores.tenants))
    lists = SqlNumberListStore(stores.database, stores.writer, clock)
    number_list = NumberListServicer(NumberListService(lists, stores.tenants, clock, ids))

    def add_servicers(server: grpc.aio.Server) -> None:
        add_RoutingServiceServicer_to_server(routing, server)
        add_BindingServiceServicer_to_server(binding, server)
        add_TenantServiceServicer_to_server(tenant, server)
        add_NumberListServiceServicer_to_server(number_list, server)
        add_NumberPoolServiceServicer_to_server(pool, server)

    return add_servicers
