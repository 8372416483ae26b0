"""A consumer over stores in memory, with a clock that the test turns."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import pytest

from common.telemetry.sampling import TraceSampler
from event_service.delivery_traces import DeliveryTraces
from event_service.ports import LoggedEvent
from event_service.subscriptions.consumer import Consumer, ConsumerRules, Outgoing, Sources
from event_service.subscriptions.domain import (
    Delivery,
    Heads,
    HeldPlace,
    Place,
    Subscription,
    SubscriptionFilter,
    Tenure,
)
from event_service.subscriptions.ports import ConsumerName, Renewal, TailBatch, TailRequest
from tests.support.clock import FakeClock
from tests.support.spans import CollectedSpans
from tests.unit.event_service.builders import TENANT, event


@dataclass
class FakeTail:
    """Partitions with so many events."""

    lengths: dict[int, int] = field(default_factory=dict)
    wanted: bool = True
    traceparent: str = ""

    def head(self, partition_id: int) -> Place:
        return Place(self.lengths.get(partition_id, 0))

    async def heads(self) -> Heads:
        return {number: Place(length) for number, length in self.lengths.items()}

    async def read(self, request: TailRequest) -> TailBatch:
        after = request.after.log_offset
        to = min(after + request.limit, request.head.log_offset)
        offsets = range(after + 1, to + 1) if self.wanted else ()
        deliveries = [
            Delivery(
                request.partition_id,
                Place(offset),
                LoggedEvent(
                    event("15", offset, traceparent=self.traceparent), request.partition_id, offset, 0, 1, 0, 0, False
                ),
            )
            for offset in offsets
        ]
        return TailBatch(deliveries, Place(to))


@dataclass
class FakeLeases:
    """Says what the test wants it to say, and remembers what it was told."""

    tenure: Tenure | None = None
    places: dict[int, Place] = field(default_factory=dict)
    lost: set[int] = field(default_factory=set)
    renewals: list[Renewal] = field(default_factory=list)
    left: bool = False
    failure: Exception | None = None

    async def renew(self, consumer: ConsumerName, renewal: Renewal) -> Tenure | None:
        if self.failure is not None:
            raise self.failure
        self.renewals.append(renewal)
        await self.keep(consumer, renewal.places, renewal.now_us)
        return self.tenure

    async def keep(self, consumer: ConsumerName, places: Sequence[HeldPlace], now_us: int) -> Collection[int]:
        kept = [each for each in places if each.partition_id not in self.lost]
        self.places |= {each.partition_id: each.place for each in kept}
        return [each.partition_id for each in kept]

    async def leave(self, consumer: ConsumerName, places: Sequence[HeldPlace], now_us: int) -> None:
        await self.keep(consumer, places, now_us)
        self.left = True


@dataclass
class Bench:
    """A consumer, and everything around it."""

    clock: FakeClock
    tail: FakeTail
    leases: FakeLeases
    consumer: Consumer
    spans: CollectedSpans
    sent: list[Outgoing] = field(default_factory=list)

    async def send(self, outgoing: Outgoing) -> None:
        self.sent.append(outgoing)

    async def deliver(self) -> list[tuple[int, int]]:
        """Deliver all that there is room for: partition and position of each."""
        self.sent.clear()
        while await self.consumer.deliver_step(self.send):
            await asyncio.sleep(0)
        return [(each.partition_id, each.place.position) for out in self.sent for each in out.deliveries]

    def hold(self, *partitions: int, generation: int = 1, share: int | None = None, at: int = 0) -> None:
        """What the next renewal says."""
        held = [HeldPlace(number, generation, Place(at)) for number in partitions]
        self.leases.tenure = Tenure(held, len(held) if share is None else share)


@pytest.fixture
def bench() -> Bench:
    clock, tail, leases, spans = FakeClock(), FakeTail(), FakeLeases(), CollectedSpans()
    subscription = Subscription("id", TENANT, "s", SubscriptionFilter(), 0)
    consumer = Consumer(
        subscription,
        ConsumerName("id", "me"),
        10,
        Sources(leases, tail, tail, clock, DeliveryTraces(spans.tracer(clock), TraceSampler(1), clock)),
        ConsumerRules(lease_seconds=5, heartbeat_seconds=3, stall_seconds=60, age_seconds=50),
    )
    return Bench(clock, tail, leases, consumer, spans)
