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
from routing_service.migrate import migrate
from routing_service.service.bindings import BindingService
from routing_service.service.routing import RoutingLimits, RoutingService
from routing_service.service.tenants import TenantService
from routing_service.servicer.bindings import BindingServicer
from routing_service.servicer.routing import RoutingServicer
from routing_service.servicer.tenants import TenantServicer
from routing_service.settings import RoutingServiceSettings
from routing_service.sql_store.binding_store import SqlBindingStore
from routing_service.sql_store.candidates import SqlCandidateSource
from routing_service.sql_store.database import Database, DatabaseLimits
from routing_service.sql_store.tenant_store import SqlTenantStore

NAME = "routing_service"
SERVICE_NAMES = tuple(f"axbridge.routing.v1.{name}" for name in ("RoutingService", "BindingService", "TenantService"))

_log = get_logger(__name__)


async def serve(settings: RoutingServiceSettings) -> int:
    """Serve until SIGTERM or SIGINT, then drain. Returns the exit code."""
    stop = stop_requested()
    database = await _open_database(settings)
    clock = SystemClock()
    bindings, tenants = SqlBindingStore(database), SqlTenantStore(database)
    source = SqlCandidateSource(database)
    limits = RoutingLimits(settings.max_batch_queries, settings.default_budget_seconds)
    routing = RoutingServicer(RoutingService(source, source, clock, limits))
    binding = BindingServicer(BindingService(bindings, tenants, clock, BindingIds(clock)))
    tenant = TenantServicer(TenantService(tenants))

    def add_servicers(server: grpc.aio.Server) -> None:
        add_RoutingServiceServicer_to_server(routing, server)
        add_BindingServiceServicer_to_server(binding, server)
        add_TenantServiceServicer_to_server(tenant, server)

    api = ServedApi(add_servicers, SERVICE_NAMES, REQUIREMENTS, {"database": database.check})
    try:
        async with running_guarded_server(settings, settings.listen, settings.drain_seconds, api) as server:
            announce(NAME, server.address)
            await stop.wait()
            _log.info("stopping")
    finally:
        await database.close()
    return 0


async def _open_database(settings: RoutingServiceSettings) -> Database:
    if not settings.database_url:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    database = Database(
        settings.effective_database_url,
        DatabaseLimits(
            settings.read_connections,
            settings.write_connections,
            settings.read_timeout_seconds,
            settings.write_timeout_seconds,
        ),
    )
    if settings.migrate_at_start == "yes" or (settings.migrate_at_start == "auto" and database.is_sqlite):
        await migrate(database.writers)
    return database


def main() -> int:
    """Read the settings and run. Returns the exit code: 2 for settings that are wrong, 1 when it can't start."""
    try:
        settings = RoutingServiceSettings()
    except ValidationError as error:
        print(f"{NAME}: {error}", file=sys.stderr)  # noqa: T201 - logging is one of the settings
        return 2
    configure_logging(NAME, level=settings.log_level, log_format=settings.log_format)
    try:
        return run(lambda: serve(settings))
    except (AxbridgeError, OSError) as error:
        _log.error("can't start", detail=str(error))
        return 1
    except SQLAlchemyError as error:
        _log.error("can't start: the database can't be opened or migrated", detail=str(getattr(error, "orig", error)))
        return 1


if __name__ == "__main__":
    sys.exit(main())
