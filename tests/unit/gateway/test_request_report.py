"""What the gateway counts and says of each request."""

import io
import json
from collections.abc import Iterator

import pytest

from common.clock import SystemClock
from common.errors import UnavailableError
from common.limits.token_bucket import RateLimit
from common.logs import configure_logging
from common.protocol_codes import ResultCode
from common.request_lines import RequestLines
from common.telemetry.tenant_labels import TenantLabels
from common.trace_ids import trace_id_for
from gateway.domain import Event, Query, RouteDecision
from gateway.request_report import RequestReport
from tests.support.logs import restored_logging
from tests.unit.gateway.conftest import Served, Setup
from tests.unit.gateway.test_http import EVENT_XML, QUERY_JSON, QUERY_XML

QUERY = Query("s1", "100001", "c1", "13800001111", "02566000001")
EVENT = Event("s1", "100001", "15")


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """The log's lines, as JSON."""
    out = io.StringIO()
    with restored_logging():
        configure_logging("gateway", log_format="json", out=out)
        yield out


def report(per_second: float = 100) -> RequestReport:
    clock = SystemClock()
    labels = TenantLabels(5, lambda tenant_id: tenant_id == "100001")
    return RequestReport(labels, RequestLines(per_second, clock.monotonic()), clock)


async def test_queries_are_counted_by_enterprise_and_result(served: Served) -> None:
    await served.post(QUERY_XML)
    await served.post(QUERY_JSON, "application/json")
    served.resolver.outcome = RouteDecision(ResultCode.UNKNOWN_TENANT)
    await served.post(QUERY_JSON.replace(b"100001", b"999999"), "application/json")
    assert served.report is not None
    assert served.report.queries.count(("100001", "0000")) == 2
    assert served.report.queries.count(("unknown", "1002")) == 1


async def test_an_enterprise_is_named_before_the_directory_has_it(served: Served) -> None:
    await served.post(QUERY_XML)
    assert served.report is not None
    assert served.report.queries.count(("100001", "0000")) == 1


async def test_events_are_counted_by_enterprise_and_status(served: Served) -> None:
    await served.post(EVENT_XML)
    await served.post(EVENT_XML.replace(b"100001", b"999999"))
    served.publisher.error = UnavailableError("away")
    await served.post(EVENT_XML)
    assert served.report is not None
    counts = [served.report.events.count(each) for each in (("100001", "200"), ("unknown", "400"), ("100001", "503"))]
    assert counts == [1, 1, 1]


async def test_what_can_not_be_read_is_counted_by_its_status(served: Served) -> None:
    await served.post(b"<request", "application/xml")
    await served.post(b"x", "image/png")
    assert served.report is not None
    assert served.report.refused.value(("400",)) == 1
    assert served.report.refused.value(("415",)) == 1


class TestLimits:
    """An enterprise that sends too much."""

    @pytest.fixture
    def setup(self) -> Setup:
        return Setup(queries=RateLimit(0.001, 1), events=RateLimit(0.001, 1))

    async def test_what_is_over_its_rate_is_counted_apart(self, served: Served) -> None:
        # With its first event the gateway gets to know the enterprise.
        assert (await served.post(EVENT_XML)).status == 200
        assert (await served.post(EVENT_XML)).status == 503
        for _ in range(3):
            await served.post(QUERY_XML)
        assert served.report is not None
        assert served.report.limited.value(("query",)) == 2
        assert served.report.limited.value(("event",)) == 1
        assert served.report.queries.count(("100001", "9002")) == 2


async def test_nobody_is_told_what_serves_here(served: Served) -> None:
    replies = [
        await served.post(QUERY_XML),
        await served.post(EVENT_XML),
        await served.post(b"<request", "application/xml"),
        await served.get("/livez"),
        await served.get("/nowhere"),
        await served.send("POST /v1/calls HTTP/1.0\nHost: x\nContent-Length: 0"),
        await served.send("NOT HTTP"),
    ]
    assert [reply.headers.get("server") for reply in replies] == [None] * len(replies)


def test_a_request_has_one_line_with_its_calls_trace_and_no_number(lines: io.StringIO) -> None:
    told = report()
    told.query(QUERY, ResultCode.SUCCESS, told.clock.monotonic())
    told.event(EVENT, 200, told.clock.monotonic())
    query, event = (json.loads(line) for line in lines.getvalue().splitlines())
    assert query["event"] == "query answered"
    assert event["event"] == "event taken"
    assert query["trace_id"] == event["trace_id"] == trace_id_for("100001", "s1")
    assert query["result"] == "0000"
    assert event["status"] == 200
    assert "02566000001" not in lines.getvalue()
    assert "13800001111" not in lines.getvalue()


def test_failures_have_their_line_when_nothing_else_has(lines: io.StringIO) -> None:
    told = report(per_second=0)
    told.query(QUERY, ResultCode.SUCCESS, 0.0)
    told.query(QUERY, ResultCode.NO_BINDING, 0.0)
    told.query_over_limit(QUERY, 0.0)
    told.event_over_limit(EVENT, 0.0)
    told.unreadable(400, "no XML", 0.0)
    assert lines.getvalue() == ""
    assert told.lines.held_back == 5
    told.query(QUERY, ResultCode.TIMED_OUT, 0.0)
    told.event(EVENT, 503, 0.0, detail="away")
    query, event = (json.loads(line) for line in lines.getvalue().splitlines())
    assert (query["level"], query["result"]) == ("warning", "9001")
    assert (event["level"], event["detail"]) == ("warning", "away")
