"""The endpoints themselves."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event

from common.errors import AbortedError, ResourceExhaustedError
from event_service.webhooks import sql_webhooks
from event_service.webhooks.domain import MessageType, SealedSecret, Verdict, WebhookLimits, WebhookState
from event_service.webhooks.ports import PurgeBounds
from tests.contract.webhooks.conftest import OTHER_TENANT, TENANT, Stores, of_many_calls, of_one_call


async def test_everything_that_is_set_is_kept(stores: Stores) -> None:
    webhook = await stores.add_webhook(
        description="billing, 计费",
        message_types=frozenset({MessageType.CALL_COMPLETED}),
        event_codes=frozenset({"15", "22"}),
        state=WebhookState.PAUSED,
        limits=WebhookLimits(3, 50, 2000),
    )
    assert await stores.webhooks.get(TENANT, "wh_1") == webhook
    changed = replace(
        webhook,
        url="https://example.com/other",
        secrets=(SealedSecret("b", 5), SealedSecret("a", 1, 9)),
        revision=2,
        state=WebhookState.ENABLED,
    )
    await stores.webhooks.update(changed)
    assert await stores.webhooks.get(TENANT, "wh_1") == changed


async def test_another_tenant_sees_and_changes_nothing(stores: Stores) -> None:
    webhook = await stores.add_webhook()
    assert await stores.webhooks.get(OTHER_TENANT, "wh_1") is None
    assert await stores.webhooks.list_page(OTHER_TENANT, "", 10) == []
    assert not await stores.webhooks.delete(OTHER_TENANT, "wh_1", stores.now_us)
    with pytest.raises(AbortedError):
        await stores.webhooks.update(replace(webhook, tenant_id=OTHER_TENANT, revision=2))
    assert await stores.webhooks.get(TENANT, "wh_1") == webhook


async def test_lists_go_by_id_behind_the_last_one(stores: Stores) -> None:
    for name in ("wh_3", "wh_1", "wh_2"):
        await stores.add_webhook(name)
    await stores.add_webhook("wh_9", OTHER_TENANT)
    assert [w.webhook_id for w in await stores.webhooks.list_page(TENANT, "", 2)] == ["wh_1", "wh_2"]
    assert [w.webhook_id for w in await stores.webhooks.list_page(TENANT, "wh_2", 2)] == ["wh_3"]


async def test_of_two_changes_of_one_revision_one_wins(stores: Stores) -> None:
    webhook = await stores.add_webhook()
    wanted = [replace(webhook, revision=2, description=str(number)) for number in range(5)]
    results = await asyncio.gather(*map(stores.webhooks.update, wanted), return_exceptions=True)
    assert sum(result is None for result in results) == 1
    assert sum(isinstance(result, AbortedError) for result in results) == 4


async def test_a_tenant_has_no_more_than_it_may(stores: Stores) -> None:
    async def create(number: int) -> None:
        webhook = await stores.add_webhook(f"wh_{number}", OTHER_TENANT)
        await stores.webhooks.create(replace(webhook, webhook_id=f"wx_{number}", tenant_id=TENANT), 3)

    results = await asyncio.gather(*(create(number) for number in range(6)), return_exceptions=True)
    assert sum(isinstance(result, ResourceExhaustedError) for result in results) == 3
    await stores.webhooks.delete(TENANT, (await stores.webhooks.list_page(TENANT, "", 1))[0].webhook_id, stores.now_us)
    await stores.webhooks.create(
        replace(await stores.add_webhook("wh_n", OTHER_TENANT), tenant_id=TENANT, webhook_id="wy"), 3
    )


async def test_a_deleted_webhook_is_gone_and_so_is_all_that_belongs_to_it(stores: Stores) -> None:
    await stores.add_webhook()
    await stores.enqueue(*of_one_call("wh_1", "s1", 3))
    await stores.settle(await stores.lease("wh_1"))
    assert await stores.webhooks.delete(TENANT, "wh_1", stores.now_us)
    assert not await stores.webhooks.delete(TENANT, "wh_1", stores.now_us)
    assert await stores.webhooks.get(TENANT, "wh_1") is None
    assert await stores.feed.subscribers([TENANT]) == []
    assert await stores.queue.due(stores.now_us) == []
    assert await stores.lease("wh_1") == []
    bounds = PurgeBounds(10**15, 10**15, 100)
    assert (await stores.purger.purge(bounds, stores.now_us, 2)).deleted == 3
    assert (await stores.purger.purge(bounds, stores.now_us, 2)).deleted == 1
    # A feeder that saw it may still be at work.
    assert (await stores.purger.purge(bounds, stores.now_us, 2)).deleted == 0
    stores.clock.advance(61)
    assert (await stores.purger.purge(bounds, stores.now_us, 2)).deleted == 1
    assert (await stores.desk.counts("wh_1")).pending == 0
    assert await stores.desk.attempts("wh_1", "", 1 << 62, 10) == []


async def test_a_fresh_start_forgets_the_pause_and_makes_everything_due(stores: Stores) -> None:
    webhook = await stores.add_webhook()
    await stores.enqueue(*of_many_calls("wh_1", 3))
    leases = await stores.lease("wh_1")
    await stores.settle(leases, Verdict.RETRY, retry_at_us=stores.now_us + 3600_000_000)
    assert (await stores.desk.health("wh_1")).held_until_us > stores.now_us
    await stores.webhooks.update(replace(webhook, revision=2, url="https://b.example"), retry_at_us=stores.now_us)
    assert (await stores.desk.health("wh_1")).trips == 0
    assert await stores.queue.due(stores.now_us) == ["wh_1"]
    assert len(await stores.lease("wh_1")) == 3


async def test_a_fresh_start_takes_some_at_a_time(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    """While all of a long backlog was written in one transaction nobody else could write to SQLite."""
    monkeypatch.setattr(sql_webhooks, "_RETRIED_AT_ONCE", 2)
    touched: list[int] = []

    def note(_connection: object, cursor: Any, statement: str, *_more: object) -> None:
        if statement.startswith("UPDATE webhook_deliveries"):
            touched.append(cursor.rowcount)

    webhook = await stores.add_webhook()
    await stores.enqueue(*of_many_calls("wh_1", 5))
    await stores.settle(await stores.lease("wh_1"), Verdict.RETRY, retry_at_us=stores.now_us + 3600_000_000)
    event.listen(stores.engine.sync_engine, "after_cursor_execute", note)
    await stores.webhooks.update(replace(webhook, revision=2, url="https://b.example"), retry_at_us=stores.now_us)
    assert touched == [2, 2, 1]
    assert len(await stores.lease("wh_1")) == 5
