"""The use cases on endpoints: what integrators and operators do with them."""

import base64
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from common.auth.grants import ANONYMOUS
from common.clock import Clock, to_microseconds
from common.errors import AbortedError, InvalidArgumentError, NotFoundError
from common.logs import get_logger
from event_service.limits import MAX_BATCH_ITEMS, MAX_IDENTIFIER_CHARACTERS, check_text
from event_service.webhooks.domain import SealedSecret, Webhook, WebhookLimits, WebhookState
from event_service.webhooks.ports import WebhookStore
from event_service.webhooks.sealing import SecretSealer
from event_service.webhooks.signing import new_secret, secret_text
from event_service.webhooks.urls import UrlPolicy

DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE = 100, 1000
MAX_KEEP_PREVIOUS_SECONDS = 30 * 86_400
DEFAULT_KEEP_PREVIOUS_SECONDS = 86_400
# Each message carries a signature for each.
MAX_SECRETS = 3
MAX_DESCRIPTION_CHARACTERS = 256
MAX_EVENT_CODES = 64
MAX_EVENT_CODE_CHARACTERS = 16
# The fields that an update may name, and those of `limits` that it may name alone.
_CHANGEABLE = frozenset({"url", "description", "message_types", "event_codes", "state", "limits"})
_LIMITS = frozenset({"max_in_flight", "max_per_second", "timeout_ms"})

_BOUNDS = {"max_in_flight": (1, 64), "max_per_second": (0, 1000), "timeout_ms": (1000, 30_000)}
# Somebody else's change in between is no reason to fail for whoever does not care what they change.
_UPDATE_TRIES = 3

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WebhookRules:
    """What this installation allows. `lifetime_us` is how long a message may wait to be delivered."""

    urls: UrlPolicy
    max_per_tenant: int
    lifetime_us: int


@dataclass(frozen=True, slots=True)
class Page:
    """How large a page is wanted (0: the default), and the token of the previous one (empty: the first)."""

    size: int = 0
    token: str = ""


