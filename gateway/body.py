"""Reading a request's body within bounds of size and time, which aiohttp leaves open."""

import asyncio

from aiohttp import web
from aiohttp.web import RequestPayloadError

from gateway.codec import (
    MAX_BODY_BYTES,
    BodyTooLargeError,
    SlowBodyError,
    UnreadableBodyError,
    UnsupportedContentTypeError,
)
from gateway.codec.detect import refusal_form


async def read_body(request: web.Request, timeout_seconds: float) -> bytes:
    """The whole body.

    Raises BodyTooLargeError as soon as it is known to be over the limit, SlowBodyError when it has not arrived in time,
    UnreadableBodyError when its transfer is broken, UnsupportedContentTypeError when it is compressed: 64 KiB of text
    need no compression, and a few of them can become gigabytes.
    """
    content_type = request.headers.get("Content-Type")
    if "Content-Encoding" in request.headers and request.headers["Content-Encoding"].strip().lower() != "identity":
        form = refusal_form(content_type, b"")
        raise UnsupportedContentTypeError(form, "Content-Encoding", "not supported, send the body uncompressed")
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise _too_large(content_type, b"")
    try:
        if request.content.is_eof():
            # It came with the headers: nothing to wait for.
            return await _read_within_limit(request, content_type)
        async with asyncio.timeout(timeout_seconds):
            return await _read_within_limit(request, content_type)
    except TimeoutError as error:
        form = refusal_form(content_type, b"")
        raise SlowBodyError(form, "body", f"did not arrive within {timeout_seconds:g} s") from error
    except RequestPayloadError as error:
        raise UnreadableBodyError(refusal_form(content_type, b""), "body", "broken transfer encoding") from error


async def _read_within_limit(request: web.Request, content_type: str | None) -> bytes:
    chunk = await request.content.readany()
    if request.content.at_eof():
        body = chunk
    else:
        received = bytearray(chunk)
        while chunk and len(received) <= MAX_BODY_BYTES:
            chunk = await request.content.readany()
            received += chunk
        body = bytes(received)
    if len(body) > MAX_BODY_BYTES:
        raise _too_large(content_type, body[:64])
    return body


def _too_large(content_type: str | None, beginning: bytes) -> BodyTooLargeError:
    return BodyTooLargeError(refusal_form(content_type, beginning), "body", f"over {MAX_BODY_BYTES} bytes")
