"""One consumer's stream: its leases, what it is sent, what it acknowledges, and when it is cut."""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from common.clock import Clock, SystemClock, to_microseconds
from common.errors import NotFoundError, ResourceExhaustedError, UnavailableError
from common.logs import get_logger
from event_service.delivery_stats import DeliveryStats
from event_service.delivery_traces import DeliveryTraces
from event_service.subscriptions.domain import Delivery, Place, Subscription
from event_service.subscriptions.flight import Flight
from event_service.subscriptions.ports import ConsumerName, LeaseStore, Renewal, Tail, TailRequest

_log = get_logger(__name__)

# Of one partition in one step.
READ_LIMIT = 64
# How long a partition that is to go to somebody else waits for what is under way, and a stream that ends likewise.
SETTLE_SECONDS = 2.0
_WATCH_SECONDS = 0.25
# Acknowledgements are stored together, at most so often.
_KEEP_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class ConsumerRules:
    """`stall_seconds`: who acknowledges nothing for so long is cut. A stream that is `age_seconds` old ends, so that
    its consumer finds newer replicas."""

    lease_seconds: float = 5.0
    heartbeat_seconds: float = 3.0
    stall_seconds: float = 30.0
    age_seconds: float = 55.0

    @property
    def renew_seconds(self) -> float:
        return self.lease_seconds / 4


class HeadsView(Protocol):
    """What is known of the log's heads."""

    def head(self, partition_id: int) -> Place:
        """The place behind the partition's last row, as it was a moment ago."""
        ...


