"""The stores that keep the subscriptions' contract, over a log with events in it."""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from common.clock import to_microseconds
from common.sql import open_engine
from event_service.domain import CallEvent, LoggedDecision
from event_service.migrate import migrate
from event_service.ports import EventLog, LoggedEvent
from event_service.sql_database import EventDatabase
from event_service.sql_log import SqlEventLog, create_partitions
from event_service.subscriptions.domain import (
    HeldPlace,
    Place,
    StartKind,
    StartPosition,
    Subscription,
    SubscriptionFilter,
    Tenure,
)
from event_service.subscriptions.ports import (
    ConsumerName,
    LeaseStore,
    Renewal,
    SubscriptionStore,
    Tail,
    TailRequest,
)
from event_service.subscriptions.sql_leases import SqlLeaseStore
from event_service.subscriptions.sql_subscriptions import SqlSubscriptionStore
from event_service.subscriptions.sql_tail import SqlTail
from tests.support.clock import FakeClock
from tests.support.postgres import PostgresServer
from tests.unit.event_service.builders import TENANT

PARTITIONS = 4
SECOND = 1_000_000
LEASE_US = 5 * SECOND
EARLIEST = StartPosition(StartKind.EARLIEST)


@dataclass(frozen=True, slots=True)
class Stores:
    """One store's adapters, over the same data."""

    log: EventLog
    subscriptions: SubscriptionStore
    leases: LeaseStore
    tail: Tail
    clock: FakeClock

    @property
    def now_us(self) -> int:
        return to_microseconds(self.clock.now())

    async def append(self, *messages: CallEvent | LoggedDecision) -> None:
        events = [message for message in messages if isinstance(message, CallEvent)]
        decisions = [message for message in messages if isinstance(message, LoggedDecision)]
        await self.log.append(events, decisions)

    async def subscribe(
        self, name: str = "s", start: StartPosition = EARLIEST, which: SubscriptionFilter | None = None
    ) -> Subscription:
        subscription = Subscription(f"id-{name}", TENANT, name, which or SubscriptionFilter(), self.now_us)
        return await self.subscriptions.create(subscription, start, 100)

    async def renew(
        self, owner: str, places: Sequence[HeldPlace] = (), releasing: Sequence[int] = (), name: str = "s"
    ) -> Tenure:
        tenure = await self.leases.renew(
            ConsumerName(f"id-{name}", owner), Renewal(places, releasing, self.now_us, LEASE_US)
        )
        assert tenure is not None
        return tenure

    async def places(self, name: str = "s") -> dict[int, Place]:
        """The subscription's places, as a consumer finds them that takes all and leaves again."""
        tenure = await self.renew("looking", name=name)
        await self.leases.leave(ConsumerName(f"id-{name}", "looking"), (), self.now_us)
        return {each.partition_id: each.place for each in tenure.held}

    async def read_all(
        self, subscription: Subscription, places: dict[int, Place], limit: int = 100
    ) -> list[tuple[str, str]]:
        """All deliveries behind these places, by partition: session, and code or state."""
        found = []
        heads = await self.tail.heads()
        for number in sorted(heads):
            at = places.get(number, heads[number])
            positions: list[int] = []
            while at.is_before(heads[number]):
                batch = await self.tail.read(TailRequest(TENANT, subscription.filter, number, at, heads[number], limit))
                assert batch.to.position > at.position, "a read gets on"
                assert len(batch.deliveries) <= limit
                positions += [each.place.position for each in batch.deliveries]
                found += [_shown(each.content) for each in batch.deliveries]
                at = batch.to
            assert positions == sorted(set(positions)), "positions grow"
        return found


def _shown(content: object) -> tuple[str, str]:
    if isinstance(content, LoggedEvent):
        return (content.event.session_id, content.event.code)
    return (content.call.session_id, content.call.state.value)  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    server = PostgresServer(tmp_path_factory.mktemp("postgres"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=("sqlite", "postgres"))
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    url = f"sqlite+aiosqlite:///{tmp_path / 'events.db'}"
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = await server.create_database()
    engine = open_engine(url, pool_timeout_seconds=10)
    yield engine
    await engine.dispose()


@pytest.fixture
async def stores(engine: AsyncEngine) -> AsyncIterator[Stores]:
    clock = FakeClock()
    database = EventDatabase(engine)
    try:
        await migrate(engine)
        count = await create_partitions(engine, PARTITIONS)
        yield Stores(
            SqlEventLog(engine, clock, count),
            SqlSubscriptionStore(database),
            SqlLeaseStore(database),
            SqlTail(database),
            clock,
        )
    finally:
        await database.drain()
