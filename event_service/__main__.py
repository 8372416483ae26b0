"""`python -m event_service`: puts the parts together and runs them until SIGTERM or SIGINT."""

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import grpc.aio
from axbridge.events.v1 import (
    call_service_pb2_grpc,
    event_service_pb2_grpc,
    privacy_service_pb2_grpc,
    subscription_service_pb2_grpc,
    webhook_service_pb2_grpc,
)
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncEngine

from common.clock import SystemClock
from common.errors import AxbridgeError
from common.guarded_server import ServedApi, running_guarded_server
from common.lifecycle import announce, run, stop_requested
from common.logs import configure_logging, get_logger
from common.request_lines import RequestLines
from common.rpc_report import RpcReport
from common.settings_problems import make_data_directory
from common.sql import pool_state
from common.sql_metrics import add_database
from common.telemetry.metrics import Metrics
from common.telemetry.process_metrics import add_spans, running_metrics
from common.telemetry.resource import process_resource
from common.telemetry.tracing import running_tracing
from event_service.access import REQUIREMENTS
from event_service.call_closer import CallCloser
from event_service.delivery_stats import DeliveryStats
from event_service.delivery_traces import DeliveryTraces
from event_service.durability import DurabilityWatch, DurableLog, check_answers, check_durability
from event_service.group_commit import GroupCommitter, GroupLimits
from event_service.metrics import add_deliveries, add_log
from event_service.migrate import check_schema, migrate
from event_service.ports import Patience
from event_service.privacy.audit import AuditService
from event_service.privacy.servicer import SERVICE_NAME as PRIVACY_SERVICE_NAME
from event_service.privacy.servicer import PrivacyServicer
from event_service.privacy.sql_audit import SqlAuditLog
from event_service.repeating import repeating
from event_service.reports import CallReporting
from event_service.retention import Retention
from event_service.service import CallQueries, EventIntake, QuarantineDesk
from event_service.servicer import SERVICE_NAMES, CallServicer, EventServicer
from event_service.settings import EventServiceSettings
from event_service.sql_calls import SqlCallReader
from event_service.sql_database import EventDatabase
from event_service.sql_days import SqlLogDays
from event_service.sql_engine import open_event_engine
from event_service.sql_log import SqlEventLog, create_partitions
from event_service.sql_quarantine import QuarantineBounds, SqlQuarantine
from event_service.sql_reports import SqlCallReports
from event_service.sql_retention import SqlRetention
from event_service.sql_upkeep import SqlCallUpkeep
from event_service.subscriptions.hub import AnnouncedLog
from event_service.subscriptions.runner import running_subscriptions
from event_service.subscriptions.servicer import SERVICE_NAME as SUBSCRIPTION_SERVICE_NAME
from event_service.subscriptions.sql_schema import tenant_cursors
from event_service.webhooks.runner import WebhookSurroundings, running_webhooks
from event_service.webhooks.servicer import SERVICE_NAME as WEBHOOK_SERVICE_NAME
from event_service.webhooks.sql_schema import webhook_cursors

MEBIBYTE = 1024 * 1024
_QUEUE_WATCH_SECONDS = 15.0
_DAYS_CHECK_SECONDS = 3600.0


