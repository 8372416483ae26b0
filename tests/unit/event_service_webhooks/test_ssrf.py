"""Requests to where nobody may send us: none of them makes a connection.

A listener on this machine counts connections, and the event loop's own connecting is counted as well, for addresses
that are not this machine's.
"""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from common.clock import SystemClock
from event_service.webhooks import resolver
from event_service.webhooks.addresses import AddressPolicy, parse_networks
from event_service.webhooks.domain import HttpResult
from event_service.webhooks.http_sender import HttpRequest, HttpSender
from event_service.webhooks.urls import PortPolicy, UrlPolicy
from tests.unit.event_service_webhooks.conftest import FakeNames, Listener

ANY_PORT = PortPolicy(((1, 65535),))

# Addresses that are somebody's own business: each as it stands in a URL, and as what a name resolves to.
FORBIDDEN_V4 = [
    "0.0.0.0", "0.0.0.1", "0.255.255.255",
    "10.0.0.0", "10.0.0.1", "10.255.255.255",
    "100.64.0.0", "100.64.0.1", "100.100.100.200", "100.127.255.255",
    "127.0.0.0", "127.0.0.1", "127.0.0.53", "127.0.1.1", "127.1.2.3", "127.255.255.254",
    "168.63.129.16",
    "169.254.0.1", "169.254.0.23", "169.254.169.253", "169.254.169.254", "169.254.170.2", "169.254.255.255",
    "172.16.0.1", "172.17.0.1", "172.31.255.255",
    "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1", "192.168.1.1", "192.168.255.255",
    "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1",
    "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
]  # fmt: skip
FORBIDDEN_V6 = [
    "::", "::1", "::2", "::7f00:1", "::127.0.0.1", "::10.0.0.1",
    "::ffff:0.0.0.0", "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
    "::ffff:192.168.1.1", "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "64:ff9b:1:fffe::127.0.0.1",
    "100::1", "2001::1", "2001:0:7f00:1::", "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1",
    "2002:7f00:1::", "2002:a00:1::1", "2002:a9fe:a9fe::1", "2002:c0a8:101::1",
    "3fff::1", "5f00::1", "fc00::1", "fd00::1", "fd00:ec2::254", "fd12:3456:789a::1",
    "fe80::1", "febf::1", "fec0::1", "ff02::1", "ff0e::1",
]  # fmt: skip
# Ways of writing 127.0.0.1 and its like that some parser or resolver understands.
TRICKS = [
    "http://127.1:{port}/", "http://127.0.1:{port}/", "http://2130706433:{port}/", "http://017700000001:{port}/",
    "http://0177.0.0.1:{port}/", "http://0x7f000001:{port}/", "http://0x7f.0x0.0x0.0x1:{port}/", "http://0x7f.1:{port}/",
    "http://0X7F000001:{port}/", "http://00000177.0.0.1:{port}/", "http://127.0.0.01:{port}/", "http://127.00.0.1:{port}/",
    "http://0127.0.0.1:{port}/", "http://127.0.0.1.:{port}/", "http://0:{port}/", "http://0.0:{port}/",
    "http://00.0.0.0:{port}/", "http://4294967295:{port}/", "http://127.0.0.256:{port}/", "http://127.0.0.0x1:{port}/",
    "http://3232235777:{port}/", "http://2852039166:{port}/", "http://0xa9fea9fe:{port}/", "http://0251.0376.0251.0376:{port}/",
    "http://[::1%25lo]:{port}/", "http://[::1%lo]:{port}/", "http://[fe80::1%25eth0]:{port}/",
    "http://[0:0:0:0:0:0:0:1]:{port}/", "http://[0000::0001]:{port}/", "http://[::ffff:7F00:0001]:{port}/",
    "http://[::FFFF:127.0.0.1]:{port}/", "http://[0:0:0:0:0:ffff:127.0.0.1]:{port}/", "http://[::127.0.0.1]:{port}/",
    "http://[::1:{port}/", "http://::1:{port}/", "http://[127.0.0.1]:{port}/", "http://[localhost]:{port}/",
    "http://user@127.0.0.1:{port}/", "http://user:pass@127.0.0.1:{port}/", "http://8.8.8.8@127.0.0.1:{port}/",
    "http://example.com:443@127.0.0.1:{port}/", "http://127.0.0.1:{port}@example.com/", "http://@127.0.0.1:{port}/",
    "http://example.com%40127.0.0.1:{port}/", "http://example.com\\@127.0.0.1:{port}/", "http:\\\\127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\\.example.com/", "http://example.com#@127.0.0.1:{port}/", "http://127.0.0.1:{port}#.example.com/",
    "http://127.0.0.1%00.example.com:{port}/", "http://127.0.0.1%2eexample.com:{port}/", "http://%6c%6f%63alhost:{port}/",
    "http://%31%32%37.0.0.1:{port}/", "http://127。0。0。1:{port}/", "http://１２７.０.０.１:{port}/", "http://①②⑦.⓪.⓪.①:{port}/",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:{port}/", "http://loc\u00adalhost:{port}/", "http://127.0.0.1\t:{port}/", "http://127.0.0.1\n:{port}/",
    "http:// 127.0.0.1:{port}/", " http://127.0.0.1:{port}/", "http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: x",
    "http:127.0.0.1:{port}/", "http:/127.0.0.1:{port}/", "http:///127.0.0.1:{port}/", "//127.0.0.1:{port}/",
    "127.0.0.1:{port}", "", "http://", "http://:{port}/", "HTTP://127.0.0.1:{port}/", "hTTps://127.0.0.1:{port}/",
    "ftp://127.0.0.1:{port}/", "gopher://127.0.0.1:{port}/_x", "file:///etc/passwd", "unix:///var/run/docker.sock",
    "dict://127.0.0.1:{port}/", "ws://127.0.0.1:{port}/", "javascript://127.0.0.1:{port}/", "data:text/plain,x",
    "http://localhost:{port}/", "http://LOCALHOST:{port}/", "http://localhost.:{port}/", "http://localhost.localdomain:{port}/",
    "http://ip6-localhost:{port}/", "http://metadata.google.internal:{port}/", "http://127.0.0.1.nip.example:{port}/",
]  # fmt: skip
# What a name resolves to, in the order in which it is asked.
MIXED = [
    ["8.8.8.8", "127.0.0.1"],
    ["127.0.0.1", "8.8.8.8"],
    ["8.8.8.8", "::1"],
    ["2606:4700::1111", "::ffff:127.0.0.1"],
    ["fe80::1%lo"],
    ["::1%1"],
    ["127.1"],
    ["2130706433"],
    ["localhost"],
    [""],
]


