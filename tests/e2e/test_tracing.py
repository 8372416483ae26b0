"""One call, one trace: through three real processes into a real OTLP receiver."""

import asyncio
import itertools
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from axbridge_client import AxbridgeClient, Start
from common.telemetry import names
from common.telemetry.names import SpanType
from common.telemetry.sampling import TraceSampler
from common.telemetry.spans import SpanContext
from common.trace_ids import query_span_id, trace_id_bytes
from tests.support.cli import run_cli
from tests.support.otlp import OtlpReceiver, Received
from tests.support.receivers import Receiver
from tests.support.redis import RedisServer
from tests.support.spans import attributes_of, context_of, links_of
from tests.support.stack import ACCESS, TENANT, A, B, Stack

CODES = ("15", "16", "30")
PLATFORMS = SpanContext(bytes(range(1, 17)), bytes(range(1, 9)))
HALF = TraceSampler(0.5)


def environment(receiver: OtlpReceiver, ratio: float) -> dict[str, str]:
    settings = {
        "TRACE_EXPORTER": "otlp-grpc",
        "OTLP_ENDPOINT": receiver.grpc_endpoint,
        "TRACE_SAMPLE_RATIO": str(ratio),
        # A busy machine must not add spans of slow calls.
        "TRACE_KEEP_SLOWER_THAN_SECONDS": "0",
    }
    services = ("GATEWAY", "ROUTING", "EVENTS")
    env = {f"AXBRIDGE_{service}_{name}": value for service in services for name, value in settings.items()}
    # Nor may it have batches sent twice, which would be traced as well.
    patience = {"QUERY_BUDGET": 30, "QUERY_ATTEMPT": 30, "EVENT_BUDGET": 30, "EVENT_ATTEMPT": 30}
    env |= {f"AXBRIDGE_GATEWAY_{name}_SECONDS": str(seconds) for name, seconds in patience.items()}
    env |= {"AXBRIDGE_ROUTING_READ_TIMEOUT_SECONDS": "20"}
    hooks = {"ALLOW_HTTP": "true", "ALLOWED_PORTS": "1024-65535", "ALLOWED_NETWORKS": "127.0.0.0/8"}
    return env | {f"AXBRIDGE_EVENTS_WEBHOOKS_{name}": value for name, value in hooks.items()}


def sessions(*, sampled: bool) -> Iterator[str]:
    names_of_calls = (f"s{number}" for number in itertools.count())
    return (name for name in names_of_calls if (HALF.sampled(TENANT, name) is not None) is sampled)


def place_call(stack: Stack, session_id: str) -> None:
    common = {"sid": session_id, "vccId": TENANT, "callId": f"c-{session_id}"}
    send(stack, {**common, "method": "query", "callingNumber": A, "accessNumber": ACCESS})
    for seq, code in enumerate(CODES):
        send(stack, {**common, "method": "event", "seq": str(seq), "chargeExt": "", "code": code, "callData": A})


def send(stack: Stack, message: dict[str, str]) -> None:
    headers = {"Content-Type": "application/json", "traceparent": PLATFORMS.traceparent}
    request = urllib.request.Request(stack.calls_url, json.dumps(message).encode(), headers)
    with urllib.request.urlopen(request, timeout=20) as response:
        assert response.status == 200
        if message["method"] == "query":
            assert json.load(response)["result"] == "0000"


async def consume(stack: Stack, events: int) -> None:
    """Take so many events as a subscriber."""
    async with AxbridgeClient(stack.events.address) as client, asyncio.timeout(60):
        await client.create_subscription(TENANT, "watchers", start=Start.earliest())
        taken = 0
        async for _ in client.subscribe(TENANT, "watchers"):
            taken += 1
            if taken == events:
                return


def of(spans: list[Received], type: SpanType, service: str) -> list[Received]:
    return [each for each in spans if (each.span.name, each.span.kind, each.service) == (type.name, type.kind, service)]


def one(spans: list[Received], type: SpanType, service: str) -> SpanContext:
    (found,) = of(spans, type, service)
    return context_of(found.span)


def parents(spans: list[Received]) -> dict[bytes, bytes]:
    return {each.span.span_id: each.span.parent_span_id for each in spans}


