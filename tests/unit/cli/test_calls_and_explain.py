"""Calls and explanations for people: what is drawn is what the services said."""

from datetime import UTC, datetime

import pytest
from axbridge.events.v1 import call_pb2, call_service_pb2, event_pb2
from axbridge.routing.v1 import decision_pb2, routing_service_pb2
from rich.cells import cell_len

from cli.explain import RESULT_CODES
from cli.ladder import WIDTH, LadderCall, LadderEvent, LadderQuery, ladder
from common.protocol_codes import CallResult, EventCode
from tests.unit.cli.conftest import Cli, FakeServices

A, B, X = "+8613800001111", "+8613900001111", "+862566000001"
BEGAN = 1_772_323_200_000_000


def call(**changes: object) -> call_pb2.Call:
    given: dict[str, object] = {
        "tenant_id": "100001",
        "session_id": "s1",
        "call_id": "c1",
        "state": call_pb2.CALL_STATE_COMPLETED,
        "calling_number": A,
        "access_number": X,
        "called_number": B,
        "started_at": datetime(2026, 3, 1, tzinfo=UTC),
        "ring_seconds": 6,
        "talk_seconds": 42,
        "hangup_party": call_pb2.HANGUP_PARTY_CALLER,
        "end_reason": "caller hung up, call over",
        "end_reason_zh": "主叫挂机通话结束",
        "recording_path": "/record/s1.wav",
        "anomalies": ["late:16"],
        "event_count": 5,
    }
    return call_pb2.Call(**(given | changes))  # type: ignore[arg-type]


def stored(code: str, after_ms: int, **changes: object) -> call_service_pb2.StoredEvent:
    event = event_pb2.CallEvent(
        tenant_id="100001",
        session_id="s1",
        code=code,
        received_at_us=BEGAN + after_ms * 1000,
        members=[event_pb2.EventMember(line="0", number=A, type="0")],
        raw_body=b"13800001111",
        **changes,  # type: ignore[arg-type]
    )
    return call_service_pb2.StoredEvent(event=event, received_count=1)


def decision(result: str = "0000") -> event_pb2.LoggedDecision:
    return event_pb2.LoggedDecision(
        tenant_id="100001",
        session_id="s1",
        calling_number="13800001111",
        access_number="02566000001",
        called_numbers=["13900001111"] if result == "0000" else [],
        result=result,
        reason="no binding relates the two" if result != "0000" else "",
        received_at_us=BEGAN,
        took_us=3100,
    )


def test_a_call_as_a_ladder(cli: Cli, services: FakeServices) -> None:
    events = [stored("15", 120), stored("16", 2_300), stored("31", 8_000), stored("40", 8_020)]
    events += [stored("22", 62_500, file_path="/record/s1.wav")]
    events[1].received_count = 3
    services.answers["GetCall"] = call_service_pb2.GetCallResponse(call=call())
    services.answers["ListCallEvents"] = call_service_pb2.ListCallEventsResponse(events=events, decision=decision())
    shown = cli.ok("calls", "show", "s1", "--tenant", "100001")
    lines = shown.splitlines()
    assert "completed, 42 s of talk, caller hung up" in lines[0]
    order = ["dials", "0000 success", "15 calling", "16 callee ringing", "came 3 times", "31 callee", "40 conversation"]
    order += ["22 caller hung up", "recorded: /record/s1.wav"]
    positions = [next(number for number, line in enumerate(lines) if said in line) for said in order]
    assert positions == sorted(positions)
    for said in ("+0.000 s", "+0.003 s", "+0.120 s", "+2.300 s", "+8.020 s", "+1:02.500", "answered in 3.1 ms"):
        assert said in shown
    assert "138****1111" in shown
    assert "主叫挂机通话结束" in shown
    assert "late:16" in shown
    assert "13800001111" not in shown
    assert "13900001111" not in shown
    assert "+8613800001111" in cli.ok("calls", "show", "s1", "--tenant", "100001", "--unmask")


def test_a_call_names_its_trace_and_where_to_look_at_it(cli: Cli, services: FakeServices) -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    seen = call()
    seen.trace_id = trace_id
    services.answers["GetCall"] = call_service_pb2.GetCallResponse(call=seen)
    services.answers["ListCallEvents"] = call_service_pb2.ListCallEventsResponse(decision=decision())
    asked = ("calls", "show", "s1", "--tenant", "100001")
    assert trace_id in cli.ok(*asked)
    assert "trace is at" not in cli.ok(*asked)
    shown = cli.ok(*asked, "--trace-url", "https://jaeger.example/trace/{trace_id}?ui=1")
    assert f"https://jaeger.example/trace/{trace_id}?ui=1" in shown
    refused = cli.run(*asked, "--trace-url", "https://jaeger.example/")
    assert refused.exit_code == 2
    assert "{trace_id}" in refused.output


