"""TLS between real servers and channels: who is taken, and that a renewal drops no call."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from common.clock import SystemClock
from common.errors import InvalidArgumentError
from common.grpc_channel import ChannelSecurity, open_channel, resolvable
from common.grpc_server import GrpcServerOptions, running_server
from common.reloading import ReloadedFile
from common.tls import TlsFiles, TlsMaterial, https_context, load_tls, open_tls
from tests.support.certificates import CertificateAuthority
from tests.support.clock import FakeClock

METHOD = "/test.Service/Who"


class Who(grpc.GenericRpcHandler):
    """Answers with the caller's names; waits for `go_on` first."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.entered = 0

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        return grpc.unary_unary_rpc_method_handler(self._answer)

    async def _answer(self, request: bytes, context: Any) -> bytes:
        self.entered += 1
        await self.go_on.wait()
        return b",".join(sorted(context.peer_identities() or ()))


@asynccontextmanager
async def serving(tls: ReloadedFile[TlsMaterial], who: Who) -> AsyncIterator[str]:
    def add(server: grpc.aio.Server) -> None:
        server.add_generic_rpc_handlers((who,))

    async with running_server(GrpcServerOptions("127.0.0.1:0", drain_seconds=1, tls=tls), add, []) as server:
        yield server.address


async def ask(channel: grpc.aio.Channel) -> bytes:
    answer: bytes = await channel.unary_unary(METHOD)(b"", timeout=5)
    return answer


def security(files: TlsFiles) -> ChannelSecurity:
    return ChannelSecurity(files)


async def test_both_sides_know_each_other(tmp_path: Path) -> None:
    authority = CertificateAuthority.create()
    server = open_tls("tls", authority.issue(tmp_path / "server", "routing"), SystemClock())
    client = authority.issue(tmp_path / "client", "gateway", uri="spiffe://x/gateway", dns=False)
    async with serving(server, Who()) as address, open_channel(address, security(client)) as channel:
        assert b"spiffe://x/gateway" in await ask(channel)


@pytest.mark.parametrize("stranger", ["nobody", "other authority", "no tls", "wrong server name"])
async def test_strangers_are_not_let_in(tmp_path: Path, stranger: str) -> None:
    authority, other = CertificateAuthority.create(), CertificateAuthority.create("other")
    server = open_tls("tls", authority.issue(tmp_path / "server", "routing"), SystemClock())
    client = authority.issue(tmp_path / "client", "gateway")
    foreign = other.issue(tmp_path / "foreign", "gateway")
    presented = {
        "nobody": ChannelSecurity(TlsFiles(ca_file=client.ca_file)),
        "other authority": ChannelSecurity(TlsFiles(foreign.cert_file, foreign.key_file, client.ca_file)),
        "no tls": ChannelSecurity(),
        "wrong server name": ChannelSecurity(client, server_name="event-service"),
    }[stranger]
    who = Who()
    async with serving(server, who) as address, open_channel(address, presented) as channel:
        with pytest.raises(grpc.RpcError) as failure:
            await ask(channel)
        assert failure.value.code() is grpc.StatusCode.UNAVAILABLE  # type: ignore[attr-defined]
    assert who.entered == 0


async def test_a_renewal_by_a_new_authority_drops_no_call(tmp_path: Path) -> None:
    first, second = CertificateAuthority.create("first"), CertificateAuthority.create("second")
    server_files, client_files = first.issue(tmp_path / "s", "routing"), first.issue(tmp_path / "c", "gateway")
    server = open_tls("server", server_files, SystemClock())
    who = Who()
    async with serving(server, who) as address, open_channel(address, security(client_files)) as channel:
        assert await ask(channel)
        who.go_on.clear()
        before = asyncio.create_task(ask(channel))
        await until(lambda: who.entered == 2)
        second.issue(tmp_path / "s", "routing")
        second.issue(tmp_path / "c", "gateway")
        assert server.refresh()
        followed: Any = channel
        old = followed.inner
        await until(lambda: followed.inner is not old)
        after = asyncio.create_task(ask(channel))
        await until(lambda: who.entered == 3)
        who.go_on.set()
        assert await before
        assert await after
    # The old certificate is worth nothing any more.
    first.issue(tmp_path / "c", "gateway")
    async with serving(server, Who()) as address, open_channel(address, security(client_files)) as channel:
        with pytest.raises(grpc.RpcError):
            await ask(channel)


