"""Between messages and the domain."""

from dataclasses import replace

import pytest
from axbridge.events.v1 import webhook_pb2, webhook_service_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from common.errors import InvalidArgumentError
from event_service.webhooks import convert
from event_service.webhooks.circuit import EndpointHealth
from event_service.webhooks.delivery_service import WebhookStatus
from event_service.webhooks.domain import MessageType, SealedSecret, Webhook, WebhookLimits, WebhookState
from event_service.webhooks.ports import DeliveryCounts
from event_service.webhooks.servicer import _masked

FULL = Webhook(
    webhook_id="wh_1",
    tenant_id="100001",
    url="https://example.com/",
    description="billing",
    message_types=frozenset(MessageType),
    event_codes=frozenset({"22", "15"}),
    state=WebhookState.PAUSED,
    limits=WebhookLimits(4, 50, 2000),
)


def test_what_a_client_sets_goes_there_and_back() -> None:
    assert convert.webhook_from_message(convert.webhook_to_message(FULL)) == replace(FULL, revision=1)


def test_what_is_not_set_is_the_default() -> None:
    made = convert.webhook_from_message(webhook_pb2.Webhook(tenant_id="100001", url="https://example.com/"))
    assert (made.state, made.limits, made.message_types) == (WebhookState.ENABLED, WebhookLimits(), frozenset())


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (webhook_pb2.Webhook(message_types=[99]), "webhook.message_types"),  # type: ignore[list-item]
        (webhook_pb2.Webhook(message_types=[0]), "webhook.message_types"),  # type: ignore[list-item]
        (webhook_pb2.Webhook(state=99), "webhook.state"),  # type: ignore[arg-type]
    ],
)
def test_values_that_the_contract_does_not_have_are_refused(message: webhook_pb2.Webhook, field: str) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        convert.webhook_from_message(message)
    assert refused.value.field == field


def test_secrets_are_told_of_without_their_values() -> None:
    webhook = replace(
        FULL, secrets=(SealedSecret("plain:bmV3", 2_000_000), SealedSecret("plain:b2xk", 1_000_000, 9_000_000))
    )
    message = convert.webhook_to_message(webhook)
    assert [(s.created_at.seconds, s.HasField("expires_at")) for s in message.secrets] == [(2, False), (1, True)]
    assert b"plain" not in message.SerializeToString()


def test_a_pause_that_is_over_is_not_shown() -> None:
    health = EndpointHealth(consecutive_failures=5, trips=1, held_until_us=1000)
    during = convert.status_to_message(WebhookStatus(health, DeliveryCounts(0, None, 0), 999))
    after = convert.status_to_message(WebhookStatus(health, DeliveryCounts(0, None, 0), 1000))
    assert (during.circuit, during.HasField("held_until")) == (webhook_pb2.WEBHOOK_CIRCUIT_OPEN, True)
    assert (after.circuit, after.HasField("held_until")) == (webhook_pb2.WEBHOOK_CIRCUIT_HALF_OPEN, False)


def test_how_long_previous_secrets_are_kept() -> None:
    request = webhook_service_pb2.RotateWebhookSecretRequest
    assert convert.keep_previous_seconds(request()) == 86_400
    assert convert.keep_previous_seconds(request(keep_previous=Duration())) == 0
    assert convert.keep_previous_seconds(request(keep_previous=Duration(seconds=-5))) == -5


def test_what_the_mask_does_not_name_is_not_looked_at() -> None:
    message = webhook_pb2.Webhook(
        tenant_id="100001",
        webhook_id="wh_1",
        url="new",
        description="not this",
        state=99,  # type: ignore[arg-type]
        limits=webhook_pb2.WebhookLimits(max_in_flight=2, timeout_ms=7),
    )
    kept = _masked(message, FieldMask(paths=["url", "limits.max_in_flight", "secrets"]))
    assert kept == webhook_pb2.Webhook(
        tenant_id="100001", webhook_id="wh_1", url="new", limits=webhook_pb2.WebhookLimits(max_in_flight=2)
    )


def test_an_unknown_path_below_a_known_field_is_left_for_the_service_to_refuse() -> None:
    _masked(webhook_pb2.Webhook(url="x"), FieldMask(paths=["limits.nothing", "url.x"]))
