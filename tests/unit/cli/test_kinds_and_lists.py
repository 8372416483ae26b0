"""The commands for groups, extensions, pairs with Y, hours and number lists."""

import pytest
from axbridge.routing.v1 import binding_pb2, binding_service_pb2
from axbridge.routing.v1 import number_list_service_pb2 as lists_pb2

from tests.unit.cli.conftest import Cli, FakeServices

X, A, B, C = "02566000001", "13800001111", "13900001111", "13700001111"
WHERE = ("--tenant", "100001", "--access", X)


def created(request: binding_service_pb2.CreateBindingRequest) -> binding_service_pb2.CreateBindingResponse:
    answer = binding_service_pb2.CreateBindingResponse(binding=request.binding)
    answer.binding.binding_id = "b1"
    answer.binding.revision = 1
    return answer


def bound(cli: Cli, services: FakeServices, *arguments: str) -> tuple[binding_pb2.Binding, str]:
    services.answers["CreateBinding"] = created
    shown = cli.ok("bind", *arguments)
    request = services.requests[-1]
    assert isinstance(request, binding_service_pb2.CreateBindingRequest)
    return request.binding, shown


def test_a_group(cli: Cli, services: FakeServices) -> None:
    binding, shown = bound(
        cli, services, "axg", *WHERE, "--member", A, "--member", f"{B}=02566000002", "--strategy", "round-robin",
        "--max-members", "1",
    )  # fmt: skip

    assert binding == binding_pb2.Binding(
        tenant_id="100001",
        kind=binding_pb2.BINDING_KIND_AXG,
        access_number=X,
        targets=[
            binding_pb2.BindingTarget(number=A),
            binding_pb2.BindingTarget(number=B, display_number="02566000002"),
        ],
        hunt_strategy=binding_pb2.HUNT_STRATEGY_ROUND_ROBIN,
        max_members=1,
    )
    assert "round-robin, at most 1" in shown
    assert A not in shown and B not in shown


def test_an_extension_in_hours(cli: Cli, services: FakeServices) -> None:
    binding, shown = bound(
        cli, services, "axe", *WHERE, "--a", A, "--extension", "8001", "--last-caller",
        "--schedule", "mon-fri 09:00-18:00", "--schedule", "fri-mon,wed 22:00-06:00", "--schedule", "00:00-24:00",
        "--holiday", "2026-10-01",
    )  # fmt: skip

    assert binding.kind == binding_pb2.BINDING_KIND_AXE
    assert (binding.extension, binding.callback_to_last_caller) == ("8001", True)
    assert binding.schedule == binding_pb2.WeeklySchedule(
        time_zone="Asia/Shanghai",
        hours=[
            binding_pb2.WeeklyHours(days_of_week=[1, 2, 3, 4, 5], start="09:00", end="18:00"),
            binding_pb2.WeeklyHours(days_of_week=[1, 3, 5, 6, 7], start="22:00", end="06:00"),
            binding_pb2.WeeklyHours(days_of_week=[1, 2, 3, 4, 5, 6, 7], start="00:00", end="24:00"),
        ],
        holidays=["2026-10-01"],
    )
    assert "mon-fri 09:00-18:00" in shown
    assert "the last caller" in shown


def test_a_pair_with_y(cli: Cli, services: FakeServices) -> None:
    binding, _ = bound(cli, services, "axyb", *WHERE, "--a", A, "--b", B, "--y", "02566000009", "--member", C)

    assert binding.kind == binding_pb2.BINDING_KIND_AXYB
    assert binding.y_number == "02566000009"
    assert [each.number for each in binding.targets] == [C]


@pytest.mark.parametrize("schedule", ["", "mon", "mon-fri", "someday 09:00-18:00", "mon- 09:00-18:00", "09:00"])
def test_hours_that_can_not_be_read(cli: Cli, services: FakeServices, schedule: str) -> None:
    result = cli.run("bind", "ax", *WHERE, "--a", A, "--schedule", schedule)

    assert result.exit_code == 2
    assert not services.requests


def test_holidays_need_hours(cli: Cli, services: FakeServices) -> None:
    assert cli.run("bind", "ax", *WHERE, "--a", A, "--holiday", "2026-10-01").exit_code == 2
    assert not services.requests


def test_changing_what_only_some_kinds_have(cli: Cli, services: FakeServices) -> None:
    services.answers["UpdateBinding"] = binding_service_pb2.UpdateBindingResponse()
    cli.ok(
        "bindings", "update", "b1", "--tenant", "100001", "--member", A, "--strategy", "longest-idle",
        "--max-members", "0", "--schedule", "09:00-18:00", "--no-last-caller", "--y", X, "--extension", "1",
    )  # fmt: skip
    (request,) = services.requests
    assert isinstance(request, binding_service_pb2.UpdateBindingRequest)

    assert set(request.update_mask.paths) == {
        "targets", "hunt_strategy", "max_members", "schedule", "callback_to_last_caller", "y_number", "extension",
    }  # fmt: skip
    assert request.binding.hunt_strategy == binding_pb2.HUNT_STRATEGY_LONGEST_IDLE


def test_lists(cli: Cli, services: FakeServices) -> None:
    def stored(request: lists_pb2.CreateNumberListEntryRequest) -> lists_pb2.CreateNumberListEntryResponse:
        answer = lists_pb2.CreateNumberListEntryResponse(entry=request.entry)
        answer.entry.entry_id = "e1"
        return answer

    services.answers["CreateNumberListEntry"] = stored
    blocked = cli.ok("lists", "add", "block", A, *WHERE, "--note", "spam")
    allowed = cli.ok("lists", "add", "allow", "+86138*", "--tenant", "100001")
    first, second = services.requests
    assert isinstance(first, lists_pb2.CreateNumberListEntryRequest)
    assert isinstance(second, lists_pb2.CreateNumberListEntryRequest)
    assert first.entry == lists_pb2.NumberListEntry(
        tenant_id="100001",
        access_number=X,
        action=lists_pb2.NUMBER_LIST_ACTION_BLOCK,
        pattern_type=lists_pb2.NUMBER_PATTERN_TYPE_EXACT,
        pattern=A,
        note="spam",
    )
    assert second.entry == lists_pb2.NumberListEntry(
        tenant_id="100001",
        action=lists_pb2.NUMBER_LIST_ACTION_ALLOW,
        pattern_type=lists_pb2.NUMBER_PATTERN_TYPE_PREFIX,
        pattern="+86138",
    )
    assert A not in blocked
    assert "+86138*" in allowed
    hint = "compared with their country code"
    assert hint not in blocked + allowed
    assert hint in " ".join(cli.ok("lists", "add", "block", "138*", "--tenant", "100001").split())

    services.answers["ListNumberListEntries"] = lists_pb2.ListNumberListEntriesResponse(
        entries=[stored(first).entry, stored(second).entry]
    )
    listing = cli.ok("lists", "list", "--tenant", "100001")
    assert "spam" in listing and A not in listing
    services.answers["DeleteNumberListEntry"] = lists_pb2.DeleteNumberListEntryResponse()
    assert "deleted" in cli.ok("lists", "delete", "e1", "--tenant", "100001")
