"""Errors are one line on standard error that says what to do, and an exit code."""

import socket
import threading

import pytest
from axbridge.routing.v1 import tenant_service_pb2

from cli.errors import one_line, option_for
from cli.main import app
from common.errors import (
    AbortedError,
    AlreadyExistsError,
    AxbridgeError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    ResourceExhaustedError,
    UnavailableError,
    UnexpectedError,
)
from tests.unit.cli.conftest import Cli, FakeServices


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            InvalidArgumentError("binding.profile.record_type", "not in bridge mode"),
            "axbridge: --record-type: not in bridge mode",
        ),
        (InvalidArgumentError("window", "more than 0 days"), "axbridge: --window: more than 0 days"),
        (
            InvalidArgumentError("binding.profile.caller_prompt.segments[0]", "a file needs a name"),
            "axbridge: --caller-prompt: a file needs a name",
        ),
        (
            AlreadyExistsError(
                "binding.a_number: the number is paired already, by binding b9",
                reason="BINDING_IN_THE_WAY",
                metadata={"binding_id": "b9"},
            ),
            "axbridge: --a: the number is paired already, by binding b9; "
            "`axbridge bindings show b9 --tenant …` shows it, `bindings delete` ends it",
        ),
        (
            NotFoundError("there is no such tenant", reason="TENANT_NOT_FOUND"),
            "axbridge: there is no such tenant; `axbridge tenant list` shows those there are, "
            "`axbridge tenant add` adds one",
        ),
        (
            AbortedError("the revision is 3"),
            "axbridge: the revision is 3; somebody else changed it first: look at it again and repeat the change",
        ),
        (
            FailedPreconditionError(
                "binding.access_number: the access number is in use by another enterprise",
                reason="ACCESS_NUMBER_TAKEN",
                metadata={"field": "binding.access_number"},
            ),
            "axbridge: --access: the access number is in use by another enterprise",
        ),
        (ResourceExhaustedError("over the limit."), "axbridge: over the limit; try again later"),
        (UnavailableError("the store can't be reached"), "axbridge: the store can't be reached"),
        (UnexpectedError("internal\nerror"), "axbridge: internal error; the log of the service says more"),
    ],
)
def test_what_the_service_says_is_told_with_what_to_do(
    cli: Cli, services: FakeServices, error: AxbridgeError, line: str
) -> None:
    services.answers["ListTenants"] = error
    assert cli.error("tenant", "list") == line


def test_a_service_that_is_not_there(cli: Cli) -> None:
    # Bound but not listening: nobody else gets the port while we ask.
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{nobody.getsockname()[1]}"
        line = cli.error("tenant", "list", "--routing-target", target)
        assert line == (
            f"axbridge: can't reach the routing service at {target}: start it with `axbridge up`, "
            "or say where it is with --routing-target or AXBRIDGE_ROUTING_TARGET"
        )
        line = cli.error("calls", "list", "--tenant", "1", "--events-target", target)
        assert "event service" in line
        assert "AXBRIDGE_EVENTS_TARGET" in line


def test_a_service_that_takes_too_long(cli: Cli, services: FakeServices) -> None:
    release = threading.Event()

    def wait(_request: object) -> tenant_service_pb2.ListTenantsResponse:
        release.wait(10)
        return tenant_service_pb2.ListTenantsResponse()

    services.answers["ListTenants"] = wait
    line = cli.error("tenant", "list", "--timeout", "0.2")
    release.set()
    assert "took over 0.2 s" in line
    assert "--timeout" in line


@pytest.mark.parametrize(
    ("field", "option"),
    [
        ("binding.a_number", "--a"),
        ("tenant.default_profile.warning_duration_seconds", "--warning-duration"),
        ("binding.member_prompts.fail_prompt.segments[2]", "--fail-prompt"),
        ("tenant.failure_prompts.1004", "--failure-prompt"),
        ("calling_number", "--a"),
        ("binding.targets[1].number", "--member"),
        ("binding.targets[1].display_number", "--member"),
        ("binding.display_number", "--display"),
        ("access_numbers[3].number", "NUMBER"),
        ("numbers[0]", "NUMBER"),
        ("number", "--number"),
        ("options.atomic", "--atomic"),
        ("expected_revision", "--if-revision"),
        ("cool_down", "--cool-down"),
        ("after_position", "--after"),
        ("something_new", "something_new"),
    ],
)
def test_fields_are_called_by_their_options(field: str, option: str) -> None:
    assert option_for(field) == option


def test_a_colon_in_a_message_is_no_field() -> None:
    assert one_line(UnavailableError("try later: the store is busy")) == "try later: the store is busy"


def test_help_and_version(cli: Cli) -> None:
    for arguments in (("--help",), ("tenant", "--help"), ("bind", "axb", "--help"), ("simulate", "--help")):
        assert "Usage" in cli.ok(*arguments)
    assert cli.ok("--version").startswith("axbridge ")
    assert "Commands" in cli.run().stdout
    assert cli.run().exit_code == 2


def test_bugs_are_not_hidden(cli: Cli, services: FakeServices, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("cli.tenant._all_tenants", broken)
    assert isinstance(cli.run("tenant", "list").exception, ZeroDivisionError)
    assert callable(app)


@pytest.mark.parametrize(
    ("option", "command"),
    [
        ("--not-before", ("bind", "axb", "--access", "1", "--a", "1", "--b", "2", "--not-before", "soon")),
        ("--expires-at", ("bind", "axb", "--access", "1", "--a", "1", "--b", "2", "--expires-at", "2026-13-01")),
        ("--expires-in", ("bind", "axb", "--access", "1", "--a", "1", "--b", "2", "--expires-in", "5x")),
        ("--expires-in", ("bindings", "update", "b1", "--expires-in", "9999999d")),
        ("--expires-at", ("lists", "add", "block", "138*", "--expires-at", "soon")),
        ("--expires-in", ("lists", "add", "block", "138*", "--expires-in", "9999999d")),
        ("--at", ("explain", "--access", "1", "--a", "1", "--at", "soon")),
        ("--window", ("pool", "forecast", "--window", "week")),
        ("--cool-down", ("pool", "allocate", "--a", "1", "--cool-down", "10")),
        ("--from", ("calls", "list", "--from", "soon")),
        ("--max-duration", ("bind", "ax", "--access", "1", "--a", "1", "--max-duration", "99999999999")),
        ("--max-members", ("bindings", "update", "b1", "--max-members", "99999999999")),
        ("--if-revision", ("bindings", "delete", "b1", "--if-revision", "99999999999999999999")),
        ("--after", ("bindings", "watch", "--after", "99999999999999999999")),
        ("--max-in-flight", ("webhooks", "add", "https://h.example/", "--max-in-flight", "99999999999")),
        ("--max-per-second", ("webhooks", "update", "wh_1", "--max-per-second", "99999999999")),
        ("--timeout-ms", ("webhooks", "update", "wh_1", "--timeout-ms", "-1")),
        ("--if-revision", ("webhooks", "update", "wh_1", "--if-revision", "99999999999999999999")),
        ("[DELIVERY_ID]...", ("webhooks", "replay", "wh_1", "99999999999999999999")),
        ("[DELIVERY_ID]...", ("webhooks", "replay", "wh_1", "0")),
    ],
)
def test_a_value_that_is_none_names_its_option(
    cli: Cli, services: FakeServices, option: str, command: tuple[str, ...]
) -> None:
    line = cli.error(*command, "--tenant", "1", code=2)

    assert f"Invalid value for {option}: " in line.replace("'", "")
    assert services.requests == []
