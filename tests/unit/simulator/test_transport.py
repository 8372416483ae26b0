"""What really goes over HTTP, against a server on loopback."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from simulator.messages import WireRequest
from simulator.transport import HttpTransport, NoAnswerError


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async def echo(request: web.Request) -> web.Response:
        if request.path == "/slow":
            await asyncio.Event().wait()
        if request.path == "/moved":
            raise web.HTTPFound("/echo")
        sent = request.headers.get("Content-Type", "none")
        return web.Response(status=201, body=await request.read(), headers={"Content-Type": "text/x", "X-Sent": sent})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", echo)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}"
    await runner.cleanup()


async def test_bodies_go_and_come_as_they_are(url: str) -> None:
    async with HttpTransport(connections=2) as transport:
        answer = await transport.post(f"{url}/echo", WireRequest(b"\xb1\xbb", "application/xml;charset=GBK"))
    assert (answer.status, answer.content_type, answer.body) == (201, "text/x", b"\xb1\xbb")


async def test_a_missing_content_type_is_really_missing() -> None:
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, HttpTransport(connections=1) as transport:
        answer = await transport.post(f"http://127.0.0.1:{port}/", WireRequest(b"<r/>", None))
    assert b"content-type" not in heads[0].lower()
    assert (answer.status, answer.content_type, answer.body) == (200, "", b"")


async def test_redirects_are_not_followed(url: str) -> None:
    async with HttpTransport(connections=1) as transport:
        answer = await transport.post(f"{url}/moved", WireRequest(b"{}", "application/json"))
    assert answer.status == 302


async def test_patience_ends(url: str) -> None:
    async with HttpTransport(connections=1, patience_seconds=0.05) as transport:
        with pytest.raises(NoAnswerError, match=r"no answer within 0\.05 s"):
            await transport.post(f"{url}/slow", WireRequest(b"{}", "application/json"))


async def test_nobody_there(url: str) -> None:
    async with HttpTransport(connections=1) as transport:
        with pytest.raises(NoAnswerError, match="no connection"):
            # Port 9 (discard) has no listener on loopback.
            await transport.post("http://127.0.0.1:9/", WireRequest(b"{}", "application/json"))
