"""Keys from the command line: what is printed is what the services take."""

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from common.auth.api_keys import read_pepper
from common.auth.credentials import parse_credentials
from common.auth.grants import Scope
from gateway.platform_access import parse_access


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), prog_name="axbridge")


@pytest.fixture
def pepper(tmp_path: Path) -> Path:
    file = tmp_path / "pepper"
    assert run("keys", "pepper", str(file)).exit_code == 0
    return file


def test_a_pepper_is_for_its_owner_and_is_never_overwritten(pepper: Path) -> None:
    assert stat.S_IMODE(pepper.stat().st_mode) == 0o600
    before = pepper.read_bytes()
    refused = run("keys", "pepper", str(pepper))
    assert refused.exit_code == 1
    assert "is there already" in refused.stderr
    assert pepper.read_bytes() == before


def test_a_key_as_it_is_printed_is_the_key_of_its_entry(pepper: Path) -> None:
    made = run(
        *("keys", "generate", "--pepper-file", str(pepper), "--caller", 'bil"ling', "--tenant", "100001"),
        *("--tenant", "100002", "--scope", "read", "--scope", "unmask", "--expires", "30d"),
    )
    assert made.exit_code == 0, made.stderr
    key, _, entry = made.stdout.partition("\n")
    grant = parse_credentials(entry, read_pepper(pepper)).by_key(key, datetime.now(UTC))
    assert (grant.caller, grant.tenants) == ('bil"ling', {"100001", "100002"})
    assert grant.scopes == {Scope.READ, Scope.UNMASK}
    assert grant.expires_at is not None
    assert abs(grant.expires_at - datetime.now(UTC) - timedelta(days=30)) < timedelta(minutes=1)
    assert key not in entry
    assert key.split("_", 2)[2] not in entry


def test_json_and_an_end_that_is_a_time(pepper: Path) -> None:
    made = run(
        *("keys", "generate", "--pepper-file", str(pepper), "--caller", "gateway", "--all-tenants"),
        *("--scope", "gateway", "--expires", "2099-01-01T00:00+08:00", "--json"),
    )
    printed = json.loads(made.stdout)
    grant = parse_credentials(printed["entry"], read_pepper(pepper)).by_key(printed["key"], datetime.now(UTC))
    assert grant.tenants is None
    assert grant.expires_at == datetime(2098, 12, 31, 16, tzinfo=UTC)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tenant", "1"], "--scope"),
        (["--scope", "read"], "--tenant"),
        (["--scope", "read", "--tenant", "1", "--all-tenants"], "--tenant"),
        (["--scope", "gateway", "--tenant", "1"], "gateway"),
        (["--scope", "root", "--tenant", "1"], "root"),
        (["--scope", "read", "--tenant", " 1"], "blanks"),
        (["--scope", "read", "--tenant", "1", "--expires", "soon"], "2026-03-01T08:00"),
        (["--scope", "read", "--tenant", "1", "--expires", "9000x"], "is expected"),
    ],
)
def test_what_makes_no_sense_is_refused(pepper: Path, arguments: list[str], message: str) -> None:
    refused = run("keys", "generate", "--pepper-file", str(pepper), "--caller", "x", *arguments)
    assert refused.exit_code in (1, 2)
    assert message in refused.stderr
    assert "axb_" not in refused.stdout


def test_a_credentials_file_is_listed_and_a_key_tried(pepper: Path, tmp_path: Path) -> None:
    options = ("keys", "generate", "--pepper-file", str(pepper), "--json", "--caller", "billing", "--tenant", "100001")
    good = json.loads(run(*options, "--scope", "read").stdout)
    ended = json.loads(run(*options, "--scope", "write", "--expires", "2020-01-01T00:00Z").stdout)
    file, key_file = tmp_path / "credentials.toml", tmp_path / "key"
    file.write_text(good["entry"] + ended["entry"])
    listed = json.loads(run("keys", "check", str(file), "--pepper-file", str(pepper), "--json").stdout)
    assert [(each["scopes"], each["expired"]) for each in listed] == [(["read"], False), (["write"], True)]
    shown = run("keys", "check", str(file), "--pepper-file", str(pepper)).stdout
    assert "billing" in shown
    assert "expired" in shown
    for key, code, said in (
        (good["key"], 0, "is good for 100001: read"),
        (ended["key"], 1, "has expired"),
        (good["key"][:-2] + "AA", 1, "not known"),
        ("nonsense", 1, "not an API key"),
    ):
        key_file.write_text(key + "\n")
        tried = run("keys", "check", str(file), "--pepper-file", str(pepper), "--key-file", str(key_file))
        assert tried.exit_code == code
        assert said in tried.stdout + tried.stderr
    assert run("keys", "check", str(file)).exit_code == 1, "keys without a pepper"
    assert "can't read" in run("keys", "check", str(tmp_path / "missing")).stderr


def test_a_token_opens_the_tenant_that_has_its_hash(tmp_path: Path) -> None:
    made = run("keys", "token")
    token, _, line = made.stdout.partition("\n")
    file = tmp_path / "access.toml"
    file.write_text(f'[[tenant]]\nid = "100001"\n{line}')
    assert run("keys", "check-access", str(file)).exit_code == 0
    assert parse_access(file.read_text()).guard("100001") is not None
    assert token not in line
    file.write_text('[[tenant]]\nid = "100001"\n')
    refused = run("keys", "check-access", str(file))
    assert refused.exit_code == 1
    assert "neither networks nor tokens" in refused.stderr
    assert json.loads(run("keys", "token", "--json").stdout)["hash"].startswith("sha256:")
