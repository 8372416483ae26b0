"""The spans of what is sent to a subscriber."""

from common.telemetry import names
from common.telemetry.spans import SpanContext
from tests.support.spans import attributes_of
from tests.unit.event_service.builders import TENANT
from tests.unit.event_service.subscriptions.conftest import Bench

PUBLISHED = SpanContext(b"t" * 16, b"p" * 8)


async def test_each_traced_event_has_a_span_under_its_publishing(bench: Bench) -> None:
    bench.tail.lengths, bench.tail.traceparent = {0: 2}, PUBLISHED.traceparent
    bench.hold(0)
    await bench.consumer.renew()
    assert len(await bench.deliver()) == 2
    spans = bench.spans.all
    assert [(span.name, span.trace_id, span.parent_span_id) for span in spans] == [
        (names.SEND_TO_SUBSCRIBER.name, *PUBLISHED)
    ] * 2
    attributes = attributes_of(spans[0])
    assert attributes["messaging.destination.name"] == "s"
    assert attributes["axbridge.tenant_id"] == TENANT
    assert (attributes["axbridge.delivery_kind"], attributes["axbridge.event_code"]) == ("event", "15")


async def test_untraced_events_have_none(bench: Bench) -> None:
    bench.tail.lengths = {0: 2}
    bench.hold(0)
    await bench.consumer.renew()
    assert len(await bench.deliver()) == 2
    assert bench.spans.all == []
