"""What webhooks need from a store. Adapters implement these; the contract suite holds them to the docstrings.

Every method may raise UnavailableError when the store can't be reached or does not answer in time; what was to be
written is then written or not, and never half. All times are microseconds since 1970 UTC, given by the caller.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from common.auth.grants import ANONYMOUS
from event_service.webhooks.circuit import EndpointHealth
from event_service.webhooks.domain import (
    Attempt,
    DeadLetter,
    LeasedDelivery,
    NewDelivery,
    Settlement,
    Webhook,
)


@dataclass(frozen=True, slots=True)
class FeedPosition:
    """How far a partition was queued: the last event and the last change; and how far it goes at the moment."""

    partition_id: int
    log_offset: int
    change_offset: int
    log_head: int
    change_head: int


@dataclass(frozen=True, slots=True)
class FeedStep:
    """Deliveries that follow from a partition, and the position `to` which that brings it from where it was."""

    position: FeedPosition
    to_log_offset: int
    to_change_offset: int
    deliveries: Sequence[NewDelivery]


@dataclass(frozen=True, slots=True)
class LeaseRequest:
    """Whom to lease deliveries for: `token` names the taker, who has until `now_us` and the webhook's timeout and
    `margin_us` to settle them."""

    webhook_ids: Collection[str]
    token: str
    now_us: int
    margin_us: int
    # For each webhook at most this many, 0 for none.
    most: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class LeasedBatch:
    """Deliveries of one webhook, with the settings to send them by."""

    webhook: Webhook
    deliveries: Sequence[LeasedDelivery]


@dataclass(frozen=True, slots=True)
class DeliveryCounts:
    """A webhook's deliveries."""

    pending: int
    oldest_pending_us: int | None
    dead: int


@dataclass(frozen=True, slots=True)
class QueueState:
    """All deliveries: those that wait, since when the oldest one does, and the dead ones; and the enabled endpoints
    whose circuit is not closed."""

    pending: int
    oldest_pending_us: int | None
    dead: int
    held_endpoints: int


@dataclass(frozen=True, slots=True)
class PurgeBounds:
    """What is kept: delivered messages and dead letters for a time, and the latest attempts of each webhook."""

    delivered_us: int
    dead_us: int
    attempts: int


@dataclass(frozen=True, slots=True)
class PurgeCounts:
    """What a purge did. All 0: there was nothing to do."""

    expired: int = 0
    deleted: int = 0

    @property
    def total(self) -> int:
        return self.expired + self.deleted


class WebhookStore(Protocol):
    """The endpoints. Another tenant's are never seen, nor are deleted ones.

    What is written is in the audit log, by `actor`, when it is written, and only then.
    """

    async def create(self, webhook: Webhook, max_per_tenant: int, actor: str = ANONYMOUS) -> None:
        """Store a new webhook. Raises ResourceExhaustedError when the tenant has `max_per_tenant` already."""
        ...

    async def get(self, tenant_id: str, webhook_id: str) -> Webhook | None:
        """A webhook, None when there is none."""
        ...

    async def list_page(self, tenant_id: str, after_id: str, limit: int) -> Sequence[Webhook]:
        """At most `limit` webhooks of a tenant by id, behind `after_id`."""
        ...

    async def update(self, webhook: Webhook, *, retry_at_us: int | None = None, actor: str = ANONYMOUS) -> None:
        """Store a webhook's new settings; its revision is one above that of those it replaces.

        With `retry_at_us`, an enabled webhook's health starts afresh, and everything that was to be tried later is due
        then; of very much some may be made due when the settings are stored already. Raises AbortedError when what is
        replaced is no longer what is stored, then nothing is changed.
        """
        ...

    async def delete(self, tenant_id: str, webhook_id: str, now_us: int, actor: str = ANONYMOUS) -> bool:
        """Remove a webhook: nothing more is leased for it. Whether there was one. Its deliveries, attempts and dead
        letters go with the next purges."""
        ...

    async def note_test(self, webhook: Webhook, now_us: int, actor: str = ANONYMOUS) -> None:
        """Write into the audit log that somebody has a test message posted."""
        ...


