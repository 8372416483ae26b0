"""A listener that counts connections, and name servers that answer what a test wants."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence

import pytest


class FakeNames:
    """A lookup with answers by name; a name can have a different answer each time, the last one for good."""

    def __init__(self, answers: dict[str, list[Sequence[str]]] | None = None) -> None:
        self.answers = answers or {}
        self.asked: list[str] = []

    async def __call__(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        answers = self.answers.get(host)
        if not answers:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return answers.pop(0) if len(answers) > 1 else answers[0]


class Listener:
    """Takes connections on every loopback address of this machine, and counts them."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.connections = 0

    async def serve(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))
        made = Listener(probe.getsockname()[1])
    # IPv4 and, where this machine has it, IPv6.
    hosts = ["0.0.0.0", "::"] if socket.has_ipv6 else ["0.0.0.0"]
    servers = []
    for host in hosts:
        try:
            servers.append(await asyncio.start_server(made.serve, host, made.port))
        except OSError:
            if host == "0.0.0.0":
                raise
    yield made
    for server in servers:
        server.close()
        await server.wait_closed()
