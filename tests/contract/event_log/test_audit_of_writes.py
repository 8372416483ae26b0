"""Every write of the event service is in its audit log, once, by who made it; over real gRPC, on both databases."""

import json
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import grpc
import grpc.aio
import pytest
from axbridge.events.v1 import call_service_pb2 as calls_pb2
from axbridge.events.v1 import event_service_pb2 as events_pb2
from axbridge.events.v1 import privacy_service_pb2 as privacy_pb2
from axbridge.events.v1 import (
    subscription_pb2,
    webhook_pb2,
)
from axbridge.events.v1 import subscription_service_pb2 as subscriptions_pb2
from axbridge.events.v1 import webhook_service_pb2 as webhooks_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from sqlalchemy import update

from common.sql import begin_write
from event_service.ports import QuarantinedMessage
from event_service.privacy.audit import SERVICE_ACTOR
from event_service.sql_schema import calls
from event_service.subscriptions.sql_subscriptions import SqlSubscriptionStore
from event_service.webhooks.circuit import CircuitRules
from event_service.webhooks.domain import Attempt, HttpResult, LeasedDelivery, Settlement, Verdict
from event_service.webhooks.ports import LeaseRequest
from event_service.webhooks.sql_queue import SqlDeliveryQueue
from tests.contract.event_log.audited_service import OTHER_TENANT, TOKEN, URL, Service, serving
from tests.unit.event_service.builders import SID, TENANT, A, event


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Service]:
    async with serving(database_url) as opened:
        yield opened


async def test_each_change_of_a_webhook_leaves_one_entry(service: Service) -> None:
    api = service.webhooks
    wanted = webhook_pb2.Webhook(tenant_id=TENANT, url=f"{URL}?token={TOKEN}", description=f"asks {A}")
    made, created = await service.written(api.CreateWebhook, webhooks_pb2.CreateWebhookRequest(webhook=wanted))
    named = {"tenant_id": TENANT, "webhook_id": made.webhook.webhook_id}
    paused = webhook_pb2.Webhook(**named, state=webhook_pb2.WEBHOOK_STATE_PAUSED)
    request = webhooks_pb2.UpdateWebhookRequest(webhook=paused, update_mask=FieldMask(paths=["state"]))
    _, updated = await service.written(api.UpdateWebhook, request, service.operator)
    rotated, turned = await service.written(
        api.RotateWebhookSecret, webhooks_pb2.RotateWebhookSecretRequest(**named, keep_previous=Duration(seconds=60))
    )
    _, tested = await service.written(api.SendTestDelivery, webhooks_pb2.SendTestDeliveryRequest(**named))
    _, deleted = await service.written(api.DeleteWebhook, webhooks_pb2.DeleteWebhookRequest(**named))

    rows = [created, updated, turned, tested, deleted]
    assert [(row.actor, row.action, row.object_id, row.tenant_id) for row in rows] == [
        ("own", "webhook.create", named["webhook_id"], TENANT),
        ("ops", "webhook.update", named["webhook_id"], TENANT),
        ("own", "webhook.rotate_secret", named["webhook_id"], TENANT),
        ("own", "webhook.test", named["webhook_id"], TENANT),
        ("own", "webhook.delete", named["webhook_id"], TENANT),
    ]
    assert (created.before_json, tested.before_json, deleted.after_json) == ("", "", "")
    first = json.loads(created.after_json)
    assert (first["url"], first["description"], first["state"]) == (f"{URL}?…", "asks 138****1111", "enabled")
    before, after = json.loads(updated.before_json), json.loads(updated.after_json)
    assert before == first and {name for name in after if after[name] != before[name]} == {
        "state",
        "revision",
        "updated_at",
    }
    assert len(json.loads(turned.after_json)["secrets"]) == 2
    assert json.loads(deleted.before_json) == json.loads(turned.after_json)
    assert json.loads(tested.after_json) == {"message_type": "webhook.test", "url": f"{URL}?…"}
    everything = " ".join(f"{row.before_json}{row.after_json}" for row in rows)
    for secret in (made.secret, rotated.secret, TOKEN, A, "whsec_", "sealed"):
        assert secret not in everything


