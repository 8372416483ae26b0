"""The spans of what the gateway sends in batches: one for each item's way, one for the batch."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from common.telemetry.names import SpanType
from common.telemetry.spans import parse_traceparent
from common.telemetry.tracing import TimedSpan, Tracer, batch_of

Metadata = tuple[tuple[str, str], ...]
NO_METADATA: Metadata = ()
_NO_SPAN: AbstractContextManager[None] = nullcontext()


def item_span(tracer: Tracer, type: SpanType, traceparent: str) -> tuple[str, AbstractContextManager[None]]:
    """The traceparent that an item is to carry, and what writes its way as a child of `traceparent`.

    Where there is no tracer the item carries on what it has.
    """
    parent = parse_traceparent(traceparent)
    if parent is None or not tracer.is_on:
        return traceparent, _NO_SPAN
    # As a batch of one is.
    item = batch_of([parent])
    return item.context.traceparent, TimedSpan(tracer, type, item)


def batch_span(
    tracer: Tracer, type: SpanType, traceparents: Sequence[str], batch_size: int, *, is_retry: bool
) -> tuple[Metadata, AbstractContextManager[None]]:
    """The metadata that a batch's call is to carry, and what writes its span. These are its traced items."""
    contexts = [context for each in traceparents if (context := parse_traceparent(each)) is not None]
    if not contexts or not tracer.is_on:
        return NO_METADATA, _NO_SPAN
    batch = batch_of(contexts)
    attributes = {"axbridge.batch_size": batch_size, "axbridge.is_retry": is_retry}
    return (("traceparent", batch.context.traceparent),), TimedSpan(tracer, type, batch, attributes)
