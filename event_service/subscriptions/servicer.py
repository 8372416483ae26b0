"""SubscriptionService: protobuf in, a use case, protobuf out."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from axbridge.events.v1 import subscription_service_pb2 as pb
from axbridge.events.v1.subscription_service_pb2_grpc import SubscriptionServiceServicer

from common.auth.grants import current_caller
from common.errors import InvalidArgumentError
from event_service.subscriptions import convert
from event_service.subscriptions.consumer import Outgoing
from event_service.subscriptions.service import DeliveryStreams, SubscriptionService

SERVICE_NAME = "axbridge.events.v1.SubscriptionService"


class SubscriptionServicer(SubscriptionServiceServicer):
    """axbridge.events.v1.SubscriptionService."""

    def __init__(self, subscriptions: SubscriptionService, streams: DeliveryStreams) -> None:
        self._subscriptions = subscriptions
        self._streams = streams

    async def CreateSubscription(
        self, request: pb.CreateSubscriptionRequest, context: Any
    ) -> pb.CreateSubscriptionResponse:
        wanted = convert.subscription_from_message(request.subscription)
        start = convert.start_from_message(request.start, "start")
        region = request.subscription.filter.default_region
        made = await self._subscriptions.create(wanted, region, start, current_caller())
        return pb.CreateSubscriptionResponse(subscription=convert.subscription_to_message(made))

    async def ListSubscriptions(
        self, request: pb.ListSubscriptionsRequest, context: Any
    ) -> pb.ListSubscriptionsResponse:
        page = await self._subscriptions.list_subscriptions(request.tenant_id, request.page_size, request.page_token)
        return pb.ListSubscriptionsResponse(
            subscriptions=[convert.subscription_to_message(each.subscription, each) for each in page.subscriptions],
            next_page_token=page.next_page_token,
        )

    async def DeleteSubscription(
        self, request: pb.DeleteSubscriptionRequest, context: Any
    ) -> pb.DeleteSubscriptionResponse:
        await self._subscriptions.delete(request.tenant_id, request.name, current_caller())
        return pb.DeleteSubscriptionResponse()

    async def SeekSubscription(self, request: pb.SeekSubscriptionRequest, context: Any) -> pb.SeekSubscriptionResponse:
        to = convert.start_from_message(request.to, "to")
        await self._subscriptions.seek(request.tenant_id, request.name, to, current_caller())
        return pb.SeekSubscriptionResponse()

    # Not a generator: a stream must be ended also while its consumer reads nothing.
    async def Subscribe(  # type: ignore[override]
        self, request_iterator: AsyncIterator[pb.SubscribeRequest], context: Any
    ) -> None:
        first = await anext(request_iterator, None)
        if first is None or not first.HasField("start"):
            raise InvalidArgumentError("start", "the first message is a start")

        async def send(outgoing: Outgoing) -> None:
            for response in convert.responses(outgoing):
                await context.write(response)

        request = convert.consume_request_from_message(first.start)
        await self._streams.consume(request, _acknowledgements(request_iterator), send)


async def _acknowledgements(requests: AsyncIterator[pb.SubscribeRequest]) -> AsyncIterator[Mapping[int, int]]:
    async for request in requests:
        if not request.HasField("acknowledge"):
            raise InvalidArgumentError("acknowledge", "all messages but the first are acknowledgements")
        yield dict(request.acknowledge.positions)