class LocalNames(FakeNames):
    """As the C library reads addresses (127.1, 0x7f000001, ...), and the names of a machine in a cloud."""

    _NAMES = (
        "localhost",
        "localhost.",
        "localhost.localdomain",
        "ip6-localhost",
        "127.0.0.1.nip.example",
        "127.0.0.1.example.com",
    )

    def __init__(self) -> None:
        answers: dict[str, list[Sequence[str]]] = {name: [["127.0.0.1", "::1"]] for name in self._NAMES}
        super().__init__(answers | {"metadata.google.internal": [["169.254.169.254"]]})

    async def __call__(self, host: str) -> Sequence[str]:
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        except OSError:
            return await super().__call__(host.lower())
        return [str(entry[4][0]) for entry in found]


class Connections:
    """Every address that the event loop was asked to connect to. It really connects to this machine only."""

    def __init__(self, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch) -> None:
        self.addresses: list[str] = []
        self._connect = loop.sock_connect
        monkeypatch.setattr(loop, "sock_connect", self._counted)

    async def _counted(self, sock: socket.socket, address: Any) -> None:
        self.addresses.append(address[0])
        plain = ipaddress.ip_address(address[0])
        if not (plain.is_loopback or plain.is_unspecified):
            raise ConnectionRefusedError(111, "not in a test")
        await self._connect(sock, address)


@pytest.fixture
async def connections(monkeypatch: pytest.MonkeyPatch) -> Connections:
    return Connections(asyncio.get_running_loop(), monkeypatch)


@asynccontextmanager
async def sender(names: FakeNames, allowed: str = "") -> AsyncIterator[HttpSender]:
    policy = UrlPolicy(AddressPolicy(parse_networks(allowed)), ANY_PORT, allow_http=True)
    made = HttpSender(policy, names, SystemClock())
    try:
        yield made
    finally:
        await made.close()


async def post(made: HttpSender, url: str) -> HttpResult:
    return await made.post(HttpRequest(url, {}, b"{}", timeout_seconds=5))


def test_there_are_two_hundred_cases() -> None:
    cases = 2 * len(FORBIDDEN_V4) + 2 * len(FORBIDDEN_V6) + len(TRICKS) + len(MIXED)
    assert cases >= 200


async def test_the_counting_counts(listener: Listener, connections: Connections) -> None:
    names = FakeNames({"hook.example": [["127.0.0.1"]]})
    async with sender(names, "127.0.0.0/8") as made:
        assert (await post(made, f"http://127.0.0.1:{listener.port}/")).error == ""
        assert (await post(made, f"http://hook.example:{listener.port}/")).error == ""
    assert listener.connections == len(connections.addresses) == 2


