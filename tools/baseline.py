"""Keep the version before: `baseline.py REVISION`, once after each release, with the release's tag.

Two adjacent versions have to work side by side while an installation is upgraded. What the next version is held against
is kept in the repository, so that a checkout without history has it too:

- protos/baseline.binpb: the contracts of that version; `make protos-breaking` compares those of today with it;
- tests/upgrade/baseline.tar.xz: its programs, which `make upgrade-test` runs beside those of today;
- tests/upgrade/BASELINE: which revision it is.
"""

import argparse
import io
import lzma
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "tests" / "upgrade"
IMAGE = ROOT / "protos" / "baseline.binpb"
PACKAGES = ("gateway", "routing_service", "event_service", "common", "simulator", "cli", "axbridge_client", "protos")


def keep(revision: str) -> str:
    """Write the three files; the full name of the revision. Raises CalledProcessError when git or buf refuse."""
    commit = _output("git", "rev-parse", "--verify", f"{revision}^{{commit}}").decode().strip()
    packed = _output("git", "archive", "--format=tar", commit, *PACKAGES)
    with tempfile.TemporaryDirectory() as scratch:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(scratch, filter="data")
        buf = Path(sys.executable).with_name("buf")
        subprocess.run(
            [buf, "build", "--exclude-source-info", "--output", IMAGE], cwd=Path(scratch) / "protos", check=True
        )
    FOLDER.joinpath("baseline.tar.xz").write_bytes(lzma.compress(packed, preset=9 | lzma.PRESET_EXTREME))
    FOLDER.joinpath("BASELINE").write_text(f"{commit}\n", encoding="ascii")
    return commit


def _output(*command: str) -> bytes:
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout


def main() -> int:
    parser = argparse.ArgumentParser(description="Keep a version as what the next one is held against.")
    parser.add_argument("revision", help="the release: a tag or a commit")
    print(f"the baseline is {keep(parser.parse_args().revision)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
