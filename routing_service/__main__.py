"""`python -m routing_service`: wiring only."""

import sys

from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from common.clock import SystemClock
from common.errors import AxbridgeError
from common.guarded_server import ServedApi, running_guarded_server
from common.lifecycle import announce, run, stop_requested
from common.logs import configure_logging, get_logger
from common.request_lines import RequestLines
from common.rpc_report import RpcReport
from common.settings_problems import settings_problem
from common.sql_metrics import add_database
from common.telemetry.metrics import Metrics
from common.telemetry.process_metrics import add_spans, running_metrics
from common.telemetry.resource import process_resource
from common.telemetry.tracing import running_tracing
from routing_service.access import REQUIREMENTS
from routing_service.api import SERVICE_NAMES, made_servicers
from routing_service.metrics import add_cache, add_call_memory
from routing_service.settings import RoutingServiceSettings
from routing_service.sql_store.unmask_audit import SqlUnmaskAudit
from routing_service.wiring import (
    OpenCache,
    forgetting_requests,
    open_redis_cache,
    opened_call_memory,
    opened_stores,
)

NAME = "routing_service"
_log = get_logger(__name__)


async def serve(settings: RoutingServiceSettings, open_cache: OpenCache = open_redis_cache) -> int:
    """Serve until SIGTERM or SIGINT, then drain. Returns the exit code."""
    stop = stop_requested()
    clock = SystemClock()
    metrics = Metrics(process_resource(NAME), clock)
    lines = RequestLines(settings.request_lines_per_second, clock.monotonic())
    async with (
        running_tracing(settings, NAME, clock) as tracer,
        running_metrics(settings, metrics, lines, clock),
        opened_stores(settings, clock, open_cache) as stores,
        opened_call_memory(stores.database, clock) as memory,
        forgetting_requests(stores.database, clock),
    ):
        add_servicers = made_servicers(settings, stores, memory, tracer, clock, metrics)
        add_spans(metrics, tracer)
        add_cache(metrics, stores.stats, stores.breakers)
        add_call_memory(metrics, memory)
        add_database(metrics, {"read": stores.database.readers_state, "write": stores.database.writers_state})
        api = ServedApi(
            add_servicers,
            SERVICE_NAMES,
            REQUIREMENTS,
            {"database": stores.database.check},
            audit=SqlUnmaskAudit(stores.database, clock),
            report=RpcReport(lines, clock),
            metrics=metrics,
        )
        async with running_guarded_server(settings, settings.listen, settings.drain_seconds, api) as server:
            announce(NAME, server.address)
            await stop.wait()
            _log.info("stopping")
            # Those who watch would otherwise hold up the end.
            stores.bell.close()
    return 0


def main(open_cache: OpenCache = open_redis_cache) -> int:
    """Read the settings and run. Returns the exit code: 2 for settings that are wrong, 1 when it can't start."""
    try:
        settings = RoutingServiceSettings()
    except ValidationError as error:
        problem = settings_problem(error, "AXBRIDGE_ROUTING_")
        print(f"{NAME}: can't start: {problem}", file=sys.stderr)  # noqa: T201 - logging is one of the settings
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
