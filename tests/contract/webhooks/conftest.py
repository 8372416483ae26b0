"""The stores that keep the webhooks' contract, over a log with events in it."""

import itertools
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from common.clock import to_microseconds
from common.sql import open_engine
from event_service.domain import CallEvent, LoggedDecision, call_key
from event_service.migrate import migrate
from event_service.ports import CallChanges, EventLog
from event_service.sql_changes import SqlCallChanges
from event_service.sql_database import EventDatabase
from event_service.sql_log import SqlEventLog, create_partitions
from event_service.webhooks.circuit import CircuitRules
from event_service.webhooks.domain import (
    Attempt,
    HttpResult,
    LeasedDelivery,
    MessageType,
    NewDelivery,
    SealedSecret,
    Settlement,
    Verdict,
    Webhook,
    WebhookMessage,
)
from event_service.webhooks.ports import (
    DeliveryDesk,
    DeliveryFeed,
    DeliveryQueue,
    FeedStep,
    LeaseRequest,
    Purger,
    WebhookStore,
)
from event_service.webhooks.sql_desk import SqlDeliveryDesk
from event_service.webhooks.sql_feed import SqlDeliveryFeed
from event_service.webhooks.sql_purge import SqlPurger
from event_service.webhooks.sql_queue import SqlDeliveryQueue
from event_service.webhooks.sql_webhooks import SqlWebhookStore
from tests.support.clock import FakeClock
from tests.support.postgres import PostgresServer

PARTITIONS = 2
TENANT, OTHER_TENANT = "100001", "100002"
SECOND = 1_000_000
LIFETIME_US = 3600 * SECOND
MARGIN_US = 30 * SECOND
_MOVERS = itertools.count()
RULES = CircuitRules(failures=3, open_seconds=30.0, max_open_seconds=600.0)


@dataclass(frozen=True, slots=True)
class Stores:
    """One store's adapters, over the same data."""

    log: EventLog
    changes: CallChanges
    webhooks: WebhookStore
    feed: DeliveryFeed
    queue: DeliveryQueue
    desk: DeliveryDesk
    purger: Purger
    clock: FakeClock
    engine: AsyncEngine

    @property
    def now_us(self) -> int:
        return to_microseconds(self.clock.now())

    async def add_webhook(self, webhook_id: str = "wh_1", tenant_id: str = TENANT, **fields: object) -> Webhook:
        webhook = Webhook(
            webhook_id=webhook_id,
            tenant_id=tenant_id,
            url="https://example.com/hook",
            secrets=(SealedSecret("plain:AAAA", self.now_us),),
            created_at_us=self.now_us,
            updated_at_us=self.now_us,
            **fields,  # type: ignore[arg-type]
        )
        await self.webhooks.create(webhook, 100)
        return webhook

    async def append(self, *messages: CallEvent | LoggedDecision) -> None:
        events = [message for message in messages if isinstance(message, CallEvent)]
        decisions = [message for message in messages if isinstance(message, LoggedDecision)]
        await self.log.append(events, decisions)

    async def enqueue(self, *deliveries: NewDelivery) -> None:
        """Queue deliveries without a log: an event of another call moves a position for them."""
        await self.append(event(f"mover-{next(_MOVERS)}", "15"))
        position = (await self.feed.positions("test", self.now_us))[0]
        step = FeedStep(position, position.log_head, position.change_head, deliveries)
        taken = await self.feed.commit([step], "test", self.now_us, self.now_us + LIFETIME_US)
        assert list(taken) == [position.partition_id]

    async def lease(self, *webhook_ids: str, token: str = "t1", most: int = 100) -> list[LeasedDelivery]:
        request = LeaseRequest(webhook_ids, token, self.now_us, MARGIN_US, dict.fromkeys(webhook_ids, most))
        return [lease for batch in await self.queue.lease(request) for lease in batch.deliveries]

    async def settle(
        self, leases: Sequence[LeasedDelivery], verdict: Verdict = Verdict.DELIVERED, **fields: object
    ) -> int:
        return await self.queue.settle([settlement(lease, verdict, **fields) for lease in leases], self.now_us)


def event(session_id: str, code: str, tenant_id: str = TENANT, at_us: int = 1_700_000_000_000_000) -> CallEvent:
    return CallEvent(tenant_id=tenant_id, session_id=session_id, code=code, received_at_us=at_us, seq=code)


def message(session_id: str, number: int, tenant_id: str = TENANT) -> WebhookMessage:
    return WebhookMessage(
        message_id=f"evt_{session_id}_{number}",
        message_type=MessageType.CALL_EVENT,
        tenant_id=tenant_id,
        session_id=session_id,
        call_key=call_key(tenant_id, session_id),
        body=f'{{"n":{number}}}'.encode(),
        event_code="15",
    )


def of_one_call(webhook_id: str, session_id: str, count: int) -> list[NewDelivery]:
    return [NewDelivery(webhook_id, message(session_id, number)) for number in range(count)]


def of_many_calls(webhook_id: str, calls: int) -> list[NewDelivery]:
    return [NewDelivery(webhook_id, message(f"s{number}", 0)) for number in range(calls)]


def settlement(lease: LeasedDelivery, verdict: Verdict, **fields: object) -> Settlement:
    error = "" if verdict is Verdict.DELIVERED else "answered with HTTP status 500"
    result = HttpResult(status_code=500 if error else 200, error=error)
    attempt = Attempt(
        lease.webhook_id, lease.delivery_id, lease.message_id, lease.message_type, lease.attempt, 1, 5, result
    )
    return Settlement(lease, attempt, verdict, **fields)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    server = PostgresServer(tmp_path_factory.mktemp("postgres"), {"fsync": "off"})
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgres"])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'events.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return await server.create_database()


@asynccontextmanager
async def open_stores(url: str, clock: FakeClock) -> AsyncIterator[Stores]:
    """The adapters of a database, over connections of their own, as a further process would have them."""
    engine = open_engine(url, pool_timeout_seconds=10)
    database = EventDatabase(engine)
    try:
        await migrate(engine)
        count = await create_partitions(engine, PARTITIONS)
        stores = Stores(
            log=SqlEventLog(engine, clock, count),
            changes=SqlCallChanges(engine),
            webhooks=SqlWebhookStore(database),
            feed=SqlDeliveryFeed(database),
            queue=SqlDeliveryQueue(database, RULES),
            desk=SqlDeliveryDesk(database),
            purger=SqlPurger(database),
            clock=clock,
            engine=engine,
        )
        await stores.feed.prepare()
        yield stores
    finally:
        await database.drain()
        await engine.dispose()


@pytest.fixture
async def stores(database_url: str) -> AsyncIterator[Stores]:
    async with open_stores(database_url, FakeClock()) as opened:
        yield opened


@pytest.fixture
async def two_replicas(database_url: str) -> AsyncIterator[tuple[Stores, Stores]]:
    clock = FakeClock()
    async with open_stores(database_url, clock) as one, open_stores(database_url, clock) as other:
        yield one, other
