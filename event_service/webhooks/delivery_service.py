"""The use cases on deliveries: what became of an endpoint's messages."""

from collections.abc import Sequence
from dataclasses import dataclass

from common.auth.grants import ANONYMOUS
from common.clock import Clock, to_microseconds
from common.errors import FailedPreconditionError, InvalidArgumentError
from common.logs import get_logger
from event_service.limits import MAX_IDENTIFIER_CHARACTERS, check_text
from event_service.webhooks.circuit import EndpointHealth
from event_service.webhooks.courier import Courier
from event_service.webhooks.domain import Attempt, DeadLetter, Webhook, WebhookState
from event_service.webhooks.ports import DeliveryCounts, DeliveryDesk
from event_service.webhooks.service import Page, WebhookRules, WebhookService, page_size

# Of bodies in one page; above the largest of them.
MAX_PAGE_BYTES = 16 * 1024 * 1024
MAX_REPLAY = 1000

_LAST_ID = (1 << 63) - 1

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WebhookStatus:
    """How an endpoint does at `now_us`."""

    health: EndpointHealth
    counts: DeliveryCounts
    now_us: int


class DeliveryService:
    """What became of an endpoint's messages."""

    def __init__(
        self, webhooks: WebhookService, desk: DeliveryDesk, courier: Courier, rules: WebhookRules, clock: Clock
    ) -> None:
        self._webhooks = webhooks
        self._desk = desk
        self._courier = courier
        self._rules = rules
        self._clock = clock

    async def status(self, webhook: Webhook) -> WebhookStatus:
        """How an endpoint does."""
        health = await self._desk.health(webhook.webhook_id)
        counts = await self._desk.counts(webhook.webhook_id)
        return WebhookStatus(health, counts, to_microseconds(self._clock.now()))

    async def test(self, tenant_id: str, webhook_id: str, actor: str = ANONYMOUS) -> Attempt:
        """Post a test message now, and tell what came back. Raises NotFoundError."""
        webhook = await self._webhooks.to_test(tenant_id, webhook_id, actor)
        attempt = await self._courier.test(webhook)
        await self._desk.log_attempt(attempt)
        return attempt

    async def attempts(
        self, tenant_id: str, webhook_id: str, message_id: str, page: Page
    ) -> tuple[Sequence[Attempt], str]:
        """A page of the latest attempts, newest first, and the next one's token. Raises NotFoundError,
        InvalidArgumentError."""
        await self._webhooks.get(tenant_id, webhook_id)
        check_text("message_id", message_id, MAX_IDENTIFIER_CHARACTERS)
        size = page_size(page)
        before_id = _id_of(page.token, _LAST_ID)
        found = await self._desk.attempts(webhook_id, message_id, before_id, size + 1)
        return found[:size], str(found[size - 1].attempt_id) if len(found) > size else ""

    async def dead_letters(
        self, tenant_id: str, webhook_id: str, page: Page, *, bodies: bool
    ) -> tuple[Sequence[DeadLetter], str]:
        """A page of dead letters, oldest first, and the next one's token. Raises NotFoundError and
        InvalidArgumentError."""
        await self._webhooks.get(tenant_id, webhook_id)
        size = page_size(page)
        found = await self._desk.dead_letters(webhook_id, _id_of(page.token, 0), size + 1, bodies=bodies)
        shown: list[DeadLetter] = []
        size_bytes = 0
        for letter in found[:size]:
            size_bytes += len(letter.body)
            if shown and size_bytes > MAX_PAGE_BYTES:
                break
            shown.append(letter)
        return shown, str(shown[-1].delivery_id) if len(found) > len(shown) else ""

    async def replay(
        self,
        tenant_id: str,
        webhook_id: str,
        delivery_ids: Sequence[int],
        *,
        everything: bool,
        actor: str = ANONYMOUS,
    ) -> int:
        """Queue dead letters again; how many. Raises NotFoundError, InvalidArgumentError, FailedPreconditionError."""
        webhook = await self._webhooks.get(tenant_id, webhook_id)
        if everything == bool(delivery_ids):
            raise InvalidArgumentError("delivery_ids", "say which ones, or all of them")
        if len(delivery_ids) > MAX_REPLAY:
            raise InvalidArgumentError("delivery_ids", f"more than {MAX_REPLAY} in one request")
        if any(not 0 < delivery_id <= _LAST_ID for delivery_id in delivery_ids):
            raise InvalidArgumentError("delivery_ids", "ids are above 0")
        if webhook.state is WebhookState.DISABLED:
            message = "the webhook is disabled, enable it first"
            raise FailedPreconditionError(message, reason="WEBHOOK_DISABLED")
        if not everything:
            replayed = await self._replay_some(webhook_id, delivery_ids, actor)
        else:
            replayed = await self._replay_all(webhook_id, actor)
        _log.info("dead letters replayed", tenant_id=tenant_id, webhook_id=webhook_id, replayed=replayed)
        return replayed

    async def _replay_all(self, webhook_id: str, actor: str) -> int:
        """One pass by rising id: what dies again meanwhile is not replayed again."""
        replayed = after_id = 0
        while found := await self._desk.dead_letters(webhook_id, after_id, MAX_REPLAY, bodies=False):
            after_id = found[-1].delivery_id
            replayed += await self._replay_some(webhook_id, [letter.delivery_id for letter in found], actor)
        return replayed

    async def _replay_some(self, webhook_id: str, delivery_ids: Sequence[int], actor: str) -> int:
        now_us = to_microseconds(self._clock.now())
        return await self._desk.replay(webhook_id, delivery_ids, now_us, now_us + self._rules.lifetime_us, actor)


def _id_of(token: str, first: int) -> int:
    if not token:
        return first
    if not (token.isascii() and token.isdecimal() and len(token) < 20 and int(token) <= _LAST_ID):
        raise InvalidArgumentError("page_token", "not from a previous page")
    return int(token)
