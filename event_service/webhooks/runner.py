"""The webhooks put together: the API's servicer, and the loops that feed, send and purge."""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from sqlalchemy.ext.asyncio import AsyncEngine

from common.clock import Clock, to_microseconds
from common.sql import PoolState, pool_state
from event_service.delivery_stats import DeliveryStats
from event_service.delivery_traces import DeliveryTraces
from event_service.pace import Pace, keep_stepping
from event_service.sql_changes import SqlCallChanges
from event_service.sql_database import EventDatabase
from event_service.sql_engine import open_event_engine
from event_service.sql_log import SqlEventLog
from event_service.webhooks.courier import Courier
from event_service.webhooks.delivery_service import DeliveryService
from event_service.webhooks.dispatcher import Dispatcher, DispatchLimits
from event_service.webhooks.feeder import Feeder, FeedSources
from event_service.webhooks.http_sender import HttpSender
from event_service.webhooks.ports import PurgeBounds, Purger, QueueState, QueueWatch
from event_service.webhooks.resolver import SystemLookup
from event_service.webhooks.schedule import RetrySchedule, parse_delays
from event_service.webhooks.sealing import open_sealer
from event_service.webhooks.service import WebhookRules, WebhookService
from event_service.webhooks.servicer import WebhookServicer
from event_service.webhooks.settings import WebhookSettings
from event_service.webhooks.sql_desk import SqlDeliveryDesk
from event_service.webhooks.sql_feed import SqlDeliveryFeed
from event_service.webhooks.sql_purge import SqlPurger
from event_service.webhooks.sql_queue import SqlDeliveryQueue
from event_service.webhooks.sql_watch import SqlQueueWatch
from event_service.webhooks.sql_webhooks import SqlWebhookStore

PURGE_SECONDS = 10.0
PURGE_ROWS = 1000
# Under load events gather for this long, so that one transaction queues many.
GATHER_SECONDS = 0.02
_HOUR_US, _DAY_US = 3_600_000_000, 86_400_000_000


@dataclass(frozen=True, slots=True)
class WebhookSurroundings:
    """What the webhooks share with the event service around them."""

    database_url: str
    partition_count: int
    drain_seconds: float
    traces: DeliveryTraces
    stats: DeliveryStats
    # How often the whole queue is looked at for the metrics; 0: never.
    watch_seconds: float


@dataclass(frozen=True, slots=True)
class RunningWebhooks:
    """The webhooks' API, what tells the deliverer that something was committed, and what the metrics look at.

    `queue` is the state of the whole queue as it was last looked at, None before that.
    """

    servicer: WebhookServicer
    wake: Callable[[], None]
    pool: Callable[[], PoolState]
    in_flight: Callable[[], int]
    queue: Callable[[], QueueState | None]


