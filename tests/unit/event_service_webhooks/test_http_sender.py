"""One request, and bounds on everything that comes back. The endpoints are raw sockets: they do what they like."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from common.clock import SystemClock
from event_service.webhooks.addresses import AddressPolicy, parse_networks
from event_service.webhooks.domain import HttpResult
from event_service.webhooks.http_sender import HttpRequest, HttpSender
from event_service.webhooks.urls import PortPolicy, UrlPolicy
from tests.support.certificates import CertificateAuthority
from tests.support.clock import FakeClock
from tests.unit.event_service_webhooks.conftest import FakeNames

LOOPBACK = UrlPolicy(AddressPolicy(parse_networks("127.0.0.0/8")), PortPolicy(((1, 65535),)), allow_http=True)
Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Endpoint:
    """A TCP server that notes what it was sent, and then does what it is told."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self.requests: list[bytes] = []
        self.connections = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    int(line.split(b":")[1])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length")
                )
                self.requests.append(head + await reader.readexactly(length))
                await self._behaviour(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def endpoint(behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> AsyncIterator[Endpoint]:
    made = Endpoint(behaviour)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()


def answers(text: str, body: bytes = b"") -> Behaviour:
    async def behaviour(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {text}\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()

    return behaviour


async def hangs(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    raise ConnectionResetError


@asynccontextmanager
async def sender(clock: FakeClock | None = None, **options: Path) -> AsyncIterator[HttpSender]:
    made = HttpSender(
        LOOPBACK, FakeNames({"hook.example": [["127.0.0.1"]]}), clock or SystemClock(), ca_file=options.get("ca_file")
    )
    try:
        yield made
    finally:
        await made.close()


async def post_to(behaviour: Behaviour, timeout_seconds: float = 5.0, clock: FakeClock | None = None) -> HttpResult:
    async with endpoint(behaviour) as made, sender(clock) as client:
        request = HttpRequest(
            f"http://hook.example:{made.port}/hook?x=1", {"webhook-id": "evt_1"}, b'{"a":1}', timeout_seconds
        )
        return await client.post(request)


async def test_what_is_sent() -> None:
    async with endpoint(answers("204 No Content")) as made, sender() as client:
        url = f"http://hook.example:{made.port}/hook?x=1%20"
        result = await client.post(HttpRequest(url, {"Content-Type": "application/json"}, b'{"a":1}', 5.0))
    assert result == HttpResult(status_code=204)
    head, _, body = made.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /hook?x=1%20 HTTP/1.1"
    headers = dict(line.split(": ", 1) for line in lines[1:])
    assert headers["Host"] == f"hook.example:{made.port}"
    assert headers["Accept-Encoding"] == "identity"
    assert headers["Content-Type"] == "application/json"
    assert "Cookie" not in headers
    assert body == b'{"a":1}'


@pytest.mark.parametrize("status", ["200 OK", "201 Created", "202 Accepted", "204 No Content", "299 Fine"])
async def test_every_2xx_is_a_delivery(status: str) -> None:
    assert (await post_to(answers(status))).error == ""


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "400 Bad", "404 Not Found", "410 Gone", "500 Oops", "503 Busy"]
)
async def test_everything_else_is_a_failure(status: str) -> None:
    result = await post_to(answers(status, b"sorry, 13800001111\x1b[31m is unknown\n"))
    assert result.status_code == int(status[:3])
    assert result.error == f"answered with HTTP status {status[:3]}"
    assert result.excerpt == "sorry, 138****1111 [31m is unknown"


async def test_a_number_at_the_excerpts_end_is_masked_before_it_is_cut_off() -> None:
    result = await post_to(answers("500 Oops", b"x" * 249 + b" 13800001111"))
    assert result.excerpt == "x" * 249 + " 138***"


async def test_redirects_are_not_followed() -> None:
    async with endpoint(answers("200 OK")) as target, sender() as client:
        location = f"302 Found\r\nLocation: http://127.0.0.1:{target.port}/"
        async with endpoint(answers(location)) as made:
            for code in ("302", "307", "308"):
                result = await client.post(HttpRequest(f"http://hook.example:{made.port}/", {}, b"{}", 5.0))
                assert code and result.status_code == 302
    assert target.connections == 0


async def test_cookies_are_not_kept_and_connections_are() -> None:
    async with endpoint(answers("200 OK\r\nSet-Cookie: a=b")) as made, sender() as client:
        for _ in range(3):
            assert not (await client.post(HttpRequest(f"http://hook.example:{made.port}/", {}, b"{}", 5.0))).error
    assert made.connections == 1
    assert not any(b"Cookie" in request for request in made.requests)


@pytest.mark.parametrize(
    ("value", "seconds"), [("120", 120.0), ("0", 0.0), (" 7 ", 7.0), ("99999999999999", 999999999.0)]
)
async def test_retry_after_in_seconds(value: str, seconds: float) -> None:
    assert (await post_to(answers(f"503 Busy\r\nRetry-After: {value}"))).retry_after_seconds == seconds


async def test_retry_after_as_a_date() -> None:
    clock = FakeClock()
    later = format_datetime(clock.now() + timedelta(seconds=90), usegmt=True)
    earlier = format_datetime(clock.now() - timedelta(seconds=90), usegmt=True)
    assert (await post_to(answers(f"429 Slow\r\nRetry-After: {later}"), clock=clock)).retry_after_seconds == 90.0
    assert (await post_to(answers(f"429 Slow\r\nRetry-After: {earlier}"), clock=clock)).retry_after_seconds == 0.0


@pytest.mark.parametrize("value", ["soon", "-5", "1e9", "Mon, 99 Foo 2026", "²"])
async def test_a_retry_after_that_is_neither_is_ignored(value: str) -> None:
    assert (await post_to(answers(f"503 Busy\r\nRetry-After: {value}"))).retry_after_seconds is None


async def test_an_endpoint_that_never_answers_costs_its_time_limit_and_no_more() -> None:
    result = await post_to(hangs, timeout_seconds=0.2)
    assert (result.status_code, result.error) == (0, "no answer in time")


async def test_an_endpoint_that_answers_byte_by_byte_does_not_either() -> None:
    async def drips(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1000:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.01)

    assert (await post_to(drips, timeout_seconds=0.3)).error == "no answer in time"


async def test_interim_answers_without_end_are_no_answer() -> None:
    """Read until the time limit, they kept the process from doing anything else."""

    async def floods(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"HTTP/1.1 100 C\r\n\r\n" * 100)
            await writer.drain()

    assert (await post_to(floods)).error == "the answer is not valid HTTP"


async def test_interim_answers_before_the_one_that_counts_are_passed_over() -> None:
    interim = "102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK"
    async with endpoint(answers(interim)) as made, sender() as client:
        for _ in range(20):
            assert not (await client.post(HttpRequest(f"http://hook.example:{made.port}/", {}, b"{}", 5.0))).error
    assert made.connections == 1


async def test_the_status_counts_when_the_body_never_ends() -> None:
    async def endless(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n")
            await writer.drain()

    assert await post_to(endless) == HttpResult(status_code=200)


async def test_a_huge_body_is_cut_off_and_its_connection_closed() -> None:
    async with endpoint(answers("500 Oops", b"x" * 10_000_000)) as made, sender() as client:
        for _ in range(2):
            result = await client.post(HttpRequest(f"http://hook.example:{made.port}/", {}, b"{}", 5.0))
            assert len(result.excerpt) == 256
    assert made.connections == 2


async def test_a_compressed_body_is_not_unpacked() -> None:
    bomb = gzip.compress(b"x" * 10_000_000)
    result = await post_to(answers("500 Oops\r\nContent-Encoding: gzip", bomb))
    assert "xxxx" not in result.excerpt


@pytest.mark.parametrize(
    "garbage",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
)
async def test_what_is_no_http_is_a_failure(garbage: bytes) -> None:
    async def behaviour(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(garbage)
        await writer.drain()
        writer.close()

    result = await post_to(behaviour)
    assert result.error
    assert len(result.error) <= 200


async def test_a_dropped_connection_is_a_failure() -> None:
    async def drops(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    assert (await post_to(drops)).error == "the connection was closed before the answer"


async def test_nobody_there() -> None:
    async with endpoint(answers("200 OK")) as made:
        port = made.port
    async with sender() as client:
        result = await client.post(HttpRequest(f"http://hook.example:{port}/", {}, b"{}", 5.0))
        assert result.error.startswith("can't connect")
        assert "127.0.0.1" not in result.error
        unknown = await client.post(HttpRequest("http://no-such.example:8080/", {}, b"{}", 5.0))
        assert unknown.error == "the host's name can't be resolved"


async def test_https_with_the_names_certificate(tmp_path: Path) -> None:
    authority = CertificateAuthority.create()
    files = authority.issue(tmp_path, "hook.example")
    assert files.cert_file and files.key_file and files.ca_file
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(files.cert_file, files.key_file)
    names: list[str | None] = []
    tls.sni_callback = lambda _socket, name, _context: names.append(name)
    async with endpoint(answers("200 OK"), tls) as made:
        url = f"https://hook.example:{made.port}/"
        async with sender(ca_file=files.ca_file) as client:
            assert (await client.post(HttpRequest(url, {}, b"{}", 5.0))).error == ""
        async with sender() as distrusting:
            result = await distrusting.post(HttpRequest(url, {}, b"{}", 5.0))
            assert result.error.startswith("the certificate is not valid")
    # The connection went to an address; who is meant is still the name.
    assert names == ["hook.example"] * 2


async def test_https_with_another_names_certificate(tmp_path: Path) -> None:
    files = CertificateAuthority.create().issue(tmp_path, "other.example")
    assert files.cert_file and files.key_file and files.ca_file
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(files.cert_file, files.key_file)
    async with endpoint(answers("200 OK"), tls) as made, sender(ca_file=files.ca_file) as client:
        result = await client.post(HttpRequest(f"https://hook.example:{made.port}/", {}, b"{}", 5.0))
    assert result.error.startswith("the certificate is not valid")
    assert made.requests == []
