"""What can be done with subscriptions."""

import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from common.auth.grants import ANONYMOUS
from common.clock import Clock, to_microseconds
from common.errors import AxbridgeError, InvalidArgumentError, NotFoundError
from common.numbers import DEFAULT_REGION, is_region, normalize_number
from event_service.delivery_stats import LEFT
from event_service.limits import MAX_IDENTIFIER_CHARACTERS, check_text
from event_service.subscriptions.consumer import Acknowledgements, Consumer, ConsumerRules, Send, Sources
from event_service.subscriptions.domain import StartPosition, Subscription, SubscriptionStatus
from event_service.subscriptions.hub import Hub
from event_service.subscriptions.ports import ConsumerName, SubscriptionStore

MAX_PAGE_SIZE, DEFAULT_PAGE_SIZE = 1000, 100
MAX_FILTER_ITEMS = 100
MAX_UNACKNOWLEDGED, DEFAULT_UNACKNOWLEDGED = 10_000, 1000
# A consumer that is cut needs this long to come back.
MIN_UNUSED_US = 10_000_000
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True)
class SubscriptionPage:
    """One page of subscriptions, and the token of the next one; empty: this was the last."""

    subscriptions: Sequence[SubscriptionStatus]
    next_page_token: str


@dataclass(frozen=True, slots=True)
class ConsumeRequest:
    """Who consumes what. `max_unacknowledged` 0: the default."""

    tenant_id: str
    name: str
    label: str = ""
    max_unacknowledged: int = 0


class SubscriptionService:
    """Manages subscriptions. All methods raise InvalidArgumentError naming the field, and UnavailableError.

    `actor` is who wants it, for the audit log.
    """

    def __init__(self, store: SubscriptionStore, clock: Clock, max_per_tenant: int) -> None:
        self._store = store
        self._clock = clock
        self._max_per_tenant = max_per_tenant

    async def create(
        self, wanted: Subscription, region: str, start: StartPosition, actor: str = ANONYMOUS
    ) -> Subscription:
        """Make a subscription; `wanted` has its numbers in any writing. Raises AlreadyExistsError,
        ResourceExhaustedError."""
        _check_name(wanted.tenant_id, wanted.name, "subscription.")
        if wanted.remove_unused_us and wanted.remove_unused_us < MIN_UNUSED_US:
            raise InvalidArgumentError("subscription.remove_unused_after", "at least 10 seconds, or not set")
        for code in wanted.filter.codes:
            check_text("subscription.filter.codes", code, MAX_IDENTIFIER_CHARACTERS)
        for field, count in (("codes", len(wanted.filter.codes)), ("numbers", len(wanted.filter.numbers))):
            if count > MAX_FILTER_ITEMS:
                raise InvalidArgumentError(f"subscription.filter.{field}", f"more than {MAX_FILTER_ITEMS}")
        subscription = replace(
            wanted,
            subscription_id=secrets.token_hex(12),
            filter=replace(wanted.filter, numbers=_normal(wanted.filter.numbers, region)),
            created_at_us=to_microseconds(self._clock.now()),
        )
        with _fields_under("start"):
            return await self._store.create(subscription, start, self._max_per_tenant, actor)

    async def list_subscriptions(self, tenant_id: str, page_size: int, page_token: str) -> SubscriptionPage:
        """A page of a tenant's subscriptions, by name."""
        _check_tenant(tenant_id)
        if not 0 <= page_size <= MAX_PAGE_SIZE:
            raise InvalidArgumentError("page_size", f"1 to {MAX_PAGE_SIZE}, or 0 for {DEFAULT_PAGE_SIZE}")
        if page_token and not _NAME.fullmatch(page_token):
            raise InvalidArgumentError("page_token", "not from a previous page")
        size = page_size or DEFAULT_PAGE_SIZE
        found = await self._store.list_page(tenant_id, page_token, size + 1)
        page = found[:size]
        return SubscriptionPage(page, page[-1].subscription.name if len(found) > size else "")

    async def delete(self, tenant_id: str, name: str, actor: str = ANONYMOUS) -> None:
        """Remove a subscription. Raises NotFoundError."""
        _check_name(tenant_id, name)
        if not await self._store.delete(tenant_id, name, to_microseconds(self._clock.now()), actor):
            raise _not_found()

    async def seek(self, tenant_id: str, name: str, to: StartPosition, actor: str = ANONYMOUS) -> None:
        """Move a subscription. Raises NotFoundError, FailedPreconditionError while it has a consumer."""
        _check_name(tenant_id, name)
        with _fields_under("to"):
            found = await self._store.seek(tenant_id, name, to, to_microseconds(self._clock.now()), actor)
        if not found:
            raise _not_found()


class DeliveryStreams:
    """Runs the streams of this process."""

    def __init__(
        self,
        store: SubscriptionStore,
        hub: Hub,
        sources: Sources,
        rules: ConsumerRules,
        new_owner: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        self._store = store
        self._hub = hub
        self._sources = sources
        self._rules = rules
        self._new_owner = new_owner

    async def consume(self, request: ConsumeRequest, acknowledgements: Acknowledgements, send: Send) -> None:
        """Deliver until the consumer leaves. Raises InvalidArgumentError, NotFoundError, and what `Consumer.run`
        raises."""
        _check_name(request.tenant_id, request.name, "start.")
        check_text("start.consumer", request.label, MAX_IDENTIFIER_CHARACTERS)
        if request.max_unacknowledged > MAX_UNACKNOWLEDGED:
            raise InvalidArgumentError("start.max_unacknowledged", f"at most {MAX_UNACKNOWLEDGED}")
        subscription = await self._store.find(request.tenant_id, request.name)
        if subscription is None:
            raise _not_found()
        name = ConsumerName(subscription.subscription_id, self._new_owner(), request.label)
        limit = request.max_unacknowledged or DEFAULT_UNACKNOWLEDGED
        consumer = Consumer(subscription, name, limit, self._sources, self._rules)
        with self._hub.following(consumer):
            end = LEFT
            try:
                await consumer.run(acknowledgements, send)
            except AxbridgeError as error:
                end = error.reason
                raise
            finally:
                self._sources.stats.ended(end)


def _check_tenant(tenant_id: str, prefix: str = "") -> None:
    if not tenant_id:
        raise InvalidArgumentError(f"{prefix}tenant_id", "is missing")
    check_text(f"{prefix}tenant_id", tenant_id, MAX_IDENTIFIER_CHARACTERS)


def _check_name(tenant_id: str, name: str, prefix: str = "") -> None:
    _check_tenant(tenant_id, prefix)
    if not _NAME.fullmatch(name):
        raise InvalidArgumentError(f"{prefix}name", "1 to 64 letters, digits, `_`, `-` and `.` are expected")


def _normal(numbers: frozenset[str], region: str) -> frozenset[str]:
    if region and not is_region(region):
        raise InvalidArgumentError("subscription.filter.default_region", "not a region code such as CN")
    try:
        return frozenset(normalize_number(number, region or DEFAULT_REGION) for number in numbers)
    except ValueError as error:
        raise InvalidArgumentError("subscription.filter.numbers", str(error)) from error


@contextmanager
def _fields_under(message: str) -> Iterator[None]:
    """The store knows a start position, and not which field of a request it is."""
    try:
        yield
    except InvalidArgumentError as error:
        problem = error.message.removeprefix(f"{error.field}: ")
        raise InvalidArgumentError(f"{message}.{error.field}", problem) from error


def _not_found() -> NotFoundError:
    return NotFoundError("there is no subscription of this name", reason="SUBSCRIPTION_NOT_FOUND")