async def test_a_renewal_that_is_half_written_waits_for_its_other_half(tmp_path: Path) -> None:
    authority = CertificateAuthority.create()
    files = authority.issue(tmp_path / "s", "routing")
    renewed = authority.issue(tmp_path / "renewed", "routing")
    assert files.cert_file and files.key_file and renewed.cert_file and renewed.key_file
    tls = open_tls("tls", files, SystemClock())
    good = tls.current
    files.cert_file.write_bytes(renewed.cert_file.read_bytes())
    assert not tls.refresh()
    assert tls.current is good
    assert "is not the key of" in tls.problem
    files.key_file.write_bytes(renewed.key_file.read_bytes())
    assert tls.refresh()
    assert (tls.current.private_key, tls.problem) == (renewed.key_file.read_bytes(), "")


async def test_a_key_goes_with_each_call_and_follows_its_file(tmp_path: Path) -> None:
    authority = CertificateAuthority.create()
    server = open_tls("tls", authority.issue(tmp_path / "s", "routing"), SystemClock())
    key_file = tmp_path / "key"
    keys = [f"axb_abcdefghij_{letter * 42}A" for letter in "bc"]
    key_file.write_text(keys[0] + "\n")
    seen: list[Any] = []

    class Metadata(Who):
        async def _answer(self, request: bytes, context: Any) -> bytes:
            seen.append(dict(context.invocation_metadata())["authorization"])
            return b""

    client = ChannelSecurity(authority.issue(tmp_path / "c", "gateway"), api_key_file=key_file)
    async with serving(server, Metadata()) as address, open_channel(address, client) as channel:
        await ask(channel)
        key_file.write_text(keys[1])
        async with asyncio.timeout(5):
            while seen[-1] != f"Bearer {keys[1]}":
                await ask(channel)
    assert seen[0] == f"Bearer {keys[0]}"


def test_files_that_can_not_be_used_are_named(tmp_path: Path) -> None:
    authority = CertificateAuthority.create()
    good = authority.issue(tmp_path / "good", "a")
    other = authority.issue(tmp_path / "other", "b")
    expired = authority.issue(tmp_path / "expired", "c", ends_in=timedelta(seconds=-1))
    (tmp_path / "rubbish").write_text("rubbish")
    clock = SystemClock()
    for files, message in [
        (TlsFiles(good.cert_file, other.key_file), "other/tls.key: is not the key of"),
        (TlsFiles(good.cert_file, None), "needs its key file"),
        (TlsFiles(good.cert_file, tmp_path / "rubbish"), "rubbish: holds no private key"),
        (TlsFiles(tmp_path / "rubbish", good.key_file), "rubbish: holds no certificate"),
        (TlsFiles(good.cert_file, good.key_file, tmp_path / "rubbish"), "rubbish: holds no certificate"),
        (expired, "expired/tls.crt: the certificate expired at"),
    ]:
        with pytest.raises(InvalidArgumentError, match=message):
            load_tls(files, clock)
    with pytest.raises(InvalidArgumentError, match="not valid before"):
        load_tls(good, FakeClock(datetime(2020, 1, 1, tzinfo=UTC)))
    assert "PRIVATE" not in repr(load_tls(good, clock))


async def test_https_follows_its_files(tmp_path: Path) -> None:
    first, second = CertificateAuthority.create("first"), CertificateAuthority.create("second")
    issued = first.issue(tmp_path / "s", "gateway")
    files = TlsFiles(issued.cert_file, issued.key_file)
    tls = open_tls("https", files, SystemClock())

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"ok")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=https_context(files, tls))

    async def read(authority: CertificateAuthority) -> bytes:
        trusting = ssl.create_default_context(cadata=authority.pem.decode())
        address = server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(*address, ssl=trusting, server_hostname="localhost")
        try:
            return await reader.read()
        finally:
            writer.close()

    async with server:
        assert await read(first) == b"ok"
        second.issue(tmp_path / "s", "gateway")
        assert tls.refresh()
        assert await read(second) == b"ok"
        with pytest.raises(ssl.SSLCertVerificationError):
            await read(first)


@pytest.mark.parametrize(
    ("target", "resolved"),
    [
        ("127.0.0.1:1", "dns:///127.0.0.1:1"),
        ("routing:7701", "dns:///routing:7701"),
        ("dns:///routing:7701", "dns:///routing:7701"),
        ("ipv4:127.0.0.1:1,127.0.0.1:2", "ipv4:127.0.0.1:1,127.0.0.1:2"),
        ("unix:/run/x", "unix:/run/x"),
    ],
)
def test_targets(target: str, resolved: str) -> None:
    assert resolvable(target) == resolved


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)
