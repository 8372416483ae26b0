"""`axbridge import`: files that are no good, refused rows, and imports that are cut off."""

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axbridge.routing.v1 import binding_pb2
from axbridge.routing.v1.binding_service_pb2 import ImportBindingsRequest, ImportBindingsResponse, ImportResult

from cli.clients import Caller
from tests.unit.cli.conftest import Cli, FakeServices

Verdict = Callable[[binding_pb2.Binding], str]


def importing(verdict: Verdict, ends_after: int = 10_000) -> Callable[[Iterator[ImportBindingsRequest]], object]:
    """A service that refuses rows for what `verdict` says, and dies after so many."""

    def answer(requests: Iterator[ImportBindingsRequest]) -> Iterator[ImportBindingsResponse]:
        row = 0
        for request in requests:
            for each in request.bindings:
                if row == ends_after:
                    raise RuntimeError("cut off")
                row += 1
                error = verdict(each)
                yield ImportBindingsResponse(results=[ImportResult(row=row, binding_id=error or "b1", error=error)])

    return answer


def no_kind(binding: binding_pb2.Binding) -> str:
    return "" if binding.kind else "no kind"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "bindings.csv"


def test_refused_rows_can_be_imported_again(cli: Cli, services: FakeServices, file: Path, tmp_path: Path) -> None:
    services.answers["ImportBindings"] = importing(no_kind)
    rejected, again = tmp_path / "rejected.csv", tmp_path / "again.csv"
    file.write_text(
        "kind,access_number,a_number,expires_at\n"
        "AX,02566000001,13800001111,\n"
        "AXQ,02566000002,13800001111,\n"
        "\n"
        "AX,02566000003,13800001111\n"
        "AX,02566000004,13800001111,,x\n"
    )
    assert cli.run("import", str(file), "--tenant", "1", "--rejected", str(rejected)).exit_code == 1
    assert rejected.read_text().splitlines() == [
        "row,field,error,kind,access_number,a_number,expires_at",
        '2,kind,"one of AXB, AX, AXG, AXE, AXYB is expected",AXQ,02566000002,13800001111,',
        "3,,the row has fewer fields than there are headings,AX,02566000003,13800001111",
        "4,,the row has more fields than there are headings,AX,02566000004,13800001111,,x",
    ]
    # What was too short or too long still is: nothing was filled up or cut off on the way.
    assert cli.run("import", str(rejected), "--tenant", "1", "--rejected", str(again)).exit_code == 1
    assert [row[1:] for row in again.read_text().splitlines()[1:]] == [
        row[1:] for row in rejected.read_text().splitlines()[1:]
    ]
    mended = rejected.read_text().replace("AXQ", "AX").replace(",,x", ",").replace("3,13800001111", "3,13800001111,")
    rejected.write_text(mended)
    assert cli.json("import", str(rejected), "--tenant", "1") == {
        "rows": 3,
        "accepted": 3,
        "refused": 0,
        "dry_run": False,
    }


def test_the_file_to_import_is_not_written_over(cli: Cli, file: Path, tmp_path: Path) -> None:
    rows = "kind,access_number,a_number\nAX,02566000001,13800001111\n"
    file.write_text(rows)
    (tmp_path / "same.csv").symlink_to(file)
    for same in (file, tmp_path / "same.csv"):
        assert "--rejected" in cli.error("import", str(file), "--tenant", "1", "--rejected", str(same), code=2)
    assert file.read_text() == rows
    nowhere = str(tmp_path / "missing" / "rejected.csv")
    assert "--rejected" in cli.error("import", str(file), "--tenant", "1", "--rejected", nowhere, code=2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind,access_number,colour\n", "unknown: colour"),
        ("kind,access_number,a_number,a_number\n", "more than once: a_number"),
        ("kind,a_number\n", "access_number"),
        ("", "access_number"),
        ('kind,access_number\nAX,"025\n', "no CSV file"),
        ('kind,access_number\nAX,"025"x\n', "no CSV file"),
    ],
)
def test_what_is_no_file_of_rows(cli: Cli, services: FakeServices, file: Path, text: str, said: str) -> None:
    file.write_text(text)
    line = cli.error("import", str(file), "--tenant", "1", code=2)

    assert "FILE.csv" in line and said in line
    assert services.requests == []


def test_a_pipe_and_a_file_that_changes_are_no_import(cli: Cli, services: FakeServices, file: Path) -> None:
    os.mkfifo(file)
    assert "regular file" in cli.error("import", str(file), "--tenant", "1", code=2)
    file.unlink()
    file.write_text("kind,access_number\nAX,02566000001\nAX,02566000002\n")

    def only_one(requests: Iterator[ImportBindingsRequest]) -> Iterator[ImportBindingsResponse]:
        assert sum(len(each.bindings) for each in requests) == 2
        yield ImportBindingsResponse(results=[ImportResult(row=1, binding_id="b1")])

    services.answers["ImportBindings"] = only_one
    assert "1 rows were dealt with, and 2 were counted" in cli.error("import", str(file), "--tenant", "1")


@pytest.mark.parametrize(
    ("more", "advice"),
    [
        (("--request-id", "nightly"), "the same command again"),
        ((), "run it again"),
        (("--dry-run",), "the check ended after 2 of 3 rows"),
    ],
)
def test_an_import_that_is_cut_off_says_how_far_it_came(
    cli: Cli,
    services: FakeServices,
    file: Path,
    more: tuple[str, ...],
    advice: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exchange = Caller.exchange

    def interrupted(*arguments: Any) -> Iterator[Any]:
        yield from itertools.islice(exchange(*arguments), 2)
        raise KeyboardInterrupt

    services.answers["ImportBindings"] = importing(no_kind, ends_after=2)
    file.write_text("kind,access_number\nAX,02566000001\nAXQ,02566000002\nAX,02566000003\n")
    line = cli.error("import", str(file), "--tenant", "1", *more)

    assert "after 2 of 3 rows" in line and advice in line
    monkeypatch.setattr(Caller, "exchange", interrupted)
    assert "after 2 of 3 rows" in cli.error("import", str(file), "--tenant", "1", *more, code=130)
    assert ("of which 1 are stored" in line) is (more != ("--dry-run",))
