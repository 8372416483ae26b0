"""The end of a gateway, as those see it who are connected."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from gateway.http import HttpOptions, running_http
from tests.unit.gateway.conftest import read_reply

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Slow:
    """Answers when it may."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def handle(self, _request: web.Request) -> web.Response:
        self.entered.set()
        await self.go_on.wait()
        return web.Response(text="ok")


@asynccontextmanager
async def serving(slow: Slow, lame_duck_seconds: float) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """A server that begins to end when the event is set."""
    app = web.Application()
    app.router.add_get("/", slow.handle)
    # The application's signals are the server's to use, as in build_app.
    end, started = asyncio.Event(), asyncio.get_running_loop().create_future()

    async def run() -> None:
        options = HttpOptions("127.0.0.1:0", 75.0, 5.0, lame_duck_seconds=lame_duck_seconds)
        async with running_http(app, options) as address:
            started.set_result(address)
            await end.wait()

    running = asyncio.create_task(run())
    try:
        yield await started, end
    finally:
        end.set()
        await running


async def connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def test_a_client_is_told_to_leave_and_is_answered_until_then() -> None:
    async with serving(Slow(), 30.0) as (address, end):
        reader, writer = await connect(address)
        writer.write(GET)
        assert "connection" not in (await read_reply(reader)).headers
        end.set()
        for _ in range(10):
            await asyncio.sleep(0)
        # Both who is connected and who comes now is answered, once.
        for each_reader, each_writer in ((reader, writer), await connect(address)):
            each_writer.write(GET)
            reply = await read_reply(each_reader)
            assert (reply.status, reply.headers["connection"]) == (200, "close")
            assert await each_reader.read() == b""
            await closed(each_writer)


async def test_nobody_is_waited_for_when_nobody_is_there() -> None:
    began = asyncio.get_running_loop().time()
    async with serving(Slow(), 30.0):
        pass
    assert asyncio.get_running_loop().time() - began < 10


async def test_those_who_do_not_leave_are_left_and_requests_in_flight_are_finished() -> None:
    slow = Slow()
    async with serving(slow, 0.1) as (address, end):
        idle_reader, idle_writer = await connect(address)
        reader, writer = await connect(address)
        slow.go_on.clear()
        writer.write(GET)
        await slow.entered.wait()
        end.set()
        assert await asyncio.wait_for(idle_reader.read(), 5) == b""
        slow.go_on.set()
        assert (await read_reply(reader)).status == 200
        await closed(idle_writer)
        await closed(writer)


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()
