"""The version before and the one of today, as environments that a service is started with."""

import os
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BASELINE = Path(__file__).with_name("baseline.tar.xz")


def today() -> dict[str, str]:
    """Runs what is in this checkout."""
    return _running_from(ROOT)


def before(directory: Path) -> dict[str, str]:
    """Runs the version before, unpacked into `directory`, with the packages that are installed."""
    with tarfile.open(BASELINE) as archive:
        archive.extractall(directory, filter="data")
    return _running_from(directory)


def _running_from(directory: Path) -> dict[str, str]:
    # Ahead of what is installed; and the working directory, which is the checkout, is no place for modules.
    return {"PYTHONPATH": os.pathsep.join([str(directory), str(directory / "protos")]), "PYTHONSAFEPATH": "1"}
