"""A gRPC server with everything that guards it, and its health over HTTP."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc.aio

from common.auth.requirements import Requirements
from common.auth.unmasking import UnmaskAudit
from common.clock import SystemClock
from common.grpc_server import GrpcServerOptions, RunningServer, running_server
from common.guard import running_guard
from common.guard_settings import GrpcGuardSettings
from common.logs import get_logger
from common.rpc_report import RpcReport
from common.service_health import Check, ServiceHealth, running_health
from common.telemetry import names
from common.telemetry.metrics import Metrics

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ServedApi:
    """What a server serves: its servicers, their full names, what their methods ask of callers, what they depend on.

    `interceptors` stand around the guard: they see refused calls too. Without what is `vital` it is not ready.
    `audit` hears of whoever sees whole numbers, `report` of every RPC. `metrics` learn how the server is.
    """

    add_servicers: Callable[[grpc.aio.Server], None]
    service_names: Sequence[str]
    requirements: Requirements
    dependencies: Mapping[str, Check]
    interceptors: Sequence[grpc.aio.ServerInterceptor] = ()
    vital: Mapping[str, Check] = field(default_factory=dict)
    audit: UnmaskAudit | None = None
    report: RpcReport | None = None
    metrics: Metrics | None = None


@asynccontextmanager
async def running_guarded_server(
    settings: GrpcGuardSettings, listen: str, drain_seconds: float, api: ServedApi
) -> AsyncIterator[RunningServer]:
    """Serve while the context is open, then drain. Raises OSError and AxbridgeError when it can't start."""
    async with running_guard(settings, listen, api.requirements, SystemClock(), api.audit) as guard:
        health = ServiceHealth(api.dependencies, guard.problems, api.vital)
        options = GrpcServerOptions(
            listen, settings.max_connection_age_seconds, drain_seconds=drain_seconds, tls=guard.tls
        )
        interceptors = [*api.interceptors, guard.interceptor]
        if api.report is not None:
            interceptors.insert(0, api.report)
        if api.metrics is not None:
            _add_metrics(api.metrics, health, api.report)
        async with (
            running_health(settings.health_listen, health) as health_address,
            running_server(options, api.add_servicers, api.service_names, interceptors) as server,
        ):
            if health_address:
                _log.info("health over HTTP", address=health_address)
            try:
                yield server
            finally:
                health.is_draining = True


def _add_metrics(metrics: Metrics, health: ServiceHealth, report: RpcReport | None) -> None:
    metrics.observe(names.READY, lambda: 0 if health.not_ready_reasons() else 1)
    metrics.observe(names.DEGRADED, lambda: len(health.degraded_reasons()))
    if report is not None:
        metrics.add(report.durations)
        metrics.observe(names.RPC_ACTIVE, lambda: report.active)
