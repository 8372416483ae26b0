"""What the routing service counts, under which names."""

from dataclasses import fields

from opentelemetry.sdk.resources import Resource

from common.clock import SystemClock
from common.protocol_codes import ResultCode
from common.telemetry.metrics import Metrics
from routing_service.answer import RouteAnswer
from routing_service.cache_stats import CacheStats
from routing_service.call_memory import CallMemory, NoStore
from routing_service.domain.decision import DecisionSource
from routing_service.metrics import add_cache, add_call_memory, add_routing
from routing_service.routing_stats import RoutingStats


def values(metrics: Metrics) -> dict[tuple[str, ...], float]:
    return {
        (metric.name, *map(str, (point.attributes or {}).values())): point.value  # type: ignore[union-attr]
        for metric in metrics.read().resource_metrics[0].scope_metrics[0].metrics
        for point in metric.data.data_points
        if hasattr(point, "value")
    }


def test_every_counter_of_the_cache_is_told() -> None:
    stats = CacheStats(**{field.name: number for number, field in enumerate(fields(CacheStats), 1)})
    metrics = Metrics(Resource({}), SystemClock())
    add_cache(metrics, stats, {"redis": lambda: True, "store": lambda: False})
    told = values(metrics)
    assert told["axbridge.routing.cache.keys", "hit"] == stats.hits
    assert told["axbridge.routing.cache.writes", "waited_out"] == stats.waited_out
    assert told["axbridge.routing.cache.mismatches",] == stats.mismatches
    assert told["axbridge.routing.breaker.open", "redis"] == 1
    assert told["axbridge.routing.breaker.open", "store"] == 0
    of_the_cache = {value for name, value in told.items() if ".cache." in name[0]}
    assert of_the_cache == set(range(1, len(fields(CacheStats)) + 1))


def test_answers_are_told_by_result_and_source() -> None:
    stats, metrics = RoutingStats(), Metrics(Resource({}), SystemClock())
    add_routing(metrics, stats)
    found = RouteAnswer(ResultCode.SUCCESS, "", source=DecisionSource.CACHE)
    stats.note([found, found, RouteAnswer(ResultCode.UNKNOWN_TENANT, "")], 0.002)
    told = values(metrics)
    assert told["axbridge.routing.answers", "0000", "cache"] == 2
    assert told["axbridge.routing.answers", "1002", "none"] == 1
    assert stats.sizes.count() == 1
    assert stats.durations.count() == 1


def test_what_the_memory_of_calls_counts_is_told() -> None:
    clock = SystemClock()
    memory, metrics = CallMemory(NoStore(), clock), Metrics(Resource({}), clock)
    add_call_memory(metrics, memory)
    memory.stats.dropped = 3
    assert values(metrics)["axbridge.routing.call_memory.calls", "dropped"] == 3
