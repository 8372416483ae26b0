"""The spans of what the gateway sends in batches: one for each item's way, one for the batch."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from common.telemetry.names import SpanType
from common.telemetry.spans import AttributeValue, parse_traceparent
from common.telemetry.tracing import Tracer, batch_of, timed

Metadata = tuple[tuple[str, str], ...]
NO_METADATA: Metadata = ()
_NO_ATTRIBUTES: Mapping[str, AttributeValue] = {}


@contextmanager
def item_span(tracer: Tracer, type: SpanType, traceparent: str) -> Iterator[str]:
    """Write the span of an item's way as a child of `traceparent`, giving its own: what the item is to carry.

    Where there is no tracer the item carries on what it has.
    """
    parent = parse_traceparent(traceparent)
    if parent is None or not tracer.is_on:
        yield traceparent
        return
    # A batch of one.
    item = batch_of([parent])
    with timed(tracer, type, item, _NO_ATTRIBUTES):
        yield item.context.traceparent


@contextmanager
def batch_span(
    tracer: Tracer, type: SpanType, traceparents: Sequence[str], batch_size: int, *, is_retry: bool
) -> Iterator[Metadata]:
    """Write the span of a batch with these sampled items in it, giving the metadata that its call is to carry."""
    contexts = [context for each in traceparents if (context := parse_traceparent(each)) is not None]
    if not contexts or not tracer.is_on:
        yield NO_METADATA
        return
    batch = batch_of(contexts)
    attributes: Mapping[str, AttributeValue] = {
        "rpc.system.name": "grpc",
        "axbridge.batch_size": batch_size,
        "axbridge.is_retry": is_retry,
    }
    with timed(tracer, type, batch, attributes):
        yield (("traceparent", batch.context.traceparent),)
