"""What integrators and operators do with webhooks."""

from dataclasses import replace

import pytest

from common.clock import to_microseconds
from common.errors import (
    AbortedError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    ResourceExhaustedError,
)
from event_service.webhooks.addresses import AddressPolicy
from event_service.webhooks.courier import Courier
from event_service.webhooks.delivery_service import DeliveryService
from event_service.webhooks.domain import DeadLetter, HttpResult, Webhook, WebhookLimits, WebhookState
from event_service.webhooks.schedule import RetrySchedule
from event_service.webhooks.sealing import AesGcmSealer
from event_service.webhooks.service import Page, WebhookRules, WebhookService
from event_service.webhooks.signing import secret_text
from event_service.webhooks.urls import UrlPolicy
from tests.support.clock import FakeClock
from tests.unit.event_service_webhooks.fakes import FakePoster, MemoryDesk, MemoryWebhooks

TENANT = "100001"
WANTED = Webhook("", TENANT, "https://example.com/hook")
DAY = 86_400


class Desk:
    """The use cases over stores in memory."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.sealer = AesGcmSealer([b"k" * 32])
        self.store = MemoryWebhooks()
        self.desk = MemoryDesk()
        self.poster = FakePoster(HttpResult(204))
        rules = WebhookRules(UrlPolicy(AddressPolicy()), max_per_tenant=3, lifetime_us=77)
        courier = Courier(self.poster, self.sealer, RetrySchedule((5,), lambda: 0.5), self.clock)
        self.changes = 0
        self.webhooks = WebhookService(self.store, self.sealer, rules, self.clock, self._changed)
        self.deliveries = DeliveryService(self.webhooks, self.desk, courier, rules, self.clock)

    def _changed(self) -> None:
        self.changes += 1

    async def created(self) -> Webhook:
        return (await self.webhooks.create(WANTED))[0]

    @property
    def now_us(self) -> int:
        return to_microseconds(self.clock.now())


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_whoever_delivers_is_told_of_what_was_added_and_changed(desk: Desk) -> None:
    webhook = await desk.created()
    assert desk.changes == 1
    await desk.webhooks.update(replace(webhook, state=WebhookState.PAUSED), ["state"], 0)
    assert desk.changes == 2
    with pytest.raises(AbortedError):
        await desk.webhooks.update(webhook, ["state"], 77)
    assert desk.changes == 2


async def test_creating_makes_an_id_and_a_secret_that_is_stored_sealed(desk: Desk) -> None:
    webhook, secret = await desk.webhooks.create(replace(WANTED, webhook_id="mine", revision=9, state_reason="x"))
    assert webhook.webhook_id.startswith("wh_")
    assert len(webhook.webhook_id) == 29
    assert (webhook.revision, webhook.state_reason, webhook.created_at_us) == (1, "", desk.now_us)
    (stored,) = desk.store.stored[webhook.webhook_id].secrets
    assert secret_text(desk.sealer.open(webhook.webhook_id, stored.sealed)) == secret
    assert secret.removeprefix("whsec_") not in stored.sealed


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"tenant_id": ""}, "webhook.tenant_id"),
        ({"url": ""}, "webhook.url"),
        ({"url": "http://example.com"}, "webhook.url"),
        ({"url": "https://192.168.1.1/"}, "webhook.url"),
        ({"description": "x" * 257}, "webhook.description"),
        ({"description": "a\x00b"}, "webhook.description"),
        ({"event_codes": frozenset({""})}, "webhook.event_codes"),
        ({"event_codes": frozenset({"x" * 17})}, "webhook.event_codes"),
        ({"event_codes": frozenset(map(str, range(65)))}, "webhook.event_codes"),
        ({"limits": WebhookLimits(max_in_flight=65)}, "webhook.limits.max_in_flight"),
        ({"limits": WebhookLimits(max_per_second=1001)}, "webhook.limits.max_per_second"),
        ({"limits": WebhookLimits(timeout_ms=999)}, "webhook.limits.timeout_ms"),
        ({"limits": WebhookLimits(timeout_ms=30_001)}, "webhook.limits.timeout_ms"),
    ],
)
async def test_wrong_settings_are_refused_by_name(desk: Desk, fields: dict[str, object], named: str) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        await desk.webhooks.create(replace(WANTED, **fields))  # type: ignore[arg-type]
    assert refused.value.field == named
    assert desk.store.stored == {}


async def test_a_tenant_has_no_more_than_it_may(desk: Desk) -> None:
    for _ in range(3):
        await desk.created()
    with pytest.raises(ResourceExhaustedError):
        await desk.created()


async def test_another_tenants_is_not_found(desk: Desk) -> None:
    webhook = await desk.created()
    for call in (
        desk.webhooks.get("100002", webhook.webhook_id),
        desk.webhooks.delete("100002", webhook.webhook_id),
        desk.webhooks.rotate_secret("100002", webhook.webhook_id, 0),
        desk.webhooks.update(replace(webhook, tenant_id="100002"), ["url"], 0),
        desk.deliveries.test("100002", webhook.webhook_id),
        desk.deliveries.attempts("100002", webhook.webhook_id, "", Page()),
        desk.deliveries.dead_letters("100002", webhook.webhook_id, Page(), bodies=True),
        desk.deliveries.replay("100002", webhook.webhook_id, [1], everything=False),
    ):
        with pytest.raises(NotFoundError) as refused:
            await call
        assert refused.value.reason == "WEBHOOK_NOT_FOUND"
    assert desk.store.stored[webhook.webhook_id] == webhook


async def test_an_update_changes_what_it_names_and_nothing_else(desk: Desk) -> None:
    webhook = await desk.created()
    desk.clock.advance(5)
    wanted = replace(webhook, url="https://b.example", description="new", limits=WebhookLimits(1, 2, 3000))
    changed = await desk.webhooks.update(wanted, ["description", "limits.max_per_second"], 1)
    assert changed == replace(
        webhook,
        description="new",
        limits=WebhookLimits(8, 2, 15_000),
        revision=2,
        updated_at_us=desk.now_us,
    )
    assert desk.store.retried_at_us is None


@pytest.mark.parametrize("path", ["", "secrets", "webhook_id", "tenant_id", "limits.x", "url.x", "state_reason"])
async def test_what_cannot_be_changed_is_refused(desk: Desk, path: str) -> None:
    webhook = await desk.created()
    with pytest.raises(InvalidArgumentError) as refused:
        await desk.webhooks.update(webhook, [path], 0)
    assert refused.value.field == "update_mask"


async def test_an_update_of_another_revision_is_refused_and_one_of_any_is_repeated(desk: Desk) -> None:
    webhook = await desk.created()
    with pytest.raises(AbortedError):
        await desk.webhooks.update(replace(webhook, description="x"), ["description"], 7)
    desk.store.race = replace(webhook, url="https://raced.example/", revision=2)
    changed = await desk.webhooks.update(replace(webhook, description="x"), ["description"], 0)
    assert (changed.url, changed.description, changed.revision) == ("https://raced.example/", "x", 3)


async def test_a_new_url_and_enabling_are_a_fresh_start(desk: Desk) -> None:
    webhook = await desk.created()
    await desk.webhooks.update(replace(webhook, url="https://b.example/"), ["url"], 0)
    assert desk.store.retried_at_us == desk.now_us
    await desk.webhooks.update(replace(webhook, state=WebhookState.PAUSED), ["state"], 0)
    assert desk.store.retried_at_us is None
    await desk.webhooks.update(replace(webhook, state=WebhookState.ENABLED), ["state"], 0)
    assert desk.store.retried_at_us == desk.now_us


async def test_what_the_service_decided_is_settled_by_whoever_decides_next(desk: Desk) -> None:
    webhook = await desk.created()
    gone = replace(webhook, state=WebhookState.DISABLED, state_reason="the endpoint answered 410 Gone")
    desk.store.stored[webhook.webhook_id] = gone
    described = await desk.webhooks.update(replace(gone, description="x"), ["description"], 0)
    assert described.state_reason
    enabled = await desk.webhooks.update(replace(gone, state=WebhookState.ENABLED), ["state"], 0)
    assert enabled.state_reason == ""


async def test_an_endpoint_that_is_no_longer_allowed_can_still_be_disabled(desk: Desk) -> None:
    webhook = await desk.created()
    desk.store.stored[webhook.webhook_id] = replace(webhook, url="http://10.0.0.1/")
    changed = await desk.webhooks.update(replace(webhook, state=WebhookState.DISABLED), ["state"], 0)
    assert changed.state is WebhookState.DISABLED


async def test_rotating_keeps_the_previous_secret_for_a_while(desk: Desk) -> None:
    webhook, first = await desk.webhooks.create(WANTED)
    desk.clock.advance(10)
    rotated, second = await desk.webhooks.rotate_secret(TENANT, webhook.webhook_id, DAY)
    assert first != second
    assert [secret.expires_at_us for secret in rotated.secrets] == [None, desk.now_us + DAY * 1_000_000]
    opened = [secret_text(desk.sealer.open(webhook.webhook_id, secret.sealed)) for secret in rotated.secrets]
    assert opened == [second, first]
    desk.clock.advance(DAY)
    again, _ = await desk.webhooks.rotate_secret(TENANT, webhook.webhook_id, DAY)
    assert len(again.secrets) == 2


async def test_rotating_at_once_leaves_only_the_new_one(desk: Desk) -> None:
    webhook = await desk.created()
    await desk.webhooks.rotate_secret(TENANT, webhook.webhook_id, DAY)
    rotated, _ = await desk.webhooks.rotate_secret(TENANT, webhook.webhook_id, 0)
    assert [secret.expires_at_us for secret in rotated.secrets] == [None]


async def test_no_more_than_three_sign_and_none_longer_than_was_said(desk: Desk) -> None:
    webhook = await desk.created()
    for _ in range(5):
        webhook, _ = await desk.webhooks.rotate_secret(TENANT, webhook.webhook_id, 30 * DAY)
    assert len(webhook.secrets) == 3
    webhook, _ = await desk.webhooks.rotate_secret(TENANT, webhook.webhook_id, 60)
    assert {secret.expires_at_us for secret in webhook.secrets} == {None, desk.now_us + 60_000_000}
    for seconds in (-1, 31 * DAY):
        with pytest.raises(InvalidArgumentError):
            await desk.webhooks.rotate_secret(TENANT, webhook.webhook_id, seconds)


async def test_lists_come_in_pages(desk: Desk) -> None:
    made = sorted([(await desk.created()).webhook_id for _ in range(3)])
    first, token = await desk.webhooks.list_webhooks(TENANT, Page(2))
    rest, end = await desk.webhooks.list_webhooks(TENANT, Page(2, token))
    assert [each.webhook_id for each in (*first, *rest)] == made
    assert end == ""
    for page in (Page(-1), Page(1001)):
        with pytest.raises(InvalidArgumentError):
            await desk.webhooks.list_webhooks(TENANT, page)


async def test_a_test_is_sent_now_and_logged(desk: Desk) -> None:
    webhook = await desk.created()
    attempt = await desk.deliveries.test(TENANT, webhook.webhook_id)
    assert attempt.result == HttpResult(204)
    found, token = await desk.deliveries.attempts(TENANT, webhook.webhook_id, "", Page())
    assert [each.message_id for each in found] == [attempt.message_id]
    assert token == ""


async def test_attempts_come_in_pages(desk: Desk) -> None:
    webhook = await desk.created()
    made = [(await desk.deliveries.test(TENANT, webhook.webhook_id)).message_id for _ in range(5)]
    seen, token = [], ""
    while True:
        found, token = await desk.deliveries.attempts(TENANT, webhook.webhook_id, "", Page(2, token))
        seen += [each.message_id for each in found]
        if not token:
            break
    assert seen == made[::-1]
    for wrong in ("x", "-1", "²", "9" * 30):
        with pytest.raises(InvalidArgumentError):
            await desk.deliveries.attempts(TENANT, webhook.webhook_id, "", Page(2, wrong))


def letter(delivery_id: int, size: int = 2) -> DeadLetter:
    return DeadLetter(
        delivery_id, f"evt_{delivery_id}", "call.event", "s1", 1, 2, 10, "every attempt failed", 500, "x", b"x" * size
    )


async def test_dead_letters_come_in_pages_that_are_not_too_large(desk: Desk) -> None:
    webhook = await desk.created()
    desk.desk.letters = {number: letter(number, 6 * 1024 * 1024) for number in range(1, 6)}
    seen, token = [], ""
    while True:
        found, token = await desk.deliveries.dead_letters(TENANT, webhook.webhook_id, Page(100, token), bodies=True)
        assert 0 < sum(len(each.body) for each in found) <= 16 * 1024 * 1024
        seen += [each.delivery_id for each in found]
        if not token:
            break
    assert seen == [1, 2, 3, 4, 5]


async def test_some_or_all_dead_letters_are_replayed(desk: Desk) -> None:
    webhook = await desk.created()
    desk.desk.letters = {number: letter(number) for number in range(1, 2502)}
    assert await desk.deliveries.replay(TENANT, webhook.webhook_id, [1, 2, 9999], everything=False) == 2
    assert desk.desk.replayed == [([1, 2, 9999], 77)]
    assert await desk.deliveries.replay(TENANT, webhook.webhook_id, [], everything=True) == 2499
    assert [len(ids) for ids, _ in desk.desk.replayed[1:]] == [1000, 1000, 499]


async def test_a_replay_has_to_say_what_and_needs_an_endpoint_that_is_on(desk: Desk) -> None:
    webhook = await desk.created()
    for ids, everything in (([], False), ([1], True), ([0], False), (list(range(1, 1002)), False)):
        with pytest.raises(InvalidArgumentError):
            await desk.deliveries.replay(TENANT, webhook.webhook_id, ids, everything=everything)
    desk.store.stored[webhook.webhook_id] = replace(webhook, state=WebhookState.DISABLED)
    with pytest.raises(FailedPreconditionError) as refused:
        await desk.deliveries.replay(TENANT, webhook.webhook_id, [1], everything=False)
    assert refused.value.reason == "WEBHOOK_DISABLED"


async def test_deleting(desk: Desk) -> None:
    webhook = await desk.created()
    await desk.webhooks.delete(TENANT, webhook.webhook_id)
    with pytest.raises(NotFoundError):
        await desk.webhooks.delete(TENANT, webhook.webhook_id)
