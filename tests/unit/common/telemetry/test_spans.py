"""What leaves the process: OTLP as its own library reads it, nothing that is not allowed, no number."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans
from opentelemetry.proto.trace.v1.trace_pb2 import Span as OtlpSpan

from common.errors import UnavailableError
from common.telemetry.names import ATTRIBUTES, SPAN_TYPES, Content, SpanKind, SpanType
from common.telemetry.spans import (
    MAX_LINKS,
    MAX_TEXT_CHARACTERS,
    AttributeValue,
    SpanContext,
    encode_lot,
    encode_span,
    new_span_id,
    new_trace_id,
    parse_traceparent,
)
from tests.support.spans import attributes_of

CONTEXT = SpanContext(bytes(range(16)), bytes(range(8)))
MOBILE = "13800001111"
# In every way in which people and platforms write it.
WRITTEN = (MOBILE, f"+86{MOBILE}", f"0086{MOBILE}", f"0{MOBILE}", "138 0000 1111", "138-0000-1111", "（138）00001111")


BARE = SpanType("bare", SpanKind.INTERNAL)


def encoded(attributes: dict[str, AttributeValue] | None = None, **fields: Any) -> bytes:
    known = {"type_": BARE, "context": CONTEXT, "parent_id": b"", "times_ns": (5, 9)}
    return encode_span(**{**known, "attributes": attributes or {}, **fields})


def read(*wire: bytes) -> list[OtlpSpan]:
    return list(ScopeSpans.FromString(b"".join(wire)).spans)


def sent(attributes: dict[str, AttributeValue]) -> dict[str, Any]:
    (found,) = read(encoded(attributes))
    return attributes_of(found)


@pytest.mark.parametrize("type", SPAN_TYPES, ids=lambda type: f"{type.name} {type.kind.name}")
def test_every_kind_of_span_is_read_back(type: SpanType) -> None:
    links = (SpanContext(b"l" * 16, b"l" * 8), SpanContext(b"m" * 16, b"m" * 8))
    (found,) = read(encoded(type_=type, parent_id=b"p" * 8, links=links))
    assert attributes_of(found) == type.fixed
    assert (found.name, found.kind) == (type.name, type.kind)
    assert (found.trace_id, found.span_id, found.parent_span_id) == (*CONTEXT, b"p" * 8)
    assert (found.start_time_unix_nano, found.end_time_unix_nano, found.flags) == (5, 9, 1)
    assert [(each.trace_id, each.span_id) for each in found.links] == list(links)
    assert found.status.code == found.status.STATUS_CODE_UNSET


def test_spans_have_names_of_their_own_and_attributes_a_prefix() -> None:
    assert len({(type.name, type.kind) for type in SPAN_TYPES}) == len(SPAN_TYPES)
    conventions = ("http.", "rpc.", "db.", "messaging.", "error.", "exception.", "axbridge.")
    assert all(name.startswith(conventions) for name in ATTRIBUTES)


@given(st.dictionaries(st.sampled_from(sorted(ATTRIBUTES)), st.text() | st.integers() | st.floats() | st.booleans()))
def test_whatever_the_values_are_the_receiver_can_read_them(attributes: dict[str, AttributeValue]) -> None:
    assert sent(attributes).keys() == attributes.keys()


def test_values_keep_their_kinds() -> None:
    attributes = {
        "axbridge.batch_size": 256,
        "axbridge.is_retry": True,
        "axbridge.delivery_lag_seconds": 0.25,
        "axbridge.result": "0000",
    }
    found = sent(attributes)
    assert found == attributes
    assert [type(value) for value in found.values()] == [int, bool, float, str]


def test_1_and_true_are_told_apart() -> None:
    assert sent({"axbridge.batch_size": 1})["axbridge.batch_size"] is not True
    assert sent({"axbridge.batch_size": True})["axbridge.batch_size"] is True


@pytest.mark.parametrize(
    "name", ["url.full", "url.query", "db.statement", "axbridge.calling_number", "", "AXBRIDGE.RESULT"]
)
def test_an_attribute_that_is_not_on_the_list_stays_here(name: str) -> None:
    wire = encoded({name: "secret-value", "axbridge.result": "0000"})
    assert attributes_of(read(wire)[0]) == {"axbridge.result": "0000"}
    assert b"secret-value" not in wire


@pytest.mark.parametrize("written", WRITTEN)
def test_a_number_leaves_masked_however_it_is_written(written: str) -> None:
    shown = sent({"axbridge.access_number": written})["axbridge.access_number"]
    assert "****" in shown
    assert "00001111" not in shown


@pytest.mark.parametrize("name", [name for name, content in ATTRIBUTES.items() if content is not Content.IDENTIFIER])
@pytest.mark.parametrize("value", [MOBILE, f"call {MOBILE} now", int(MOBILE), -int(MOBILE), float(MOBILE)])
def test_no_attribute_takes_a_number_through(name: str, value: AttributeValue) -> None:
    assert b"1380000" not in encoded({name: value})
    assert MOBILE not in str(sent({name: value})[name])


def test_a_number_at_the_cut_of_a_long_text_is_masked_too() -> None:
    text = "x" * (MAX_TEXT_CHARACTERS - 5) + MOBILE
    shown = sent({"exception.message": text})["exception.message"]
    assert len(shown) <= MAX_TEXT_CHARACTERS
    assert shown.endswith("x138**")


def test_an_exception_is_told_by_its_class_and_its_message_without_numbers() -> None:
    error = UnavailableError(f"nobody answers at +86{MOBILE}")
    wire = encoded(error=error)
    (found,) = read(wire)
    (event,) = found.events
    assert event.name == "exception"
    assert event.time_unix_nano == 9
    assert attributes_of(event) == {
        "exception.type": "UnavailableError",
        "exception.message": "nobody answers at +86138****1111",
    }
    assert attributes_of(found) == {"error.type": "UnavailableError"}
    assert found.status.code == found.status.STATUS_CODE_ERROR
    assert not found.status.message
    assert b"00001111" not in wire


@pytest.mark.parametrize("written", ["138 0000 1111", "138-0000-1111", "(138) 0000 1111", "138.0000.1111"])
def test_messages_hide_numbers_with_gaps_too(written: str) -> None:
    shown = sent({"exception.message": f"nobody at {written}, 12 times"})["exception.message"]
    assert "1111, 12 times" in shown
    assert "138****1111" in shown


def test_an_end_before_the_start_is_no_negative_time() -> None:
    (found,) = read(encoded(times_ns=(9, 5)))
    assert found.end_time_unix_nano == found.start_time_unix_nano == 9


def test_there_are_no_more_links_than_receivers_take() -> None:
    (found,) = read(encoded(links=[SpanContext(new_trace_id(), new_span_id()) for _ in range(300)]))
    assert len(found.links) == MAX_LINKS


def test_a_lot_is_a_request_of_the_protocol() -> None:
    resource, scope = Resource(dropped_attributes_count=7), InstrumentationScope(name="axbridge")
    many = [encoded({"axbridge.batch_size": size}) for size in range(300)]
    lot = encode_lot(resource.SerializeToString(), scope.SerializeToString(), many)
    (part,) = ExportTraceServiceRequest.FromString(lot).resource_spans
    (scoped,) = part.scope_spans
    assert (part.resource, scoped.scope) == (resource, scope)
    assert [attributes_of(each)["axbridge.batch_size"] for each in scoped.spans] == list(range(300))


def test_a_context_is_written_and_read() -> None:
    context = SpanContext(new_trace_id(), new_span_id())
    assert parse_traceparent(context.traceparent) == context


TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(
    ("text", "sampled", "known"),
    [
        (f"00-{TRACE}-{PARENT}-01", True, True),
        (f"00-{TRACE}-{PARENT}-03", True, True),
        (f"00-{TRACE}-{PARENT}-00", False, True),
        (f"01-{TRACE}-{PARENT}-01", True, True),
        (f"cc-{TRACE}-{PARENT}-01-what-comes-later", True, True),
        (f"00-{TRACE}-{PARENT}-01-x", False, False),
        (f"cc-{TRACE}-{PARENT}-01x", False, False),
        (f"ff-{TRACE}-{PARENT}-01", False, False),
        (f"00-{'0' * 32}-{PARENT}-01", False, False),
        (f"00-{TRACE}-{'0' * 16}-01", False, False),
        (f"00-{TRACE.upper()}-{PARENT}-01", False, False),
        (f"00-{TRACE[:-1]}-{PARENT}-01", False, False),
        (f" 00-{TRACE}-{PARENT}-01", False, False),
        (f"00-{TRACE}-{PARENT}", False, False),
        ("", False, False),
    ],
)
def test_traceparents_are_read_as_w3c_says(text: str, sampled: bool, known: bool) -> None:
    assert (parse_traceparent(text) is not None) is sampled
    assert (parse_traceparent(text, sampled_only=False) is not None) is known
