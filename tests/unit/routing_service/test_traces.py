"""The spans of a batch: of each traced query in its own trace, of the batch, and of what it reads."""

from axbridge.routing.v1 import routing_service_pb2

from common.telemetry import names
from common.telemetry.names import SpanKind
from common.telemetry.spans import SpanContext
from tests.support.spans import attributes_of, context_of, links_of
from tests.unit.routing_service.builders import TENANT
from tests.unit.routing_service.conftest import TIMEOUT_SECONDS, Client

CALLER = SpanContext(b"c" * 16, b"c" * 8)


def item(number: int) -> SpanContext:
    return SpanContext(bytes([number]) * 16, bytes([number]) * 8)


def query(
    session_id: str, traceparent: str = "", access_number: str = "02566000001"
) -> routing_service_pb2.ResolveQuery:
    return routing_service_pb2.ResolveQuery(
        tenant_id=TENANT,
        session_id=session_id,
        calling_number="13800001111",
        access_number=access_number,
        traceparent=traceparent,
    )


async def resolve(
    client: Client, *queries: routing_service_pb2.ResolveQuery, caller: SpanContext | None = None
) -> None:
    metadata = () if caller is None else (("traceparent", caller.traceparent),)
    request = routing_service_pb2.ResolveBatchRequest(queries=queries)
    response = await client.routing.ResolveBatch(request, timeout=TIMEOUT_SECONDS, metadata=metadata)
    assert len(response.decisions) == len(queries)


async def prepare(client: Client) -> str:
    await client.add_tenant()
    return (await client.bind()).binding_id


async def test_the_only_traced_query_has_the_batch_and_what_it_reads_in_its_own_trace(client: Client) -> None:
    binding_id = await prepare(client)
    # The metadata are the gateway's span of the batch, which is in the query's trace as well.
    caller = SpanContext(item(1).trace_id, b"g" * 8)
    await resolve(client, query("s0"), query("s1", item(1).traceparent), query("s2"), caller=caller)
    spans = client.spans
    assert {span.trace_id for span in spans.all} == {item(1).trace_id}
    batch = spans.one(names.SERVE_RESOLVE_BATCH.name)
    assert (batch.parent_span_id, batch.kind, links_of(batch)) == (caller.span_id, SpanKind.SERVER, [])
    assert attributes_of(batch)["axbridge.batch_size"] == 3
    for name in (names.SELECT_TENANTS.name, names.SELECT_BINDINGS.name):
        read = spans.one(name)
        assert (read.parent_span_id, read.kind) == (batch.span_id, SpanKind.CLIENT)
        assert attributes_of(read)["db.system.name"] == "sqlite"
    decided = spans.one(names.DECIDE.name)
    assert (decided.parent_span_id, links_of(decided)) == (item(1).span_id, [])
    assert attributes_of(decided) == {
        "axbridge.result": "0000",
        "axbridge.tenant_id": TENANT,
        "axbridge.decision_source": "STORE",
        "axbridge.binding_id": binding_id,
        "axbridge.binding_revision": 1,
    }


async def test_each_of_several_is_linked_with_its_batch(client: Client) -> None:
    await prepare(client)
    await resolve(client, query("s1", item(1).traceparent), query("s2", item(2).traceparent), caller=CALLER)
    batch = client.spans.one(names.SERVE_RESOLVE_BATCH.name)
    assert (batch.trace_id, batch.parent_span_id) == (CALLER.trace_id, CALLER.span_id)
    # What the caller's span says of the items need not be said twice.
    assert links_of(batch) == []
    decided = [span for span in client.spans.all if span.name == names.DECIDE.name]
    assert [(span.trace_id, span.parent_span_id) for span in decided] == [item(1), item(2)]
    assert [links_of(span) for span in decided] == [[context_of(batch)]] * 2


async def test_without_a_callers_span_a_batch_of_several_has_a_trace_of_its_own(client: Client) -> None:
    await prepare(client)
    await resolve(client, query("s1", item(1).traceparent), query("s2", item(2).traceparent))
    batch = client.spans.one(names.SERVE_RESOLVE_BATCH.name)
    assert batch.parent_span_id == b""
    assert batch.trace_id not in (item(1).trace_id, item(2).trace_id)
    assert links_of(batch) == [item(1), item(2)]


async def test_untraced_queries_have_no_spans(client: Client) -> None:
    await prepare(client)
    unsampled = item(1).traceparent.removesuffix("01") + "00"
    await resolve(client, query("s1"), query("s2", unsampled), query("s3", "rubbish"), caller=CALLER)
    assert client.spans.all == []


async def test_of_an_unknown_enterprise_nothing_that_was_sent_is_told(client: Client) -> None:
    request = query("s1", item(1).traceparent)
    request.tenant_id = "13800001111"
    await resolve(client, request)
    assert attributes_of(client.spans.one(names.DECIDE.name)) == {"axbridge.result": "1002"}
    assert b"13800001111" not in client.spans.wire
