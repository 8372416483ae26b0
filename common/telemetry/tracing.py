"""The process' tracer: from what happened to spans on their way to the receiver.

Nothing here may hurt a call: spans wait in a bounded queue, a thread sends them, and what there is no room for
is dropped and counted.
"""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import NamedTuple, Protocol

from common.clock import Clock, to_microseconds
from common.logs import get_logger
from common.telemetry.exporters import LotExporter, open_exporter
from common.telemetry.names import SpanType
from common.telemetry.resource import process_resource
from common.telemetry.settings import TelemetrySettings
from common.telemetry.spans import AttributeValue, SpanContext, encode_span, new_span_id, new_trace_id

_log = get_logger(__name__)

LOT_SPANS = 512
# How long a span waits for others.
GATHER_SECONDS = 1.0
# How long the end of the process waits for the last spans to be sent.
LAST_EXPORT_SECONDS = 3.0
_ORIGIN_SECONDS = 1.0
_NO_ATTRIBUTES: Mapping[str, AttributeValue] = {}


class SpanSink(Protocol):
    """Where encoded spans go. Read its counts for the metrics."""

    dropped: int
    failed: int
    sent: int

    def put(self, span: bytes) -> None:
        """Take a span. Never waits and never raises."""
        ...


class SpanQueue:
    """Spans that wait to be sent, and the thread that sends them.

    `dropped` counts those for which there was no room, `failed` those that the receiver did not take, `sent` the rest.
    """

    def __init__(self, exporter: LotExporter, max_spans: int) -> None:
        self._exporter = exporter
        self._max_spans = max_spans
        self._waiting: deque[bytes] = deque()
        self._wake = threading.Event()
        self._is_closing = False
        self.dropped = 0
        self.failed = 0
        self.sent = 0
        self._thread = threading.Thread(target=self._run, name="span export", daemon=True)
        self._thread.start()

    def put(self, span: bytes) -> None:
        """Take a span. Never waits."""
        waiting = self._waiting
        if len(waiting) >= self._max_spans:
            self.dropped += 1
            return
        waiting.append(span)
        if len(waiting) >= LOT_SPANS and not self._wake.is_set():
            self._wake.set()

    @property
    def waiting(self) -> int:
        """How many spans wait."""
        return len(self._waiting)

    def close(self, timeout_seconds: float) -> None:
        """Send what waits, for so long at most. Blocks."""
        self._is_closing = True
        self._wake.set()
        self._thread.join(timeout_seconds)
        self._exporter.shutdown()
        if self._thread.is_alive():
            # What was broken off ends soon.
            self._thread.join(timeout_seconds)
        self.dropped += len(self._waiting)
        self._waiting.clear()

    def _run(self) -> None:
        while not self._is_closing:
            self._wake.wait(GATHER_SECONDS)
            self._wake.clear()
            self._send()
        self._send()

    def _send(self) -> None:
        while lot := [self._waiting.popleft() for _ in range(min(LOT_SPANS, len(self._waiting)))]:
            try:
                taken = self._exporter.export(lot)
            except Exception as error:  # noqa: BLE001 - whatever it is, the next lot may go
                # Not the message: it may quote the receiver's headers.
                _log.error("spans could not be exported", error=type(error).__name__)
                taken = False
            if taken:
                self.sent += len(lot)
            else:
                self.failed += len(lot)
                if self._is_closing:
                    return


class Tracer:
    """Writes spans. Without a sink it is off, and everything that it is asked costs next to nothing."""

    def __init__(self, sink: SpanSink | None, clock: Clock) -> None:
        self.sink = sink
        self._clock = clock
        self._origin_ns = 0
        self._origin_until = -1.0

    @property
    def is_on(self) -> bool:
        return self.sink is not None

    def write(
        self,
        type: SpanType,
        context: SpanContext,
        parent_id: bytes,
        times: tuple[float, float],
        attributes: Mapping[str, AttributeValue] = _NO_ATTRIBUTES,
        links: Sequence[SpanContext] = (),
        error: BaseException | None = None,
    ) -> None:
        """Write a span that is over. `times`: from when to when, on the monotonic clock. Never raises for its values:
        what may not leave the process is kept back or masked."""
        if self.sink is None:
            return
        began, ended = times
        if ended >= self._origin_until:
            # The wall clock is set now and then; all processes of a machine follow it together.
            now = self._clock.monotonic()
            self._origin_ns = to_microseconds(self._clock.now()) * 1000 - int(now * 1e9)
            self._origin_until = now + _ORIGIN_SECONDS
        times_ns = (self._origin_ns + int(began * 1e9), self._origin_ns + int(ended * 1e9))
        self.sink.put(encode_span(type, context, parent_id, times_ns, attributes, links, error))

    def write_child(
        self,
        type: SpanType,
        parent: SpanContext,
        times: tuple[float, float],
        attributes: Mapping[str, AttributeValue] = _NO_ATTRIBUTES,
        error: BaseException | None = None,
    ) -> None:
        """Write a span without children of its own."""
        self.write(type, SpanContext(parent.trace_id, new_span_id()), parent.span_id, times, attributes, (), error)

    def now(self) -> float:
        """The monotonic clock."""
        return self._clock.monotonic()


