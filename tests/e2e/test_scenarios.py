"""Every kind of call in both formats, played by the simulated platform, ends in the right call record."""

import json
from pathlib import Path

import pytest
from axbridge.events.v1 import call_pb2
from axbridge.events.v1.call_service_pb2 import ListCallsRequest

from tests.support.acknowledged import check_log, read_acknowledged
from tests.support.cli import run_cli
from tests.support.stack import ACCESS, TENANT, A, B, Stack

SCENARIOS = {
    "answered": (call_pb2.CALL_STATE_COMPLETED, {call_pb2.HANGUP_PARTY_CALLER, call_pb2.HANGUP_PARTY_EITHER}),
    "callee-hangs-up": (call_pb2.CALL_STATE_COMPLETED, {call_pb2.HANGUP_PARTY_CALLEE, call_pb2.HANGUP_PARTY_EITHER}),
    "busy": (call_pb2.CALL_STATE_UNREACHED, {call_pb2.HANGUP_PARTY_PLATFORM}),
    "no-answer": (call_pb2.CALL_STATE_UNREACHED, {call_pb2.HANGUP_PARTY_PLATFORM}),
    "unreachable": (call_pb2.CALL_STATE_UNREACHED, {call_pb2.HANGUP_PARTY_PLATFORM}),
    "caller-gives-up": (call_pb2.CALL_STATE_ABANDONED, {call_pb2.HANGUP_PARTY_CALLER}),
    "max-duration": (call_pb2.CALL_STATE_COMPLETED, {call_pb2.HANGUP_PARTY_PLATFORM}),
}


@pytest.mark.parametrize("wire_format", ["xml", "json"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_scenario_becomes_its_call_record(
    shared_stack: Stack, tmp_path: Path, scenario: str, wire_format: str
) -> None:
    calls = 12
    run_id = f"{scenario}-{wire_format}"
    ack_file = tmp_path / "acknowledged.jsonl"
    report = run_cli(
        *("simulate", "--url", shared_stack.calls_url, "--tenant", TENANT, "--access", ACCESS, "--caller", A),
        *("--expect-callee", B, "--calls", str(calls), "--format", wire_format, "--scenario", scenario),
        *("--seed", "7", "--run-id", run_id, "--duplicates", "0.2", "--reorder", "0.2"),
        *("--ack-file", str(ack_file), "--json"),
    )
    assert json.loads(report)
    acknowledged = read_acknowledged(ack_file)
    assert len(acknowledged) == calls
    assert check_log(shared_stack.calls, acknowledged) == (0, 0)

    listed = shared_stack.calls.ListCalls(ListCallsRequest(tenant_id=TENANT, page_size=1000), timeout=10).calls
    records = [call for call in listed if (TENANT, call.session_id) in acknowledged]
    state, hangup_parties = SCENARIOS[scenario]
    assert len(records) == calls
    for record in records:
        assert record.state == state, record
        assert record.hangup_party in hangup_parties
        assert (record.calling_number, record.access_number) == ("+8613800001111", "+862566000001")
        assert record.called_number == "+8613900001111"
        assert record.direction == "A_TO_B"
        assert record.query_result == "0000"
        assert record.binding_id
        assert record.end_reason
        assert record.end_reason_zh
        answered = state == call_pb2.CALL_STATE_COMPLETED
        assert record.HasField("answered_at") == answered
        assert record.HasField("ended_at")
