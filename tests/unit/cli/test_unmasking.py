"""Whole numbers are asked for by --unmask only, and who asked is listed."""

import json

import pytest
from axbridge.events.v1 import call_pb2, call_service_pb2, privacy_service_pb2
from axbridge.routing.v1 import binding_service_pb2

from common.auth.unmasking import UNMASK_ACTION
from tests.unit.cli.conftest import Cli, FakeServices

A = "13800001111"
ENTRY = {
    "rpc": "/axbridge.events.v1.CallService/ListCalls",
    "request": {"tenant_id": "100001", "number": "138****1111"},
}


@pytest.mark.parametrize("flags", [(), ("--unmask",)])
def test_the_services_are_asked_for_whole_numbers_only_when_the_command_was(
    cli: Cli, services: FakeServices, flags: tuple[str, ...]
) -> None:
    services.answers["ListCalls"] = call_service_pb2.ListCallsResponse()
    cli.ok("calls", "list", "--tenant", "100001", *flags)
    assert services.was_unmasking is bool(flags)


def test_free_text_is_masked_too(cli: Cli, services: FakeServices) -> None:
    call = call_pb2.Call(session_id="s1", tenant_id="100001", user_data=f"order of {A}", recording_path=f"/r/{A}.wav")
    services.answers["GetCall"] = call_service_pb2.GetCallResponse(call=call)
    services.answers["ListCallEvents"] = call_service_pb2.ListCallEventsResponse()
    for shape in ((), ("--json",)):
        asked = ("calls", "show", "s1", "--tenant", "100001", *shape)
        assert A not in cli.ok(*asked)
        assert cli.ok(*asked, "--unmask").count(A) >= 2


def test_who_saw_numbers_is_listed(cli: Cli, services: FakeServices) -> None:
    services.answers["ListAuditEntries"] = privacy_service_pb2.ListAuditEntriesResponse(
        entries=[
            privacy_service_pb2.AuditEntry(
                entry_id=7, actor="billing", action=UNMASK_ACTION, after_json=json.dumps(ENTRY)
            )
        ]
    )
    shown = cli.ok("audit", "events", "--tenant", "100001")
    assert "billing" in shown and UNMASK_ACTION in shown and "ListCalls" in shown and "138****1111" in shown
    assert cli.json("audit", "events", "--tenant", "100001")[0]["entry_id"] == "7"
    services.answers["ListAuditEntries"] = privacy_service_pb2.ListAuditEntriesResponse()
    assert "nothing" in cli.ok("audit", "events", "--tenant", "100001")


def test_the_routing_services_log_shows_it_among_the_changes(cli: Cli, services: FakeServices) -> None:
    entry = binding_service_pb2.AuditEntry(entry_id=3, actor="ops", action=UNMASK_ACTION, after_json=json.dumps(ENTRY))
    services.answers["ListAuditEntries"] = binding_service_pb2.ListAuditEntriesResponse(entries=[entry])
    shown = cli.ok("audit", "list", "--tenant", "100001")
    assert "ops" in shown and "ListCalls tenant_id: 100001" in shown
