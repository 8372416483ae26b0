"""The stream of a subscription as an asynchronous iterator."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

import grpc
import grpc.aio
from axbridge.events.v1 import call_pb2, subscription_pb2
from axbridge.events.v1 import call_service_pb2 as call_service
from axbridge.events.v1 import subscription_service_pb2 as pb

from axbridge_client.reconnecting import Backoff, Patience, is_passing
from common.errors import AxbridgeError, UnavailableError
from common.grpc_errors import from_rpc_error

Open = Callable[[AsyncIterator[pb.SubscribeRequest]], Any]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One thing that was delivered: an event or a call record, never both."""

    partition: int
    position: int
    event: call_service.StoredEvent | None
    call: call_pb2.Call | None
    _connection: "_Connection" = field(repr=False, compare=False)

    async def ack(self) -> None:
        """This one is dealt with, and everything before it in its partition. It returns before the service has stored
        that; when the connection was cut since the delivery, nothing happens and it comes again."""
        self._connection.acknowledge(self.partition, self.position)


class Deliveries:
    """The deliveries of a subscription, for ever: an asynchronous iterator, and a context to leave it early.

    The stream is opened when the first delivery is asked for, and again after every cut. Raises NotFoundError,
    PermissionDeniedError and other AxbridgeErrors that connecting again can't help.
    """

    def __init__(self, open_stream: Open, start: pb.SubscribeStart, *, auto_ack: bool, patience: Patience) -> None:
        self._open = open_stream
        self._start = start
        self._auto_ack = auto_ack
        self._patience = patience
        self._backoff = Backoff(patience)
        self._connection: _Connection | None = None
        self._waiting: deque[subscription_pb2.Delivery] = deque()
        self._last: Delivery | None = None
        self._partitions: Sequence[int] = ()
        self._connected = 0

    @property
    def partitions(self) -> Sequence[int]:
        """The partitions of the log that this consumer has at the moment."""
        return self._partitions

    @property
    def connections(self) -> int:
        """How often the stream was opened and the service answered."""
        return self._connected

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Delivery:
        if self._auto_ack and self._last is not None:
            await self._last.ack()
        self._last = None
        while not self._waiting:
            await self._receive()
        assert self._connection is not None, "what waits came over a connection"
        message = self._waiting.popleft()
        kind = message.WhichOneof("content")
        self._last = Delivery(
            message.partition,
            message.position,
            message.event if kind == "event" else None,
            message.call if kind == "call" else None,
            self._connection,
        )
        return self._last

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Leave, after acknowledgements that were made are on their way. What was not acknowledged comes again."""
        if self._connection is not None:
            await self._connection.finish()
            self._connection = None

    async def _receive(self) -> None:
        """Take the next message of the stream in; on a cut wait, and let the next call connect again."""
        try:
            if self._connection is None:
                self._connection = _Connection(self._open, self._start)
            response = await self._connection.receive(self._patience.silence_seconds)
        except AxbridgeError as error:
            self._lose()
            if not is_passing(error):
                raise
            await asyncio.sleep(self._backoff.next_pause_seconds())
            return
        except BaseException:
            self._lose()
            raise
        self._backoff.succeeded()
        self._connected += self._connection.is_first_response
        self._connection.is_first_response = False
        if response.HasField("assigned"):
            self._partitions = tuple(response.assigned.partitions)
        self._waiting.extend(response.deliveries)

    def _lose(self) -> None:
        if self._connection is not None:
            self._connection.cancel()
            self._connection = None
        self._waiting.clear()
        self._partitions = ()


class _Connection:
    """One stream. Acknowledgements wait in one place for each partition, whatever their number."""

    def __init__(self, open_stream: Open, start: pb.SubscribeStart) -> None:
        self._start = start
        self._acknowledged: dict[int, int] = {}
        self._wake = asyncio.Event()
        self._is_closing = False
        self._call = open_stream(self._requests())
        self.is_first_response = True

    def acknowledge(self, partition: int, position: int) -> None:
        self._acknowledged[partition] = max(position, self._acknowledged.get(partition, 0))
        self._wake.set()

    async def receive(self, silence_seconds: float) -> pb.SubscribeResponse:
        """The next message. Raises the AxbridgeError that ended the stream."""
        try:
            async with asyncio.timeout(silence_seconds):
                response = await self._call.read()
            if response is grpc.aio.EOF:
                # Any other end is raised as an error.
                raise UnavailableError("the service ended the stream", reason="ENDED")
        except TimeoutError as error:
            raise UnavailableError(f"no sign of life for {silence_seconds:g} s", reason="SILENT") from error
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error
        message: pb.SubscribeResponse = response
        return message

    async def finish(self) -> None:
        """Send what is acknowledged, say that nothing more comes, and end."""
        self._is_closing = True
        self._wake.set()
        with suppress(grpc.RpcError, TimeoutError):
            async with asyncio.timeout(1):
                while await self._call.read() is not grpc.aio.EOF:
                    pass
        self.cancel()

    def cancel(self) -> None:
        self._is_closing = True
        self._wake.set()
        self._call.cancel()

    async def _requests(self) -> AsyncIterator[pb.SubscribeRequest]:
        yield pb.SubscribeRequest(start=self._start)
        while not (self._is_closing and not self._acknowledged):
            await self._wake.wait()
            self._wake.clear()
            if self._acknowledged:
                positions, self._acknowledged = self._acknowledged, {}
                yield pb.SubscribeRequest(acknowledge=pb.Acknowledge(positions=positions))
