"""What the dispatcher and the use cases need, in memory."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from common.errors import AbortedError, ResourceExhaustedError
from event_service.webhooks.circuit import EndpointHealth
from event_service.webhooks.domain import (
    Attempt,
    DeadLetter,
    HttpResult,
    LeasedDelivery,
    SealedSecret,
    Settlement,
    Webhook,
)
from event_service.webhooks.http_sender import HttpRequest
from event_service.webhooks.ports import DeliveryCounts, LeasedBatch, LeaseRequest
from event_service.webhooks.sealing import PlainSealer
from event_service.webhooks.signing import new_secret

SEALER = PlainSealer()


def webhook(webhook_id: str = "wh_1", **fields: object) -> Webhook:
    secret = SealedSecret(SEALER.seal(webhook_id, new_secret()), 0)
    made = Webhook(webhook_id, "100001", f"https://{webhook_id.replace('_', '-')}.example/hook", secrets=(secret,))
    return replace(made, **fields)  # type: ignore[arg-type]


def lease(
    delivery_id: int = 1, webhook_id: str = "wh_1", attempt: int = 1, expires_at_us: int = 1 << 60
) -> LeasedDelivery:
    return LeasedDelivery(
        delivery_id=delivery_id,
        webhook_id=webhook_id,
        message_id=f"evt_{delivery_id}",
        message_type="call.event",
        session_id="s1",
        body=b"{}",
        attempt=attempt,
        expires_at_us=expires_at_us,
        lease_token="t",
        leased_until_us=1 << 60,
    )


class FakePoster:
    """Answers as told, by host; hosts in `hanging` answer when they are let go."""

    def __init__(self, result: HttpResult | None = None) -> None:
        self.result = result or HttpResult(200)
        self.results: dict[str, HttpResult] = {}
        self.hanging: dict[str, asyncio.Event] = {}
        self.requests: list[HttpRequest] = []

    async def post(self, request: HttpRequest) -> HttpResult:
        self.requests.append(request)
        host = request.url.split("/")[2]
        if host in self.hanging:
            await self.hanging[host].wait()
        return self.results.get(host, self.result)


@dataclass
class FakeQueue:
    """Gives out what is put into `ready`, by webhook, within `most`."""

    webhooks: dict[str, Webhook] = field(default_factory=dict)
    ready: dict[str, list[LeasedDelivery]] = field(default_factory=dict)
    requests: list[LeaseRequest] = field(default_factory=list)
    settled: list[Settlement] = field(default_factory=list)
    released: list[LeasedDelivery] = field(default_factory=list)
    broken: Exception | None = None

    def put(self, hook: Webhook, *leases: LeasedDelivery) -> None:
        self.webhooks[hook.webhook_id] = hook
        self.ready.setdefault(hook.webhook_id, []).extend(leases)

    async def due(self, now_us: int) -> Sequence[str]:
        self._check()
        return [name for name, leases in self.ready.items() if leases]

    async def lease(self, request: LeaseRequest) -> Sequence[LeasedBatch]:
        self._check()
        self.requests.append(request)
        batches = []
        for name in request.webhook_ids:
            most = request.most[name]
            taken, self.ready[name] = self.ready[name][:most], self.ready[name][most:]
            if taken:
                batches.append(LeasedBatch(self.webhooks[name], taken))
        return batches

    async def settle(self, settlements: Sequence[Settlement], now_us: int) -> int:
        self._check()
        self.settled.extend(settlements)
        return len(settlements)

    async def release(self, leases: Sequence[LeasedDelivery], now_us: int) -> None:
        self._check()
        self.released.extend(leases)

    def _check(self) -> None:
        if self.broken is not None:
            raise self.broken


class MemoryWebhooks:
    """`WebhookStore` in memory. `race` is done once before an update, as somebody else's."""

    def __init__(self) -> None:
        self.stored: dict[str, Webhook] = {}
        self.retried_at_us: int | None = None
        self.race: Webhook | None = None
        self.tested: list[tuple[str, str]] = []

    async def create(self, webhook: Webhook, max_per_tenant: int, actor: str = "") -> None:
        if sum(each.tenant_id == webhook.tenant_id for each in self.stored.values()) >= max_per_tenant:
            raise ResourceExhaustedError("too many")
        self.stored[webhook.webhook_id] = webhook

    async def get(self, tenant_id: str, webhook_id: str) -> Webhook | None:
        found = self.stored.get(webhook_id)
        return found if found is not None and found.tenant_id == tenant_id else None

    async def list_page(self, tenant_id: str, after_id: str, limit: int) -> Sequence[Webhook]:
        mine = [self.stored[name] for name in sorted(self.stored) if self.stored[name].tenant_id == tenant_id]
        return [each for each in mine if each.webhook_id > after_id][:limit]

    async def update(self, webhook: Webhook, *, retry_at_us: int | None = None, actor: str = "") -> None:
        if self.race is not None:
            self.stored[self.race.webhook_id], self.race = self.race, None
        if self.stored[webhook.webhook_id].revision != webhook.revision - 1:
            raise AbortedError("changed")
        self.stored[webhook.webhook_id] = webhook
        self.retried_at_us = retry_at_us

    async def delete(self, tenant_id: str, webhook_id: str, now_us: int, actor: str = "") -> bool:
        return self.stored.pop(webhook_id, None) is not None

    async def note_test(self, webhook: Webhook, now_us: int, actor: str = "") -> None:
        self.tested.append((webhook.webhook_id, actor))


class MemoryDesk:
    """`DeliveryDesk` in memory."""

    def __init__(self) -> None:
        self.logged: list[Attempt] = []
        self.letters: dict[int, DeadLetter] = {}
        self.replayed: list[tuple[list[int], int]] = []

    async def attempts(self, webhook_id: str, message_id: str, before_id: int, limit: int) -> Sequence[Attempt]:
        found = [a for a in reversed(self.logged) if a.attempt_id < before_id and message_id in ("", a.message_id)]
        return found[:limit]

    async def dead_letters(self, webhook_id: str, after_id: int, limit: int, *, bodies: bool) -> Sequence[DeadLetter]:
        found = [self.letters[key] for key in sorted(self.letters) if key > after_id][:limit]
        return found if bodies else [replace(letter, body=b"") for letter in found]

    async def replay(
        self, webhook_id: str, delivery_ids: Collection[int], now_us: int, expires_at_us: int, actor: str = ""
    ) -> int:
        self.replayed.append((list(delivery_ids), expires_at_us - now_us))
        return sum(self.letters.pop(each, None) is not None for each in delivery_ids)

    async def health(self, webhook_id: str) -> EndpointHealth:
        return EndpointHealth()

    async def counts(self, webhook_id: str) -> DeliveryCounts:
        return DeliveryCounts(0, None, len(self.letters))

    async def log_attempt(self, attempt: Attempt) -> None:
        self.logged.append(replace(attempt, attempt_id=len(self.logged) + 1))