async def test_dead_letters_that_are_replayed_are_named(service: Service) -> None:
    webhook_id, _ = await service.create_webhook()
    for number in (7, 8, 12_345_678):
        await service.add_dead_letter(webhook_id, number)
    request = webhooks_pb2.ReplayDeadLettersRequest(tenant_id=TENANT, webhook_id=webhook_id, delivery_ids=[7, 99])
    answer, row = await service.written(service.webhooks.ReplayDeadLetters, request)
    assert (answer.replayed, row.actor, row.action, row.object_id) == (1, "own", "webhook.replay", webhook_id)
    assert json.loads(row.after_json) == {"replayed": 1, "delivery_ids": ["7"]}
    request = webhooks_pb2.ReplayDeadLettersRequest(tenant_id=TENANT, webhook_id=webhook_id, all=True)
    answer, row = await service.written(service.webhooks.ReplayDeadLetters, request)
    assert json.loads(row.after_json) == {"replayed": 2, "delivery_ids": ["8", "12345678"]}
    # Nothing is left to be written.
    before = await service.stored()
    assert (await service.ask(service.webhooks.ReplayDeadLetters, request)).replayed == 0
    assert await service.stored() == before
    # What callers without `unmask` are shown is JSON all the same.
    shown = (await service.entries(key=service.own))[0]
    assert json.loads(shown.after_json)["delivery_ids"] == ["8", "12****78"]


async def test_each_change_of_a_subscription_leaves_one_entry(service: Service) -> None:
    api = service.subscriptions
    which = subscription_pb2.SubscriptionFilter(codes=["22"], numbers=[A])
    wanted = subscription_pb2.Subscription(name="s", tenant_id=TENANT, filter=which)
    wanted.remove_unused_after.FromSeconds(300_000_000)
    create = subscriptions_pb2.CreateSubscriptionRequest(subscription=wanted)
    _, created = await service.written(api.CreateSubscription, create)
    await service.log.append([event("15", 1), event("22", 2)], [])
    start = subscriptions_pb2.StartPosition(earliest=False)
    seek = subscriptions_pb2.SeekSubscriptionRequest(tenant_id=TENANT, name="s", to=start)
    _, moved = await service.written(api.SeekSubscription, seek, service.operator)
    delete = subscriptions_pb2.DeleteSubscriptionRequest(tenant_id=TENANT, name="s")
    # The same again changes nothing.
    before = await service.stored()
    await service.ask(api.CreateSubscription, create)
    assert await service.stored() == before
    _, deleted = await service.written(api.DeleteSubscription, delete)

    assert [(row.actor, row.action, row.object_id, row.tenant_id) for row in (created, moved, deleted)] == [
        ("own", "subscription.create", "s", TENANT),
        ("ops", "subscription.seek", "s", TENANT),
        ("own", "subscription.delete", "s", TENANT),
    ]
    document = json.loads(created.after_json)
    assert (document["numbers"], document["codes"], document["start"]) == (["+86138****1111"], ["22"], "now")
    assert (created.before_json, deleted.after_json) == ("", "")
    assert document["remove_unused_after"].endswith("s") and "numbers" in json.loads(deleted.before_json)
    positions, after = json.loads(moved.before_json)["positions"], json.loads(moved.after_json)
    assert (set(positions.values()), after["to"]) == ({"0"}, "now")
    # Two events, and the change of the call that they ended.
    assert sorted(after["positions"].values()) == ["0", "0", "0", "3"]
    assert A not in f"{created.after_json}{deleted.before_json}"


async def test_messages_deleted_from_the_quarantine_are_named_to_each_tenant(service: Service) -> None:
    messages = [
        QuarantinedMessage(1, "junk", tenant, b"x", "text/plain") for tenant in (TENANT, OTHER_TENANT, "", TENANT)
    ]
    await service.quarantine.add(messages)
    request = events_pb2.DeleteQuarantinedRequest(message_ids=[1, 2, 3, 4, 99])
    assert (await service.ask(service.events.DeleteQuarantined, request, service.operator)).deleted == 4
    assert {row.tenant_id: json.loads(row.before_json) for row in await service.stored()} == {
        TENANT: {"message_ids": ["1", "4"]},
        OTHER_TENANT: {"message_ids": ["2"]},
        "*": {"message_ids": ["3"]},
    }
    assert {(row.actor, row.action) for row in await service.stored()} == {("ops", "quarantine.delete")}
    assert (await service.ask(service.events.DeleteQuarantined, request, service.operator)).deleted == 0
    assert len(await service.stored()) == 3


