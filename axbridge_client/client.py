"""The client: a channel to the event service, and what can be done with subscriptions."""

from collections.abc import Awaitable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any, Self, TypeVar

import grpc
import grpc.aio
from axbridge.events.v1 import subscription_pb2
from axbridge.events.v1 import subscription_service_pb2 as pb
from axbridge.events.v1.subscription_service_pb2_grpc import SubscriptionServiceStub
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from axbridge_client.deliveries import Deliveries
from axbridge_client.reconnecting import Patience
from common.auth.unmasking import UNMASK_METADATA
from common.grpc_channel import MAX_MESSAGE_BYTES, keepalive_options, resolvable
from common.grpc_errors import from_rpc_error

DEFAULT_TIMEOUT_SECONDS = 10.0
CONNECT_SECONDS = 5.0
_Response = TypeVar("_Response")


class Content(Enum):
    """What a subscription delivers: each event, or the records of calls that are over, or both."""

    EVENTS = "SUBSCRIPTION_CONTENT_EVENTS"
    CALLS = "SUBSCRIPTION_CONTENT_CALLS"
    EVENTS_AND_CALLS = "SUBSCRIPTION_CONTENT_EVENTS_AND_CALLS"


@dataclass(frozen=True, slots=True)
class ClientTls:
    """TLS files, PEM. Without `ca_file` the system's authorities judge the server; with `cert_file` and `key_file` the
    client shows a certificate too. `server_name` is what the server's certificate is for, where the host is not."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    server_name: str = ""


@dataclass(frozen=True, slots=True)
class Start:
    """Where to read from; make one with the methods."""

    _message: pb.StartPosition

    @classmethod
    def now(cls) -> "Start":
        """From what comes from now on."""
        return cls(pb.StartPosition())

    @classmethod
    def earliest(cls) -> "Start":
        """From the oldest that is kept."""
        return cls(pb.StartPosition(earliest=True))

    @classmethod
    def received_from(cls, moment: datetime) -> "Start":
        """From what was received then or later. `moment` has a time zone."""
        stamp = Timestamp()
        stamp.FromDatetime(moment)
        return cls(pb.StartPosition(received_from=stamp))

    @classmethod
    def after(cls, positions: Mapping[int, int]) -> "Start":
        """Behind these deliveries: `Delivery.partition` to `Delivery.position`."""
        return cls(pb.StartPosition(positions=pb.PartitionPositions(positions=positions)))


class AxbridgeClient:
    """A client of the event service at `target` (`HOST:PORT`), open as a context.

    `api_key` goes with each call; use it with `tls` beyond this machine. Numbers are masked unless `unmask` asks for
    whole ones, which takes the scope of that name and is written to the audit log. Methods raise AxbridgeErrors
    (common.errors).
    """

    def __init__(self, target: str, *, api_key: str = "", tls: ClientTls | None = None, unmask: bool = False) -> None:
        self._target = target
        self._metadata: tuple[tuple[str, str], ...] = (("authorization", f"Bearer {api_key}"),) if api_key else ()
        if unmask:
            self._metadata += (UNMASK_METADATA,)
        self._tls = tls
        self._channel: grpc.aio.Channel | None = None
        self._stub: Any = None
        self._connected: set[Deliveries] = set()

    async def __aenter__(self) -> Self:
        options: list[tuple[str, str | int]] = [
            ("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}'),
            ("grpc.enable_retries", 0),
            *keepalive_options(),
            ("grpc.initial_reconnect_backoff_ms", 100),
            # How long making a connection may take, in spite of the name: the service can be far away.
            ("grpc.min_reconnect_backoff_ms", int(CONNECT_SECONDS * 1000)),
            ("grpc.max_reconnect_backoff_ms", 1000),
            # Replicas that were all replaced within the default of 30 s are found at once.
            ("grpc.dns_min_time_between_resolutions_ms", 1000),
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ]
        if self._tls is None:
            self._channel = grpc.aio.insecure_channel(resolvable(self._target), options=options)
        else:
            if self._tls.server_name:
                options.append(("grpc.ssl_target_name_override", self._tls.server_name))
            credentials = grpc.ssl_channel_credentials(
                _read(self._tls.ca_file), _read(self._tls.key_file), _read(self._tls.cert_file)
            )
            self._channel = grpc.aio.secure_channel(resolvable(self._target), credentials, options=options)
        self._stub = SubscriptionServiceStub(self._channel)
        return self

    async def __aexit__(self, *_exception: object) -> None:
        for deliveries in tuple(self._connected):
            await deliveries.close()
        if self._channel is not None:
            await self._channel.close()

    async def create_subscription(
        self,
        tenant_id: str,
        name: str,
        *,
        content: Content = Content.EVENTS,
        codes: Collection[str] = (),
        numbers: Collection[str] = (),
        start: Start | None = None,
        remove_unused_after: timedelta | None = None,
    ) -> subscription_pb2.Subscription:
        """Make a subscription, or find it as it is. It gets everything from `start` on (default: now), whether
        somebody is connected or not.

        Raises AlreadyExistsError: the name is taken by one with another filter.
        """
        subscription = subscription_pb2.Subscription(
            tenant_id=tenant_id,
            name=name,
            filter=subscription_pb2.SubscriptionFilter(content=content.value, codes=codes, numbers=numbers),
        )
        if remove_unused_after is not None:
            unused = Duration()
            unused.FromTimedelta(remove_unused_after)
            subscription.remove_unused_after.CopyFrom(unused)
        where = (start or Start.now())._message
        request = pb.CreateSubscriptionRequest(subscription=subscription, start=where)
        response: pb.CreateSubscriptionResponse = await self._call("CreateSubscription", request)
        return response.subscription

    async def list_subscriptions(self, tenant_id: str) -> list[subscription_pb2.Subscription]:
        """All subscriptions of a tenant, by name."""
        found: list[subscription_pb2.Subscription] = []
        token = ""
        while True:
            request = pb.ListSubscriptionsRequest(tenant_id=tenant_id, page_token=token)
            page: pb.ListSubscriptionsResponse = await self._call("ListSubscriptions", request)
            found += page.subscriptions
            token = page.next_page_token
            if not token:
                return found

    async def seek_subscription(self, tenant_id: str, name: str, to: Start) -> None:
        """Move a subscription. Raises NotFoundError, FailedPreconditionError while it has a consumer."""
        await self._call("SeekSubscription", pb.SeekSubscriptionRequest(tenant_id=tenant_id, name=name, to=to._message))

    async def delete_subscription(self, tenant_id: str, name: str) -> None:
        """Remove a subscription with its place. Raises NotFoundError."""
        await self._call("DeleteSubscription", pb.DeleteSubscriptionRequest(tenant_id=tenant_id, name=name))

    def subscribe(
        self,
        tenant_id: str,
        name: str,
        *,
        consumer: str = "",
        max_unacknowledged: int = 0,
        auto_ack: bool = True,
        patience: Patience | None = None,
    ) -> Deliveries:
        """The deliveries of a subscription, for ever. Several consumers of one subscription share its deliveries, each
        call's going to one of them.

        `max_unacknowledged` 0: the service's default. With `auto_ack` asking for the next delivery acknowledges the
        one before.
        """
        start = pb.SubscribeStart(
            tenant_id=tenant_id, name=name, consumer=consumer, max_unacknowledged=max_unacknowledged
        )
        return Deliveries(
            lambda requests: self._stub.Subscribe(requests, metadata=self._metadata),
            start,
            auto_ack=auto_ack,
            patience=patience or Patience(),
            connected=self._connected,
        )

    async def _call(self, method: str, request: Any) -> Any:
        call: Awaitable[Any] = getattr(self._stub, method)(
            request, timeout=DEFAULT_TIMEOUT_SECONDS, metadata=self._metadata
        )
        try:
            return await call
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error


def _read(path: Path | None) -> bytes | None:
    return None if path is None else path.read_bytes()
