"""The gateway's connections: how many, and how long a client may take over a request's headers.

aiohttp gives a connection its keep-alive time, over a minute, for its first request's headers, and a client that sends
a byte now and then for a later one as long again. Those who do that on purpose have thousands of connections. Here the
connections whose next request has begun to arrive, and the new ones, stand in a row by age, and the oldest are cut.
"""

import asyncio
import resource
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.http import HttpProcessingError

from common.clock import Clock
from common.logs import get_logger
from gateway.log_throttle import LogThrottle
from gateway.quick_answer import NamelessResponse

_log = get_logger(__name__)
SWEEP_SECONDS = 0.5
TLS_HANDSHAKE_SECONDS = 10.0
# What is open beside the platform's connections: the services', Redis', files, what libraries keep.
_OTHER_FILES = 256


def raise_file_limit(max_connections: int) -> int:
    """Let this process have so many connections; how many it can have. A system that allows fewer is named in the log.

    Beyond its limit a process accepts nothing at all for a while, good clients included.
    """
    wanted = max_connections + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return max_connections
    _log.warning("the system allows fewer connections", allowed=soft - _OTHER_FILES, wanted=max_connections)
    return max(1, soft - _OTHER_FILES)


class Connections:
    """All connections of a server. Those that owe us headers are in `waiting`, since when, oldest first."""

    def __init__(self, header_timeout_seconds: float, max_connections: int, clock: Clock) -> None:
        self._header_timeout_seconds = header_timeout_seconds
        self._max_connections = max_connections
        self._throttle = LogThrottle(clock)
        self.now = clock.monotonic
        self.waiting: dict[WatchedHandler, float] = {}
        self.open = 0
        self.emptied = asyncio.Event()
        self.emptied.set()
        self.cut = 0
        self.refused = 0

    def opened(self, handler: "WatchedHandler") -> bool:
        """Take a new connection in; False when there is no room. One that owes us headers gives its place up for it."""
        if self.open >= self._max_connections:
            oldest = next(iter(self.waiting), None)
            if oldest is None:
                self.refused += 1
                return False
            self._cut(oldest)
        self.open += 1
        self.emptied.clear()
        self.waiting[handler] = self.now()
        return True

    def closed(self, handler: "WatchedHandler") -> None:
        """Forget a connection."""
        self.open -= 1
        if not self.open:
            self.emptied.set()
        self.waiting.pop(handler, None)

    def sweep(self) -> None:
        """Cut those that took too long."""
        limit = self.now() - self._header_timeout_seconds
        while self.waiting:
            handler, since = next(iter(self.waiting.items()))
            if since > limit:
                return
            if handler.owes_headers:
                self._cut(handler)
            else:
                # Its request arrived in pieces and is being answered.
                del self.waiting[handler]

    def note_bad_request(self, error: HttpProcessingError) -> None:
        """Log that something was no HTTP."""
        if (held_back := self._throttle.admit()) is not None:
            _log.warning("no HTTP request", error=type(error).__name__, held_back=held_back)

    async def keep_sweeping(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Do that for ever."""
        while True:
            await sleep(SWEEP_SECONDS)
            self.sweep()

    def _cut(self, handler: "WatchedHandler") -> None:
        self.cut += 1
        self.waiting.pop(handler, None)
        handler.force_close()


class WatchedHandler(web.RequestHandler):
    """aiohttp's connection, which tells whether it owes us the rest of a request's headers."""

    __slots__ = ("_connections", "_is_counted")

    def __init__(self, manager: web.Server, connections: Connections, **options: Any) -> None:
        super().__init__(manager, **options)
        self._connections = connections
        self._is_counted = False

    @property
    def owes_headers(self) -> bool:
        """Whether no request is being answered on this connection and none waits to be."""
        waiter = self._waiter
        return waiter is not None and not waiter.done() and not self._messages

    def log_exception(self, *arguments: Any, **options: Any) -> None:
        """What aiohttp can't make sense of: a line a second at most, without what was sent."""
        error = options.get("exc_info")
        if isinstance(error, HttpProcessingError):
            self._connections.note_bad_request(error)
        else:
            super().log_exception(*arguments, **options)

    def handle_error(self, *arguments: Any, **options: Any) -> web.StreamResponse:
        """What aiohttp answers to what it can't make sense of, without its name."""
        said = super().handle_error(*arguments, **options)
        text = said.text if isinstance(said, web.Response) else None
        response = NamelessResponse(status=said.status, text=text, content_type=said.content_type)
        response.force_close()
        return response

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._is_counted = self._connections.opened(self)
        if not self._is_counted:
            self.force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._is_counted:
            self._is_counted = False
            self._connections.closed(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        waiting = self._connections.waiting
        if self._messages or self._current_request is not None:
            if self in waiting:
                del waiting[self]
        elif self._is_counted and self not in waiting:
            waiting[self] = self._connections.now()


class WatchedSite(web.BaseSite):
    """Listens on a TCP port, or a socket that listens already, with watched connections."""

    __slots__ = ("_connections", "_options", "_place")

    def __init__(
        self,
        runner: web.AppRunner,
        place: tuple[str, int] | socket.socket,
        connections: Connections,
        options: dict[str, Any],
        tls: ssl.SSLContext | None,
    ) -> None:
        super().__init__(runner, ssl_context=tls, backlog=1024)
        self._place = place
        self._connections = connections
        self._options = options

    @property
    def name(self) -> str:
        host, port = self._place[:2] if isinstance(self._place, tuple) else self._place.getsockname()[:2]
        return f"{'https' if self._ssl_context else 'http'}://{host}:{port}"

    async def start(self) -> None:
        await super().start()
        loop = asyncio.get_running_loop()
        server = self._runner.server
        assert server is not None

        def connect() -> WatchedHandler:
            return WatchedHandler(server, self._connections, loop=loop, **self._options)

        options: dict[str, Any] = {
            "ssl": self._ssl_context,
            "backlog": self._backlog,
            "ssl_handshake_timeout": TLS_HANDSHAKE_SECONDS if self._ssl_context else None,
        }
        if isinstance(self._place, tuple):
            self._server = await loop.create_server(connect, *self._place, **options)
        else:
            self._server = await loop.create_server(connect, sock=self._place, **options)
