"""Spans that are written are collected, as a receiver would read them."""

from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span

from common.clock import Clock
from common.telemetry.spans import SpanContext
from common.telemetry.tracing import Tracer


class CollectedSpans:
    """A sink for a tracer."""

    def __init__(self) -> None:
        self.dropped = self.failed = self.sent = 0
        self._spans: list[bytes] = []

    def put(self, span: bytes) -> None:
        self._spans.append(span)

    def tracer(self, clock: Clock) -> Tracer:
        return Tracer(self, clock)

    @property
    def all(self) -> list[Span]:
        return list(ScopeSpans.FromString(b"".join(self._spans)).spans)

    @property
    def names(self) -> list[str]:
        return [span.name for span in self.all]

    def one(self, name: str, kind: int | None = None) -> Span:
        """The only span of this name, and kind where it is given."""
        (found,) = [each for each in self.all if each.name == name and kind in (None, each.kind)]
        return found

    @property
    def wire(self) -> bytes:
        """Everything that would leave the process."""
        return b"".join(self._spans)


def attributes_of(span: Any) -> dict[str, Any]:
    """The attributes of a span or of one of its events."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}


def context_of(span: Span) -> SpanContext:
    return SpanContext(span.trace_id, span.span_id)


def links_of(span: Span) -> list[SpanContext]:
    return [SpanContext(each.trace_id, each.span_id) for each in span.links]
