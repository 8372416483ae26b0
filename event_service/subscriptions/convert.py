"""Between the subscription contracts' messages (protobuf) and the domain."""

from collections.abc import Iterator

from axbridge.events.v1 import subscription_pb2, subscription_service_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from common.errors import InvalidArgumentError
from event_service.convert import call_to_message, stored_event_to_message
from event_service.ports import LoggedEvent
from event_service.subscriptions.consumer import Outgoing
from event_service.subscriptions.domain import (
    Delivery,
    StartKind,
    StartPosition,
    Subscription,
    SubscriptionContent,
    SubscriptionFilter,
    SubscriptionStatus,
)
from event_service.subscriptions.service import ConsumeRequest

# Of the deliveries in one message; one delivery alone may be larger.
MAX_RESPONSE_BYTES = 1024 * 1024

_CONTENTS = {content: f"SUBSCRIPTION_CONTENT_{content.name}" for content in SubscriptionContent}
_CONTENTS_BACK = {subscription_pb2.SubscriptionContent.Value(name): content for content, name in _CONTENTS.items()} | {
    subscription_pb2.SUBSCRIPTION_CONTENT_UNSPECIFIED: SubscriptionContent.EVENTS
}


def subscription_from_message(message: subscription_pb2.Subscription) -> Subscription:
    """What a client sets of a subscription, numbers as they are written. Raises InvalidArgumentError."""
    which = message.filter
    if which.content not in _CONTENTS_BACK:
        raise InvalidArgumentError("subscription.filter.content", f"{which.content} is no content")
    unused = message.remove_unused_after
    if unused.seconds < 0 or unused.nanos < 0 or unused.seconds > 10 * 366 * 86_400:
        raise InvalidArgumentError("subscription.remove_unused_after", "10 seconds to 10 years")
    return Subscription(
        subscription_id="",
        tenant_id=message.tenant_id,
        name=message.name,
        filter=SubscriptionFilter(_CONTENTS_BACK[which.content], frozenset(which.codes), frozenset(which.numbers)),
        created_at_us=0,
        remove_unused_us=unused.seconds * 1_000_000 + unused.nanos // 1000,
    )


def subscription_to_message(
    subscription: Subscription, status: SubscriptionStatus | None = None
) -> subscription_pb2.Subscription:
    """The message of a subscription, with how it does where that is known."""
    message = subscription_pb2.Subscription(
        name=subscription.name,
        tenant_id=subscription.tenant_id,
        filter=subscription_pb2.SubscriptionFilter(
            content=_CONTENTS[subscription.filter.content],
            codes=sorted(subscription.filter.codes),
            numbers=sorted(subscription.filter.numbers),
        ),
        created_at=_timestamp(subscription.created_at_us),
    )
    if subscription.remove_unused_us:
        message.remove_unused_after.FromMicroseconds(subscription.remove_unused_us)
    if status is not None:
        message.backlog = status.backlog
        if status.acknowledged_at_us is not None:
            message.last_acknowledged_at.CopyFrom(_timestamp(status.acknowledged_at_us))
    return message


def start_from_message(message: subscription_service_pb2.StartPosition, field: str) -> StartPosition:
    """Where to read from. Raises InvalidArgumentError naming the field."""
    kind = message.WhichOneof("position")
    if kind == "earliest" and message.earliest:
        return StartPosition(StartKind.EARLIEST)
    if kind == "received_from":
        moment = message.received_from
        if not 0 <= moment.seconds <= 253_402_300_799 or not 0 <= moment.nanos < 1_000_000_000:
            raise InvalidArgumentError(f"{field}.received_from", "not a time between the years 1970 and 9999")
        return StartPosition(
            StartKind.RECEIVED_FROM, received_from_us=moment.seconds * 1_000_000 + moment.nanos // 1000
        )
    if kind == "positions":
        return StartPosition(StartKind.POSITIONS, positions=tuple(sorted(message.positions.positions.items())))
    return StartPosition()


def consume_request_from_message(start: subscription_service_pb2.SubscribeStart) -> ConsumeRequest:
    """Who consumes what."""
    return ConsumeRequest(start.tenant_id, start.name, start.consumer, start.max_unacknowledged)


def responses(outgoing: Outgoing) -> Iterator[subscription_service_pb2.SubscribeResponse]:
    """The messages of what is sent at once, none of them too large."""
    response = subscription_service_pb2.SubscribeResponse()
    if outgoing.assigned is not None:
        response.assigned.partitions.extend(outgoing.assigned)
        # Present also when there are none.
        response.assigned.SetInParent()
    size_bytes = 0
    for delivery in outgoing.deliveries:
        message = _delivery_to_message(delivery)
        if response.deliveries and size_bytes + message.ByteSize() > MAX_RESPONSE_BYTES:
            yield response
            response, size_bytes = subscription_service_pb2.SubscribeResponse(), 0
        size_bytes += message.ByteSize()
        response.deliveries.append(message)
    yield response


def _delivery_to_message(delivery: Delivery) -> subscription_pb2.Delivery:
    message = subscription_pb2.Delivery(partition=delivery.partition_id, position=delivery.place.position)
    if isinstance(delivery.content, LoggedEvent):
        message.event.CopyFrom(stored_event_to_message(delivery.content))
    else:
        message.call.CopyFrom(call_to_message(delivery.content))
    return message


def _timestamp(microseconds: int) -> Timestamp:
    seconds, rest = divmod(microseconds, 1_000_000)
    return Timestamp(seconds=seconds, nanos=rest * 1000)
