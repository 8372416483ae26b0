"""Posting a message: one request, to a checked address, with bounds on everything that comes back."""

import asyncio
import os
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.client_reqrep import ClientResponse
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError

from common.clock import Clock
from common.errors import InvalidArgumentError
from common.masking import mask_text
from event_service.webhooks.domain import HttpResult
from event_service.webhooks.resolver import AddressRefusedError, GuardedResolver, Lookup
from event_service.webhooks.urls import UrlPolicy

USER_AGENT = "axbridge-webhooks/1"
CONNECT_TIMEOUT_SECONDS = 10.0
# Of a body that nobody asked for as much is read as lets the connection be used again.
_MAX_BODY_BYTES = 16_384
_BODY_TIMEOUT_SECONDS = 2.0
_EXCERPT_CHARACTERS = 256
# What is taken from the network at once. Parsing 256 KiB of the shortest answers there are takes half a second, in
# which this process does nothing else.
_RECEIVE_BUFFER_BYTES = 16_384
# Answers with a status from 100 to 199 before the one that counts; nothing that we send calls for any.
_MAX_INTERIM_ANSWERS = 8
# Below what common servers keep an idle connection for (5 s), or one that is closed just then costs an attempt.
_KEEPALIVE_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One message for one URL. `timeout_seconds` covers everything from looking up the name to the answer's status."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    timeout_seconds: float


class _BoundedResponse(ClientResponse):
    """Gives up on an endpoint that sends interim answers and never the one that counts."""

    async def start(self, connection: Connection) -> ClientResponse:
        """Read the head of the answer. Raises ClientResponseError."""
        protocol = connection.protocol
        if protocol is None:
            return await super().start(connection)
        unbounded, answers = protocol.read, 0

        async def read() -> Any:
            nonlocal answers
            answers += 1
            if answers > _MAX_INTERIM_ANSWERS + 1:
                raise HttpProcessingError(code=400, message="too many interim answers")
            return await unbounded()

        protocol.read = read  # type: ignore[method-assign]
        try:
            return await super().start(connection)
        finally:
            # The connection may be used again.
            del protocol.read


class HttpSender:
    """Posts over HTTP/1.1. Close it at the end.

    Neither redirects nor proxies nor cookies, and no decompression. A name is resolved once for each connection, and
    the socket that is opened goes to an address that was checked, whatever the name resolves to meanwhile; the
    certificate and the Host header are still the name's.
    """

    def __init__(self, urls: UrlPolicy, lookup: Lookup, clock: Clock, *, ca_file: Path | None = None) -> None:
        self._urls = urls
        self._clock = clock
        connector = aiohttp.TCPConnector(
            resolver=GuardedResolver(urls.addresses, lookup),
            # Every connection asks anew; what was checked for one says nothing about the next.
            use_dns_cache=False,
            socket_factory=self._open_socket,
            ssl=ssl.create_default_context(cafile=None if ca_file is None else str(ca_file)),
            # The number of requests is bounded by whoever sends.
            limit=0,
            keepalive_timeout=_KEEPALIVE_SECONDS,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            response_class=_BoundedResponse,
            headers={"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"},
        )

    async def post(self, request: HttpRequest) -> HttpResult:
        """Make the request. Whatever goes wrong is told in the result, in one phrase without addresses in it."""
        try:
            url = self._urls.checked(request.url)
        except InvalidArgumentError as error:
            # The settings may have changed since the webhook was written.
            return HttpResult(error=mask_text(error.message))
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=min(CONNECT_TIMEOUT_SECONDS, request.timeout_seconds), ceil_threshold=60
        )
        status_code = 0
        try:
            async with asyncio.timeout(request.timeout_seconds):
                response = await self._session.post(
                    url, data=request.body, headers=request.headers, allow_redirects=False, timeout=timeout
                )
                status_code = response.status
            return await self._result(response)
        except (aiohttp.ClientError, OSError, ssl.SSLError, TimeoutError, ValueError) as error:
            return HttpResult(status_code=status_code, error=describe_error(error))

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    def _open_socket(self, address_info: Any) -> socket.socket:
        """The last word on every connection, also on those to an address that stands in the URL."""
        family, kind, protocol, _, address = address_info
        refusal = self._urls.addresses.refusal(str(address[0]))
        if refusal is not None:
            raise AddressRefusedError(refusal)
        opened = socket.socket(family=family, type=kind, proto=protocol)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        return opened

    async def _result(self, response: ClientResponse) -> HttpResult:
        """The status says whether it was delivered; trouble with the body that follows does not change it."""
        excerpt = b""
        try:
            with suppress(aiohttp.ClientError, OSError, TimeoutError):
                async with asyncio.timeout(_BODY_TIMEOUT_SECONDS):
                    excerpt = await _read_bounded(response)
        finally:
            # Releases the connection when all was read, and closes it when not.
            response.close() if not response.content.at_eof() else response.release()
        if 200 <= response.status <= 299:
            return HttpResult(status_code=response.status)
        return HttpResult(
            status_code=response.status,
            error=f"answered with HTTP status {response.status}",
            retry_after_seconds=_retry_after(response, self._clock),
            excerpt=_excerpt(excerpt),
        )


async def _read_bounded(response: ClientResponse) -> bytes:
    body = b""
    while len(body) <= _MAX_BODY_BYTES:
        chunk = await response.content.read(_MAX_BODY_BYTES + 1 - len(body))
        if not chunk:
            break
        body += chunk
    return body


def _excerpt(body: bytes) -> str:
    text = body[: 4 * _EXCERPT_CHARACTERS].decode("utf-8", "replace")
    # Shown on terminals: no control characters.
    printable = "".join(character if character.isprintable() else " " for character in text)
    # Masked first: of a number that is cut off more would stay than of a masked one.
    return mask_text(" ".join(printable.split()))[:_EXCERPT_CHARACTERS]


def _retry_after(response: ClientResponse, clock: Clock) -> float | None:
    """Seconds, or an HTTP date (RFC 9110, 10.2.3); None when it is absent or neither."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - clock.now()).total_seconds())


def describe_error(error: BaseException) -> str:
    """What went wrong, in one phrase for the attempt log. It names no address."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, AddressRefusedError):
            return str(cause)
        cause = cause.__cause__ or cause.__context__
    match error:
        case TimeoutError():
            return "no answer in time"
        case aiohttp.ClientConnectorCertificateError():
            return f"the certificate is not valid: {error.certificate_error}"[:200]
        case aiohttp.ClientConnectorSSLError():
            return "the TLS handshake failed"
        case aiohttp.ClientConnectorDNSError():
            return "the host's name can't be resolved"
        case aiohttp.ClientConnectorError():
            # Its own text names the address.
            number = error.os_error.errno
            return f"can't connect: {os.strerror(number) if number else 'refused'}"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError() | ConnectionError():
            return "the connection was closed before the answer"
        case aiohttp.ClientResponseError() | aiohttp.ClientPayloadError():
            return "the answer is not valid HTTP"
    return f"the request failed ({type(error).__name__})"
