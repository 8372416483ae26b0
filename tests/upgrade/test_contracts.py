"""The check of the contracts finds what would break the version before."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROTOS = Path(__file__).resolve().parents[2] / "protos"
BUF = Path(sys.executable).with_name("buf")


def breaking(directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BUF, "breaking", "--against", PROTOS / "baseline.binpb"],
        cwd=directory,
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("  string binding_id = 1;", "  reserved 1;", 'Previously present field "1"'),
        ("  string binding_id = 1;", "  int64 binding_id = 1;", "changed type"),
        ("  string binding_id = 1;", "  string binding_id = 1;\n  string note = 900;", ""),
    ],
    ids=["a field removed", "a field of another type", "a new field"],
)
def test_what_breaks_is_found(tmp_path: Path, old: str, new: str, found: str) -> None:
    shutil.copytree(PROTOS, tmp_path / "protos", ignore=shutil.ignore_patterns("*.py", "*.pyi", "__pycache__"))
    contract = tmp_path / "protos" / "axbridge" / "routing" / "v1" / "binding.proto"
    text = contract.read_text(encoding="utf-8")
    assert text.count(old) >= 1
    contract.write_text(text.replace(old, new, 1), encoding="utf-8")
    outcome = breaking(tmp_path / "protos")
    assert found in outcome.stdout
    assert bool(outcome.returncode) is bool(found)
