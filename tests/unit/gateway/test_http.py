"""The gateway from outside: real HTTP, the other services played."""

import asyncio
import json
import resource

import pytest

from common.errors import (
    AxbridgeError,
    DeadlineExceededError,
    InvalidArgumentError,
    ResourceExhaustedError,
    UnavailableError,
)
from gateway.codec import MAX_BODY_BYTES, decode_answer
from gateway.convert import event_to_proto
from gateway.domain import AnswerStyle, TenantSettings
from tests.unit.gateway.conftest import Served, read_reply
from tests.unit.gateway.fakes import NOW, settle
from tests.unit.gateway.test_codec_hostile import BODIES

QUERY_XML = (
    b"<request><sid>s1</sid><vccId>100001</vccId><callId>c1</callId><seq>7</seq><method>query</method>"
    b"<callingNumber>13800001111</callingNumber><accessNumber>02566000001</accessNumber></request>"
)
QUERY_JSON = (
    b'{"sid":"s1","vccId":"100001","callId":"c1","seq":7,"method":"query","callingNumber":"13800001111",'
    b'"accessNumber":"02566000001"}'
)
EVENT_XML = QUERY_XML.replace(b"query", b"event").replace(b"</request>", b"<chargeExt/><code>15</code></request>")
EVENT_JSON = b'{"sid":"s1","vccId":"100001","callId":"c1","seq":"7","method":"event","chargeExt":"","code":15}'


async def test_a_query_in_xml(served: Served) -> None:
    reply = await served.post(QUERY_XML, "text/xml")
    assert (reply.status, reply.headers["content-type"]) == (200, "text/xml; charset=UTF-8")
    assert reply.body.decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n<response><sid>s1</sid><vccId>100001</vccId><callId>c1</callId>'
        "<seq>7</seq><chargeExt>e1</chargeExt><result>0000</result><userList><user><number>13900001111</number>"
        "<type>1</type><displayNumber>02566000001</displayNumber></user></userList></response>"
    )


async def test_a_query_in_json(served: Served) -> None:
    reply = await served.post(QUERY_JSON, "application/json")
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json; charset=UTF-8")
    assert json.loads(reply.body) == {
        "sid": "s1",
        "vccId": "100001",
        "callId": "c1",
        "seq": "7",
        "chargeExt": "e1",
        "result": "0000",
        "userList": {"user": [{"number": "13900001111", "type": "1", "displayNumber": "02566000001"}]},
    }


@pytest.mark.parametrize(
    ("error", "result"),
    [(DeadlineExceededError("x"), "9001"), (UnavailableError("x"), "9002"), (RuntimeError("13800001111"), "9999")],
)
async def test_a_query_that_fails_is_still_an_answer(served: Served, error: Exception, result: str) -> None:
    served.resolver.outcome = error
    reply = await served.post(QUERY_JSON, "application/json")
    fields = json.loads(reply.body)
    assert (reply.status, fields["result"]) == (200, result)
    assert {"sid", "vccId", "callId", "seq", "chargeExt"} < set(fields)
    assert b"138" not in reply.body


async def test_a_malformed_query_names_the_field(served: Served) -> None:
    reply = await served.post(QUERY_XML.replace(b"<accessNumber>02566000001</accessNumber>", b""))
    assert reply.status == 200
    assert b"<sid>s1</sid>" in reply.body
    assert b"<result>1001</result><reason>accessNumber: missing</reason>" in reply.body
    assert served.resolver.asked == []


@pytest.mark.parametrize(
    ("body", "content_type"), [(EVENT_XML, "application/xml"), (EVENT_JSON, "application/json"), (EVENT_JSON, None)]
)
async def test_an_event_is_answered_when_it_is_stored(served: Served, body: bytes, content_type: str | None) -> None:
    served.publisher.gate.clear()
    waiting = asyncio.create_task(served.post(body, content_type))
    await asyncio.wait_for(served.publisher.entered.wait(), 5)
    await settle()
    assert not waiting.done()
    served.publisher.gate.set()
    reply = await waiting
    assert (reply.status, reply.body) == (200, b"")
    assert reply.headers["content-type"] == f"{content_type or 'application/json'}; charset=UTF-8"
    (received,) = served.publisher.stored
    assert (received.receipt.raw_body, received.receipt.content_type) == (body, content_type or "")
    assert received.receipt.received_at_us > NOW.timestamp()


@pytest.mark.parametrize(
    "error", [UnavailableError("x"), DeadlineExceededError("x"), ResourceExhaustedError("x"), RuntimeError("x")]
)
async def test_an_event_that_is_not_stored_is_sent_back(served: Served, error: AxbridgeError) -> None:
    served.publisher.error = error
    reply = await served.post(EVENT_JSON, "application/json")
    assert reply.status == 503
    assert reply.headers["retry-after"] == "3"
    assert json.loads(reply.body)["result"] in {"9001", "9002", "9999"}
    assert served.quarantine.kept == []


