"""The subscriptions put together: the API's servicer, and what its streams live on."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from common.clock import Clock
from common.sql import PoolState, pool_state
from event_service.delivery_stats import DeliveryStats
from event_service.delivery_traces import DeliveryTraces
from event_service.sql_database import EventDatabase
from event_service.sql_engine import open_event_engine
from event_service.subscriptions.consumer import ConsumerRules, Sources
from event_service.subscriptions.hub import Hub
from event_service.subscriptions.service import DeliveryStreams, SubscriptionService
from event_service.subscriptions.servicer import SubscriptionServicer
from event_service.subscriptions.settings import SubscriptionSettings
from event_service.subscriptions.sql_leases import SqlLeaseStore
from event_service.subscriptions.sql_subscriptions import SqlSubscriptionStore
from event_service.subscriptions.sql_tail import SqlTail

# Streams end by themselves before the connection is ended for its age.
_AGE_SHARE = 0.9
# A stream waits longer for a connection than a request that somebody waits for.
_POOL_TIMEOUT_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """What the server needs of the subscriptions: their servicer, the news of commits, and the end of their streams."""

    servicer: SubscriptionServicer
    hub: Hub
    pool: Callable[[], PoolState]


@asynccontextmanager
async def running_subscriptions(
    settings: SubscriptionSettings,
    database_url: str,
    max_connection_age_seconds: float,
    traces: DeliveryTraces,
    stats: DeliveryStats,
    clock: Clock,
) -> AsyncIterator[Subscriptions]:
    """The subscriptions, ready while the context is open. End their streams by `hub.drain` before it closes."""
    async with AsyncExitStack() as stack:
        # Connections of their own: neither streams nor the log wait for each other's.
        engine = open_event_engine(database_url, pool_timeout_seconds=_POOL_TIMEOUT_SECONDS)
        stack.push_async_callback(engine.dispose)
        database = EventDatabase(engine)
        stack.push_async_callback(database.drain)
        store, tail = SqlSubscriptionStore(database), SqlTail(database)
        hub = Hub(tail, store, clock, settings.subscriptions_poll_seconds)
        rules = ConsumerRules(
            lease_seconds=settings.subscriptions_lease_seconds,
            heartbeat_seconds=settings.subscriptions_heartbeat_seconds,
            stall_seconds=settings.subscriptions_stall_seconds,
            age_seconds=max_connection_age_seconds * _AGE_SHARE,
        )
        sources = Sources(SqlLeaseStore(database), tail, hub, clock, traces, stats)
        service = SubscriptionService(store, clock, settings.subscriptions_max_per_tenant)
        await stack.enter_async_context(hub.running())
        yield Subscriptions(
            SubscriptionServicer(service, DeliveryStreams(store, hub, sources, rules)), hub, lambda: pool_state(engine)
        )
