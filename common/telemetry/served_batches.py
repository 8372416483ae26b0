"""The server's side of a batch in its traces."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from common.telemetry.names import SpanType
from common.telemetry.spans import SpanContext, parse_traceparent
from common.telemetry.tracing import Scope, Tracer, batch_of, child_of, current_scope, timed


def sampled_items(traceparents: Iterable[str]) -> list[tuple[int, SpanContext]]:
    """The places and contexts of those items that are traced. Nearly always there are none."""
    return [
        (place, context)
        for place, text in enumerate(traceparents)
        if text and (context := parse_traceparent(text)) is not None
    ]


def caller_of(context: Any) -> SpanContext | None:
    """The span of a gRPC call's caller, as its metadata say."""
    for name, value in context.invocation_metadata() or ():
        if name == "traceparent" and isinstance(value, str):
            return parse_traceparent(value)
    return None


@contextmanager
def served_batch(
    tracer: Tracer, type: SpanType, caller: SpanContext | None, items: Sequence[SpanContext], batch_size: int
) -> Iterator[SpanContext]:
    """Write the span of serving a batch with these sampled items in it; what is done meanwhile is a part of it."""
    batch = batch_of(items) if caller is None else child_of(caller, items)
    token = current_scope.set(Scope(tracer, batch.context))
    try:
        with timed(tracer, type, batch, {"rpc.system.name": "grpc", "axbridge.batch_size": batch_size}):
            yield batch.context
    finally:
        current_scope.reset(token)
