"""`python -m gateway`: wiring only."""

import argparse
import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from common.clock import SystemClock
from common.errors import AxbridgeError
from common.grpc_channel import open_channel
from common.lifecycle import announce, run, stop_requested
from common.logs import configure_logging, get_logger
from common.request_lines import RequestLines
from common.settings_problems import settings_problem
from common.telemetry.metrics import Metrics
from common.telemetry.process_metrics import add_spans, running_metrics
from common.telemetry.resource import process_resource
from common.telemetry.tenant_labels import TenantLabels
from common.telemetry.tracing import running_tracing
from gateway.batch_metrics import BatchMetrics
from gateway.call_traces import CallTraces
from gateway.coalescer import CoalescerLimits
from gateway.decisions import DecisionBuffer, DecisionLimits, NoDecisions
from gateway.event_client import DecisionClient, EventClient, QuarantineClient
from gateway.handlers import CallHandler, HealthHandler
from gateway.http import HttpOptions, build_app, running_http
from gateway.metrics import Clients, add_clients, add_decisions, add_requests, add_state
from gateway.readiness import Backend, Readiness, health_check
from gateway.request_report import RequestReport
from gateway.routing_client import RoutingClient, TenantClient
from gateway.service import EventOptions, EventService, QueryOptions, QueryService
from gateway.settings import GatewaySettings
from gateway.tenants import DirectoryLimits, TenantDirectory
from gateway.tracked_tasks import TrackedTasks
from gateway.wiring import running_guards
from gateway.workers import PoolOptions, WorkerPool, end_with_parent, inherited_socket, listening_socket

NAME = "gateway"
_RECORD_TIMEOUT_SECONDS = 5.0
_LAST_FLUSH_SECONDS = 2.0
_GRACE_SECONDS = 3.0
_MAX_STUCK_BATCHES = 14

_log = get_logger(__name__)


async def serve(settings: GatewaySettings, listener: socket.socket | None = None) -> int:
    """Serve until SIGTERM or SIGINT, then drain: not ready, no new connections, requests, batches, records.

    With a `listener` that is listened on, in place of the address of the settings.
    """
    stop = stop_requested()
    clock = SystemClock()
    security = settings.channel_security
    metrics = Metrics(process_resource(NAME), clock)
    lines = RequestLines(settings.request_lines_per_second, clock.monotonic())
    async with (
        running_tracing(settings, NAME, clock) as tracer,
        running_metrics(settings, metrics, lines, clock),
        running_guards(settings, clock) as guards,
        open_channel(settings.routing_target, security) as routing,
        open_channel(settings.events_target, security) as events,
    ):
        directory = TenantDirectory(
            TenantClient(routing, settings.tenant_timeout_seconds),
            DirectoryLimits(refresh_seconds=settings.tenant_refresh_seconds),
            clock,
        )
        decisions = DecisionBuffer(
            DecisionClient(events, _RECORD_TIMEOUT_SECONDS, clock),
            DecisionLimits(capacity=settings.max_buffered_decisions),
        )
        sink = decisions if settings.record_decisions else NoDecisions()
        batches = BatchMetrics()
        # Resolving changes nothing, so a replica that does not answer is gone around.
        limits = replace(
            _limits(settings, settings.query_attempt_seconds), max_stuck_batches=_MAX_STUCK_BATCHES, retry_copies=2
        )
        resolver = RoutingClient(routing, limits, tracer, clock, batches)
        publisher = EventClient(events, _limits(settings, settings.event_attempt_seconds), tracer, clock, batches)
        traces = CallTraces(tracer, settings.sampler, settings.keep_rules)
        query_options = QueryOptions(settings.query_budget_seconds, traces)
        event_options = EventOptions(settings.event_budget_seconds, settings.tenant_timeout_seconds, traces)
        tasks = TrackedTasks()
        labels = TenantLabels(settings.metrics_max_tenants, directory.is_known, settings.metrics_tenants)
        report = RequestReport(labels, lines, clock)
        taking = EventService(publisher, directory, QuarantineClient(events), event_options, clock)
        calls = CallHandler(
            QueryService(resolver, directory, sink, query_options, clock), taking, guards.entrance, tasks, report
        )
        routing_backend = Backend("routing_service", health_check(routing))
        events_backend = Backend("event_service", health_check(events))
        readiness = Readiness(routing_backend, events_backend, guards.problems)
        add_spans(metrics, tracer)
        add_requests(metrics, report, guards.entrance, taking)
        add_clients(metrics, Clients(resolver, publisher, batches))
        add_decisions(metrics, decisions)
        add_state(metrics, readiness, directory, routing_backend, events_backend)
        background = (
            directory.keep_fresh(),
            decisions.keep_flushing(),
            routing_backend.keep_checking(),
            events_backend.keep_checking(),
        )
        options = HttpOptions(
            settings.listen,
            settings.keepalive_seconds,
            settings.drain_seconds,
            settings.header_timeout_seconds,
            settings.max_connections,
            settings.lame_duck_seconds,
            guards.tls,
            listener,
        )
        async with _running(stop, *background):
            async with running_http(build_app(calls, HealthHandler(readiness)), options, metrics) as address:
                announce(NAME, address)
                _log.info("listening", address=address)
                await stop.wait()
                readiness.is_draining = True
                _log.info("stopping")
            lost = await tasks.drain(settings.drain_seconds)
            if lost:
                _log.warning("events were given up", count=lost)
            await resolver.close()
            await publisher.close()
        await directory.close()
        await decisions.close(_LAST_FLUSH_SECONDS)
    return 0


