"""Passwords and TLS."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest
import redis

from common.clock import SystemClock
from common.tls import TlsFiles
from routing_service.cache.ports import CacheAnswer
from routing_service.cache.redis_client import open_redis, parse_redis_url
from tests.contract.routing_cache.conftest import PATIENT_SECONDS, Opener
from tests.contract.routing_cache.test_fence import KEY, ask, fill, known
from tests.support.certificates import CertificateAuthority
from tests.support.redis import RedisServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path / "redis")
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def closing() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@asynccontextmanager
async def tls_in_front_of(port: int, files: TlsFiles) -> AsyncIterator[int]:
    """Take TLS connections and pass on what comes through them: the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    assert files.cert_file is not None
    context.load_cert_chain(files.cert_file, files.key_file)

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while received := await reader.read(65536):
                writer.write(received)
                await writer.drain()
        writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pass_on(reader, inner_writer), pass_on(inner_reader, writer))

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_with_a_user_and_a_password(server: RedisServer, closing: AsyncExitStack) -> None:
    with redis.Redis(port=server.port) as client:
        client.execute_command("ACL", "SETUSER", "app", "on", ">p@ss", "~*", "+@all")
        client.execute_command("ACL", "SETUSER", "default", "off")
    right = Opener(f"redis://app:p%40ss@127.0.0.1:{server.port}", closing).open(SystemClock())
    wrong = Opener(f"redis://app:pass@127.0.0.1:{server.port}", closing).open(SystemClock())
    await fill(right.cache, KEY)

    assert await known(right.cache, KEY) == [KEY]
    assert await ask(wrong.cache, KEY) == CacheAnswer(None, None)
    assert wrong.stats.unreachable == 1


async def test_over_tls_from_a_known_authority_only(
    server: RedisServer, closing: AsyncExitStack, tmp_path: Path
) -> None:
    files = CertificateAuthority.create().issue(tmp_path / "known", "cache")
    CertificateAuthority.create("somebody else").issue(tmp_path / "unknown", "cache")
    async with tls_in_front_of(server.port, files) as port:
        for authority, answers in (("known", True), ("unknown", False)):
            address = parse_redis_url(f"rediss://127.0.0.1:{port}", ca_file=tmp_path / authority / "ca.crt")
            client = open_redis(address, connections=2, timeout_seconds=PATIENT_SECONDS)
            if answers:
                await client.ping()
            else:
                with pytest.raises(redis.ConnectionError):
                    await client.ping()
            await client.close()
