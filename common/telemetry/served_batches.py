"""The server's side of a batch in its traces."""

from collections.abc import Iterable, Sequence
from typing import Any

from common.telemetry.names import SpanType
from common.telemetry.spans import SpanContext, parse_traceparent
from common.telemetry.tracing import Scope, TimedSpan, Tracer, batch_of, child_of, current_scope


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


class ServedBatch:
    """Write the span of serving a batch with these sampled items in it; what is done in the context is a part of it.

    The context's value is the span's.
    """

    __slots__ = ("_batch", "_scope", "_span", "_token")

    def __init__(
        self, tracer: Tracer, type: SpanType, caller: SpanContext | None, items: Sequence[SpanContext], batch_size: int
    ) -> None:
        self._batch = batch_of(items) if caller is None else child_of(caller)
        self._scope = Scope(tracer, self._batch.context)
        self._span = TimedSpan(tracer, type, self._batch, {"axbridge.batch_size": batch_size})

    def __enter__(self) -> SpanContext:
        self._token = current_scope.set(self._scope)
        self._span.__enter__()
        return self._batch.context

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._span.__exit__(kind, error, traceback)
        current_scope.reset(self._token)