async def serve_by_workers(settings: GatewaySettings) -> int:
    """Have worker processes serve until SIGTERM or SIGINT, then end them. Returns the exit code."""
    stop = stop_requested()
    # What a worker takes to end by itself, and something for the end of its process.
    grace_seconds = settings.lame_duck_seconds + settings.drain_seconds + _LAST_FLUSH_SECONDS + _GRACE_SECONDS
    options = PoolOptions(settings.workers, settings.listen, settings.metrics_listen, grace_seconds)
    pool = WorkerPool(options, listening_socket(settings.listen), SystemClock())

    def started() -> None:
        announce(NAME, pool.address)
        _log.info("listening", address=pool.address, workers=settings.workers)

    return await pool.run(stop, started)


def _limits(settings: GatewaySettings, attempt_seconds: float) -> CoalescerLimits:
    return CoalescerLimits(
        settings.max_batch_items,
        settings.max_batches_in_flight,
        settings.max_queued,
        max(1, settings.max_queued // 2),
        attempt_seconds,
    )


@asynccontextmanager
async def _running(stop: asyncio.Event, *background: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run work in the background while the context is open. Work that fails sets `stop`; its error comes at the end."""
    tasks = [asyncio.create_task(work) for work in background]
    for task in tasks:
        task.add_done_callback(lambda _done: stop.set())
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the settings and run. Returns the exit code: 2 for settings that are wrong, 1 when it can't start."""
    parser = argparse.ArgumentParser(prog=f"python -m {NAME}", description="The rest are environment variables.")
    parser.add_argument("--workers", type=int, help="processes that serve the port; else AXBRIDGE_GATEWAY_WORKERS")
    given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
    try:
        settings = GatewaySettings(**given)
    except ValidationError as error:
        problem = settings_problem(error, "AXBRIDGE_GATEWAY_")
        print(f"{NAME}: can't start: {problem}", file=sys.stderr)  # noqa: T201 - logging is one of the settings
        return 2
    configure_logging(NAME, level=settings.log_level, log_format=settings.log_format)
    try:
        listener = inherited_socket()
        if listener is not None:
            end_with_parent()
        elif settings.workers > 1:
            return run(lambda: serve_by_workers(settings))
        return run(lambda: serve(settings, listener))
    except (AxbridgeError, OSError) as error:
        _log.error("can't start", detail=str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main())
