"""The spans of what the gateway sends in batches: one for each item's way, one for the batch."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from common.telemetry.names import SpanType
from common.telemetry.spans import AttributeValue, SpanContext, new_span_id, parse_traceparent
from common.telemetry.tracing import Tracer, batch_of

Metadata = tuple[tuple[str, str], ...]
NO_METADATA: Metadata = ()


@contextmanager
def item_span(tracer: Tracer, type: SpanType, traceparent: str) -> Iterator[str]:
    """Write the span of an item's way as a child of `traceparent`, giving its own: what the item is to carry.

    Where there is no tracer the item carries on what it has.
    """
    parent = parse_traceparent(traceparent)
    if parent is None or not tracer.is_on:
        yield traceparent
        return
    own = SpanContext(parent.trace_id, new_span_id())
    began = tracer.now()
    try:
        yield own.traceparent
    except BaseException as error:
        tracer.write(type, own, parent.span_id, (began, tracer.now()), error=error)
        raise
    tracer.write(type, own, parent.span_id, (began, tracer.now()))


@contextmanager
def batch_span(
    tracer: Tracer, type: SpanType, traceparents: Sequence[str], batch_size: int, *, is_retry: bool
) -> Iterator[Metadata]:
    """Write the span of a batch with these sampled items in it, giving the metadata that its call is to carry."""
    contexts = [context for each in traceparents if (context := parse_traceparent(each)) is not None]
    if not contexts or not tracer.is_on:
        yield NO_METADATA
        return
    context, parent_id, links = batch_of(contexts)
    attributes: Mapping[str, AttributeValue] = {
        "rpc.system.name": "grpc",
        "axbridge.batch_size": batch_size,
        "axbridge.is_retry": is_retry,
    }
    began = tracer.now()
    try:
        yield (("traceparent", context.traceparent),)
    except BaseException as error:
        tracer.write(type, context, parent_id, (began, tracer.now()), attributes, links, error)
        raise
    tracer.write(type, context, parent_id, (began, tracer.now()), attributes, links)
