"""The short way of an answer says what the long one would."""

import asyncio
import re

import pytest

from tests.unit.gateway.conftest import Served, read_reply
from tests.unit.gateway.test_http import EVENT_XML, QUERY_XML

HEAD = "POST {path} HTTP/{version}\nHost: x\nContent-Type: text/xml\nContent-Length: {length}"


def head(body: bytes, path: str = "/v1/calls", version: str = "1.1") -> str:
    return HEAD.format(path=path, version=version, length=len(body))


@pytest.mark.parametrize("body", [QUERY_XML, EVENT_XML])
async def test_its_headers(served: Served, body: bytes) -> None:
    reply = await served.send(head(body), body)
    assert reply.status == 200
    assert set(reply.headers) == {"content-type", "content-length", "date"}
    assert re.fullmatch(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", reply.headers["date"])


@pytest.mark.parametrize(("version", "connection"), [("1.1", "close"), ("1.0", "keep-alive")])
async def test_a_connection_that_the_client_wants_otherwise(served: Served, version: str, connection: str) -> None:
    reply = await served.send(head(QUERY_XML, version=version) + f"\nConnection: {connection}", QUERY_XML)
    assert (reply.status, reply.headers["connection"]) == (200, connection)
    assert b"<result>0000</result>" in reply.body


async def test_old_clients(served: Served) -> None:
    reader, writer = await served.connect()
    writer.write(head(QUERY_XML, version="1.0").replace("\n", "\r\n").encode() + b"\r\n\r\n" + QUERY_XML)
    answer = await asyncio.wait_for(reader.read(), 10)
    assert answer.startswith(b"HTTP/1.0 200 OK\r\n")
    assert answer.endswith(b"</response>")
    writer.close()


async def test_who_asks_whether_to_go_on_is_told(served: Served) -> None:
    reader, writer = await served.connect()
    writer.write((head(QUERY_XML) + "\nExpect: 100-continue").replace("\n", "\r\n").encode() + b"\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(QUERY_XML)
    assert b"<result>0000</result>" in (await read_reply(reader)).body
    writer.close()


@pytest.mark.parametrize("path", ["/v1/calls/", "/v1/calls/a/b", "/v1/callsx", "/v1", "/v1/calls%2Fa"])
async def test_other_paths_lead_nowhere(served: Served, path: str) -> None:
    assert (await served.send(head(QUERY_XML, path), QUERY_XML)).status == 404
    assert served.resolver.asked == []


@pytest.mark.parametrize("path", ["/v1/calls/token", "/v1/calls?a=b", "http://example.org/v1/calls"])
async def test_paths_that_mean_the_same(served: Served, path: str) -> None:
    assert b"<result>0000</result>" in (await served.send(head(QUERY_XML, path), QUERY_XML)).body