async def test_calls_that_a_rebuild_changes_are_named(service: Service) -> None:
    await service.log.append([event(code, place) for place, code in enumerate(("15", "16", "31", "40", "22"))], [])
    rebuild = calls_pb2.RebuildCallsRequest(tenant_id=TENANT)
    await service.ask(service.calls.RebuildCalls, rebuild)
    async with begin_write(service.engine) as connection:
        await connection.execute(update(calls).values(state="ringing"))
    dry = calls_pb2.RebuildCallsRequest(tenant_id=TENANT, dry_run=True)
    assert (await service.ask(service.calls.RebuildCalls, dry)).different == 1
    assert await service.stored() == []
    _, row = await service.written(service.calls.RebuildCalls, rebuild)
    assert (row.actor, row.action, json.loads(row.after_json)) == ("own", "calls.rebuild", {"session_ids": [SID]})


async def test_what_is_refused_leaves_no_entry(service: Service) -> None:
    webhook_id, _ = await service.create_webhook()
    disabled = webhook_pb2.Webhook(tenant_id=TENANT, webhook_id=webhook_id, state=webhook_pb2.WEBHOOK_STATE_DISABLED)
    code = grpc.StatusCode
    webhooks, subscriptions = service.webhooks, service.subscriptions
    bad = webhook_pb2.Webhook(tenant_id=TENANT, url="ftp://example.com")
    await service.refused(webhooks.CreateWebhook, webhooks_pb2.CreateWebhookRequest(webhook=bad), code.INVALID_ARGUMENT)
    late = webhooks_pb2.UpdateWebhookRequest(
        webhook=disabled, update_mask=FieldMask(paths=["state"]), expected_revision=7
    )
    await service.refused(webhooks.UpdateWebhook, late, code.ABORTED)
    await service.create_webhook()
    await service.create_webhook()
    more = webhook_pb2.Webhook(tenant_id=TENANT, url=URL)
    await service.refused(
        webhooks.CreateWebhook, webhooks_pb2.CreateWebhookRequest(webhook=more), code.RESOURCE_EXHAUSTED
    )
    absent = {"tenant_id": TENANT, "webhook_id": "wh_none"}
    for call, request in (
        (webhooks.DeleteWebhook, webhooks_pb2.DeleteWebhookRequest(**absent)),
        (webhooks.RotateWebhookSecret, webhooks_pb2.RotateWebhookSecretRequest(**absent)),
        (webhooks.SendTestDelivery, webhooks_pb2.SendTestDeliveryRequest(**absent)),
        (webhooks.ReplayDeadLetters, webhooks_pb2.ReplayDeadLettersRequest(**absent, all=True)),
        (
            subscriptions.DeleteSubscription,
            subscriptions_pb2.DeleteSubscriptionRequest(tenant_id=TENANT, name="none"),
        ),
        (subscriptions.SeekSubscription, subscriptions_pb2.SeekSubscriptionRequest(tenant_id=TENANT, name="none")),
    ):
        await service.refused(call, request, code.NOT_FOUND)
    # Somebody else's key.
    mine = {"tenant_id": TENANT, "webhook_id": webhook_id}
    await service.refused(
        webhooks.DeleteWebhook, webhooks_pb2.DeleteWebhookRequest(**mine), code.PERMISSION_DENIED, service.foreign
    )
    # A place that the log does not have: the subscription was stored before it was found out.
    beyond = subscriptions_pb2.StartPosition()
    beyond.positions.positions[0] = 99
    wanted = subscription_pb2.Subscription(name="s", tenant_id=TENANT)
    await service.refused(
        subscriptions.CreateSubscription,
        subscriptions_pb2.CreateSubscriptionRequest(subscription=wanted, start=beyond),
        code.INVALID_ARGUMENT,
    )


async def test_an_entry_that_can_not_be_written_undoes_the_write(service: Service) -> None:
    webhook_id, _ = await service.create_webhook()
    async with begin_write(service.engine) as connection:
        await connection.exec_driver_sql("ALTER TABLE audit_entries RENAME TO audit_entries_away")
    named = {"tenant_id": TENANT, "webhook_id": webhook_id}
    with pytest.raises(grpc.RpcError):
        await service.ask(service.webhooks.DeleteWebhook, webhooks_pb2.DeleteWebhookRequest(**named))
    assert (await service.ask(service.webhooks.GetWebhook, webhooks_pb2.GetWebhookRequest(**named))).webhook.revision


