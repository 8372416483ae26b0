"""HTTP to the gateway, as a platform does it: kept-alive connections, no redirects, a platform's patience."""

from types import TracebackType
from typing import Protocol, Self

import aiohttp

from simulator.messages import WireAnswer, WireRequest

# A sibling platform cuts a query off after 3 s.
PATIENCE_SECONDS = 3.0


class NoAnswerError(Exception):
    """Nothing came back: no connection, or no answer in time. The message says which."""


class Transport(Protocol):
    """The way to the gateway."""

    async def post(self, url: str, request: WireRequest) -> WireAnswer:
        """Send one request and wait for its answer. Raises NoAnswerError when none comes."""
        ...


class HttpTransport:
    """Posts over HTTP/1.1; use it as an async context manager."""

    def __init__(self, *, connections: int, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """`connections` is how many may be open at once, 0 for any number."""
        self._connections = connections
        self._timeout = aiohttp.ClientTimeout(total=patience_seconds)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=self._connections, ttl_dns_cache=300)
        # A platform sends what it has to and nothing that a browser would.
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=self._timeout,
            skip_auto_headers=("Content-Type", "Accept-Encoding"),
            headers={"User-Agent": "axbridge-simulator"},
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def post(self, url: str, request: WireRequest) -> WireAnswer:
        if self._session is None:
            raise RuntimeError("the transport is not open")
        headers = {} if request.content_type is None else {"Content-Type": request.content_type}
        try:
            async with self._session.post(url, data=request.body, headers=headers, allow_redirects=False) as response:
                body = await response.read()
                return WireAnswer(response.status, response.headers.get("Content-Type", ""), body)
        except TimeoutError as error:
            raise NoAnswerError(f"no answer within {self._timeout.total:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise NoAnswerError(f"{type(error).__name__}: no connection") from error
