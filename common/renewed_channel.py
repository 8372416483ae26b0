"""A channel that is replaced under its users' hands.

gRPC can't change a client's certificate on an open channel. So a change opens a new channel: once that is connected,
calls that begin go there; those under way end on the old one, which is closed when they have, or when its time is up.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import grpc
import grpc.aio

from common.logs import get_logger
from common.reloading import ReloadedFile

# How long calls on a replaced channel may go on; streams that are open for ever have to be resumed after it.
DRAIN_SECONDS = 30.0
# How long a new channel may take to get connected before calls go there all the same.
CONNECT_SECONDS = 5.0
_log = get_logger(__name__)


class RenewedChannel(grpc.aio.Channel):
    """A channel made by `make`, and made again by `renew`. Stubs hold it as they hold any other.

    While it is open as a context it follows `tls` and `api_key`: the first one's change makes a new channel, the second
    one's is in the metadata of the next call.
    """

    def __init__(
        self,
        make: Callable[[], grpc.aio.Channel],
        tls: ReloadedFile[Any] | None = None,
        api_key: ReloadedFile[str] | None = None,
        drain_seconds: float = DRAIN_SECONDS,
    ) -> None:
        self._make = make
        self._followed = [each for each in (tls, api_key) if each is not None]
        self._api_key = api_key
        self._drain_seconds = drain_seconds
        self._background: set[asyncio.Task[None]] = set()
        self._renewing: asyncio.Task[None] | None = None
        self.inner = make()
        if tls is not None:
            tls.on_change(self.renew)

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with each call."""
        return () if self._api_key is None else (("authorization", f"Bearer {self._api_key.current}"),)

    def renew(self) -> None:
        """Let calls go over a new channel, as soon as it is connected."""
        if self._renewing is not None:
            # Overtaken by the next change.
            self._renewing.cancel()
        self._renewing = self._spawn(self._renew())

    async def _renew(self) -> None:
        new = self._make()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await new.channel_ready()
        except TimeoutError:
            # The old certificate may be worth nothing by now, so there is no going back.
            _log.warning("a renewed channel does not get connected")
        except asyncio.CancelledError:
            await new.close()
            raise
        old, self.inner = self.inner, new
        self._spawn(old.close(self._drain_seconds))
        _log.info("channel renewed")

    async def __aenter__(self) -> "RenewedChannel":
        for each in self._followed:
            self._spawn(each.keep_fresh())
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self.inner.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        return self.inner.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        await self.inner.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        await self.inner.channel_ready()

    def unary_unary(self, *arguments: Any, **options: Any) -> Any:
        return _Method(self, "unary_unary", arguments, options)

    def unary_stream(self, *arguments: Any, **options: Any) -> Any:
        return _Method(self, "unary_stream", arguments, options)

    def stream_unary(self, *arguments: Any, **options: Any) -> Any:
        return _Method(self, "stream_unary", arguments, options)

    def stream_stream(self, *arguments: Any, **options: Any) -> Any:
        return _Method(self, "stream_stream", arguments, options)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task


class _Method:
    """One method of a stub, on whichever channel is current when it is called."""

    __slots__ = ("_arguments", "_bound", "_kind", "_options", "_owner", "_seen")

    def __init__(self, owner: RenewedChannel, kind: str, arguments: Sequence[Any], options: dict[str, Any]) -> None:
        self._owner = owner
        self._kind = kind
        self._arguments = arguments
        self._options = options
        self._seen: grpc.aio.Channel | None = None
        self._bound: Any = None

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        current = self._owner.inner
        if self._seen is not current:
            self._bound = getattr(current, self._kind)(*self._arguments, **self._options)
            self._seen = current
        metadata = self._owner.metadata
        if metadata:
            options["metadata"] = (*(options.get("metadata") or ()), *metadata)
        return self._bound(*arguments, **options)