@dataclass(frozen=True, slots=True)
class Sources:
    """What a consumer lives on."""

    leases: LeaseStore
    tail: Tail
    heads: HeadsView
    clock: Clock
    traces: DeliveryTraces
    stats: DeliveryStats = field(default_factory=lambda: DeliveryStats(SystemClock()))


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What is sent at once: deliveries, and the partitions when they changed. Both empty: a sign of life."""

    deliveries: Sequence[Delivery] = ()
    assigned: Sequence[int] | None = None


Send = Callable[[Outgoing], Awaitable[None]]
Acknowledgements = AsyncIterator[Mapping[int, int]]


class Consumer:
    """One stream of a subscription. `run` is the whole of it; the steps are there for themselves to be tested."""

    def __init__(
        self,
        subscription: Subscription,
        name: ConsumerName,
        max_unacknowledged: int,
        sources: Sources,
        rules: ConsumerRules,
    ) -> None:
        self._subscription = subscription
        self._name = name
        self._sources = sources
        self._rules = rules
        self._flight = Flight(max_unacknowledged)
        # Partitions that are to go to somebody else, and since when nothing more is sent of them.
        self._surplus: dict[int, float] = {}
        # Partitions that were read to their end: what comes of them now is live, until their consumer holds it up.
        self._caught_up: set[int] = set()
        self._lease_until = 0.0
        self._assigned_changed = True
        self._began = sources.clock.monotonic()
        # When the consumer last heard anything, and the partition that was read last.
        self._sent_at = self._began
        self._last_read = -1
        self._ending_since: float | None = None
        self._is_stopping = False
        self._wake = asyncio.Event()
        self._wake_renewal = asyncio.Event()
        self._acknowledged = asyncio.Event()

    def wake(self) -> None:
        """There may be something to send."""
        self._wake.set()

    def drain(self) -> None:
        """Send nothing more, and end when what is under way is acknowledged, or soon."""
        self._is_stopping = True
        self._begin_to_end()

    async def run(self, acknowledgements: Acknowledgements, send: Send) -> None:
        """Deliver until the consumer leaves.

        Raises NotFoundError when the subscription is deleted, ResourceExhaustedError when the consumer acknowledges
        nothing, UnavailableError when it is to connect again.
        """
        await self.renew()
        tasks = [
            asyncio.create_task(self._take_acknowledgements(acknowledgements)),
            asyncio.create_task(self._every(self._rules.renew_seconds, self._wake_renewal, self._renew_or_wait)),
            asyncio.create_task(self._deliver(send)),
            asyncio.create_task(self._keep_acknowledged()),
            asyncio.create_task(self._watch()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._leave()

    async def renew(self) -> None:
        """Renew the leases, with a fair share of the partitions. Raises NotFoundError, UnavailableError."""
        clock = self._sources.clock
        now = clock.monotonic()
        places = self._flight.to_store()
        releasing = [number for number, since in self._surplus.items() if self._is_settled(number, since, now)]
        renewal = Renewal(places, releasing, to_microseconds(clock.now()), int(self._rules.lease_seconds * 1_000_000))
        tenure = await self._sources.leases.renew(self._name, renewal)
        if tenure is None:
            raise NotFoundError("the subscription was deleted", reason="SUBSCRIPTION_NOT_FOUND")
        self._lease_until = now + self._rules.lease_seconds
        generations = {each.partition_id: each.generation for each in tenure.held}
        self._flight.stored(places, [p.partition_id for p in places if generations.get(p.partition_id) == p.generation])
        if self._flight.assign(tenure.held):
            self._assigned_changed = True
        held = [each.partition_id for each in tenure.held]
        self._caught_up.intersection_update(held)
        self._surplus = {number: self._surplus.get(number, now) for number in held[tenure.share :]}
        self.wake()

    async def deliver_step(self, send: Send) -> bool:
        """Send what there is, a piece of each partition. Whether anything was read."""
        moved = False
        for number in self._next_partitions():
            now = self._sources.clock.monotonic()
            limit = min(self._flight.room, READ_LIMIT)
            if limit == 0:
                self._caught_up.clear()
            if limit == 0 or self._ending_since is not None or now >= self._lease_until:
                break
            if number in self._surplus or number not in self._flight.partitions:
                continue
            at, head = self._flight.reading_from(number), self._sources.heads.head(number)
            if not at.place.is_before(head):
                self._caught_up.add(number)
                continue
            which = self._subscription
            batch = await self._sources.tail.read(
                TailRequest(which.tenant_id, which.filter, number, at.place, head, limit)
            )
            if not self._flight.has(number, at.generation):
                # Lost while it was read.
                continue
            moved = True
            self._last_read = number
            places = [delivery.place for delivery in batch.deliveries]
            self._flight.send(number, places, batch.to, self._sources.clock.monotonic())
            if batch.deliveries:
                began = self._sources.traces.now()
                await self._send(send, Outgoing(batch.deliveries, self._assigned()))
                self._sources.traces.sent(which, batch.deliveries, began)
                self._sources.stats.sent(batch.deliveries, live=number in self._caught_up)
        return moved

    async def show_life(self, send: Send) -> None:
        """Tell the consumer that it is not forgotten, when it did not hear anything for long."""
        if self._quiet_seconds() >= self._rules.heartbeat_seconds:
            await self._send(send, Outgoing())

    def acknowledge(self, positions: Mapping[int, int]) -> None:
        """Note what the consumer has dealt with."""
        if self._flight.acknowledge(positions, self._sources.clock.monotonic()):
            self._acknowledged.set()
            self.wake()
            if any(number in self._surplus and self._flight.is_idle(number) for number in self._flight.partitions):
                self._wake_renewal.set()

    async def keep(self) -> None:
        """Store what was acknowledged. Raises UnavailableError."""
        places = self._flight.to_store()
        if places:
            now_us = to_microseconds(self._sources.clock.now())
            kept = await self._sources.leases.keep(self._name, places, now_us)
            before = self._flight.partitions
            self._flight.stored(places, kept)
            self._assigned_changed |= before != self._flight.partitions

    def check(self) -> None:
        """Raises ResourceExhaustedError and UnavailableError when the stream is to end."""
        now = self._sources.clock.monotonic()
        if self._flight.stalled_seconds(now) > self._rules.stall_seconds:
            raise ResourceExhaustedError(
                f"nothing was acknowledged for {self._rules.stall_seconds:g} s", reason="NOT_ACKNOWLEDGED"
            )
        if now - self._began > self._rules.age_seconds:
            self._begin_to_end()
        if self._ending_since is not None:
            settled = self._flight.outstanding == 0 or now - self._ending_since > SETTLE_SECONDS
            if settled and self._is_stopping:
                raise UnavailableError("the event service is stopping", reason="SERVICE_STOPPING")
            if settled:
                raise UnavailableError("connect again", reason="STREAM_TOO_OLD")

    def _begin_to_end(self) -> None:
        if self._ending_since is None:
            self._ending_since = self._sources.clock.monotonic()

    def _is_settled(self, partition_id: int, since: float, now: float) -> bool:
        if partition_id not in self._flight.partitions:
            return True
        return self._flight.is_idle(partition_id) or now - since > SETTLE_SECONDS

    def _next_partitions(self) -> Sequence[int]:
        """The partitions, beginning behind the one that was read last: where the consumer leaves little room, none of
        them waits until those before it are read to their end."""
        partitions = self._flight.partitions
        first = bisect_right(partitions, self._last_read)
        return [*partitions[first:], *partitions[:first]]

    async def _send(self, send: Send, outgoing: Outgoing) -> None:
        await send(outgoing)
        self._sent_at = self._sources.clock.monotonic()

    def _quiet_seconds(self) -> float:
        return self._sources.clock.monotonic() - self._sent_at

    def _assigned(self) -> Sequence[int] | None:
        """The partitions, when the consumer does not know them yet."""
        if not self._assigned_changed:
            return None
        self._assigned_changed = False
        return self._flight.partitions

    async def _take_acknowledgements(self, acknowledgements: Acknowledgements) -> None:
        async for positions in acknowledgements:
            self.acknowledge(positions)

    async def _renew_or_wait(self) -> None:
        try:
            await self.renew()
        except UnavailableError as error:
            # Without a lease nothing is sent; the next renewal may succeed.
            _log.warning("leases not renewed", problem=error.message)

    async def _deliver(self, send: Send) -> None:
        while True:
            try:
                moved = await self.deliver_step(send)
            except UnavailableError as error:
                _log.warning("nothing read for a subscription", problem=error.message)
                await self.show_life(send)
                await asyncio.sleep(self._rules.renew_seconds)
                continue
            # Also while there is much to read and nothing of it is wanted, and when it is woken often and for nothing.
            await self.show_life(send)
            if moved:
                continue
            if self._assigned_changed:
                await self._send(send, Outgoing(assigned=self._assigned()))
            if not await _happens(self._wake, self._rules.heartbeat_seconds - self._quiet_seconds()):
                await self._send(send, Outgoing())

    async def _keep_acknowledged(self) -> None:
        while True:
            await self._acknowledged.wait()
            self._acknowledged.clear()
            try:
                await self.keep()
            except UnavailableError as error:
                # The next renewal stores it.
                _log.warning("acknowledgements not stored", problem=error.message)
            await asyncio.sleep(_KEEP_SECONDS)

    async def _watch(self) -> None:
        while True:
            self.check()
            await asyncio.sleep(_WATCH_SECONDS)

    async def _every(self, seconds: float, event: asyncio.Event, step: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            await _happens(event, seconds)
            await step()

    async def _leave(self) -> None:
        now_us = to_microseconds(self._sources.clock.now())
        try:
            await self._sources.leases.leave(self._name, self._flight.to_store(), now_us)
        except UnavailableError as error:
            # The leases run out by themselves.
            _log.warning("leases not given up", problem=error.message)


async def _happens(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event and clear it; False when it does not happen in time."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    event.clear()
    return True
