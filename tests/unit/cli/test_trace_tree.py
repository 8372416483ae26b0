"""Spans of several processes become one tree."""

import json

from cli.trace_tree import WrittenSpan, read_span, trace_tree


def written(process: str, name: str, own: str, parent: str, start: int) -> WrittenSpan:
    span = {"span": name, "span_id": own, "parent_span_id": parent, "start_unix_nano": start, "duration_us": 1500}
    found = read_span(process, json.dumps(span, separators=(",", ":")))
    assert found is not None
    return found


def test_each_span_stands_below_its_parent_in_the_order_of_time() -> None:
    spans = [
        written("routing_service", "SELECT bindings", "d", "c", 4),
        written("routing_service", "a.b.v1.Service/Batch", "c", "b", 3),
        written("gateway", "event", "e", "a", 9),
        written("gateway", "resolve", "b", "a", 2),
        written("gateway", "query", "a", "", 1),
        written("gateway", "event of another's", "f", "missing", 10),
    ]
    lines = [line.rstrip() for line in trace_tree(spans)]
    assert [line.split("  ")[0] for line in lines] == [
        "query",
        "├─ resolve",
        "│",
        "│",
        "└─ event",
        "event of another's",
    ]
    assert lines[2].startswith("│  └─ Service/Batch")
    assert lines[3].startswith("│     └─ SELECT bindings")
    assert all(line.endswith("1.5 ms") for line in lines)


def test_other_lines_are_no_spans() -> None:
    assert read_span("gateway", '{"event": "listening"}') is None
    assert read_span("gateway", '{"span": torn') is None
