"""Many calls at once: exports, reports, rebuilds, and the calls that are going on."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from axbridge.events.v1 import call_service_pb2
from google.protobuf.message import Message

from common.errors import InvalidArgumentError, UnavailableError
from tests.unit.cli.conftest import Cli, FakeServices

TENANT = ("--tenant", "100001")


def piece(chunk: str, calls: int, token: str = "") -> call_service_pb2.ExportCallsResponse:
    return call_service_pb2.ExportCallsResponse(chunk=chunk.encode(), calls=calls, next_page_token=token)


class Export:
    """An export of five calls, two a piece, whose stream breaks off after `pieces_each` of them."""

    def __init__(self, pieces_each: int) -> None:
        self._pieces_each = pieces_each

    def __call__(self, request: call_service_pb2.ExportCallsRequest) -> Iterator[Message]:
        after = int(request.page_token or 0)
        calls = 0
        if not request.page_token:
            yield piece("header\n", 0)
        for sent in range(self._pieces_each + 1):
            if after == 5:
                return
            if sent == self._pieces_each:
                raise UnavailableError("the connection is too old")
            upto = min(5, after + 2)
            calls += upto - after
            yield piece("".join(f"订{number}\n" for number in range(after, upto)), calls, str(upto))
            after = upto


WHOLE = "header\n" + "".join(f"订{number}\n" for number in range(5))


@pytest.mark.parametrize("pieces_each", [1, 2, 9])
def test_an_export_goes_on_where_its_stream_broke_off(
    cli: Cli, services: FakeServices, tmp_path: Path, pieces_each: int
) -> None:
    services.answers["ExportCalls"] = Export(pieces_each)
    file = tmp_path / "calls.csv"
    result = cli.run("calls", "export", *TENANT, "--out", str(file))
    assert result.exit_code == 0, result.output
    assert file.read_text() == WHOLE
    assert result.stderr == "5 calls exported\n"
    assert cli.ok("calls", "export", *TENANT) == WHOLE


def test_an_export_that_can_not_begin_leaves_the_file_as_it_was(
    cli: Cli, services: FakeServices, tmp_path: Path
) -> None:
    file = tmp_path / "calls.csv"
    file.write_text("yesterday's")
    services.answers["ExportCalls"] = InvalidArgumentError("started_before", "is before the time that it begins")
    times = ("--from", "2026-03-02T00:00+00:00", "--before", "2026-03-01T00:00+00:00")
    line = cli.error("calls", "export", *TENANT, *times, "--out", str(file))
    assert line == "axbridge: --before: is before the time that it begins"
    assert file.read_text() == "yesterday's"
    services.answers["ExportCalls"] = Export(0)
    assert "too old" in cli.error("calls", "export", *TENANT)
    assert "can't write" in cli.error("calls", "export", *TENANT, "--out", str(tmp_path))


def test_an_export_asks_for_what_was_typed(cli: Cli, services: FakeServices) -> None:
    services.answers["ExportCalls"] = lambda request: iter(())
    times = ("--from", "2026-03-01T00:00+00:00", "--before", "2026-03-02T00:00+00:00")
    assert cli.ok("calls", "export", *TENANT, "--format", "ndjson", *times) == ""
    asked = services.requests[-1]
    assert asked == call_service_pb2.ExportCallsRequest(
        tenant_id="100001",
        format=call_service_pb2.EXPORT_FORMAT_NDJSON,
        started_from=datetime(2026, 3, 1, tzinfo=UTC),
        started_before=datetime(2026, 3, 2, tzinfo=UTC),
    )
    assert not services.was_unmasking
    cli.ok("calls", "export", *TENANT, "--unmask")
    assert services.was_unmasking


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", "--format", "parquet"),
        ("export", "--from", "yesterday"),
        ("report", "--before", "25:00"),
        ("rebuild", "--from", "0001-01-01T00:00+14:00"),
        ("list", "--before", "9999-12-31T23:59-12:00"),
        ("list", "--limit", "0"),
        ("list", "--state", "over"),
    ],
)
def test_what_can_not_be_meant_is_refused_in_one_line(cli: Cli, arguments: tuple[str, ...]) -> None:
    line = cli.error("calls", *arguments, *TENANT, code=2)
    assert arguments[1] in line or "expected" in line


def test_active_calls(cli: Cli, services: FakeServices) -> None:
    services.answers["CountActiveCalls"] = call_service_pb2.CountActiveCallsResponse(active=3, answered=2)
    assert cli.ok("calls", "active", *TENANT) == "3 calls of 100001 are going on, 2 of them answered\n"
    assert cli.json("calls", "active", *TENANT) == {"active": "3", "answered": "2"}


def test_a_report_by_the_hour(cli: Cli, services: FakeServices, monkeypatch: pytest.MonkeyPatch) -> None:
    hour = call_service_pb2.CompletenessHour(
        hour=datetime(2026, 3, 1, 8, tzinfo=UTC),
        calls=10,
        complete=6,
        active=1,
        unterminated=2,
        with_anomalies=3,
        anomaly_kinds={"missing": 3, "late": 1},
    )
    services.answers["ReportCompleteness"] = call_service_pb2.ReportCompletenessResponse(hours=[hour])
    shown = cli.ok("calls", "report", *TENANT, "--from", "2026-03-01T08:00+00:00")
    row = shown.splitlines()[-1].split()
    assert row[2:] == ["10", "6", "1", "2", "3", "late", "1,", "missing", "3"]
    begin = getattr(services.requests[-1], "from")
    assert begin.ToDatetime(UTC) == datetime(2026, 3, 1, 8, tzinfo=UTC)
    (told,) = cli.json("calls", "report", *TENANT)["hours"]
    assert (told["hour"], told["anomaly_kinds"]) == ("2026-03-01T08:00:00Z", {"missing": "3", "late": "1"})
    services.answers["ReportCompleteness"] = call_service_pb2.ReportCompletenessResponse()
    assert cli.ok("calls", "report", *TENANT) == "no calls in this time\n"


def test_a_rebuild_is_asked_for_until_it_is_done(cli: Cli, services: FakeServices) -> None:
    def part(request: call_service_pb2.RebuildCallsRequest) -> call_service_pb2.RebuildCallsResponse:
        assert request.dry_run
        number = int(request.page_token or 0)
        return call_service_pb2.RebuildCallsResponse(
            calls=70,
            different=70,
            different_session_ids=[f"s{number}-{each}" for each in range(70)],
            next_page_token="" if number == 2 else str(number + 1),
        )

    services.answers["RebuildCalls"] = part
    lines = cli.ok("calls", "rebuild", *TENANT, "--dry-run").splitlines()
    assert lines[0] == "210 calls made anew from the log, 210 records were different"
    assert (lines[1], lines[-1], len(lines)) == ("  s0-0", "  s1-29", 101)
    told = cli.json("calls", "rebuild", *TENANT, "--dry-run")
    assert (told["calls"], told["different"], len(told["different_session_ids"])) == ("210", "210", 100)
