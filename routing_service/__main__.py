"""`python -m routing_service`: wiring only."""

import sys

import grpc.aio
from axbridge.routing.v1.binding_service_pb2_grpc import add_BindingServiceServicer_to_server
from axbridge.routing.v1.routing_service_pb2_grpc import add_RoutingServiceServicer_to_server
from axbridge.routing.v1.tenant_service_pb2_grpc import add_TenantServiceServicer_to_server
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from common.clock import SystemClock
from common.errors import AxbridgeError
from common.guarded_server import ServedApi, running_guarded_server
from common.lifecycle import announce, run, stop_requested
from common.logs import configure_logging, get_logger
from routing_service.access import REQUIREMENTS
from routing_service.binding_ids import BindingIds
from routing_service.service.bindings import BindingService
from routing_service.service.routing import RoutingLimits, RoutingService
from routing_service.service.tenants import TenantService
from routing_service.servicer.bindings import BindingServicer
from routing_service.servicer.routing import RoutingServicer
from routing_service.servicer.tenants import TenantServicer
from routing_service.settings import RoutingServiceSettings
from routing_service.wiring import OpenCache, open_redis_cache, opened_stores

NAME = "routing_service"
SERVICE_NAMES = tuple(f"axbridge.routing.v1.{name}" for name in ("RoutingService", "BindingService", "TenantService"))

_log = get_logger(__name__)


async def serve(settings: RoutingServiceSettings, open_cache: OpenCache = open_redis_cache) -> int:
    """Serve until SIGTERM or SIGINT, then drain. Returns the exit code."""
    stop = stop_requested()
    clock = SystemClock()
    async with opened_stores(settings, clock, open_cache) as stores:
        limits = RoutingLimits(settings.max_batch_queries, settings.default_budget_seconds)
        routing = RoutingServicer(RoutingService(stores.source, stores.history, clock, limits))
        binding = BindingServicer(BindingService(stores.bindings, stores.tenants, clock, BindingIds(clock)))
        tenant = TenantServicer(TenantService(stores.tenants))

        def add_servicers(server: grpc.aio.Server) -> None:
            add_RoutingServiceServicer_to_server(routing, server)
            add_BindingServiceServicer_to_server(binding, server)
            add_TenantServiceServicer_to_server(tenant, server)

        api = ServedApi(add_servicers, SERVICE_NAMES, REQUIREMENTS, {"database": stores.database.check})
        async with running_guarded_server(settings, settings.listen, settings.drain_seconds, api) as server:
            announce(NAME, server.address)
            await stop.wait()
            _log.info("stopping")
    return 0


def main(open_cache: OpenCache = open_redis_cache) -> int:
    """Read the settings and run. Returns the exit code: 2 for settings that are wrong, 1 when it can't start."""
    try:
        settings = RoutingServiceSettings()
    except ValidationError as error:
        print(f"{NAME}: {error}", file=sys.stderr)  # noqa: T201 - logging is one of the settings
        return 2
    configure_logging(NAME, level=settings.log_level, log_format=settings.log_format)
    try:
        return run(lambda: serve(settings, open_cache))
    except (AxbridgeError, OSError) as error:
        _log.error("can't start", detail=str(error))
        return 1
    except SQLAlchemyError as error:
        _log.error("can't start: the database can't be opened or migrated", detail=str(getattr(error, "orig", error)))
        return 1


if __name__ == "__main__":
    sys.exit(main())
