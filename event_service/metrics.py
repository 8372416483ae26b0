"""The event service's metrics put together: what its parts count, under the names of `common.telemetry.names`."""

from common.clock import Clock, to_microseconds
from common.telemetry import names
from common.telemetry.metrics import Metrics, Readings
from event_service.append_stats import AppendStats
from event_service.delivery_stats import DeliveryStats
from event_service.group_commit import GroupCommitter
from event_service.known_calls import KnownCalls
from event_service.subscriptions.hub import Hub
from event_service.webhooks.runner import RunningWebhooks


def add_log(metrics: Metrics, stats: AppendStats, committer: GroupCommitter, known: KnownCalls) -> None:
    """The events' way to the disk."""
    metrics.add(stats.durations, stats.group_durations, stats.group_sizes, stats.events)
    metrics.observe(names.DECISIONS_APPENDED, lambda: stats.decisions)
    metrics.observe(names.APPEND_REFUSED, lambda: stats.refused)
    metrics.observe(names.APPEND_LAG, lambda: committer.oldest_seconds)
    metrics.observe(names.APPEND_QUEUE, lambda: committer.queued_items)
    metrics.observe(names.APPEND_QUEUE_BYTES, lambda: committer.queued_bytes)
    metrics.observe(names.KNOWN_CALLS, lambda: {("hit",): known.hits, ("miss",): known.misses})
    metrics.observe(names.KNOWN_CALLS_KEPT, lambda: len(known))
    metrics.observe(names.KNOWN_CALLS_BYTES, lambda: known.size_bytes)


def add_deliveries(metrics: Metrics, stats: DeliveryStats, hub: Hub, webhooks: RunningWebhooks, clock: Clock) -> None:
    """What goes to subscribers and to webhooks."""
    metrics.add(stats.subscription_lag, stats.subscription_ends)
    metrics.observe(names.SUBSCRIPTION_STREAMS, lambda: hub.streams)
    metrics.add(stats.webhook_attempts, stats.webhook_durations, stats.webhook_lag)
    metrics.observe(names.WEBHOOK_DEAD, lambda: stats.webhook_dead)
    metrics.observe(names.WEBHOOK_IN_FLIGHT, lambda: webhooks.in_flight())

    def deliveries() -> Readings:
        state = webhooks.queue()
        return {} if state is None else {("pending",): state.pending, ("dead",): state.dead}

    def oldest() -> Readings:
        state = webhooks.queue()
        if state is None or state.oldest_pending_us is None:
            return 0
        return max(0, to_microseconds(clock.now()) - state.oldest_pending_us) / 1_000_000

    def held() -> Readings:
        state = webhooks.queue()
        return 0 if state is None else state.held_endpoints

    metrics.observe(names.WEBHOOK_DELIVERIES, deliveries)
    metrics.observe(names.WEBHOOK_OLDEST, oldest)
    metrics.observe(names.WEBHOOK_HELD, held)