def test_a_call_that_was_given_up_says_so(cli: Cli, services: FakeServices) -> None:
    given_up = call(
        state=call_pb2.CALL_STATE_UNTERMINATED, max_duration_seconds=600, closed_at=datetime(2026, 3, 1, 1, tzinfo=UTC)
    )
    services.answers["GetCall"] = call_service_pb2.GetCallResponse(call=given_up)
    services.answers["ListCallEvents"] = call_service_pb2.ListCallEventsResponse()
    shown = [line.split() for line in cli.ok("calls", "show", "s1", "--tenant", "100001").splitlines()]
    assert ["may", "talk", "600", "s"] in shown
    assert any(line[:2] == ["given", "up"] for line in shown)


def test_a_call_for_scripts(cli: Cli, services: FakeServices) -> None:
    services.answers["GetCall"] = call_service_pb2.GetCallResponse(call=call())
    services.answers["ListCallEvents"] = call_service_pb2.ListCallEventsResponse(
        events=[stored("15", 120)], decision=decision()
    )
    shown = cli.json("calls", "show", "s1", "--tenant", "100001")
    assert (shown["call"]["state"], shown["call"]["talk_seconds"]) == ("CALL_STATE_COMPLETED", "42")
    assert shown["decision"]["called_numbers"] == ["139****1111"]
    (event,) = shown["events"]
    assert event["event"]["members"][0]["number"] == "+86138****1111"
    # The body as it came has numbers in it as well.
    assert "raw_body" not in event["event"]
    whole = cli.json("calls", "show", "s1", "--tenant", "100001", "--unmask")
    assert whole["call"]["calling_number"] == A
    assert whole["events"][0]["event"]["raw_body"]


def test_calls_are_listed_with_every_filter(cli: Cli, services: FakeServices) -> None:
    services.answers["ListCalls"] = call_service_pb2.ListCallsResponse(calls=[call()])
    filters = ("--number", "13800001111", "--state", "completed", "--state", "unreached")
    times = ("--from", "2026-03-01T00:00Z", "--before", "2026-03-02T08:00+08:00")
    shown = cli.ok("calls", "list", "--tenant", "100001", *filters, *times, "--limit", "7")
    (request,) = services.requests
    assert request == call_service_pb2.ListCallsRequest(
        tenant_id="100001",
        number="13800001111",
        states=[call_pb2.CALL_STATE_COMPLETED, call_pb2.CALL_STATE_UNREACHED],
        started_from=datetime(2026, 3, 1, tzinfo=UTC),
        started_before=datetime(2026, 3, 2, tzinfo=UTC),
        page_size=7,
        default_region="CN",
    )
    for said in ("s1", "+86138****1111", X, "+86139****1111", "completed", "6 s", "42 s", "caller hung up", "late:16"):
        assert said in shown
    assert A not in shown
    assert A in cli.ok("calls", "list", "--tenant", "100001", "--unmask")


def test_calls_follow_their_pages(cli: Cli, services: FakeServices) -> None:
    def page(request: call_service_pb2.ListCallsRequest) -> call_service_pb2.ListCallsResponse:
        first = int(request.page_token or 0)
        return call_service_pb2.ListCallsResponse(
            calls=[call(session_id=f"s{first}")], next_page_token=str(first + 1) if first < 2 else ""
        )

    services.answers["ListCalls"] = page
    shown = cli.json("calls", "list", "--tenant", "100001")
    assert [listed["session_id"] for listed in shown] == ["s0", "s1", "s2"]


def explained(result: decision_pb2.RouteResult, **changes: object) -> routing_service_pb2.ExplainResponse:
    rule = routing_service_pb2.ConsideredRule
    return routing_service_pb2.ExplainResponse(
        calling_number=A,
        access_number=X,
        at=datetime(2026, 3, 1, tzinfo=UTC),
        considered=[
            rule(rule="tenant", outcome=routing_service_pb2.RULE_OUTCOME_PASSED, detail="the tenant is known"),
            rule(
                rule="validity",
                binding_id="b1",
                outcome=routing_service_pb2.RULE_OUTCOME_REJECTED,
                detail="the binding [has] expired",
            ),
            rule(rule="axb", binding_id="b2", outcome=routing_service_pb2.RULE_OUTCOME_DECIDED, detail="A reaches B"),
        ],
        decision=decision_pb2.RouteDecision(result=result, reason="because", **changes),  # type: ignore[arg-type]
    )