@pytest.mark.parametrize(
    ("body", "reason", "tenant"),
    [
        (EVENT_XML.replace(b"<sid>s1</sid>", b""), "sid: missing", "100001"),
        (EVENT_XML.replace(b"<vccId>100001</vccId>", b""), "vccId: missing", ""),
        (EVENT_XML.replace(b"<code>15</code>", b"<code></code>"), "code: missing", "100001"),
        (EVENT_XML.replace(b"100001", b"999999"), "vccId: unknown enterprise", "999999"),
    ],
)
async def test_an_event_of_no_call_is_refused_and_kept(served: Served, body: bytes, reason: str, tenant: str) -> None:
    reply = await served.post(body)
    assert reply.status == 400
    assert f"<reason>{reason}</reason>".encode() in reply.body
    (kept,) = served.quarantine.kept
    assert (kept.reason, kept.tenant_id, kept.receipt.raw_body) == (reason, tenant, body)
    assert served.publisher.stored == []


async def test_an_event_that_the_log_refuses_is_kept_too(served: Served) -> None:
    served.publisher.error = InvalidArgumentError("code", "is missing")
    reply = await served.post(EVENT_JSON, "application/json")
    assert (reply.status, json.loads(reply.body)["reason"]) == (400, "code: is missing")
    assert len(served.quarantine.kept) == 1


async def test_a_cut_off_event_is_kept_but_a_cut_off_query_is_not(served: Served) -> None:
    assert (await served.post(EVENT_XML[:-20])).status == 400
    assert (await served.post(QUERY_XML[:-20])).status == 400
    (kept,) = served.quarantine.kept
    assert kept.receipt.raw_body == EVENT_XML[:-20]


async def test_a_refusal_does_not_depend_on_the_quarantine(served: Served) -> None:
    served.quarantine.error = UnavailableError("down")
    assert (await served.post(EVENT_XML.replace(b"<sid>s1</sid>", b""))).status == 400


async def test_a_platform_that_hangs_up_does_not_stop_its_event(served: Served) -> None:
    served.publisher.gate.clear()
    _, writer = await served.connect()
    head = f"POST /v1/calls HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: {len(EVENT_XML)}\r\n\r\n"
    writer.write(head.encode() + EVENT_XML)
    await asyncio.wait_for(served.publisher.entered.wait(), 5)
    writer.close()
    await writer.wait_closed()
    await settle()
    served.publisher.gate.set()
    assert await served.tasks.drain(5) == 0
    assert len(served.publisher.stored) == 1


