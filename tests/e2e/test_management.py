"""The commands that manage relationships, against a service of their own: what they print, and what they did."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from tests.support.stack import Service

A, B, C, D = "13800001111", "13900001111", "13700001111", "13600001111"
MASKED_A = "138****1111"


class Shell:
    """Runs commands against a service. Each test has a tenant of its own."""

    def __init__(self, service: Service) -> None:
        self._env = {"AXBRIDGE_ROUTING_TARGET": service.address, "COLUMNS": "200", "NO_COLOR": "1"}
        self._count = 0

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments), env=self._env, prog_name="axbridge")

    def ok(self, *arguments: str) -> str:
        result = self.run(*arguments)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.ok(*arguments, "--json", "--unmask"))

    def refused(self, *arguments: str, code: int = 1) -> str:
        """What a command says that must fail."""
        result = self.run(*arguments)
        assert result.exit_code == code, result.output
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.stderr

    def new_tenant(self) -> str:
        self._count += 1
        tenant = f"tenant-{self._count}"
        self.ok("tenant", "add", tenant)
        return tenant


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    directory = tmp_path_factory.mktemp("routing")
    service = Service("routing_service", "AXBRIDGE_ROUTING", directory, {"AXBRIDGE_ROUTING_DATA_DIR": str(directory)})
    service.start()
    yield Shell(service)
    assert service.stop() == 0, service.child.log()


@pytest.fixture
def tenant(shell: Shell) -> str:
    return shell.new_tenant()


def bind(shell: Shell, tenant: str, access: str, a: str = A, b: str = B) -> str:
    where = ("--tenant", tenant, "--access", access)
    binding_id: str = shell.json("bind", "axb", *where, "--a", a, "--b", b)["binding_id"]
    return binding_id


def test_rows_are_imported_and_refused_ones_kept(shell: Shell, tenant: str, tmp_path: Path) -> None:
    file, rejected = tmp_path / "bindings.csv", tmp_path / "rejected.csv"
    file.write_text(
        "kind,access_number,a_number,b_number,targets,one_way,expires_at,client_id\n"
        f"AXB,02566000101,{A},{B},{C};{D},yes,2099-01-01T00:00+08:00,order-1\n"
        f"AXB,02566000101,{A},{C},,,,\n"
        f"AXQ,02566000101,{A},{C},,,,\n"
        f"ax,02566000102,{A},,,maybe,,\n"
        f'AXB,02566000103,{C},anonymous,,,,"a, b"\n'
        f"AX,02566000104,{A},,,no,soon,\n"
        f"AX,02566000105,{A},,,no,,x,too much\n"
    )
    command = ("import", str(file), "--tenant", tenant)
    dry = shell.run(*command, "--dry-run")
    assert dry.exit_code == 1
    assert "1 of 7 rows would be imported" in dry.stdout and A not in dry.output
    assert shell.json("bindings", "list", "--tenant", tenant) == []

    done = shell.run(*command, "--rejected", str(rejected), "--request-id", "nightly")
    assert done.exit_code == 1
    assert "1 of 7 rows imported" in done.stdout and str(rejected) in done.stdout.replace("\n", "")
    (binding,) = shell.json("bindings", "list", "--tenant", tenant)
    assert (binding["access_number"], binding["one_way"]) == ("+862566000101", True)
    assert [each["number"] for each in binding["targets"]] == ["+8613700001111", "+8613600001111"]
    assert binding["profile"]["client_id"] == "order-1"
    with rejected.open(encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text))
    assert [(each["row"], each["field"]) for each in rows] == [
        ("2", ""),
        ("3", "kind"),
        ("4", "one_way"),
        ("5", "binding.b_number"),
        ("6", "expires_at"),
        ("7", ""),
    ]
    assert all(each["error"] for each in rows)
    assert (rows[3]["a_number"], rows[3]["client_id"]) == (C, "a, b")
    assert shell.run(*command, "--request-id", "nightly", "--json").exit_code == 1
    assert len(shell.json("bindings", "list", "--tenant", tenant)) == 1


def test_all_rows_or_none_and_what_is_no_file_of_rows(shell: Shell, tenant: str, tmp_path: Path) -> None:
    file = tmp_path / "bindings.csv"
    command = ("import", str(file), "--tenant", tenant)
    file.write_text(f"kind,access_number,a_number\nAX,02566000111,{A}\nAX,02566000111,{B}\n")
    assert json.loads(shell.run(*command, "--atomic", "--json").stdout) == {
        "rows": 2,
        "accepted": 0,
        "refused": 2,
        "dry_run": False,
    }
    file.write_text(f"\ufeffkind,access_number,a_number\nAX,02566000111,{A}\n")
    assert "1 of 1 rows imported" in shell.ok(*command, "--atomic")
    file.write_text("kind,a_number\nAX,1\n")
    assert "access_number" in shell.refused(*command, code=2)
    file.write_text("kind,access_number,colour\n")
    assert "colour" in shell.refused(*command, code=2)
    file.write_bytes(b"kind,access_number\nAX,\xff\xfe\n")
    assert "no CSV file in UTF-8" in shell.refused(*command, code=2)
    file.write_text("kind,access_number\n")
    assert "0 of 0 rows imported" in shell.ok(*command)
    file.write_text(f"kind,access_number,a_number\nAX,02566000112,{A}\n")
    assert "no such tenant" in shell.refused("import", str(file), "--tenant", "nobody")
    assert shell.run("import", str(tmp_path / "missing.csv"), "--tenant", tenant).exit_code == 2


def test_the_audit_log_says_who_did_what(shell: Shell, tenant: str) -> None:
    binding = bind(shell, tenant, "02566000121")
    shell.ok("bindings", "update", binding, "--tenant", tenant, "--one-way", "--b", C, "--request-id", "change-1")
    shell.ok("bindings", "delete", binding, "--tenant", tenant)
    listing = shell.ok("audit", "list", "--tenant", tenant)

    done = [line.split()[4] for line in listing.splitlines() if "anonymous" in line]
    assert [each for each in done if each != "numbers.unmask"] == [
        "binding.delete",
        "binding.update",
        "binding.create",
        "tenant.create",
    ]
    assert "b_number: +86139****1111 → +86137****1111, one_way" in listing
    assert C not in listing
    entries = shell.json("audit", "list", "--tenant", tenant, "--object", binding, "--limit", "2")
    assert [(each["action"], each["request_id"]) for each in entries] == [
        ("binding.delete", ""),
        ("binding.update", "change-1"),
    ]
    assert json.loads(entries[1]["after_json"])["b_number"] == f"+86{C}"
    assert C not in shell.ok("audit", "list", "--tenant", tenant, "--json")
    assert "nothing was changed" in shell.ok("audit", "list", "--tenant", "nobody")
    assert "--tenant" in shell.refused("audit", "list", "--tenant", "a b")


def test_a_pool_from_its_first_number_to_its_last(shell: Shell, tenant: str, tmp_path: Path) -> None:
    file = tmp_path / "numbers.txt"
    file.write_text("02566000131\n\n 02566000132 \n")
    of_tenant = ("--tenant", tenant)
    for _ in range(2):
        assert "2 access numbers added" in shell.ok(
            "pool", "add", *of_tenant, "--file", str(file), "--city", "25", "--request-id", "a"
        )
    assert "1 access numbers added" in shell.ok("pool", "add", "02166000133", *of_tenant, "--capability", "sms")
    pair = ("--a", A, "--b", B)
    first = shell.json("pool", "allocate", *of_tenant, *pair, "--city", "25", "--request-id", "order-1")
    assert shell.json("pool", "allocate", *of_tenant, *pair, "--city", "25", "--request-id", "order-1") == first
    second = shell.json("pool", "allocate", *of_tenant, "--a", A, "--b", C, "--city", "025")
    assert {first["access_number"], second["access_number"]} == {"+862566000131", "+862566000132"}
    exhausted = shell.refused("pool", "allocate", *of_tenant, "--a", A, "--b", D, "--city", "25")
    assert "2 in use by these numbers" in exhausted and A not in exhausted
    owner = shell.ok("pool", "allocate", *of_tenant, "--a", D, "--nationwide-fallback", "--capability", "sms")
    assert "+862166000133" in owner and D not in owner

    listing = shell.ok("pool", "list", *of_tenant)
    assert [line.split()[0] for line in listing.splitlines() if line.strip().startswith("+86")] == [
        "+862166000133",
        "+862566000131",
        "+862566000132",
    ]
    assert len(shell.json("pool", "list", *of_tenant, "--city", "25", "--limit", "1")) == 1
    said = shell.ok("pool", "forecast", *of_tenant, "--window", "1h")
    assert MASKED_A in said and A not in said
    assert shell.json("pool", "forecast", *of_tenant)["needed"] == 3, "two for the pairs of A, and the owner's"
    assert "live bindings" in shell.refused("pool", "remove", first["access_number"], *of_tenant)
    shell.ok("bindings", "delete", first["binding_id"], *of_tenant)
    assert "1 access numbers removed" in shell.ok("pool", "remove", first["access_number"], *of_tenant)
    assert "no numbers" in shell.refused("pool", "add", *of_tenant, code=2)
    assert "no access numbers" in shell.ok("pool", "list", *of_tenant, "--pool", "vip")


def test_lists_are_kept_by_name(shell: Shell, tenant: str) -> None:
    of_tenant = ("--tenant", tenant)
    for _ in range(2):
        shell.ok("lists", "add", "block", A, *of_tenant, "--note", "spam", "--request-id", "block-1")
    shell.ok("lists", "add", "allow", "+86137*", *of_tenant, "--access", "02566000141", "--expires-in", "30d")
    (blocked, allowed) = shell.json("lists", "list", *of_tenant)
    assert (blocked["pattern"], blocked["note"], allowed["access_number"]) == (f"+86{A}", "spam", "+862566000141")
    assert "there is an entry" in shell.refused("lists", "add", "block", A, *of_tenant)
    assert "NUMBER" in shell.refused("lists", "add", "block", "138x", *of_tenant)
    for _ in range(2):
        shell.ok("lists", "delete", blocked["entry_id"], *of_tenant, "--request-id", "unblock-1")
    assert len(shell.json("lists", "list", *of_tenant)) == 1


def test_a_replay_shows_what_a_proposal_would_change(shell: Shell, tenant: str, tmp_path: Path) -> None:
    binding = bind(shell, tenant, "02566000151")
    shell.ok("pool", "add", "02566000151", "--tenant", tenant)
    proposal, queries = tmp_path / "proposal.json", tmp_path / "queries.jsonl"
    new = {"kind": "BINDING_KIND_AX", "access_number": "02566000152", "a_number": C}
    proposal.write_text(json.dumps({"deleted_binding_ids": [binding], "bindings": [new]}))
    asked = [(A, "02566000151"), (D, "02566000151"), (D, "02566000152")]
    queries.write_text(
        "\n".join(json.dumps({"calling_number": a, "access_number": x, "at": "2026-05-04T12:00:00Z"}) for a, x in asked)
        + "\n\n"
    )
    command = ("shadow-replay", "--tenant", tenant, "--proposal", str(proposal))
    shown = shell.ok(*command, "--queries", str(queries))
    assert "2 of 3 answers would change" in shown
    assert "1004" in shown and "1003" in shown and A not in shown
    differences = shell.json(*command, "--queries", str(queries))
    assert [each["query"]["calling_number"] for each in differences] == [A, D]
    assert differences[0]["proposed"]["result"] == "ROUTE_RESULT_NO_BINDING", "it is in a pool"
    assert differences[1]["proposed"]["members"][0]["number"] == C
    assert len(shell.json("bindings", "list", "--tenant", tenant)) == 1

    queries.write_text(f'{{"calling_number": "{A}", "access_number": "02566000151"}}\n')
    assert "axbridge: queries[0].at: " in shell.refused(*command, "--queries", str(queries))
    queries.write_text("{}\n[\n")
    assert "line 2" in shell.refused(*command, "--queries", str(queries), code=2)
    assert "--queries" in shell.refused(*command, code=2)
    proposal.write_text('{"bindings": [{"colour": "red"}]}')
    assert "colour" in shell.refused(*command, "--queries", str(queries), code=2)
    proposal.write_text(json.dumps({"bindings": [{**new, "access_number": "02566000151", "kind": "BINDING_KIND_AXB"}]}))
    queries.write_text("")
    assert "proposal.bindings[0].b_number" in shell.refused(*command, "--queries", str(queries))