@asynccontextmanager
async def running_webhooks(
    settings: WebhookSettings, surroundings: WebhookSurroundings, clock: Clock
) -> AsyncIterator[RunningWebhooks]:
    """The webhooks, and while the context is open their delivery, where this replica is to deliver.

    Raises FailedPreconditionError for key and certificate files that can't be used, UnavailableError.
    """
    schedule = RetrySchedule(parse_delays(settings.webhooks_retry_delays_seconds), random.SystemRandom().random)
    urls = settings.webhooks_urls
    sealer = open_sealer(settings.webhooks_key_file)
    async with AsyncExitStack() as stack:
        engine = open_event_engine(surroundings.database_url)
        stack.push_async_callback(engine.dispose)
        database = EventDatabase(engine)
        stack.push_async_callback(database.drain)
        lookup = SystemLookup()
        stack.callback(lookup.close)
        sender = HttpSender(urls, lookup, clock, ca_file=settings.webhooks_ca_file)
        stack.push_async_callback(sender.close)
        courier = Courier(sender, sealer, schedule, clock, surroundings.traces)
        rules = WebhookRules(urls, settings.webhooks_max_per_tenant, schedule.lifetime_us)
        feed = SqlDeliveryFeed(database)
        await feed.prepare()
        pace = Pace(settings.webhooks_poll_seconds)
        sources = _sources(engine, clock, surroundings.partition_count)
        feeder = Feeder(sources, feed, clock, owner=secrets.token_hex(8), lifetime_us=schedule.lifetime_us)

        def webhooks_changed() -> None:
            feeder.rouse()
            pace.wake()

        webhooks = WebhookService(SqlWebhookStore(database), sealer, rules, clock, webhooks_changed)
        deliveries = DeliveryService(webhooks, SqlDeliveryDesk(database), courier, rules, clock)
        watched = WatchedQueue(SqlQueueWatch(database))
        in_flight = _nothing
        if settings.webhooks_deliver:
            dispatcher = Dispatcher(
                SqlDeliveryQueue(database, settings.webhooks_circuit),
                courier,
                clock,
                DispatchLimits(
                    settings.webhooks_max_in_flight,
                    settings.webhooks_lease_margin_seconds,
                    settings.webhooks_poll_seconds,
                    surroundings.drain_seconds,
                ),
                surroundings.stats,
            )
            in_flight = partial(_in_flight, dispatcher)
            await stack.enter_async_context(dispatcher.running())
            await stack.enter_async_context(_feeding(feeder, dispatcher, pace))
            await stack.enter_async_context(_purging(SqlPurger(database), _bounds(settings), surroundings.stats, clock))
        if surroundings.watch_seconds:
            await stack.enter_async_context(_watching(watched, surroundings.watch_seconds))
        servicer = WebhookServicer(webhooks, deliveries)
        yield RunningWebhooks(servicer, pace.wake, lambda: pool_state(engine), in_flight, lambda: watched.state)


class WatchedQueue:
    """The state of the whole queue, as it was last looked at; None before that."""

    def __init__(self, watch: QueueWatch) -> None:
        self._watch = watch
        self.state: QueueState | None = None

    async def step(self) -> bool:
        """Look once."""
        self.state = await self._watch.look()
        return False


def _nothing() -> int:
    return 0


def _in_flight(dispatcher: Dispatcher) -> int:
    return dispatcher.in_flight


def _sources(engine: AsyncEngine, clock: Clock, partition_count: int) -> FeedSources:
    return FeedSources(SqlEventLog(engine, clock, partition_count), SqlCallChanges(engine))


def _bounds(settings: WebhookSettings) -> PurgeBounds:
    return PurgeBounds(
        delivered_us=int(settings.webhooks_keep_delivered_hours * _HOUR_US),
        dead_us=int(settings.webhooks_keep_dead_letters_days * _DAY_US),
        attempts=settings.webhooks_keep_attempts,
    )


@asynccontextmanager
async def _feeding(feeder: Feeder, dispatcher: Dispatcher, pace: Pace) -> AsyncIterator[None]:
    async def step() -> bool:
        moved = await feeder.step()
        if moved:
            dispatcher.wake()
            await asyncio.sleep(GATHER_SECONDS)
        return moved

    task = asyncio.create_task(keep_stepping("queue webhook messages", step, pace))
    try:
        yield
    finally:
        pace.stop()
        await task


@asynccontextmanager
async def _watching(queue: WatchedQueue, seconds: float) -> AsyncIterator[None]:
    pace = Pace(seconds)
    task = asyncio.create_task(keep_stepping("look at the webhooks' queue", queue.step, pace))
    try:
        yield
    finally:
        pace.stop()
        await task


@asynccontextmanager
async def _purging(purger: Purger, bounds: PurgeBounds, stats: DeliveryStats, clock: Clock) -> AsyncIterator[None]:
    async def step() -> bool:
        done = await purger.purge(bounds, to_microseconds(clock.now()), PURGE_ROWS)
        stats.given_up(done.expired)
        return done.total > 0

    pace = Pace(PURGE_SECONDS)
    task = asyncio.create_task(keep_stepping("purge webhook deliveries", step, pace))
    try:
        yield
    finally:
        pace.stop()
        await task
