"""Generate the Python stubs beside the contracts in `protos/`, or check that they are fresh.

Messages get `_pb2.py` and `_pb2.pyi`, services `_pb2_grpc.py` and a typed `_pb2_grpc.pyi`. With `--check` nothing is
written: the exit code is 1 and the stale files are named when what is committed differs from a fresh generation.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

PROTO_ROOT = Path(__file__).resolve().parent.parent / "protos"
SUFFIXES = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py", "_pb2_grpc.pyi")


def is_service(source: Path) -> bool:
    return any(line.startswith("service ") for line in source.read_text(encoding="utf-8").splitlines())


def generate(out: Path) -> None:
    """Write the stubs of every contract below `out`, in the folders of the contracts. Raises CalledProcessError."""
    sources = sorted(PROTO_ROOT.rglob("*.proto"))
    services = [source for source in sources if is_service(source)]
    # The mypy plugins are looked up on PATH; they are installed beside the running interpreter.
    bin_dir = Path(sys.executable).parent
    command = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={PROTO_ROOT}"]
    subprocess.run(
        [*command, f"--python_out={out}", f"--pyi_out={out}", *map(str, sources)],
        check=True,
    )
    subprocess.run(
        [
            *command,
            f"--plugin=protoc-gen-mypy_grpc={bin_dir / 'protoc-gen-mypy_grpc'}",
            f"--grpc_python_out={out}",
            f"--mypy_grpc_out={out}",
            *map(str, services),
        ],
        check=True,
    )


def generated_files(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name.endswith(SUFFIXES)
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, fail when the committed stubs are stale")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        fresh = generated_files(Path(scratch))
    committed = generated_files(PROTO_ROOT)
    stale = sorted(name for name in fresh.keys() | committed.keys() if fresh.get(name) != committed.get(name))
    if arguments.check:
        for name in stale:
            print(f"stale: protos/{name} (run `make protos`)", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        target = PROTO_ROOT / name
        if name in fresh:
            target.write_bytes(fresh[name])
        else:
            target.unlink()
        print(f"wrote protos/{name}" if name in fresh else f"removed protos/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
