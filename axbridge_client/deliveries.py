"""The stream of a subscription as an asynchronous iterator."""

import asyncio
import logging
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
from common.errors import AxbridgeError, FailedPreconditionError, UnavailableError
from common.grpc_errors import from_rpc_error

_log = logging.getLogger("axbridge_client")
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
    PermissionDeniedError and other AxbridgeErrors that connecting again can't help. Once it is closed, also from
    another task, the iteration ends. `connected` is where it stands while it has a connection.
    """

    def __init__(
        self,
        open_stream: Open,
        start: pb.SubscribeStart,
        *,
        auto_ack: bool,
        patience: Patience,
        connected: set["Deliveries"] | None = None,
    ) -> None:
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
        self._all_connected: set[Deliveries] = set() if connected is None else connected
        self._is_closed = False

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
        if self._connection is not None and self._connection.is_over:
            # Nobody could acknowledge these any more: they come again, maybe to another consumer.
            self._waiting.clear()
        while not self._waiting:
            if self._is_closed:
                raise StopAsyncIteration
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
        self._is_closed = True
        self._waiting.clear()
        connection = self._connection
        if connection is not None:
            await connection.finish()
            self._lose()

    async def _receive(self) -> None:
        """Take the next message of the stream in; on a cut wait, and let the next call connect again."""
        connection = self._connection
        try:
            if connection is None:
                connection = self._connection = _Connection(self._open, self._start)
                self._all_connected.add(self)
            response = await connection.receive(self._patience.silence_seconds)
        except AxbridgeError as error:
            self._lose()
            if self._is_closed:
                return
            if not is_passing(error):
                raise
            pause_seconds = self._backoff.next_pause_seconds()
            _log.info("%s: %s; connecting again in %.1f s", self._start.name, error.message, pause_seconds)
            await asyncio.sleep(pause_seconds)
            return
        except BaseException:
            self._lose()
            raise
        self._backoff.succeeded()
        self._connected += connection.is_first_response
        connection.is_first_response = False
        if self._is_closed or connection.is_over:
            return
        if response.HasField("assigned"):
            self._partitions = tuple(response.assigned.partitions)
        self._waiting.extend(response.deliveries)

    def _lose(self) -> None:
        if self._connection is not None:
            self._connection.cancel()
            self._connection = None
        self._all_connected.discard(self)
        self._waiting.clear()
        self._partitions = ()


class _Connection:
    """One stream. Acknowledgements wait in one place for each partition, whatever their number."""

    def __init__(self, open_stream: Open, start: pb.SubscribeStart) -> None:
        self._start = start
        self._acknowledged: dict[int, int] = {}
        self._wake = asyncio.Event()
        self._is_closing = False
        self._reading = asyncio.Lock()
        self._call: Any = open_stream(self._requests())
        self.is_first_response = True

    @property
    def is_over(self) -> bool:
        """Whether the stream has ended: what it brought can't be acknowledged any more."""
        return self._call is None or bool(self._call.done())

    def acknowledge(self, partition: int, position: int) -> None:
        self._acknowledged[partition] = max(position, self._acknowledged.get(partition, 0))
        self._wake.set()

    async def receive(self, silence_seconds: float) -> pb.SubscribeResponse:
        """The next message. Raises the AxbridgeError that ended the stream."""
        try:
            async with asyncio.timeout(silence_seconds), self._reading:
                if self._call is None:
                    raise UnavailableError("closed", reason="CLOSED")
                response = await self._call.read()
            if response is grpc.aio.EOF:
                # Any other end is raised as an error.
                raise UnavailableError("the service ended the stream", reason="ENDED")
        except TimeoutError as error:
            raise UnavailableError(f"no sign of life for {silence_seconds:g} s", reason="SILENT") from error
        except grpc.RpcError as error:
            if isinstance(error, grpc.aio.AioRpcError) and error.code() is grpc.StatusCode.UNIMPLEMENTED:
                # Connecting again would not help.
                raise FailedPreconditionError("no event service at this address", reason="UNIMPLEMENTED") from error
            raise from_rpc_error(error) from error
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if self._is_closing and task is not None and not task.cancelling():
                # Not this task was cancelled, but the stream, by whoever closes it.
                raise UnavailableError("closed", reason="CLOSED") from error
            raise
        message: pb.SubscribeResponse = response
        return message

    async def finish(self) -> None:
        """Send what is acknowledged, say that nothing more comes, and end."""
        self._is_closing = True
        self._wake.set()
        with suppress(grpc.RpcError, TimeoutError):
            # A task that waits for a delivery reads on, to the end.
            async with asyncio.timeout(1), self._reading:
                while self._call is not None and await self._call.read() is not grpc.aio.EOF:
                    pass
        self.cancel()

    def cancel(self) -> None:
        self._is_closing = True
        self._wake.set()
        if self._call is not None:
            self._call.cancel()
        # Whoever keeps a delivery keeps this: not the stream, and its channel's connection, with it.
        self._call = None

    async def _requests(self) -> AsyncIterator[pb.SubscribeRequest]:
        yield pb.SubscribeRequest(start=self._start)
        while not (self._is_closing and not self._acknowledged):
            await self._wake.wait()
            self._wake.clear()
            if self._acknowledged:
                positions, self._acknowledged = self._acknowledged, {}
                yield pb.SubscribeRequest(acknowledge=pb.Acknowledge(positions=positions))
