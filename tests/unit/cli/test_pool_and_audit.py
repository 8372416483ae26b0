"""Filling a pool from a file, and reading the audit log."""

from pathlib import Path
from typing import Any

from axbridge.events.v1 import privacy_service_pb2
from axbridge.routing.v1 import binding_service_pb2, number_pool_service_pb2

from common.errors import AlreadyExistsError
from tests.unit.cli.conftest import Cli, FakeServices


def test_the_number_that_can_not_be_added_is_named(cli: Cli, services: FakeServices, tmp_path: Path) -> None:
    """Of a thousand that are sent at once the service names one by its place only."""
    taken = "02566001002"

    def add(request: number_pool_service_pb2.AddAccessNumbersRequest) -> Any:
        numbers = [each.number for each in request.access_numbers]
        if taken in numbers:
            field = f"access_numbers[{numbers.index(taken)}].number"
            return AlreadyExistsError(f"{field}: the number is in a pool already", metadata={"field": field})
        return number_pool_service_pb2.AddAccessNumbersResponse(access_numbers=request.access_numbers)

    services.answers["AddAccessNumbers"] = add
    file = tmp_path / "numbers"
    file.write_text("".join(f"0256600{number:04}\n" for number in range(1500)))
    assert cli.error("pool", "add", "--tenant", "1", "--file", str(file)) == (
        f"axbridge: {taken}: the number is in a pool already; 1000 numbers before it were added"
    )
    file.write_bytes(b"\xff\xfe")
    assert "--file" in cli.error("pool", "add", "--tenant", "1", "--file", str(file), code=2)


def test_a_part_of_the_audit_log_is_said_to_be_one(cli: Cli, services: FakeServices) -> None:
    entry = binding_service_pb2.AuditEntry(entry_id=7, action="binding.create")
    services.answers["ListAuditEntries"] = lambda request: binding_service_pb2.ListAuditEntriesResponse(
        entries=[entry] * request.page_size, next_page_token="more"
    )
    assert "more than 2" in cli.ok("audit", "list", "--tenant", "1", "--limit", "2")
    services.answers["ListAuditEntries"] = binding_service_pb2.ListAuditEntriesResponse(entries=[entry])
    assert "more than" not in cli.ok("audit", "list", "--tenant", "1", "--limit", "2")


def _both(request: Any) -> Any:
    """The log of the service that is asked."""
    if isinstance(request, binding_service_pb2.ListAuditEntriesRequest):
        made = binding_service_pb2.AuditEntry(entry_id=7, actor="ops", action="binding.create", object_id="b1")
        made.at.FromSeconds(200)
        return binding_service_pb2.ListAuditEntriesResponse(entries=[made])
    documents = {"before_json": '{"state": "enabled"}', "after_json": '{"state": "paused"}'}
    paused = privacy_service_pb2.AuditEntry(
        entry_id=9, actor="shop", action="webhook.update", object_id="wh_1", **documents
    )
    paused.at.FromSeconds(300)
    replayed = privacy_service_pb2.AuditEntry(
        entry_id=8, actor="shop", action="webhook.replay", object_id="wh_1", after_json='{"delivery_ids": ["5"]}'
    )
    replayed.at.FromSeconds(100)
    return privacy_service_pb2.ListAuditEntriesResponse(entries=[paused, replayed])


def test_the_event_services_log_says_what_was_done_to_what(cli: Cli, services: FakeServices) -> None:
    services.answers["ListAuditEntries"] = _both
    shown = cli.ok("audit", "events", "--tenant", "1", "--object", "wh_1")
    assert services.requests[-1].object_id == "wh_1"  # type: ignore[attr-defined]
    assert "wh_1" in shown and "state: enabled → paused" in shown and "delivery_ids: ['5']" in shown
    assert cli.json("audit", "events", "--tenant", "1")[0]["object_id"] == "wh_1"


def test_both_services_logs_are_shown_as_one(cli: Cli, services: FakeServices) -> None:
    services.answers["ListAuditEntries"] = _both
    entries = cli.json("audit", "all", "--tenant", "1")
    assert [(each["service"], each["entry_id"]) for each in entries] == [
        ("events", "9"),
        ("routing", "7"),
        ("events", "8"),
    ]
    shown = cli.ok("audit", "all", "--tenant", "1", "--limit", "2")
    assert "binding.create" in shown and "webhook.update" in shown and "webhook.replay" not in shown
    assert "more than 2" in shown
    services.answers["ListAuditEntries"] = lambda request: type(_both(request))()
    assert "nothing" in cli.ok("audit", "all", "--tenant", "1")


def test_an_entry_whose_whole_numbers_are_masked_is_listed_all_the_same(cli: Cli, services: FakeServices) -> None:
    documents = {"before_json": '{"max_bindings": 10*****00}', "after_json": '{"max_bindings": 5}'}
    entry = binding_service_pb2.AuditEntry(entry_id=7, action="tenant.update", **documents)
    services.answers["ListAuditEntries"] = binding_service_pb2.ListAuditEntriesResponse(entries=[entry])
    assert "tenant.update" in cli.ok("audit", "list", "--tenant", "1")
