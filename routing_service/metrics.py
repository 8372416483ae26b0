"""The routing service's metrics put together: what its parts count, under the names of `common.telemetry.names`."""

from collections.abc import Callable, Mapping

from common.telemetry import names
from common.telemetry.metrics import Labels, Metrics
from routing_service.cache_stats import CacheStats
from routing_service.call_memory import CallMemory
from routing_service.routing_stats import RoutingStats


def add_routing(metrics: Metrics, stats: RoutingStats) -> None:
    """The hot path."""
    metrics.add(stats.durations, stats.sizes)
    metrics.observe(names.ROUTING_ANSWERS, stats.answers)


def add_cache(metrics: Metrics, stats: CacheStats, breakers: Mapping[str, Callable[[], bool]]) -> None:
    """The cache, and what is left alone because it did not answer."""
    metrics.observe(names.CACHE_KEYS, lambda: _outcomes(stats, _KEY_OUTCOMES))
    metrics.observe(names.CACHE_LEASES, lambda: stats.leases)
    metrics.observe(names.CACHE_FILLS, lambda: {("stored",): stats.fills, ("failed",): stats.failed_fills})
    metrics.observe(names.CACHE_LOADS, lambda: _outcomes(stats, _LOAD_OUTCOMES))
    metrics.observe(names.CACHE_LOAD_STATEMENTS, lambda: stats.load_statements)
    metrics.observe(names.CACHE_WRITES, lambda: _outcomes(stats, _WRITE_OUTCOMES))
    metrics.observe(names.CACHE_AUDITS, lambda: stats.audits)
    metrics.observe(names.CACHE_MISMATCHES, lambda: stats.mismatches)
    metrics.observe(names.BREAKER_OPEN, lambda: {(what,): int(is_open()) for what, is_open in breakers.items()})


def add_call_memory(metrics: Metrics, memory: CallMemory) -> None:
    """What is remembered of earlier calls."""
    metrics.observe(
        names.CALL_MEMORY,
        lambda: {
            ("noted",): memory.stats.noted,
            ("stored",): memory.stats.stored,
            ("dropped",): memory.stats.dropped,
        },
    )
    metrics.observe(names.CALL_MEMORY_WAITING, lambda: memory.waiting)


def _outcomes(stats: CacheStats, outcomes: Mapping[str, str]) -> Mapping[Labels, int]:
    return {(outcome,): getattr(stats, field) for outcome, field in outcomes.items()}


# The label `outcome` by the counter that it stands for.
_KEY_OUTCOMES = {
    "hit": "hits",
    "miss": "misses",
    "fenced": "fenced",
    "unreachable": "unreachable",
    "bypassed": "bypassed",
    "expired": "expired",
    "from_the_future": "from_the_future",
    "wrong_key": "wrong_key",
    "unreadable": "unreadable",
}
_LOAD_OUTCOMES = {
    "loaded": "loads",
    "joined": "joined_loads",
    "refreshed": "refreshes",
    "failed": "failed_loads",
    "refused": "refused_loads",
}
_WRITE_OUTCOMES = {
    "invalidated": "invalidations",
    "waited_out": "waited_out",
    "unmarked": "unmarked_writes",
    "finished_for_others": "finished_for_others",
}