def test_a_call_is_one_trace_and_calls_are_traced_whole_or_not_at_all(tmp_path: Path) -> None:
    traced, untraced = sessions(sampled=True), sessions(sampled=False)
    # A platform may put anything into a sid, also a number.
    odd = next(name for number in itertools.count() if HALF.sampled(TENANT, name := f"{A}-{number}") is not None)
    first, others, left_out = next(traced), [next(traced), odd], [next(untraced) for _ in range(3)]
    calls = [first, *others, *left_out]
    redis = RedisServer(tmp_path)
    redis.start()
    try:
        with OtlpReceiver() as receiver, Receiver() as endpoint:
            env = environment(receiver, 0.5) | {
                "AXBRIDGE_ROUTING_REDIS_URL": redis.url,
                "AXBRIDGE_ROUTING_CACHE_TIMEOUT_SECONDS": "1",
            }
            with Stack(tmp_path, env) as stack:
                stack.add_tenant()
                stack.bind_axb()
                run_cli("webhooks", "add", endpoint.url, "--tenant", TENANT, env=stack.cli_env)
                for session_id in calls:
                    place_call(stack, session_id)
                asyncio.run(consume(stack, len(calls) * len(CODES)))
                endpoint.wait_for(len(calls) * (len(CODES) + 1), timeout_seconds=60)
            # What was waiting has been sent when the processes ended.
            check_first_call(receiver, trace_id_bytes(TENANT, first))
            for session_id in others:
                spans = receiver.trace(trace_id_bytes(TENANT, session_id))
                assert len(of(spans, names.QUERY, "gateway")) == 1
                assert len(of(spans, names.EVENT, "gateway")) == len(CODES)
                assert len(of(spans, names.STORE, "event_service")) == len(CODES)
            traces = {each.span.trace_id for each in receiver.spans}
            # One at a time, so that no batch has several calls in it and a trace of its own.
            assert traces == {trace_id_bytes(TENANT, session_id) for session_id in (first, *others)}
            for number in (A, B, ACCESS):
                assert number.lstrip("0").encode() not in receiver.wire
    finally:
        redis.stop()


def check_first_call(receiver: OtlpReceiver, trace_id: bytes) -> None:
    spans = receiver.trace(trace_id)
    parent_of = parents(spans)
    assert len(parent_of) == len(spans), "span ids are not given twice"
    (query,) = of(spans, names.QUERY, "gateway")
    assert (query.span.span_id, query.span.parent_span_id) == (query_span_id(trace_id), b"")
    assert links_of(query.span) == [PLATFORMS]
    assert attributes_of(query.span) == {
        "http.request.method": "POST",
        "http.route": "/v1/calls",
        "http.response.status_code": 200,
        "axbridge.result": "0000",
        "axbridge.tenant_id": TENANT,
        "axbridge.access_number": "025****0001",
        "axbridge.decision_source": "STORE",
    }
    asked = one(spans, names.ASK_ROUTING, "gateway")
    called = one(spans, names.CALL_RESOLVE_BATCH, "gateway")
    served = one(spans, names.SERVE_RESOLVE_BATCH, "routing_service")
    assert parent_of[asked.span_id] == query.span.span_id
    assert parent_of[one(spans, names.DECIDE, "routing_service").span_id] == asked.span_id
    assert parent_of[called.span_id] == asked.span_id
    assert parent_of[served.span_id] == called.span_id
    for read in (names.REDIS_READ, names.SELECT_TENANTS, names.SELECT_BINDINGS):
        # Tenant and binding may be read apart: there is no region to read the number by at first.
        assert {each.span.parent_span_id for each in of(spans, read, "routing_service")} == {served.span_id}
    events = of(spans, names.EVENT, "gateway")
    assert [attributes_of(each.span)["axbridge.event_code"] for each in events] == list(CODES)
    assert {each.span.parent_span_id for each in events} == {query.span.span_id}
    assert all(links_of(each.span) == [PLATFORMS] for each in events)
    check_chain(spans, parent_of, [each.span.span_id for each in events])


def check_chain(spans: list[Received], parent_of: dict[bytes, bytes], events: list[bytes]) -> None:
    """Each event's way to the disk, and from there to the subscriber and the webhook."""

    def ids(type: SpanType, service: str) -> list[bytes]:
        return [each.span.span_id for each in of(spans, type, service)]

    published = ids(names.PUBLISH, "gateway")
    called = ids(names.CALL_PUBLISH_BATCH, "gateway")
    served = ids(names.SERVE_PUBLISH_BATCH, "event_service")
    chain = (
        (published, events),
        (ids(names.STORE, "event_service"), published),
        (called, published),
        (served, called),
        (ids(names.APPEND, "event_service"), served),
        (ids(names.SEND_TO_SUBSCRIBER, "event_service"), published),
    )
    for children, expected in chain:
        assert sorted(parent_of[each] for each in children) == sorted(expected)
    posted = of(spans, names.POST_WEBHOOK, "event_service")
    by_kind: dict[str, list[bytes]] = {kind: [] for kind in ("event", "call")}
    for each in posted:
        by_kind[attributes_of(each.span)["axbridge.delivery_kind"]].append(each.span.parent_span_id)
    assert sorted(by_kind["event"]) == sorted(published)
    # The record of the call is a child of its query; a late answer may make a second revision of it.
    assert set(by_kind["call"]) == {query_span_id(spans[0].span.trace_id)}


def test_at_ratio_0_nothing_is_sent(tmp_path: Path) -> None:
    with OtlpReceiver() as receiver:
        with Stack(tmp_path, environment(receiver, 0)) as stack:
            stack.add_tenant()
            stack.bind_axb()
            for number in range(5):
                place_call(stack, f"s{number}")
        assert receiver.wire == b""
