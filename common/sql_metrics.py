"""The metrics of a service's connections to its database."""

from collections.abc import Callable, Mapping

from common.sql import PoolState
from common.telemetry import names
from common.telemetry.metrics import Metrics


def add_database(metrics: Metrics, pools: Mapping[str, Callable[[], PoolState]]) -> None:
    """Connections by what they are for."""
    metrics.observe(names.POOL_IN_USE, lambda: {(name,): look().in_use for name, look in pools.items()})
    metrics.observe(names.POOL_SIZE, lambda: {(name,): look().limit for name, look in pools.items()})
    metrics.observe(names.POOL_EXHAUSTED, lambda: {(name,): look().exhausted for name, look in pools.items()})
