"""What subscriptions need from a store. Adapters implement these; the contract suite holds them to the docstrings.

Every method may raise UnavailableError; what was to be written is then written or not, and never half.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from common.auth.grants import ANONYMOUS
from event_service.subscriptions.domain import (
    Delivery,
    Heads,
    HeldPlace,
    Place,
    StartPosition,
    Subscription,
    SubscriptionFilter,
    SubscriptionStatus,
    Tenure,
)


@dataclass(frozen=True, slots=True)
class ConsumerName:
    """One stream of one subscription. `owner` is unique among all streams there ever were."""

    subscription_id: str
    owner: str
    # What the consumer calls itself.
    label: str = ""


@dataclass(frozen=True, slots=True)
class Renewal:
    """What a consumer says when it renews its leases: places to keep, partitions to give up, and until when."""

    places: Sequence[HeldPlace]
    releasing: Collection[int]
    now_us: int
    lease_us: int


class SubscriptionStore(Protocol):
    """The subscriptions of all tenants.

    What is written is in the audit log, by `actor`, when it is written, and only then.
    """

    async def create(
        self, subscription: Subscription, start: StartPosition, most: int, actor: str = ANONYMOUS
    ) -> Subscription:
        """Store a subscription; the one that is there already when it has the same filter, with its place unchanged.

        Raises AlreadyExistsError: the name is taken by one with another filter; ResourceExhaustedError: the tenant has
        `most` already.
        """
        ...

    async def find(self, tenant_id: str, name: str) -> Subscription | None:
        """The subscription of this name, None when there is none."""
        ...

    async def list_page(self, tenant_id: str, after_name: str, limit: int) -> Sequence[SubscriptionStatus]:
        """At most `limit` subscriptions behind `after_name`, by name."""
        ...

    async def delete(self, tenant_id: str, name: str, now_us: int, actor: str = ANONYMOUS) -> bool:
        """Remove a subscription with its place. Whether there was one."""
        ...

    async def seek(self, tenant_id: str, name: str, to: StartPosition, now_us: int, actor: str = ANONYMOUS) -> bool:
        """Move a subscription. Whether there is one. Raises FailedPreconditionError while it has a consumer."""
        ...

    async def purge_unused(self, now_us: int) -> int:
        """Remove the subscriptions that had no consumer for longer than they say; how many.

        In the audit log the service itself did it.
        """
        ...


class LeaseStore(Protocol):
    """Which consumer has which partition of a subscription. At most one has it at any time; each is a new generation.

    A consumer that renews in time keeps what it has up to its fair share, and what it does not give up beyond that.
    """

    async def renew(self, consumer: ConsumerName, renewal: Renewal) -> Tenure | None:
        """Note that the consumer is there, keep its places, extend its leases, give up what it releases, and take what
        is free up to its share. None: the subscription is gone."""
        ...

    async def keep(self, consumer: ConsumerName, places: Sequence[HeldPlace], now_us: int) -> Collection[int]:
        """Store acknowledged places; the partitions for which it was done. Those that the consumer no longer has in
        this generation are passed over: nobody moves another one's place."""
        ...

    async def leave(self, consumer: ConsumerName, places: Sequence[HeldPlace], now_us: int) -> None:
        """Store places like `keep`, then free all that the consumer has."""
        ...


@dataclass(frozen=True, slots=True)
class TailRequest:
    """What to read: a tenant's part of a partition between two places, at most `limit` deliveries."""

    tenant_id: str
    filter: SubscriptionFilter
    partition_id: int
    after: Place
    head: Place
    limit: int


@dataclass(frozen=True, slots=True)
class TailBatch:
    """What was read, in order, and up to where; nothing that is wanted is left out before `to`."""

    deliveries: Sequence[Delivery]
    to: Place


class Tail(Protocol):
    """The log and the changes of finished calls' records, read as one."""

    async def heads(self) -> Heads:
        """The place behind everything that is committed, by partition."""
        ...

    async def read(self, request: TailRequest) -> TailBatch:
        """The next deliveries. A read looks at a bounded part of the log only: it may find nothing and still get on.

        Reading from a place again gives the same positions. A record that has changed again comes once, where its last
        revision stands.
        """
        ...
