"""The guarded entrance over HTTP: whose messages are taken, and how many."""

import asyncio
import json
from contextlib import suppress

import pytest

from common.limits.token_bucket import RateLimit
from gateway.platform_access import generate_token, token_hash
from tests.unit.gateway.conftest import Reply, Served, Setup

OURS, OTHERS = "100001", "100002"
# Not made at random: tests are named by them, and every process of a test run must find the same ones.
TOKENS = {OURS: "A" * 43, OTHERS: "B" * 43}
PLATFORM, STRANGER = "203.0.113.9", "198.51.100.1"


def body(method: str, tenant_id: str = OURS) -> bytes:
    fields = {"sid": "s1", "vccId": tenant_id, "callId": "c1", "seq": "7", "method": method}
    if method == "query":
        fields |= {"callingNumber": "13800001111", "accessNumber": "02566000001"}
    else:
        fields |= {"code": "15", "chargeExt": "8001"}
    return json.dumps(fields).encode()


async def send(served: Served, content: bytes, token: str | None = None, address: str = STRANGER) -> Reply:
    path = "/v1/calls" if token is None else f"/v1/calls/{token}"
    return await served.post(content, "application/json", path=path, X_Forwarded_For=f"junk, {address}")


class TestTokens:
    @pytest.fixture
    def setup(self) -> Setup:
        entries = [
            f'[[tenant]]\nid = "{tenant}"\ntokens = ["{token_hash(token)}"]\n' for tenant, token in TOKENS.items()
        ]
        return Setup("".join(entries))

    async def test_the_right_token_opens_its_tenant(self, served: Served) -> None:
        assert json.loads((await send(served, body("query"), TOKENS[OURS])).body)["result"] == "0000"
        reply = await send(served, body("event"), TOKENS[OURS])
        assert (reply.status, reply.body) == (200, b"")
        assert len(served.publisher.stored) == 1

    @pytest.mark.parametrize("token", [None, TOKENS[OTHERS], "x", TOKENS[OURS] + "x", "%00", "%2F"])
    @pytest.mark.parametrize("blanks", ["", " ", "\\u3000"])
    async def test_no_other_token_does(self, served: Served, token: str | None, blanks: str) -> None:
        # Blanks around the vccId are dropped before it is used, so they must not get past the check either.
        tenant = json.loads(f'"{blanks}{OURS}{blanks}"')
        reply = await send(served, body("query", tenant), token)
        answer = json.loads(reply.body)
        assert (reply.status, answer["result"], answer["sid"], answer["callId"]) == (200, "1007", "s1", "c1")
        assert "13800001111" not in reply.body.decode()
        reply = await send(served, body("event", tenant), token)
        assert reply.status == 403
        assert json.loads(reply.body)["result"] == "1007"
        assert b"vccId" in reply.body
        assert served.resolver.asked == []
        assert served.publisher.stored == []

    async def test_what_a_known_platform_may_not_say_is_kept_and_a_strangers_is_not(self, served: Served) -> None:
        await send(served, body("event"), generate_token())
        await send(served, b'{"method": "event"}', generate_token())
        assert served.quarantine.kept == []
        await send(served, body("event"), TOKENS[OTHERS])
        codeless = json.dumps(json.loads(body("event")) | {"code": ""}).encode()
        await send(served, codeless, TOKENS[OTHERS])
        # It is the other platform's, whatever it says: the tenant that it names must not get to see it.
        assert [message.tenant_id for message in served.quarantine.kept] == ["", ""]
        await send(served, codeless, TOKENS[OURS])
        assert served.quarantine.kept[-1].tenant_id == OURS

    async def test_a_tenant_without_an_entry_has_no_platform(self, served: Served) -> None:
        for token in (None, *TOKENS.values()):
            assert json.loads((await send(served, body("query", "100003"), token)).body)["result"] == "1007"


