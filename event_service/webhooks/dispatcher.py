"""Sending what is due: leases deliveries, sends each in a task of its own, and writes down what came of them.

No endpoint waits for another: each always has room for some requests here, as many as its own limits usually allow, and
shares only what it may have beyond them. No transaction is open while a request is made.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from common.clock import Clock, to_microseconds
from common.errors import AxbridgeError, UnavailableError
from common.logs import get_logger
from event_service.delivery_stats import DeliveryStats
from event_service.pace import Pace, keep_stepping
from event_service.webhooks.courier import Courier
from event_service.webhooks.domain import LeasedDelivery, Settlement, Webhook
from event_service.webhooks.ports import DeliveryQueue, LeaseRequest

# Of the bound on all requests, what each endpoint may have whatever the others have: of the usual 256 the 8 that an
# endpoint's own limits usually are, and few where an operator wants few.
_RESERVED_PART = 32

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DispatchLimits:
    """`max_in_flight` requests in all, beyond the `reserved` ones that each endpoint may always have.

    A lease lasts as long as the request may take, and `margin_seconds` more for writing down what came of it. When the
    dispatcher ends, requests get `drain_seconds` to come to their own end.
    """

    max_in_flight: int = 256
    margin_seconds: float = 30.0
    poll_seconds: float = 0.2
    drain_seconds: float = 10.0

    @property
    def reserved(self) -> int:
        """How many requests an endpoint may have whatever the others have."""
        return max(1, self.max_in_flight // _RESERVED_PART)


class Dispatcher:
    """Sends deliveries inside `running()`. Any number of dispatchers may run over one queue."""

    def __init__(
        self,
        queue: DeliveryQueue,
        courier: Courier,
        clock: Clock,
        limits: DispatchLimits,
        stats: DeliveryStats | None = None,
    ) -> None:
        self._queue = queue
        self._stats = stats if stats is not None else DeliveryStats(clock)
        self._courier = courier
        self._clock = clock
        self._limits = limits
        self._lease_pace = Pace(limits.poll_seconds)
        self._settle_pace = Pace(limits.poll_seconds)
        self._sending: dict[asyncio.Task[None], LeasedDelivery] = {}
        self._in_flight: Counter[str] = Counter()
        self._settlements: list[Settlement] = []
        # Endpoints that have all the requests they may have, by when they are asked for again: each look for more is a
        # transaction that writes, and for others it is one more to wait for.
        self._full_until: dict[str, float] = {}

    @property
    def in_flight(self) -> int:
        """How many requests are under way."""
        return len(self._sending)

    def wake(self) -> None:
        """Something was queued."""
        self._lease_pace.wake()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send while the context is open. At its end nothing more is leased; what is under way gets its time, and what
        then is still under way is given back."""
        leasing = asyncio.create_task(keep_stepping("lease deliveries", self.lease_step, self._lease_pace))
        settling = asyncio.create_task(keep_stepping("settle deliveries", self._settle_some, self._settle_pace))
        try:
            yield
        finally:
            self._lease_pace.stop()
            await leasing
            await self._finish_sending()
            self._settle_pace.stop()
            await settling
            await self._settle_the_rest()

    async def lease_step(self) -> bool:
        """Lease what is due and begin to send it. Whether there was anything."""
        now_us, began = to_microseconds(self._clock.now()), self._clock.monotonic()
        self._full_until = {each: until for each, until in self._full_until.items() if until > began}
        due = [each for each in await self._queue.due(now_us) if each not in self._full_until]
        most = self._shares(due)
        if not most:
            return False
        margin_us = int(self._limits.margin_seconds * 1_000_000)
        request = LeaseRequest(list(most), secrets.token_hex(8), now_us, margin_us, most)
        waiting = {each: self._in_flight[each] for each in most if self._in_flight[each]}
        batches = await self._queue.lease(request)
        self._note_full(waiting, {batch.webhook.webhook_id for batch in batches}, began)
        late: list[LeasedDelivery] = []
        for batch in batches:
            # The database took so long, or the machine was stopped, that the request could outlast its lease and meet
            # the next replica's. A quarter of the margin is left to what the clocks differ.
            least_us = batch.webhook.limits.timeout_ms * 1000 + margin_us // 4
            begins_us = to_microseconds(self._clock.now())
            for lease in batch.deliveries:
                if lease.leased_until_us - begins_us < least_us:
                    late.append(lease)
                else:
                    self._send(batch.webhook, lease)
        if late:
            _log.warning("deliveries were leased too slowly to send them, and are given back", deliveries=len(late))
            await self._queue.release(late, to_microseconds(self._clock.now()))
        return bool(batches)

    async def settle_step(self) -> int:
        """Write down what attempts came to; how many there were. They are kept for the next time when it fails."""
        settlements, self._settlements = self._settlements, []
        if not settlements:
            return 0
        try:
            counted = await self._queue.settle(settlements, to_microseconds(self._clock.now()))
        except BaseException:
            self._settlements = settlements + self._settlements
            raise
        if counted < len(settlements):
            # Their leases ran out, so somebody else sends them again.
            _log.warning("attempts came too late to count", late=len(settlements) - counted)
        for settlement in settlements:
            self._in_flight[settlement.lease.webhook_id] -= 1
            self._full_until.pop(settlement.lease.webhook_id, None)
        # What waited behind them is due now.
        self._lease_pace.wake()
        return len(settlements)

    def _note_full(self, waiting: Mapping[str, int], leased: Collection[str], now: float) -> None:
        """Endpoints with requests under way (so many when they were asked for) that got no further one, unless room was
        made meanwhile."""
        for webhook_id, count in waiting.items():
            if webhook_id not in leased and self._in_flight[webhook_id] >= count:
                self._full_until[webhook_id] = now + self._limits.poll_seconds

    async def sent(self) -> None:
        """Wait until nothing is under way."""
        while self._sending:
            await asyncio.wait(self._sending)

    def _shares(self, webhook_ids: Sequence[str]) -> dict[str, int]:
        """How many requests each of these endpoints may have on top of those it has: what it lacks of those reserved
        for it, or the same share of what is left of the bound, where that is more.

        Reserved, since no circuit breaker stops endpoints that are slow and answer in the end: some dozens of them hold
        all of the bound.
        """
        if not webhook_ids:
            return {}
        share = max(0, self._limits.max_in_flight - self._in_flight.total()) // len(webhook_ids)
        most = {each: max(share, self._limits.reserved - self._in_flight[each]) for each in webhook_ids}
        return {webhook_id: count for webhook_id, count in most.items() if count}

    def _send(self, webhook: Webhook, lease: LeasedDelivery) -> None:
        self._in_flight[webhook.webhook_id] += 1
        task = asyncio.create_task(self._deliver(webhook, lease), name=f"webhook delivery {lease.delivery_id}")
        self._sending[task] = lease
        task.add_done_callback(self._sending.pop)

    async def _deliver(self, webhook: Webhook, lease: LeasedDelivery) -> None:
        try:
            settlement = await self._courier.deliver(webhook, lease)
        except Exception:  # noqa: BLE001 - one message that we fail on must not stop the others
            # Its lease runs out, and then it is tried again.
            _log.exception("a delivery failed for a reason of our own", webhook_id=webhook.webhook_id)
            self._in_flight[webhook.webhook_id] -= 1
            return
        self._stats.attempted(settlement)
        self._settlements.append(settlement)
        self._settle_pace.wake()

    async def _settle_some(self) -> bool:
        return await self.settle_step() > 0

    async def _finish_sending(self) -> None:
        if self._sending:
            await asyncio.wait(self._sending, timeout=self._limits.drain_seconds)
        late = dict(self._sending)
        if not late:
            return
        for task in late:
            task.cancel()
        await asyncio.wait(late)
        _log.info("requests were broken off to stop in time", requests=len(late))
        given_back = [lease for task, lease in late.items() if task.cancelled()]
        try:
            await self._queue.release(given_back, to_microseconds(self._clock.now()))
        except UnavailableError:
            _log.warning("deliveries could not be given back; they are sent when their leases end")

    async def _settle_the_rest(self) -> None:
        try:
            await self.settle_step()
        except AxbridgeError as error:
            # Their leases end, and then they are sent once more.
            _log.warning("attempts could not be written down", attempts=len(self._settlements), problem=error.message)
