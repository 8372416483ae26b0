"""Filling a pool from a file, and reading the audit log."""

from pathlib import Path
from typing import Any

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
