"""What every process tells of itself: its loop, its CPU time, its memory."""

import asyncio
import resource
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from common.clock import Clock
from common.logs import get_logger
from common.request_lines import RequestLines
from common.telemetry import names
from common.telemetry.loop_lag import keep_measuring
from common.telemetry.metrics import Histogram, Metrics, Readings
from common.telemetry.prometheus import serving_metrics
from common.telemetry.pushing import pushing_metrics
from common.telemetry.settings import TelemetrySettings
from common.telemetry.tracing import Tracer

_log = get_logger(__name__)
_PAGE_BYTES = resource.getpagesize()
_MEMORY, _FILES = Path("/proc/self/statm"), Path("/proc/self/fd")


@asynccontextmanager
async def running_metrics(
    settings: TelemetrySettings, metrics: Metrics, lines: RequestLines, clock: Clock
) -> AsyncIterator[None]:
    """Have these metrics read as the settings say while the context is open, and with them what every process tells.

    Raises OSError when the address is taken or a file can't be read, InvalidArgumentError for a file that is no good.
    """
    lag = Histogram(names.LOOP_LAG)
    metrics.add(lag)
    metrics.observe(names.PROCESS_CPU, _cpu_seconds)
    if sys.platform == "linux":
        metrics.observe(names.PROCESS_MEMORY, _memory_bytes)
        metrics.observe(names.PROCESS_FILES, _open_files)
    metrics.observe(names.LOG_LINES_HELD_BACK, lambda: lines.held_back)
    measuring = asyncio.create_task(keep_measuring(lag, clock))
    try:
        async with (
            pushing_metrics(settings, metrics.read),
            serving_metrics(settings.metrics_listen, metrics.read) as address,
        ):
            if address:
                _log.info("metrics over HTTP", address=address)
            yield
    finally:
        measuring.cancel()
        await asyncio.gather(measuring, return_exceptions=True)


def add_spans(metrics: Metrics, tracer: Tracer) -> None:
    """What becomes of spans."""

    def look() -> Readings:
        sink = tracer.sink
        if sink is None:
            return {}
        return {("sent",): sink.sent, ("dropped",): sink.dropped, ("failed",): sink.failed}

    metrics.observe(names.SPANS, look)


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _memory_bytes() -> float:
    return int(_MEMORY.read_text(encoding="ascii").split()[1]) * _PAGE_BYTES


def _open_files() -> float:
    return sum(1 for _ in _FILES.iterdir())
