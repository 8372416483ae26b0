"""Spans on their way: written at the right time, never waited for, dropped when there is no room, sent at the end."""

import threading
from collections.abc import Sequence

import pytest

from common.clock import to_microseconds
from common.errors import UnavailableError
from common.telemetry import names
from common.telemetry.settings import TelemetrySettings
from common.telemetry.spans import SpanContext
from common.telemetry.tracing import (
    LOT_SPANS,
    PartSpan,
    Scope,
    SpanQueue,
    Tracer,
    batch_of,
    child_of,
    current_scope,
    running_tracing,
)
from tests.support.clock import FakeClock
from tests.support.spans import CollectedSpans, attributes_of

ONE, TWO = SpanContext(b"1" * 16, b"1" * 8), SpanContext(b"2" * 16, b"2" * 8)


class GatedExporter:
    """Takes lots when the gate is open."""

    def __init__(self, outcome: bool | Exception = True) -> None:
        self.outcome = outcome
        self.gate, self.entered = threading.Event(), threading.Event()
        self.lots: list[list[bytes]] = []
        self.is_shut_down = False

    def export(self, spans: Sequence[bytes]) -> bool:
        self.entered.set()
        assert self.gate.wait(30)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        self.lots.append(list(spans))
        return self.outcome

    def shutdown(self) -> None:
        self.is_shut_down = True
        self.gate.set()


def test_spans_stand_on_the_wall_clock() -> None:
    clock, spans = FakeClock(), CollectedSpans()
    tracer = spans.tracer(clock)
    now_ns, at = to_microseconds(clock.now()) * 1000, clock.monotonic()
    tracer.write(names.QUERY, ONE, b"", (at - 0.25, at))
    clock.advance(100)
    tracer.write(names.QUERY, ONE, b"", (clock.monotonic() - 0.5, clock.monotonic()))
    first, second = spans.all
    assert (first.start_time_unix_nano, first.end_time_unix_nano) == (now_ns - 250_000_000, now_ns)
    assert second.end_time_unix_nano == now_ns + 100_000_000_000


def test_a_tracer_that_is_off_writes_nothing() -> None:
    tracer = Tracer(None, FakeClock())
    assert not tracer.is_on
    tracer.write(names.QUERY, ONE, b"", (0, 1))
    tracer.write_child(names.DECIDE, ONE, (0, 1))


def test_what_waits_is_sent_in_lots_when_there_is_enough_of_it() -> None:
    exporter = GatedExporter()
    queue = SpanQueue(exporter, max_spans=4 * LOT_SPANS)
    for _ in range(LOT_SPANS):
        queue.put(b"a")
    # Nobody closes the queue: it is its length that has it sent.
    assert exporter.entered.wait(30)
    for _ in range(LOT_SPANS + 1):
        queue.put(b"b")
    exporter.gate.set()
    queue.close(30)
    assert [len(lot) for lot in exporter.lots] == [LOT_SPANS, LOT_SPANS, 1]
    assert (queue.sent, queue.dropped, queue.failed, queue.waiting) == (2 * LOT_SPANS + 1, 0, 0, 0)


def test_without_room_spans_are_dropped_and_counted() -> None:
    exporter = GatedExporter()
    queue = SpanQueue(exporter, max_spans=LOT_SPANS)
    for _ in range(LOT_SPANS):
        queue.put(b"a")
    assert exporter.entered.wait(30)
    # The first lot is out with a receiver that does not answer.
    for _ in range(LOT_SPANS + 5):
        queue.put(b"b")
    assert queue.dropped == 5
    exporter.gate.set()
    queue.close(30)
    assert (queue.sent, queue.dropped) == (2 * LOT_SPANS, 5)


@pytest.mark.parametrize("outcome", [False, RuntimeError("secret")])
def test_what_the_receiver_does_not_take_is_counted_and_hurts_nobody(outcome: bool | Exception) -> None:
    exporter = GatedExporter(outcome)
    exporter.gate.set()
    queue = SpanQueue(exporter, max_spans=LOT_SPANS)
    queue.put(b"a")
    queue.close(30)
    assert (queue.sent, queue.failed) == (0, 1)
    assert exporter.is_shut_down


def test_the_end_does_not_wait_for_a_receiver_that_hangs() -> None:
    exporter = GatedExporter()
    queue = SpanQueue(exporter, max_spans=LOT_SPANS)
    queue.put(b"a")
    # The gate opens only when the exporter is told to break off.
    queue.close(0.05)
    assert exporter.is_shut_down


def test_a_batch_of_one_is_in_its_items_trace() -> None:
    batch = batch_of([ONE])
    assert (batch.context.trace_id, batch.parent_id, batch.links) == (*ONE, ())
    assert batch.context.span_id != ONE.span_id


def test_a_batch_of_several_is_linked_with_them_and_in_none_of_their_traces() -> None:
    batch = batch_of([ONE, TWO])
    assert batch.parent_id == b""
    assert list(batch.links) == [ONE, TWO]
    assert batch.context.trace_id not in (ONE.trace_id, TWO.trace_id)


def test_a_served_batch_is_in_its_callers_trace() -> None:
    batch = child_of(ONE)
    assert (batch.context.trace_id, batch.parent_id, batch.links) == (*ONE, ())
    assert batch.context.span_id != ONE.span_id


def test_a_part_belongs_to_what_is_being_done() -> None:
    clock, spans = FakeClock(), CollectedSpans()
    token = current_scope.set(Scope(spans.tracer(clock), ONE))
    with PartSpan(names.REDIS_READ, {"db.operation.batch.size": 2}):
        clock.advance(0.5)
    with pytest.raises(UnavailableError), PartSpan(names.SELECT_TENANTS, {"db.system.name": "sqlite"}):
        raise UnavailableError("gone")
    current_scope.reset(token)
    with PartSpan(names.REDIS_READ, {"db.system.name": "redis"}):
        """Nothing is being traced."""
    read, failed = spans.all
    assert (read.trace_id, read.parent_span_id) == ONE
    assert read.end_time_unix_nano - read.start_time_unix_nano == 500_000_000
    assert attributes_of(read) == {"db.system.name": "redis", "db.operation.batch.size": 2}
    assert attributes_of(failed)["error.type"] == "UnavailableError"


async def test_without_an_exporter_there_is_no_thread_and_no_tracing() -> None:
    threads = threading.active_count()
    async with running_tracing(TelemetrySettings(), "gateway", FakeClock()) as tracer:
        assert not tracer.is_on
        assert threading.active_count() == threads