class Batch(NamedTuple):
    """The span of what is done for several at once: its parent is empty where it has a trace of its own."""

    context: SpanContext
    parent_id: bytes
    links: Sequence[SpanContext]


def batch_of(contexts: Sequence[SpanContext]) -> Batch:
    """The span of a batch with these sampled items in it, one at least.

    A single one has the batch in its own trace. Of several none is the parent: the batch has a trace of its own, with
    links to all of them, as the conventions for batches have it.
    """
    if len(contexts) == 1:
        (only,) = contexts
        return Batch(SpanContext(only.trace_id, new_span_id()), only.span_id, ())
    return Batch(SpanContext(new_trace_id(), new_span_id()), b"", contexts)


def child_of(caller: SpanContext) -> Batch:
    """The span of something whose caller has a span of his own; where there are links, they are his."""
    return Batch(SpanContext(caller.trace_id, new_span_id()), caller.span_id, ())


class Scope(NamedTuple):
    """What is being done right now, and the tracer that its parts are written with."""

    tracer: Tracer
    context: SpanContext


# None for everything that is not sampled. Adapters look here, so that nobody has to hand contexts through to them.
current_scope: ContextVar[Scope | None] = ContextVar("axbridge_span", default=None)


# Classes, since they cost a third of what generators do, and nearly always there is nothing to write.
class TimedSpan:
    """Write what is done in the context as this batch's span; with its error."""

    __slots__ = ("_attributes", "_batch", "_began", "_tracer", "_type")

    def __init__(
        self, tracer: Tracer, type: SpanType, batch: Batch, attributes: Mapping[str, AttributeValue] = _NO_ATTRIBUTES
    ) -> None:
        self._tracer = tracer
        self._type = type
        self._batch = batch
        self._attributes = attributes
        self._began = 0.0

    def __enter__(self) -> None:
        self._began = self._tracer.now()

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        context, parent_id, links = self._batch
        times = (self._began, self._tracer.now())
        self._tracer.write(self._type, context, parent_id, times, self._attributes, links, error)


class PartSpan:
    """Write what is done in the context as a part of the current scope, where there is one; with its error."""

    __slots__ = ("_attributes", "_began", "_scope", "_type")

    def __init__(self, type: SpanType, attributes: Mapping[str, AttributeValue]) -> None:
        self._type = type
        self._attributes = attributes
        self._scope = current_scope.get()
        self._began = 0.0

    def __enter__(self) -> None:
        if self._scope is not None:
            self._began = self._scope.tracer.now()

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if self._scope is not None:
            tracer, context = self._scope
            tracer.write_child(self._type, context, (self._began, tracer.now()), self._attributes, error)


@asynccontextmanager
async def running_tracing(settings: TelemetrySettings, service: str, clock: Clock) -> AsyncIterator[Tracer]:
    """The process' tracer while the context is open; at its end what waits is sent, for a few seconds at most.

    Raises OSError and InvalidArgumentError for files of the settings that can't be used. A receiver that can't be
    reached is no error: it is logged, and costs spans only.
    """
    exporter = open_exporter(settings, process_resource(service))
    if exporter is None:
        yield Tracer(None, clock)
        return
    queue = SpanQueue(exporter, settings.trace_queue_spans)
    try:
        yield Tracer(queue, clock)
    finally:
        await asyncio.to_thread(queue.close, LAST_EXPORT_SECONDS)
        if queue.dropped or queue.failed:
            _log.warning("spans were lost", dropped=queue.dropped, failed=queue.failed, sent=queue.sent)
