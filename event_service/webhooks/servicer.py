"""WebhookService: protobuf in, a use case, protobuf out."""

from typing import Any

from axbridge.events.v1 import webhook_pb2, webhook_service_pb2
from axbridge.events.v1.webhook_service_pb2_grpc import WebhookServiceServicer
from google.protobuf.field_mask_pb2 import FieldMask

from common.auth.grants import current_caller
from event_service.webhooks import convert
from event_service.webhooks.delivery_service import DeliveryService
from event_service.webhooks.service import Page, WebhookService, is_changeable

SERVICE_NAME = "axbridge.events.v1.WebhookService"


class WebhookServicer(WebhookServiceServicer):
    """axbridge.events.v1.WebhookService."""

    def __init__(self, webhooks: WebhookService, deliveries: DeliveryService) -> None:
        self._webhooks = webhooks
        self._deliveries = deliveries

    async def CreateWebhook(
        self, request: webhook_service_pb2.CreateWebhookRequest, context: Any
    ) -> webhook_service_pb2.CreateWebhookResponse:
        webhook, secret = await self._webhooks.create(convert.webhook_from_message(request.webhook), current_caller())
        return webhook_service_pb2.CreateWebhookResponse(webhook=convert.webhook_to_message(webhook), secret=secret)

    async def GetWebhook(
        self, request: webhook_service_pb2.GetWebhookRequest, context: Any
    ) -> webhook_service_pb2.GetWebhookResponse:
        webhook = await self._webhooks.get(request.tenant_id, request.webhook_id)
        status = await self._deliveries.status(webhook)
        return webhook_service_pb2.GetWebhookResponse(
            webhook=convert.webhook_to_message(webhook), status=convert.status_to_message(status)
        )

    async def ListWebhooks(
        self, request: webhook_service_pb2.ListWebhooksRequest, context: Any
    ) -> webhook_service_pb2.ListWebhooksResponse:
        page = Page(request.page_size, request.page_token)
        webhooks, token = await self._webhooks.list_webhooks(request.tenant_id, page)
        return webhook_service_pb2.ListWebhooksResponse(
            webhooks=[convert.webhook_to_message(webhook) for webhook in webhooks], next_page_token=token
        )

    async def UpdateWebhook(
        self, request: webhook_service_pb2.UpdateWebhookRequest, context: Any
    ) -> webhook_service_pb2.UpdateWebhookResponse:
        wanted = convert.webhook_from_message(_masked(request.webhook, request.update_mask))
        paths = list(request.update_mask.paths)
        webhook = await self._webhooks.update(wanted, paths, request.expected_revision, current_caller())
        return webhook_service_pb2.UpdateWebhookResponse(webhook=convert.webhook_to_message(webhook))

    async def DeleteWebhook(
        self, request: webhook_service_pb2.DeleteWebhookRequest, context: Any
    ) -> webhook_service_pb2.DeleteWebhookResponse:
        await self._webhooks.delete(request.tenant_id, request.webhook_id, current_caller())
        return webhook_service_pb2.DeleteWebhookResponse()

    async def RotateWebhookSecret(
        self, request: webhook_service_pb2.RotateWebhookSecretRequest, context: Any
    ) -> webhook_service_pb2.RotateWebhookSecretResponse:
        keep_seconds = convert.keep_previous_seconds(request)
        webhook, secret = await self._webhooks.rotate_secret(
            request.tenant_id, request.webhook_id, keep_seconds, current_caller()
        )
        return webhook_service_pb2.RotateWebhookSecretResponse(
            webhook=convert.webhook_to_message(webhook), secret=secret
        )

    async def SendTestDelivery(
        self, request: webhook_service_pb2.SendTestDeliveryRequest, context: Any
    ) -> webhook_service_pb2.SendTestDeliveryResponse:
        attempt = await self._deliveries.test(request.tenant_id, request.webhook_id, current_caller())
        return webhook_service_pb2.SendTestDeliveryResponse(attempt=convert.attempt_to_message(attempt))

    async def ListWebhookAttempts(
        self, request: webhook_service_pb2.ListWebhookAttemptsRequest, context: Any
    ) -> webhook_service_pb2.ListWebhookAttemptsResponse:
        page = Page(request.page_size, request.page_token)
        attempts, token = await self._deliveries.attempts(
            request.tenant_id, request.webhook_id, request.message_id, page
        )
        return webhook_service_pb2.ListWebhookAttemptsResponse(
            attempts=[convert.attempt_to_message(attempt) for attempt in attempts], next_page_token=token
        )

    async def ListDeadLetters(
        self, request: webhook_service_pb2.ListDeadLettersRequest, context: Any
    ) -> webhook_service_pb2.ListDeadLettersResponse:
        page = Page(request.page_size, request.page_token)
        letters, token = await self._deliveries.dead_letters(
            request.tenant_id, request.webhook_id, page, bodies=request.include_body
        )
        return webhook_service_pb2.ListDeadLettersResponse(
            dead_letters=[convert.dead_letter_to_message(letter) for letter in letters], next_page_token=token
        )

    async def ReplayDeadLetters(
        self, request: webhook_service_pb2.ReplayDeadLettersRequest, context: Any
    ) -> webhook_service_pb2.ReplayDeadLettersResponse:
        replayed = await self._deliveries.replay(
            request.tenant_id,
            request.webhook_id,
            list(request.delivery_ids),
            everything=request.all,
            actor=current_caller(),
        )
        return webhook_service_pb2.ReplayDeadLettersResponse(replayed=replayed)


def _masked(message: webhook_pb2.Webhook, mask: FieldMask) -> webhook_pb2.Webhook:
    """A copy with the fields that the mask names and that may change, and the names: what the mask does not name is not
    looked at, so it can't be wrong either. Paths that can't be changed are left for the service to refuse."""
    kept = webhook_pb2.Webhook(tenant_id=message.tenant_id, webhook_id=message.webhook_id)
    known = FieldMask(paths=[path for path in mask.paths if is_changeable(path)])
    known.MergeMessage(message, kept, replace_message_field=True, replace_repeated_field=True)
    return kept