@pytest.mark.parametrize("address", FORBIDDEN_V4 + FORBIDDEN_V6)
async def test_an_address_in_the_url(address: str, listener: Listener, connections: Connections) -> None:
    host = f"[{address}]" if ":" in address else address
    async with sender(FakeNames()) as made:
        result = await post(made, f"http://{host}:{listener.port}/")
    assert result.error
    assert (listener.connections, connections.addresses) == (0, [])


@pytest.mark.parametrize("address", FORBIDDEN_V4 + FORBIDDEN_V6)
async def test_an_address_that_a_name_resolves_to(address: str, listener: Listener, connections: Connections) -> None:
    names = FakeNames({"hook.example": [[address]]})
    async with sender(names) as made:
        result = await post(made, f"http://hook.example:{listener.port}/")
    assert result.error.startswith("address not allowed")
    assert address not in result.error
    assert (listener.connections, connections.addresses) == (0, [])
    assert names.asked == ["hook.example"]


@pytest.mark.parametrize("template", TRICKS)
async def test_other_ways_of_writing_it(template: str, listener: Listener, connections: Connections) -> None:
    async with sender(LocalNames()) as made:
        result = await post(made, template.replace("{port}", str(listener.port)))
    assert result.error
    assert (listener.connections, connections.addresses) == (0, [])


@pytest.mark.parametrize("answer", MIXED)
async def test_answers_that_mix_or_are_no_addresses(
    answer: list[str], listener: Listener, connections: Connections
) -> None:
    async with sender(FakeNames({"hook.example": [answer]})) as made:
        result = await post(made, f"http://hook.example:{listener.port}/")
    assert result.error.startswith("address not allowed")
    assert (listener.connections, connections.addresses) == (0, [])


async def test_a_name_that_resolves_differently_the_second_time(listener: Listener, connections: Connections) -> None:
    names = FakeNames({"rebind.example": [["8.8.8.8"], ["127.0.0.1"]]})
    async with sender(names) as made:
        first = await post(made, f"http://rebind.example:{listener.port}/")
        # The address that was checked is the one that was connected to: nobody asked again in between.
        assert names.asked == ["rebind.example"]
        assert connections.addresses == ["8.8.8.8"]
        assert first.error.startswith("can't connect")
        second = await post(made, f"http://rebind.example:{listener.port}/")
    assert second.error.startswith("address not allowed")
    assert names.asked == ["rebind.example"] * 2
    assert connections.addresses == ["8.8.8.8"]
    assert listener.connections == 0


async def test_a_connection_that_is_kept_stays_where_it_was_checked(connections: Connections) -> None:
    """The name changes while a connection is open: it is used again, and the next one is refused."""
    held: list[asyncio.StreamWriter] = []

    async def keeps(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)
        while await reader.readline():
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" if (await _rest(reader)) else b"")

    server = await asyncio.start_server(keeps, "127.0.0.2", 0)
    port = server.sockets[0].getsockname()[1]
    names = FakeNames({"rebind.example": [["127.0.0.2"], ["127.0.0.1"]]})
    async with sender(names, "127.0.0.2/32") as made:
        for _ in range(3):
            assert (await post(made, f"http://rebind.example:{port}/")).error == ""
        assert names.asked == ["rebind.example"]
        for writer in held:
            writer.transport.abort()
        # Until the connection is seen to be gone.
        refused = [await post(made, f"http://rebind.example:{port}/") for _ in range(3)]
    server.close()
    assert refused[-1].error.startswith("address not allowed")
    assert connections.addresses == ["127.0.0.2"]


async def _rest(reader: asyncio.StreamReader) -> bytes:
    """The rest of a request whose first line was read."""
    await reader.readuntil(b"\r\n\r\n")
    return await reader.readexactly(len(b"{}"))


async def test_the_socket_has_the_last_word_whatever_the_resolver_says(
    listener: Listener, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were the resolver's check missing, the connection would still not be made."""
    monkeypatch.setattr(resolver, "refused_of", lambda policy, addresses: None)
    async with sender(FakeNames({"hook.example": [["127.0.0.1"]]})) as made:
        result = await post(made, f"http://hook.example:{listener.port}/")
    assert result.error.startswith("address not allowed")
    assert (listener.connections, connections.addresses) == (0, [])


async def test_a_proxy_in_the_environment_is_not_used(
    listener: Listener, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{listener.port}")
    async with sender(FakeNames({"hook.example": [["8.8.8.8"]]})) as made:
        await post(made, "http://hook.example/")
    assert connections.addresses == ["8.8.8.8"]
    assert listener.connections == 0
