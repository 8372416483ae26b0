"""The gateway's metrics put together: what its parts count, under the names that stand in `common.telemetry.names`."""

from dataclasses import dataclass

from common.telemetry import names
from common.telemetry.metrics import Metrics
from gateway.batch_metrics import EVENTS, QUERIES, BatchMetrics
from gateway.decisions import DecisionBuffer
from gateway.entrance import Entrance
from gateway.event_client import EventClient
from gateway.readiness import Backend, Readiness
from gateway.request_report import RequestReport
from gateway.routing_client import RoutingClient
from gateway.service import EventService
from gateway.tenants import TenantDirectory


@dataclass(frozen=True, slots=True)
class Clients:
    """The gateway's ways to the other services, and what is counted of their batches."""

    routing: RoutingClient
    events: EventClient
    batches: BatchMetrics


def add_requests(metrics: Metrics, report: RequestReport, entrance: Entrance, events: EventService) -> None:
    """What becomes of the platform's requests."""
    metrics.add(report.queries, report.events, report.refused, report.limited)
    metrics.observe(names.UNEXPECTED_ERRORS, lambda: report.unexpected)
    metrics.observe(names.DENIED_MESSAGES, lambda: entrance.refused)
    metrics.observe(names.QUARANTINE_LOST, lambda: events.lost)


def add_clients(metrics: Metrics, clients: Clients) -> None:
    """What is on its way to the other services."""
    batches = clients.batches
    metrics.add(batches.sizes, batches.waits, batches.durations, batches.retries, batches.refused)
    metrics.observe(
        names.QUEUE_MESSAGES, lambda: {(QUERIES,): clients.routing.queued, (EVENTS,): clients.events.queued}
    )


def add_decisions(metrics: Metrics, decisions: DecisionBuffer) -> None:
    """What is on its way into the call records."""
    metrics.observe(names.DECISIONS_WAITING, lambda: decisions.waiting)
    metrics.observe(names.DECISIONS_DROPPED, lambda: decisions.dropped)


def add_state(metrics: Metrics, readiness: Readiness, directory: TenantDirectory, *backends: Backend) -> None:
    """How the gateway is."""
    metrics.observe(names.READY, lambda: 0 if readiness.not_ready_reasons() else 1)
    metrics.observe(names.DEGRADED, lambda: len(readiness.degraded_reasons()))
    metrics.observe(names.PEER_REACHABLE, lambda: {(each.name,): int(each.is_reachable) for each in backends})
    metrics.observe(names.TENANTS_KNOWN, lambda: directory.size)