class TestNetworks:
    @pytest.fixture
    def setup(self) -> Setup:
        return Setup(f'[[tenant]]\nid = "{OURS}"\nnetworks = ["203.0.113.0/24"]\n')

    async def test_the_platforms_network_opens_it(self, served: Served) -> None:
        assert json.loads((await send(served, body("query"), address=PLATFORM)).body)["result"] == "0000"
        assert (await send(served, body("event"), address=PLATFORM)).status == 200

    @pytest.mark.parametrize("address", [STRANGER, "127.0.0.1", "unknown", f"{PLATFORM}, {STRANGER}"])
    async def test_no_other_does(self, served: Served, address: str) -> None:
        assert json.loads((await send(served, body("query"), address=address)).body)["result"] == "1007"
        assert (await send(served, body("event"), address=address)).status == 403


class TestRates:
    @pytest.fixture
    def setup(self) -> Setup:
        return Setup(queries=RateLimit(0.001, 2), events=RateLimit(0.001, 3))

    async def test_over_the_limit_a_query_has_its_answer_and_an_event_comes_again(self, served: Served) -> None:
        results = [json.loads((await send(served, body("query"))).body)["result"] for _ in range(4)]
        assert results == ["0000", "0000", "9002", "9002"]
        replies = [await send(served, body("event")) for _ in range(4)]
        assert [reply.status for reply in replies] == [200, 200, 200, 503]
        assert replies[-1].headers["retry-after"] == "3"
        assert len(served.resolver.asked) == 2
        assert len(served.sink.answered) == 2, "a flood must not push others out of the records"
        # Another tenant has its own.
        assert json.loads((await send(served, body("query", OTHERS))).body)["result"] != "9002"


class TestSlowClients:
    @pytest.fixture
    def setup(self) -> Setup:
        return Setup(header_timeout_seconds=0.3, max_connections=20)

    @pytest.mark.parametrize("beginning", [b"", b"POST /v1/calls HTTP/1.1\r\nHost: x\r\nX-A: "])
    async def test_headers_that_do_not_end_end_the_connection(self, served: Served, beginning: bytes) -> None:
        reader, writer = await served.connect()
        writer.write(beginning)
        trickle = asyncio.create_task(trickling(writer if beginning else None))
        # Cut while we are sending, it may end by a reset.
        with suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        trickle.cancel()
        writer.close()

    async def test_nor_do_those_of_a_later_request(self, served: Served) -> None:
        reader, writer = await served.connect()
        content = body("query")
        head = f"POST /v1/calls HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n\r\n".encode()
        writer.write(head + content)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head[:30])
        assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"{")
        writer.close()

    async def test_an_idle_connection_between_requests_is_kept(self, served: Served) -> None:
        reader, writer = await served.connect()
        content = body("query")
        request = (
            f"POST /v1/calls HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(content)}\r\n\r\n"
        ).encode() + content
        for _ in range(2):
            writer.write(request)
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            assert head.startswith(b"HTTP/1.1 200")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            # Longer than headers may take, and two looks at the connections.
            await asyncio.sleep(1.2)
        writer.close()

    async def test_a_full_house_makes_room_by_those_who_owe_headers(self, served: Served) -> None:
        slow = [await served.connect() for _ in range(20)]
        for _, writer in slow:
            writer.write(b"POST /v1")
            await writer.drain()
        assert json.loads((await send(served, body("query"))).body)["result"] == "0000"
        for _, writer in slow:
            writer.close()


async def trickling(writer: asyncio.StreamWriter | None) -> None:
    while writer is not None and not writer.is_closing():
        writer.write(b"a")
        await asyncio.sleep(0.05)


async def test_what_is_no_http_does_not_fill_the_log(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(30):
        reader, writer = await served.connect()
        writer.write(b"POST /v1/calls HTTP/1.1\r\n13800001111 13800001111\r\n\r\n")
        assert b" 400 " in (await reader.read()).partition(b"\r\n")[0]
        writer.close()
    logged = "".join(capsys.readouterr())
    assert 1 <= logged.count("no HTTP request") <= 5
    assert "Traceback" not in logged
    assert "13800001111" not in logged