async def test_what_the_service_does_by_itself_is_its_own(service: Service) -> None:
    webhook_id, _ = await service.create_webhook()
    store = SqlSubscriptionStore(service.database)
    wanted = subscription_pb2.Subscription(name="s", tenant_id=TENANT)
    wanted.remove_unused_after.FromSeconds(10)
    create = subscriptions_pb2.CreateSubscriptionRequest(subscription=wanted)
    await service.ask(service.subscriptions.CreateSubscription, create)
    service.clock.advance(11)
    assert await store.purge_unused(service.now_us) == 1
    await service.add_dead_letter(webhook_id, 5, "pending")
    queue = SqlDeliveryQueue(service.database, CircuitRules())
    ((batch),) = await queue.lease(LeaseRequest([webhook_id], "t", service.now_us, 1_000_000, {webhook_id: 1}))
    await queue.settle([_gone(lease) for lease in batch.deliveries], service.now_us)
    disabled, removed = (await service.entries())[:2]
    assert (disabled.actor, disabled.action, disabled.object_id) == (SERVICE_ACTOR, "webhook.update", webhook_id)
    assert json.loads(disabled.before_json)["state"] == "enabled"
    assert json.loads(disabled.after_json)["state"] == "disabled"
    assert (removed.actor, removed.action, removed.object_id) == (SERVICE_ACTOR, "subscription.delete", "s")


def _gone(lease: LeasedDelivery) -> Settlement:
    result = HttpResult(410, "answered with HTTP status 410")
    attempt = Attempt(lease.webhook_id, lease.delivery_id, lease.message_id, lease.message_type, 1, 1, 5, result)
    return Settlement(lease, attempt, Verdict.DEAD, reason="gone", gone=True)


async def test_entries_are_listed_by_object_in_pages_and_to_their_tenant_only(service: Service) -> None:
    webhook_id, _ = await service.create_webhook()
    foreign_id, _ = await service.create_webhook(tenant_id=OTHER_TENANT)
    for tenant, which in ((TENANT, webhook_id), (OTHER_TENANT, foreign_id)) * 2:
        webhook = webhook_pb2.Webhook(tenant_id=tenant, webhook_id=which, description="x")
        request = webhooks_pb2.UpdateWebhookRequest(webhook=webhook, update_mask=FieldMask(paths=["description"]))
        await service.ask(service.webhooks.UpdateWebhook, request, service.operator)
    await service.create_webhook()

    assert {each.object_id for each in await service.entries(OTHER_TENANT)} == {foreign_id}
    assert await service.entries(object_id=foreign_id) == []
    assert len(await service.entries(key=service.own)) == 4
    await _denied(service.entries(key=service.foreign))
    await _denied(service.entries("*", key=service.own))
    request = privacy_pb2.ListAuditEntriesRequest(tenant_id=TENANT, object_id=webhook_id, page_size=2)
    page = await service.ask(service.privacy.ListAuditEntries, request)
    assert [each.action for each in page.entries] == ["webhook.update"] * 2
    request.page_token = page.next_page_token
    rest = await service.ask(service.privacy.ListAuditEntries, request)
    assert [(each.action, each.actor) for each in rest.entries] == [("webhook.create", "ops")]
    assert rest.next_page_token == ""
    # A token of another tenant's list shows nothing of it.
    request.tenant_id, request.object_id = OTHER_TENANT, ""
    others = (await service.ask(service.privacy.ListAuditEntries, request, service.foreign)).entries
    assert {each.object_id for each in others} <= {foreign_id}
    for wrong in ({"page_token": "9" * 30}, {"page_token": "-1"}, {"object_id": "x" * 1000}):
        bad = privacy_pb2.ListAuditEntriesRequest(tenant_id=TENANT, **wrong)
        await service.refused(service.privacy.ListAuditEntries, bad, grpc.StatusCode.INVALID_ARGUMENT)


async def _denied(listing: Awaitable[Any]) -> None:
    with pytest.raises(grpc.RpcError) as failure:
        await listing
    assert failure.value.code() is grpc.StatusCode.PERMISSION_DENIED  # type: ignore[attr-defined]
