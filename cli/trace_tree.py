"""A trace as a tree on the terminal, from the lines that services write with TRACE_EXPORTER=console."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import orjson


class WrittenSpan(NamedTuple):
    """A span as its process wrote it; `process` is that one's name."""

    process: str
    span: dict[str, Any]


def read_span(process: str, line: str) -> WrittenSpan | None:
    """The span in a line of a service's output, None for any other line."""
    if not line.startswith('{"span":'):
        return None
    try:
        return WrittenSpan(process, orjson.loads(line))
    except orjson.JSONDecodeError:
        return None


def trace_tree(spans: Sequence[WrittenSpan]) -> Iterator[str]:
    """The lines of a trace, each span below its parent, in the order of time."""
    ordered = sorted(spans, key=lambda each: each.span["start_unix_nano"])
    known = {each.span["span_id"] for each in ordered}
    roots = [each for each in ordered if each.span["parent_span_id"] not in known]
    for root in roots:
        yield from _lines(root, ordered, "", "")


def _lines(one: WrittenSpan, ordered: Sequence[WrittenSpan], first: str, others: str) -> Iterator[str]:
    span = one.span
    # The full name of a method says less here than its end.
    name = f"{first}{span['span'].rpartition('.')[2]}"
    yield f"{name:<48} {one.process:<16} {span['duration_us'] / 1000:8.1f} ms"
    children = [each for each in ordered if each.span["parent_span_id"] == span["span_id"]]
    for child in children:
        is_last = child is children[-1]
        yield from _lines(
            child, ordered, f"{others}{'└─ ' if is_last else '├─ '}", f"{others}{'   ' if is_last else '│  '}"
        )
