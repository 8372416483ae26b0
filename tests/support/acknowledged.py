"""Compares the events that got their 200 with what the log holds."""

import json
from collections import Counter, defaultdict
from pathlib import Path

from axbridge.events.v1.call_service_pb2 import ListCallEventsRequest
from axbridge.events.v1.call_service_pb2_grpc import CallServiceStub

EventKey = tuple[str, str, str]


def read_acknowledged(path: Path) -> dict[tuple[str, str], set[EventKey]]:
    """The acknowledged events of each call (tenant, sid), as (callId, seq, code)."""
    calls: dict[tuple[str, str], set[EventKey]] = defaultdict(set)
    for line in path.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        calls[event["tenant"], event["sid"]].add((event["callId"], event["seq"], event["code"]))
    return calls


def check_log(stub: CallServiceStub, acknowledged: dict[tuple[str, str], set[EventKey]]) -> tuple[int, int]:
    """How many acknowledged events are not in the log, and how many events of these calls are there twice."""
    missing = doubled = 0
    for (tenant_id, session_id), events in acknowledged.items():
        request = ListCallEventsRequest(tenant_id=tenant_id, session_id=session_id)
        stored = stub.ListCallEvents(request, timeout=10).events
        counts = Counter((each.event.call_id, each.event.seq, each.event.code) for each in stored)
        missing += len(events - counts.keys())
        doubled += sum(count - 1 for count in counts.values())
        offsets = [each.log_offset for each in stored]
        assert offsets == sorted(set(offsets)), "the events of a call stand in the order of the log"
    return missing, doubled