def test_an_explanation_shows_every_rule_and_the_decision(cli: Cli, services: FakeServices) -> None:
    services.answers["Explain"] = explained(
        decision_pb2.ROUTE_RESULT_ROUTED,
        binding_id="b2",
        binding_revision=3,
        direction=decision_pb2.CALL_DIRECTION_B_TO_A,
        decision_source=decision_pb2.DECISION_SOURCE_CACHE,
        members=[decision_pb2.RouteMember(number="13900001111", display_number="02566000001")],
    )
    asked = ("explain", "--tenant", "100001", "--a", "13800001111", "--access", "02566000001")
    shown = cli.ok(*asked, "--at", "2026-03-01T00:00Z", "--sid", "s9")
    (request,) = services.requests
    assert request == routing_service_pb2.ExplainRequest(
        tenant_id="100001",
        calling_number="13800001111",
        access_number="02566000001",
        at=datetime(2026, 3, 1, tzinfo=UTC),
        session_id="s9",
    )
    for said in (
        "+86138****1111 calls +862566000001",
        "3 rules considered",
        "✓ tenant passed: the tenant is known",
        "✗ validity rejected b1: the binding [has] expired",
        "➜ axb decided b2: A reaches B",
        "0000 success: because",
        "calls 139****1111, who sees 02566000001",
        "binding b2 revision 3, b to a, read from the cache",
    ):
        assert said in shown
    assert "13900001111" in cli.ok(*asked, "--unmask")
    member = cli.json(*asked)["decision"]["members"][0]
    assert (member["number"], member["display_number"]) == ("139****1111", "02566000001")


@pytest.mark.parametrize(("result", "code"), list(RESULT_CODES.items()))
def test_every_outcome_is_told_with_its_code(
    cli: Cli, services: FakeServices, result: decision_pb2.RouteResult, code: object
) -> None:
    services.answers["Explain"] = explained(result)
    shown = cli.ok("explain", "--tenant", "100001", "--a", "13800001111", "--access", "02566000001")
    assert f"{RESULT_CODES[result].text} {RESULT_CODES[result].english}" in shown


def test_outcomes_and_codes_match_the_contract() -> None:
    values = set(decision_pb2.RouteResult.values()) - {decision_pb2.ROUTE_RESULT_UNSPECIFIED}
    assert set(RESULT_CODES) == values
    assert len({code.text for code in RESULT_CODES.values()}) == len(values)


def lines_of(*events: LadderEvent, query: LadderQuery | None = None) -> list[str]:
    drawn = ladder(LadderCall("138****1111", X, "139****1111", query, events))
    return [line.plain for line in drawn]


@pytest.mark.parametrize("code", list(EventCode))
def test_no_line_of_the_ladder_is_wider_than_a_hundred(code: EventCode) -> None:
    results = ["", "999", *(result.text for result in CallResult)]
    events = [LadderEvent(BEGAN, code.text, result, "/record/" + "x" * 120, 99, conflict=True) for result in results]
    for line in lines_of(*events, LadderEvent(BEGAN + 10**13, "用户" * 60)):
        assert cell_len(line) <= WIDTH


def arrow(code: str) -> str:
    (line,) = [line for line in lines_of(LadderEvent(BEGAN, code)) if f" {code} " in line]
    return line.split("s", 1)[1].strip()


def test_arrows_run_between_the_right_lanes() -> None:
    from_platform, from_callee, from_caller, both = "│  ├─▶│", "│  │◀─┤", "├─▶│  │", "├◀═▶┤"
    expected = {
        "15": from_platform,
        "16": from_callee,
        "31": from_callee,
        "32": from_callee,
        "22": from_caller,
        "30": "│  ├─✗│",
        "40": both,
        "42": both,
        "43": both,
        "44": both,
    }
    for code, shape in expected.items():
        drawn = arrow(code)
        skeleton = "".join(mark for mark in drawn if mark in "│├┤◀▶✗")
        assert skeleton == "".join(mark for mark in shape if mark in "│├┤◀▶✗"), code
        assert ("═" in drawn) == ("═" in shape), code


def test_an_unknown_code_stands_on_the_platform_s_lane() -> None:
    (line,) = [line for line in lines_of(LadderEvent(BEGAN, "77")) if "77" in line]
    assert "77 unknown (77)" in line


def test_a_refused_query_says_why() -> None:
    lines = lines_of(query=LadderQuery(BEGAN, 900, "1004", "no binding relates the two", ()))
    assert any("1004 no relationship between caller and access number" in line for line in lines)
    assert any("answered in 0.9 ms" in line for line in lines)
    assert any("no binding relates the two" in line for line in lines)


def test_times_count_from_the_first_message_even_when_an_event_overtook_the_query() -> None:
    lines = lines_of(LadderEvent(BEGAN - 500_000, "15"), query=LadderQuery(BEGAN, 1000, "0000", "", ("139",)))
    assert any("+0.000 s" in line and "15 calling" in line for line in lines)
    assert any("+0.500 s" in line and "dials" in line for line in lines)


def test_long_calls_are_told_in_hours() -> None:
    lines = lines_of(LadderEvent(BEGAN, "15"), LadderEvent(BEGAN + 3_723_004_000, "22"))
    assert any("+1:02:03.004" in line for line in lines)