class WebhookService:
    """The endpoints of the enterprises. `actor` is who wants it, for the audit log."""

    def __init__(
        self,
        store: WebhookStore,
        sealer: SecretSealer,
        rules: WebhookRules,
        clock: Clock,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """`changed` is called when an endpoint was added or changed."""
        self._changed = changed
        self._store = store
        self._sealer = sealer
        self._rules = rules
        self._clock = clock

    async def create(self, wanted: Webhook, actor: str = ANONYMOUS) -> tuple[Webhook, str]:
        """Add an endpoint; it and its secret. Raises InvalidArgumentError naming the field, ResourceExhaustedError."""
        _check_identifier("webhook.tenant_id", wanted.tenant_id)
        self._rules.urls.checked(wanted.url, "webhook.url")
        _check_settings(wanted)
        now_us = self._now_us()
        webhook_id = _new_id()
        key = new_secret()
        webhook = replace(
            wanted,
            webhook_id=webhook_id,
            state_reason="",
            secrets=(SealedSecret(self._sealer.seal(webhook_id, key), now_us),),
            created_at_us=now_us,
            updated_at_us=now_us,
            revision=1,
        )
        await self._store.create(webhook, self._rules.max_per_tenant, actor)
        self._changed()
        _log.info("webhook created", tenant_id=webhook.tenant_id, webhook_id=webhook_id)
        return webhook, secret_text(key)

    async def get(self, tenant_id: str, webhook_id: str) -> Webhook:
        """One endpoint. Raises NotFoundError, InvalidArgumentError."""
        _check_identifier("tenant_id", tenant_id)
        _check_identifier("webhook_id", webhook_id)
        webhook = await self._store.get(tenant_id, webhook_id)
        if webhook is None:
            message = "the enterprise has no such webhook"
            raise NotFoundError(message, reason="WEBHOOK_NOT_FOUND", metadata={"webhook_id": webhook_id})
        return webhook

    async def list_webhooks(self, tenant_id: str, page: Page) -> tuple[Sequence[Webhook], str]:
        """A page of a tenant's endpoints, and the next one's token. Raises InvalidArgumentError."""
        _check_identifier("tenant_id", tenant_id)
        check_text("page_token", page.token, MAX_IDENTIFIER_CHARACTERS)
        size = page_size(page)
        found = await self._store.list_page(tenant_id, page.token, size + 1)
        return found[:size], found[size - 1].webhook_id if len(found) > size else ""

    async def update(
        self, wanted: Webhook, paths: Collection[str], expected_revision: int, actor: str = ANONYMOUS
    ) -> Webhook:
        """Change the settings at `paths`. A new URL, and enabling, let everything that failed be tried again at once.

        Raises InvalidArgumentError, NotFoundError, AbortedError where the expected revision is not the current one.
        """
        _check_paths(paths)
        for _ in range(_UPDATE_TRIES):
            current = await self.get(wanted.tenant_id, wanted.webhook_id)
            if expected_revision not in (0, current.revision):
                raise AbortedError(f"revision {expected_revision} is no longer the current one, {current.revision} is")
            changed = _patched(current, wanted, paths)
            if changed.url != current.url:
                # Only then: an endpoint that is no longer allowed can still be disabled.
                self._rules.urls.checked(changed.url, "webhook.url")
            _check_settings(changed)
            now_us = self._now_us()
            changed = replace(changed, revision=current.revision + 1, updated_at_us=now_us)
            is_fresh_start = changed.url != current.url or (
                changed.state is WebhookState.ENABLED and current.state is not WebhookState.ENABLED
            )
            try:
                await self._store.update(changed, retry_at_us=now_us if is_fresh_start else None, actor=actor)
            except AbortedError:
                continue
            self._changed()
            _log.info(
                "webhook changed",
                tenant_id=changed.tenant_id,
                webhook_id=changed.webhook_id,
                fields=sorted(paths),
                state=changed.state.value,
            )
            return changed
        raise AbortedError("somebody else changed the webhook at the same time")

    async def delete(self, tenant_id: str, webhook_id: str, actor: str = ANONYMOUS) -> None:
        """Remove an endpoint and all that belongs to it. Raises NotFoundError."""
        webhook = await self.get(tenant_id, webhook_id)
        if not await self._store.delete(tenant_id, webhook_id, self._now_us(), actor):
            raise NotFoundError("the enterprise has no such webhook", reason="WEBHOOK_NOT_FOUND")
        _log.info("webhook deleted", tenant_id=webhook.tenant_id, webhook_id=webhook_id)

    async def rotate_secret(
        self, tenant_id: str, webhook_id: str, keep_previous_seconds: int, actor: str = ANONYMOUS
    ) -> tuple[Webhook, str]:
        """Give an endpoint a new secret; it, and the secret. The previous ones sign on for a while.

        Of more than MAX_SECRETS the oldest end at once. Raises NotFoundError, InvalidArgumentError, AbortedError.
        """
        if not 0 <= keep_previous_seconds <= MAX_KEEP_PREVIOUS_SECONDS:
            raise InvalidArgumentError("keep_previous", "from 0 to 30 days")
        current = await self.get(tenant_id, webhook_id)
        now_us = self._now_us()
        ends_us = now_us + keep_previous_seconds * 1_000_000
        previous = tuple(
            replace(
                secret, expires_at_us=ends_us if secret.expires_at_us is None else min(secret.expires_at_us, ends_us)
            )
            for secret in current.secrets
        )
        key = new_secret()
        fresh = SealedSecret(self._sealer.seal(webhook_id, key), now_us)
        signing = (fresh, *(secret for secret in previous if secret.signs_at(now_us)))
        changed = replace(current, secrets=signing[:MAX_SECRETS], revision=current.revision + 1, updated_at_us=now_us)
        await self._store.update(changed, actor=actor)
        _log.info("webhook's secret rotated", tenant_id=tenant_id, webhook_id=webhook_id)
        return changed, secret_text(key)

    async def to_test(self, tenant_id: str, webhook_id: str, actor: str = ANONYMOUS) -> Webhook:
        """The endpoint to post a test message to, after it is written down who does. Raises NotFoundError."""
        webhook = await self.get(tenant_id, webhook_id)
        await self._store.note_test(webhook, self._now_us(), actor)
        return webhook

    def _now_us(self) -> int:
        return to_microseconds(self._clock.now())


def is_changeable(path: str) -> bool:
    """Whether an update may name this field."""
    field, dot, below = path.partition(".")
    return field in _CHANGEABLE and (not dot or (field == "limits" and below in _LIMITS))


def page_size(page: Page) -> int:
    """The size of a page. Raises InvalidArgumentError."""
    if not 0 <= page.size <= MAX_PAGE_SIZE:
        raise InvalidArgumentError("page_size", f"1 to {MAX_PAGE_SIZE}, or 0 for {DEFAULT_PAGE_SIZE}")
    return page.size or DEFAULT_PAGE_SIZE


def limits_of(max_in_flight: int, max_per_second: int, timeout_ms: int) -> WebhookLimits:
    """The limits of these numbers, 0 for the default ones."""
    default = WebhookLimits()
    return WebhookLimits(max_in_flight or default.max_in_flight, max_per_second, timeout_ms or default.timeout_ms)


def _check_identifier(field: str, text: str) -> None:
    if not text:
        raise InvalidArgumentError(field, "is missing")
    check_text(field, text, MAX_IDENTIFIER_CHARACTERS)


def _check_settings(webhook: Webhook) -> None:
    check_text("webhook.description", webhook.description, MAX_DESCRIPTION_CHARACTERS)
    if len(webhook.event_codes) > MAX_EVENT_CODES:
        raise InvalidArgumentError("webhook.event_codes", f"more than {MAX_EVENT_CODES}")
    for code in webhook.event_codes:
        if not code:
            raise InvalidArgumentError("webhook.event_codes", "a code is empty")
        check_text("webhook.event_codes", code, MAX_EVENT_CODE_CHARACTERS)
    for name, (least, most) in _BOUNDS.items():
        if not least <= getattr(webhook.limits, name) <= most:
            raise InvalidArgumentError(f"webhook.limits.{name}", f"from {least} to {most}")


def _check_paths(paths: Collection[str]) -> None:
    if not paths:
        raise InvalidArgumentError("update_mask", "at least one field must be named")
    if len(paths) > MAX_BATCH_ITEMS:
        raise InvalidArgumentError("update_mask", "too many fields")
    for path in paths:
        if not is_changeable(path):
            raise InvalidArgumentError("update_mask", f"{path[:80]!r} is no field that can be changed")


def _patched(current: Webhook, wanted: Webhook, paths: Collection[str]) -> Webhook:
    changed = current
    for path in paths:
        field, _, below = path.partition(".")
        if below:
            limits = replace(changed.limits, **{below: getattr(wanted.limits, below)})
            changed = replace(changed, limits=limits)
        else:
            changed = replace(changed, **{field: getattr(wanted, field)})
    if "state" in paths:
        # What the service found is settled by what somebody decides.
        changed = replace(changed, state_reason="")
    return changed


def _new_id() -> str:
    return "wh_" + base64.b32encode(secrets.token_bytes(16)).decode().rstrip("=").lower()
