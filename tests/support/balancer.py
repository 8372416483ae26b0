"""A small HTTP balancer, as strict as real ones are: it asks /readyz, keeps connections alive, tries another backend
only when the first one took nothing of the request, and answers 502 otherwise."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

CHECK_SECONDS = 0.2
CHECK_TIMEOUT_SECONDS = 1.0
BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"
_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class NotTakenError(Exception):
    """The backend took nothing of the request."""


@dataclass
class Backend:
    """A gateway, and the connections to it that are free."""

    host: str
    port: int
    is_ready: bool = False
    idle: deque[_Connection] = field(default_factory=deque)

    async def connection(self) -> _Connection:
        while self.idle:
            reader, writer = self.idle.popleft()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        try:
            return await asyncio.open_connection(self.host, self.port)
        except OSError as error:
            raise NotTakenError from error


class Balancer:
    """Spreads requests over backends, round robin."""

    def __init__(self, addresses: list[str]) -> None:
        self.backends = []
        for address in addresses:
            host, _, port = address.rpartition(":")
            self.backends.append(Backend(host, int(port)))
        self._turn = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.address = ""
        self.bad_gateways = 0

    async def __aenter__(self) -> "Balancer":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        self.address = f"{host}:{port}"
        for backend in self.backends:
            self._spawn(backend)
        return self

    async def __aexit__(self, *_exception: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for backend in self.backends:
            for _, writer in backend.idle:
                writer.close()

    def _spawn(self, backend: Backend) -> None:
        self._tasks.add(asyncio.create_task(self._keep_checking(backend)))

    async def _keep_checking(self, backend: Backend) -> None:
        while True:
            backend.is_ready = await is_ready(backend)
            await asyncio.sleep(CHECK_SECONDS)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await read_message(reader):
                writer.write(await self._forward(request))
                await writer.drain()
        except (OSError, EOFError):
            pass
        finally:
            writer.close()

    async def _forward(self, request: bytes) -> bytes:
        for backend in self._candidates():
            try:
                return await self._exchange(backend, request)
            except NotTakenError:
                backend.is_ready = False
            except (OSError, EOFError):
                break
        self.bad_gateways += 1
        return BAD_GATEWAY

    def _candidates(self) -> list[Backend]:
        self._turn += 1
        ready = [backend for backend in self.backends if backend.is_ready]
        turn = self._turn % max(1, len(ready))
        return ready[turn:] + ready[:turn]

    async def _exchange(self, backend: Backend, request: bytes) -> bytes:
        reader, writer = await backend.connection()
        try:
            writer.write(request)
            answer = await read_message(reader)
        except BaseException:
            writer.close()
            raise
        if not answer:
            writer.close()
            raise EOFError
        if b"\r\nconnection: close" in answer.partition(b"\r\n\r\n")[0].lower():
            writer.close()
        else:
            backend.idle.append((reader, writer))
        return answer


async def is_ready(backend: Backend) -> bool:
    """Whether /readyz says so, over a connection of its own."""
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
            reader, writer = await asyncio.open_connection(backend.host, backend.port)
            try:
                writer.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


async def read_message(reader: asyncio.StreamReader) -> bytes:
    """A request or an answer with its body; empty at the end of the stream."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return b""
    length = head.lower().partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0]
    return head + await reader.readexactly(int(length or b"0"))
