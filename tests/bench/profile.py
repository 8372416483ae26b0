"""Where the time of a query goes: `python -m tests.bench.profile [--json FILE]`.

Samples the gateway and the routing service under load, 32 connections, every query a cache hit, by py-spy, and adds the
samples up by who was running: the innermost Python function, C code it called included.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from tests.bench.candidates import Bench, Candidate
from tests.bench.load import BenchError, Load, closed_loop
from tests.bench.queries import TRAFFIC, add

CONNECTIONS = 32
_FRAME = re.compile(r"^(?P<function>.+) \((?P<file>[^()]+?)(?::\d+)?\)$")
# Where a file belongs to; the first that fits counts. What is nobody's Python is the event loop, waiting or writing.
_OWNERS = (
    ("codec", r"^gateway/codec/"),
    ("coalescer", r"^gateway/coalescer"),
    ("HTTP: our part", r"^gateway/(http|handlers|connections|quick_answer|body|entrance|forwarded)"),
    ("gateway, the rest", r"^gateway/"),
    ("cache", r"^routing_service/cache/"),
    ("resolver and answers", r"^routing_service/(resolver|matching|answer|domain/|service/|hunting)"),
    ("protobuf to domain and back", r"^routing_service/(convert/|servicer/)"),
    ("routing, the rest", r"^routing_service/"),
    ("metrics and traces", r"^common/telemetry/|request_report|request_lines"),
    ("access rules", r"^common/(auth|limits)/"),
    ("common", r"^common/"),
    ("aiohttp", r"aiohttp"),
    ("gRPC", r"grpc"),
    ("Redis client", r"redis"),
    ("SQLAlchemy", r"sqlalchemy|asyncpg|aiosqlite"),
    ("making values (dataclasses)", r"^<string>$"),
    ("asyncio", r"asyncio/|^uvloop"),
)


def sampled(candidate: Candidate, part: str, seconds: int) -> tuple[Load, Counter[str]]:
    """Samples of a process under load, by function and file."""
    process = candidate.parts[part]
    with tempfile.NamedTemporaryFile(suffix=".txt") as file, candidate.awake():
        closed_loop(candidate.url, TRAFFIC["xml"], connections=CONNECTIONS, seconds=1)
        command = [str(Path(sys.executable).with_name("py-spy")), "record", "--format", "raw", "--rate", "250"]
        command += ["--duration", str(seconds), "--output", file.name, "--pid", str(process.pid)]
        spy = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        load = closed_loop(candidate.url, TRAFFIC["xml"], connections=CONNECTIONS, seconds=seconds + 1)
        _, errors = spy.communicate(timeout=60)
        found: Counter[str] = Counter()
        for line in Path(file.name).read_text(encoding="utf-8").splitlines():
            stack, _, count = line.rpartition(" ")
            frame = stack.rpartition(";")[2]
            # gRPC's own thread, which waits for the network.
            if not frame.startswith("Thread.run "):
                found[frame] += int(count)
    if not found:
        raise BenchError(f"py-spy said nothing: {errors}")
    return load, found


def owner(frame: str) -> str:
    match = _FRAME.match(frame)
    file = match["file"] if match else frame
    return next((name for name, pattern in _OWNERS if re.search(pattern, file)), "event loop and the rest")


def report(part: str, samples: Counter[str]) -> dict[str, object]:
    total = sum(samples.values())
    owners: Counter[str] = Counter()
    for frame, count in samples.items():
        owners[owner(frame)] += count
    print(f"\n{part}: {total} samples")
    for name, count in owners.most_common():
        print(f"{count / total:6.1%}  {name}")
    for frame, count in samples.most_common(12):
        print(f"        {count / total:6.1%}  {frame}")
    return {
        "owners": {name: round(count / total, 4) for name, count in owners.most_common()},
        "functions": {frame: round(count / total, 4) for frame, count in samples.most_common(12)},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=8, help="how long each process is looked at")
    parser.add_argument("--json", type=Path, help="write what was seen to this file")
    arguments = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        Path(scratch).chmod(0o755)
        bench = Bench(Path(scratch), stack)
        add(bench, "e")
        for part in ("gateway", "routing_service"):
            load, samples = sampled(bench.candidates[0], part, arguments.seconds)
            found[part] = report(f"{part}, at {load.requests_per_second:.0f} queries a second", samples)
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