async def test_a_platform_that_hangs_up_within_a_body_is_no_error_of_ours(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    _, writer = await served.connect()
    writer.write(b"POST /v1/calls HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: 100\r\n\r\n<req")
    await writer.drain()
    await asyncio.sleep(0.02)
    writer.transport.abort()
    await asyncio.sleep(0.1)
    assert (await served.post(QUERY_XML)).status == 200
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize(("content_type", "body"), BODIES)
async def test_hostile_bodies(served: Served, content_type: str, body: bytes) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    reply = await served.post(body, content_type)
    spent = resource.getrusage(resource.RUSAGE_SELF).ru_utime - before
    assert reply.status == 400
    assert reply.headers["content-type"].startswith(content_type)
    assert decode_answer(content_type, reply.body)[1].result.text == "1001"
    assert spent < 0.1, "client and server together, on a busy machine"


async def test_too_large_bodies_are_not_read(served: Served) -> None:
    head = "POST /v1/calls HTTP/1.1\nHost: x\nContent-Type: application/json\n"
    announced = await served.send(head + "Content-Length: 10000000", b'{"sid":')
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    chunked = await served.send(head + "Transfer-Encoding: chunked", chunk, b"1\r\nx\r\n")
    endless = await served.send(head + "Transfer-Encoding: chunked", *[chunk] * 40)
    for reply in (announced, chunked, endless):
        assert reply.status == 413
        assert reply.headers["connection"] == "close"
        assert json.loads(reply.body)["result"] == "1001"
        assert json.loads(reply.body)["reason"].startswith("body: over 65536 bytes")


async def test_the_largest_body(served: Served) -> None:
    body = QUERY_XML + b" " * (MAX_BODY_BYTES - len(QUERY_XML))
    assert b"<result>0000</result>" in (await served.post(body)).body
    assert (await served.post(body + b" ")).status == 413


async def test_a_chunked_body(served: Served) -> None:
    head = "POST /v1/calls HTTP/1.1\nHost: x\nContent-Type: text/xml\nTransfer-Encoding: chunked"
    chunks = [
        b"%x\r\n%s\r\n" % (len(QUERY_XML[at : at + 50]), QUERY_XML[at : at + 50]) for at in range(0, len(QUERY_XML), 50)
    ]
    reply = await served.send(head, *chunks, b"0\r\n\r\n")
    assert b"<result>0000</result>" in reply.body


async def test_a_body_that_comes_in_pieces_and_one_that_never_comes(served: Served) -> None:
    head = f"POST /v1/calls HTTP/1.1\nHost: x\nContent-Type: text/xml\nContent-Length: {len(QUERY_XML)}"
    assert b"<result>0000</result>" in (await served.send(head, QUERY_XML[:9], QUERY_XML[9:])).body
    reply = await served.send(head, QUERY_XML[:9])
    assert reply.status == 408
    assert reply.headers["connection"] == "close"
    assert b"<result>1001</result><reason>body: did not arrive within 0.2 s</reason>" in reply.body


async def test_a_compressed_body_is_refused(served: Served) -> None:
    reply = await served.post(b"\x1f\x8b...", "application/json", Content_Encoding="gzip")
    assert (reply.status, json.loads(reply.body)["result"]) == (415, "1001")
    assert (await served.post(QUERY_XML, Content_Encoding="identity")).status == 200


@pytest.mark.parametrize("content_type", ["image/png", "application/x-www-form-urlencoded"])
async def test_content_types_that_nobody_reads(served: Served, content_type: str) -> None:
    reply = await served.post(QUERY_JSON, content_type)
    assert reply.status == 415
    assert reply.headers["content-type"] == "application/json; charset=UTF-8"
    assert b"Content-Type: not supported" in reply.body


async def test_a_header_that_is_no_text_does_no_harm(served: Served) -> None:
    head = f"POST /v1/calls HTTP/1.1\r\nHost: x\r\nContent-Length: {len(EVENT_XML)}\r\nContent-Type: "
    reader, writer = await served.connect()
    writer.write(head.encode() + b"text/xml; charset=\xff\r\n\r\n" + EVENT_XML)
    assert (await read_reply(reader)).status == 200
    writer.close()
    (received,) = served.publisher.stored
    assert received.receipt.content_type == "text/xml; charset=?"
    event_to_proto(received).SerializeToString()


async def test_refusals_are_written_as_the_tenant_wishes(served: Served) -> None:
    served.tenants.tenants["100001"] = TenantSettings("100001", AnswerStyle("answer"))
    await served.post(EVENT_XML)
    assert b"<answer><sid>s1</sid>" in (await served.post(QUERY_XML.replace(b"query", b"ask"))).body
    served.publisher.error = UnavailableError("x")
    assert b"<answer><sid>s1</sid>" in (await served.post(EVENT_XML)).body


async def test_what_happens_often_is_logged_once(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    served.publisher.error = UnavailableError("x")
    for _ in range(5):
        await served.post(EVENT_JSON, "application/json")
    assert len([record for record in caplog.records if "an event was not stored" in record.getMessage()]) <= 2


async def test_other_paths_and_methods(served: Served) -> None:
    assert (await served.get("/v1/calls")).status == 405
    assert (await served.get("/")).status == 404


async def test_many_requests_on_one_connection(served: Served) -> None:
    reader, writer = await served.connect()
    head = f"POST /v1/calls HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: {len(QUERY_XML)}\r\n\r\n"
    writer.write((head.encode() + QUERY_XML) * 3)
    for _ in range(3):
        assert b"<result>0000</result>" in (await read_reply(reader)).body
    writer.write(head.encode().replace(b"text/xml", b"text/html") + QUERY_XML)
    assert (await read_reply(reader)).status == 415
    writer.write(head.encode() + QUERY_XML)
    assert (await read_reply(reader)).status == 200, "a refusal does not cost the connection"
    writer.close()


async def test_health(served: Served) -> None:
    assert (await served.get("/healthz")).status == 200
    reply = await served.get("/readyz")
    assert reply.status == 503
    assert json.loads(reply.body)["reasons"] == [
        "routing_service can't be reached",
        "event_service was not reached yet",
    ]
    await served.check_backends()
    reply = await served.get("/readyz")
    assert (reply.status, json.loads(reply.body)) == (200, {"ready": True, "reasons": [], "degraded": []})
    served.reachable["event_service"] = False
    await served.check_backends()
    reply = await served.get("/readyz")
    assert (reply.status, json.loads(reply.body)["degraded"]) == (200, ["event_service can't be reached"])
    served.reachable["routing_service"] = False
    await served.check_backends()
    assert (await served.get("/readyz")).status == 503
    served.reachable["routing_service"] = True
    await served.check_backends()
    assert served.readiness is not None
    served.readiness.is_draining = True
    assert json.loads((await served.get("/readyz")).body)["reasons"] == ["shutting down"]