async def serve(settings: EventServiceSettings) -> int:
    log = get_logger("event_service")
    stop = stop_requested()
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        tracer = await stack.enter_async_context(running_tracing(settings, "event_service", clock))
        metrics = Metrics(process_resource("event_service"), clock)
        lines = RequestLines(settings.request_lines_per_second, clock.monotonic())
        await stack.enter_async_context(running_metrics(settings, metrics, lines, clock))
        traces = DeliveryTraces(tracer, settings.sampler, clock)
        stats = DeliveryStats(clock)
        engine = await stack.enter_async_context(_database(settings))
        partition_count = await create_partitions(engine, settings.partition_count)
        if partition_count != settings.partition_count:
            log.warning("the log keeps its partitions", partitions=partition_count, wanted=settings.partition_count)
        database = EventDatabase(engine)
        stack.push_async_callback(database.drain)
        days = SqlLogDays(database, clock)
        await days.prepare()
        await stack.enter_async_context(repeating("making the log's days", days.prepare, _DAYS_CHECK_SECONDS))
        subscriptions = await stack.enter_async_context(
            running_subscriptions(
                settings, settings.effective_database_url, settings.max_connection_age_seconds, traces, stats, clock
            )
        )
        surroundings = WebhookSurroundings(
            settings.effective_database_url,
            partition_count,
            settings.drain_seconds,
            traces,
            stats,
            _QUEUE_WATCH_SECONDS if settings.are_metrics_read else 0,
        )
        webhooks = await stack.enter_async_context(running_webhooks(settings, surroundings, clock))

        def announce_commit() -> None:
            subscriptions.hub.wake()
            webhooks.wake()

        durability = DurabilityWatch(engine)
        event_log = SqlEventLog(engine, clock, partition_count)
        committer = GroupCommitter(
            AnnouncedLog(DurableLog(event_log, durability), announce_commit),
            GroupLimits(
                max_queued_items=settings.max_queued_events,
                max_queued_bytes=settings.max_queued_mebibytes * MEBIBYTE,
                max_group_items=settings.max_group_events,
            ),
            engine.dialect.name,
        )
        quarantine = SqlQuarantine(
            database,
            QuarantineBounds(settings.quarantine_max_messages, settings.quarantine_max_mebibytes * MEBIBYTE),
        )
        events = EventServicer(
            EventIntake(committer, clock, committer.stats), QuarantineDesk(quarantine, clock), tracer
        )
        upkeep = SqlCallUpkeep(database, clock, partition_count, settings.retention_days)
        reporting = CallReporting(SqlCallReports(database), upkeep)
        calls = CallServicer(CallQueries(SqlCallReader(database)), reporting, clock)
        patience = Patience(settings.default_talk_seconds, settings.unterminated_margin_seconds)
        closer = CallCloser(upkeep, clock, patience)
        await stack.enter_async_context(
            repeating("giving up calls without an end", closer.close_overdue, settings.unterminated_check_seconds)
        )
        if settings.retention_days:
            old_calls = SqlRetention(database, days, [webhook_cursors], [tenant_cursors])
            retention = Retention(old_calls, clock, settings.retention_days)
            await stack.enter_async_context(
                repeating("dropping old calls", retention.drop_old, settings.retention_check_seconds)
            )

        audit = AuditService(SqlAuditLog(database), clock)
        privacy = PrivacyServicer(audit)

        def add_servicers(server: grpc.aio.Server) -> None:
            privacy_service_pb2_grpc.add_PrivacyServiceServicer_to_server(privacy, server)
            event_service_pb2_grpc.add_EventServiceServicer_to_server(events, server)
            call_service_pb2_grpc.add_CallServiceServicer_to_server(calls, server)
            webhook_service_pb2_grpc.add_WebhookServiceServicer_to_server(webhooks.servicer, server)
            subscription_service_pb2_grpc.add_SubscriptionServiceServicer_to_server(subscriptions.servicer, server)

        add_spans(metrics, tracer)
        add_log(metrics, committer.stats, committer, event_log.known_calls)
        add_deliveries(metrics, stats, subscriptions.hub, webhooks, clock)
        pools = {"log": lambda: pool_state(engine), "subscriptions": subscriptions.pool, "webhooks": webhooks.pool}
        add_database(metrics, pools)
        await stack.enter_async_context(committer.running())
        service_names = (*SERVICE_NAMES, WEBHOOK_SERVICE_NAME, SUBSCRIPTION_SERVICE_NAME, PRIVACY_SERVICE_NAME)
        api = ServedApi(
            add_servicers,
            service_names,
            REQUIREMENTS,
            dependencies={"database": lambda: check_answers(engine)},
            vital={"durability": durability.look},
            audit=audit,
            report=RpcReport(lines, clock),
            metrics=metrics,
        )
        serving = running_guarded_server(settings, settings.listen, settings.drain_seconds, api)
        server = await stack.enter_async_context(serving)
        # Streams last for ever: they are ended before the server waits for what is in flight.
        stack.push_async_callback(subscriptions.hub.drain)
        announce("event_service", server.address)
        await stop.wait()
        log.info("stopping")
    return 0


@asynccontextmanager
async def _database(settings: EventServiceSettings) -> AsyncIterator[AsyncEngine]:
    """The database, ready for use. The embedded one is brought up to date here; a shared one by its operators."""
    if not settings.database_url:
        make_data_directory(settings.data_dir, "AXBRIDGE_EVENTS_")
    engine = open_event_engine(settings.effective_database_url)
    try:
        if engine.dialect.name == "sqlite":
            await migrate(engine)
        await check_schema(engine)
        await check_durability(engine)
        yield engine
    finally:
        await engine.dispose()


def main() -> int:
    try:
        settings = EventServiceSettings()
    except ValidationError as error:
        configure_logging("event_service")
        for problem in error.errors():
            name = "_".join(str(part) for part in problem["loc"]).upper()
            get_logger("event_service").error("bad setting", name=f"AXBRIDGE_EVENTS_{name}", problem=problem["msg"])
        return 2
    configure_logging("event_service", level=settings.log_level, log_format=settings.log_format)
    try:
        return run(lambda: serve(settings))
    except (AxbridgeError, OSError) as error:
        get_logger("event_service").error("can't start", problem=str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main())