class DeliveryFeed(Protocol):
    """Where deliveries come from: partitions, each with a position that only moves together with the queue."""

    async def prepare(self) -> None:
        """Give partitions without a position one at their present end. To be called before the first use."""
        ...

    async def positions(self, owner: str, now_us: int) -> Sequence[FeedPosition]:
        """The partitions that have something to queue and are leased to nobody else than `owner`."""
        ...

    async def has_subscribers(self) -> bool:
        """Whether there is any webhook that takes new messages."""
        ...

    async def subscribers(self, tenant_ids: Collection[str]) -> Sequence[Webhook]:
        """The webhooks of these tenants that take new messages: enabled or paused."""
        ...

    async def commit(self, steps: Sequence[FeedStep], owner: str, now_us: int, expires_at_us: int) -> Collection[int]:
        """Queue deliveries and move positions, in one transaction; the partitions for which it was done.

        It is not done for a partition whose position is another one by now, or that is leased to somebody else. A
        partition that is leased to nobody becomes the owner's for a fixed term, after which anyone can take it: so
        replicas share them, and a dead one's are taken over.
        """
        ...


class DeliveryQueue(Protocol):
    """The deliveries that wait to be sent. Of one webhook and call only the oldest one is ever due or leased."""

    async def due(self, now_us: int) -> Sequence[str]:
        """The enabled webhooks that have something due and are not held back."""
        ...

    async def lease(self, request: LeaseRequest) -> Sequence[LeasedBatch]:
        """Lease what is due, as much of it as each webhook's health and limits have room for, over all replicas.

        A delivery whose lease ran out is due again. Webhooks that another replica is leasing for right now are passed
        over. Nothing that is leased is returned to anyone else until its lease ends.
        """
        ...

    async def settle(self, settlements: Sequence[Settlement], now_us: int) -> int:
        """Write down what attempts came to; how many counted. One whose lease went to somebody else does not count.

        What is delivered or dead makes way for the call's next delivery. Each attempt goes into the attempt log and
        into the webhook's health. An endpoint that is gone disables its webhook.
        """
        ...

    async def release(self, leases: Sequence[LeasedDelivery], now_us: int) -> None:
        """Give back what was not attempted: it is due at once."""
        ...


class DeliveryDesk(Protocol):
    """What operators see of deliveries, and what they do about them."""

    async def attempts(self, webhook_id: str, message_id: str, before_id: int, limit: int) -> Sequence[Attempt]:
        """At most `limit` attempts, newest first, of one message or (empty) of all; with ids below `before_id`."""
        ...

    async def dead_letters(self, webhook_id: str, after_id: int, limit: int, *, bodies: bool) -> Sequence[DeadLetter]:
        """At most `limit` dead letters by id, with ids above `after_id`, with their bodies or without."""
        ...

    async def replay(
        self,
        webhook_id: str,
        delivery_ids: Collection[int],
        now_us: int,
        expires_at_us: int,
        actor: str = ANONYMOUS,
    ) -> int:
        """Queue dead letters again, with all their attempts; how many there were. Each one's place is again before
        the younger deliveries of its call. Those that there were are named in the audit log, in one entry."""
        ...

    async def health(self, webhook_id: str) -> EndpointHealth:
        """How an endpoint does."""
        ...

    async def counts(self, webhook_id: str) -> DeliveryCounts:
        """How many deliveries there are."""
        ...

    async def log_attempt(self, attempt: Attempt) -> None:
        """Add an attempt to the log that belongs to no delivery."""
        ...


class QueueWatch(Protocol):
    """Tells how the queue does as a whole."""

    async def look(self) -> QueueState:
        """The state of the queue. Its cost is that of the deliveries that wait or are dead."""
        ...


class Purger(Protocol):
    """Keeps the queue and the logs bounded."""

    async def purge(self, bounds: PurgeBounds, now_us: int, limit: int) -> PurgeCounts:
        """One round, of each kind at most `limit` rows: what is older than the bounds say and what belongs to deleted
        webhooks is removed; deliveries that are out of time or whose webhook is disabled become dead letters."""
        ...
