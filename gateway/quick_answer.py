"""The answer that nearly every request gets, without what only the others need.

aiohttp makes an answer from a dictionary of headers that can be changed until it is sent, which takes it as long as
everything that the gateway itself does for a query. An answer that is 200 with a body has always the same headers but
for one number, so they are one text, and it leaves with the body in one write.
"""

from functools import lru_cache

from aiohttp import ClientConnectionResetError, HttpVersion11, hdrs, web
from aiohttp.helpers import rfc822_formatted_time


def answer(request: web.BaseRequest, body: bytes, content_type: str) -> web.StreamResponse:
    """200 with a body of this media type, in UTF-8."""
    if request.version == HttpVersion11:
        return QuickAnswer(body, content_type)
    return NamelessResponse(body=body, headers={hdrs.CONTENT_TYPE: f"{content_type}; charset=UTF-8"})


class NamelessResponse(web.Response):
    """A response that does not tell what serves here, and which version."""

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self._headers.popall(hdrs.SERVER, None)


class QuickAnswer(web.StreamResponse):
    """An HTTP/1.1 answer that is 200 and complete. Nothing can be added to it but that it is the connection's last."""

    def __init__(self, body: bytes, content_type: str) -> None:
        # Without the parent's own: its headers and its state are what is saved here.
        self._status = 200
        self._content = body
        self._media_type = content_type

    @property
    def body(self) -> bytes:
        """What is sent."""
        return self._content

    async def prepare(self, request: web.BaseRequest) -> None:
        """Send it. Raises ConnectionError when nobody is there any more."""
        if self._keep_alive is None:
            self._keep_alive = request.keep_alive
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ClientConnectionResetError("the client has hung up")
        head = _head(self._media_type, rfc822_formatted_time(), self._keep_alive)
        body = self._content
        transport.write(b"%b%d\r\n\r\n%b" % (head, len(body), body))
        # One who sends on without reading waits until he does.
        await request.writer.drain()

    async def write_eof(self, data: bytes = b"") -> None:
        """It was sent whole."""
        self._eof_sent = True


@lru_cache(maxsize=64)
def _head(content_type: str, date: str, keep_alive: bool) -> bytes:
    """Everything before the length of the body. The date changes once a second."""
    closing = "" if keep_alive else "Connection: close\r\n"
    return (
        f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}; charset=UTF-8\r\nDate: {date}\r\n{closing}Content-Length: "
    ).encode()
