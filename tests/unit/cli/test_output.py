"""What comes from outside is shown as text: it neither styles our output nor commands the terminal."""

import io

import pytest
from axbridge.events.v1 import call_pb2, call_service_pb2, event_pb2, event_service_pb2
from axbridge.routing.v1 import binding_pb2, tenant_pb2, tenant_service_pb2

from cli.output import is_access_number, message_dict, printable, stdout_console
from common.errors import UnavailableError
from tests.unit.cli.conftest import Cli, FakeServices

NASTY = "[bold]x[/] :smile: \x1b[2J\x07\u202e\x9b1m"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain 用户 😀", "plain 用户 😀"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("\u202eright to left", "\\u202eright to left"),
        ("\x9b", "\\x9b"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_nothing_from_outside_reaches_the_terminal_raw(cli: Cli, services: FakeServices) -> None:
    call = call_pb2.Call(tenant_id="1", session_id=NASTY, client_id=NASTY, end_reason=NASTY, anomalies=[NASTY])
    event = event_pb2.CallEvent(code=NASTY, call_result=NASTY, file_path=NASTY)
    services.answers |= {
        "ListTenants": tenant_service_pb2.ListTenantsResponse(
            tenants=[tenant_pb2.Tenant(tenant_id="1", display_name=NASTY)]
        ),
        "GetTenant": tenant_service_pb2.GetTenantResponse(tenant=tenant_pb2.Tenant(display_name=NASTY)),
        "ListCalls": call_service_pb2.ListCallsResponse(calls=[call]),
        "GetCall": call_service_pb2.GetCallResponse(call=call),
        "ListCallEvents": call_service_pb2.ListCallEventsResponse(events=[call_service_pb2.StoredEvent(event=event)]),
        "ListQuarantined": event_service_pb2.ListQuarantinedResponse(
            messages=[event_service_pb2.QuarantinedMessage(raw_body=NASTY.encode(), reason=NASTY, tenant_id=NASTY)]
        ),
    }
    for command in (
        ("tenant", "list"),
        ("tenant", "show", "1"),
        ("calls", "list", "--tenant", "1"),
        ("calls", "show", "s1", "--tenant", "1"),
        ("quarantine", "list"),
    ):
        shown = cli.ok(*command)
        for control in "\x1b\x07\u202e\x9b":
            assert control not in shown, command
        assert ":smile:" in shown.replace("\n", ""), command
        assert "[bold]x[/]" in shown, command


def test_errors_are_as_harmless(cli: Cli, services: FakeServices) -> None:
    services.answers["ListTenants"] = UnavailableError(NASTY)
    assert "\\x1b[2J" in cli.error("tenant", "list")


def test_without_a_terminal_lines_are_wide_enough_for_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert stdout_console().width == 140
    monkeypatch.setenv("COLUMNS", "77")
    assert stdout_console().width == 77


@pytest.mark.parametrize(
    ("number", "same"),
    [
        ("+862566000001", True),
        ("02566000001", True),
        ("2566000001", True),
        ("13800001111", False),
        ("", False),
        ("1", False),
        ("0001", False),
    ],
)
def test_the_access_number_is_known_in_each_of_its_writings(number: str, same: bool) -> None:
    assert is_access_number(number, "+862566000001") is same


def test_masking_reaches_every_depth() -> None:
    binding = binding_pb2.Binding(
        access_number="+862566000001", a_number="+8613800001111", display_number="+8613900001111"
    )
    shown = message_dict(binding, unmask=False)
    assert shown["access_number"] == "+862566000001"
    assert (shown["a_number"], shown["display_number"]) == ("+86138****1111", "+86139****1111")
    decision = event_pb2.LoggedDecision(
        access_number="02566000001", calling_number="13800001111", called_numbers=["13900001111", "13900002222"]
    )
    response = call_service_pb2.ListCallEventsResponse(decision=decision)
    masked = message_dict(response, unmask=False)["decision"]
    assert masked["called_numbers"] == ["139****1111", "139****2222"]
    assert masked["calling_number"] == "138****1111"
    assert message_dict(response, unmask=True)["decision"]["called_numbers"] == ["13900001111", "13900002222"]
