"""`make bench`: queries end to end, beside what HTTP itself allows and what a user would otherwise write.

Everything is measured in the same run, in turns, on the same machine, and told as ratios of medians: absolute numbers
say more about the machine than about the code. The processors are shared by the load and by everything that answers it.

(a) bare aiohttp sending the same answer back  (b) axbridge with one RPC per query  (c) a handwritten FastAPI service
(d) axbridge on SQLite  (e) axbridge on PostgreSQL and Redis, every query a cache hit. Beside them, all of them (e) with
one thing different: `miss` no query is a cache hit, `records` queries go into the call records, `t1`, `t10`, `t100`
that share of the calls is traced, `w2` two gateway processes.
"""

import argparse
import json
import os
import platform
import re
import statistics
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.candidates import BINDINGS, NO_RECORDS, PAIRS_ON_AN_ACCESS_NUMBER, Bench, Candidate, callee
from tests.bench.load import BenchError, Load, Traffic, closed_loop, open_loop
from tests.support.stack import TENANT

FIELDS = {
    "sid": "bench-session-NNNNNNNN",
    "vccId": TENANT,
    "callId": "bench-call-NNNNNNNN",
    "seq": "1",
    "method": "query",
    "callingNumber": "138NNNNNNNN",
    "accessNumber": "025660CCCCC",
}
TRAFFIC = {
    "xml": Traffic(
        '<?xml version="1.0" encoding="UTF-8"?><request>'
        + "".join(f"<{name}>{text}</{name}>" for name, text in FIELDS.items())
        + "</request>",
        "application/xml; charset=UTF-8",
        "0000",
        BINDINGS,
        PAIRS_ON_AN_ACCESS_NUMBER,
    ),
    "json": Traffic(json.dumps(FIELDS), "application/json; charset=UTF-8", "0000", BINDINGS, PAIRS_ON_AN_ACCESS_NUMBER),
}
ANSWER = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<response><sid>bench-session-00000001</sid><vccId>100001</vccId>'
    "<callId>bench-call-00000001</callId><seq>1</seq><chargeExt></chargeExt><result>0000</result><userList><user>"
    f"<number>{callee(1)}</number><type>1</type><displayNumber>02566000001</displayNumber></user></userList></response>"
).encode()
# As many RPCs at a time as the setting allows.
ONE_BY_ONE = {"AXBRIDGE_GATEWAY_MAX_BATCH_ITEMS": "1", "AXBRIDGE_GATEWAY_MAX_BATCHES_IN_FLIGHT": "64"}
# What is remembered is too old at once.
NO_HITS = {"AXBRIDGE_ROUTING_CACHE_TTL_SECONDS": "0.001", "AXBRIDGE_ROUTING_CACHE_NEGATIVE_TTL_SECONDS": "0.001"}
MAIN, VARIANTS = ("a", "c", "e", "b", "d"), ("e", "miss", "records", "t1", "t10", "t100", "w2")
WARM_UP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Row:
    """The medians of several runs of one candidate. `cpu_us` is processor time per request, by part."""

    group: str
    letter: str
    name: str
    wire_format: str
    connections: int
    rate: float
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: dict[str, float] = field(default_factory=dict)
    loop_lag_p99_ms: float | None = None


def add(bench: Bench, letter: str) -> None:
    """Start a candidate."""
    if letter == "a":
        bench.add_echo(letter, ANSWER)
    elif letter == "c":
        bench.add_handwritten(letter)
    elif letter == "d":
        bench.add_axbridge(letter, "axbridge, SQLite", NO_RECORDS)
    elif letter == "b":
        bench.add_axbridge(letter, "axbridge, one RPC per query", bench.production(letter) | NO_RECORDS | ONE_BY_ONE)
    else:
        name, env = {
            "e": ("axbridge, PostgreSQL + Redis", {}),
            "miss": ("the same, no query is a hit", NO_HITS),
            "records": ("the same, queries in call records", {"AXBRIDGE_GATEWAY_RECORD_DECISIONS": "true"}),
            "t1": ("the same, 1% of calls traced", None),
            "t10": ("the same, 10% traced", None),
            "t100": ("the same, all traced", None),
            "w2": (
                "the same, two gateway processes",
                {"AXBRIDGE_GATEWAY_WORKERS": "2", "AXBRIDGE_GATEWAY_METRICS_LISTEN": ""},
            ),
        }[letter]
        extra = bench.traced(float(letter[1:]) / 100) if env is None else env
        bench.add_axbridge(letter, name, bench.production(letter) | NO_RECORDS | extra)


@dataclass(frozen=True, slots=True)
class Plan:
    """One comparison: the same load for several candidates, in turns. `rate` 0: as much as goes through."""

    group: str
    letters: tuple[str, ...]
    wire_format: str
    connections: int
    rate: float = 0.0


def run_plan(plan: Plan, candidates: dict[str, Candidate], rounds: int, seconds: float) -> list[Row]:
    traffic = TRAFFIC[plan.wire_format]
    loads: dict[str, list[Load]] = {letter: [] for letter in plan.letters}
    cpu: dict[str, dict[str, float]] = {letter: {} for letter in plan.letters}
    lags: dict[str, float | None] = {}

    def warm_up(url: str) -> None:
        # Enough of it for everything to be remembered that is asked for afterwards.
        closed_loop(url, traffic, connections=max(32, plan.connections), seconds=WARM_UP_SECONDS)

    def load_of(url: str, duration: float) -> Load:
        if plan.rate:
            return open_loop(url, traffic, rate=plan.rate, connections=plan.connections, seconds=duration)
        return closed_loop(url, traffic, connections=plan.connections, seconds=duration)

    for _ in range(rounds):
        for letter in plan.letters:
            candidate = candidates[letter]
            with candidate.awake():
                warm_up(candidate.url)
                before, histogram = candidate.cpu_seconds(), lag_histogram(candidate)
                load = load_of(candidate.url, seconds)
                if load.wrong:
                    raise BenchError(f"{letter}: {load.wrong} answers were wrong: this is worth nothing")
                requests = load.requests_per_second * seconds
                for part, spent in candidate.cpu_seconds().items():
                    cpu[letter][part] = cpu[letter].get(part, 0.0) + (spent - before[part]) / requests / rounds * 1e6
                lags[letter] = lag_p99_ms(histogram, lag_histogram(candidate))
                loads[letter].append(load)
    rows = []
    for letter in plan.letters:
        rate, p50, p99 = (
            statistics.median([getattr(load, name) for load in loads[letter]])
            for name in ("requests_per_second", "p50_ms", "p99_ms")
        )
        shown = {part: round(spent, 1) for part, spent in cpu[letter].items()}
        row = Row(
            plan.group,
            letter,
            candidates[letter].name,
            plan.wire_format,
            plan.connections,
            plan.rate,
            round(rate, 1),
            round(p50, 3),
            round(p99, 3),
            shown,
            lags[letter],
        )
        rows.append(row)
        print(line(row), flush=True)
    return rows


def line(row: Row) -> str:
    cpu = " ".join(f"{part.removesuffix('_service')} {spent:.0f}" for part, spent in row.cpu_us.items())
    lag = "" if row.loop_lag_p99_ms is None else f"  lag {row.loop_lag_p99_ms:.0f} ms"
    load = f"at {row.rate:.0f}/s" if row.rate else "at most"
    head = f"{row.wire_format:4} {row.connections:5} {load:9} ({row.letter}) {row.name:35}"
    return f"{head} {row.requests_per_second:8.0f}/s  p50 {row.p50_ms:7.2f}  p99 {row.p99_ms:7.2f} ms  µs {cpu}{lag}"


def lag_histogram(candidate: Candidate) -> dict[float, float]:
    """How late the gateway's event loop was so far, by the buckets of its metric; empty for who has none."""
    if not candidate.metrics_url:
        return {}
    with urllib.request.urlopen(candidate.metrics_url, timeout=10) as response:
        text = response.read().decode()
    found = re.findall(r'^axbridge_event_loop_lag\w*_bucket\{.*?le="([^"]+)".*?\} (\S+)', text, re.MULTILINE)
    return {float(bound.replace("+Inf", "inf")): float(count) for bound, count in found}


def lag_p99_ms(before: dict[float, float], after: dict[float, float]) -> float | None:
    """The bound under which 99% of the looks at the loop in between were, in milliseconds."""
    counts = {bound: after[bound] - before.get(bound, 0.0) for bound in sorted(after)}
    total = max(counts.values(), default=0.0)
    if not total:
        return None
    return next((bound * 1000 for bound, count in counts.items() if count >= 0.99 * total and bound < 1e9), None)


def plans(arguments: argparse.Namespace) -> list[Plan]:
    if arguments.quick:
        main = [("xml", 1), ("xml", 32), ("xml", 128), ("json", 32)]
        variants = [("xml", 32)]
    else:
        main = [(form, count) for form in ("xml", "json") for count in (1, 8, 32, 128, 1000)]
        variants = [("xml", 32), ("xml", 128)]
    found = [Plan("main", MAIN, form, count) for form, count in main]
    found += [Plan("open", MAIN, "xml", 64, arguments.rate)]
    if not arguments.quick:
        found += [Plan("open", ("a", "e", "d"), "xml", 64, 5 * arguments.rate)]
    found += [Plan("variants", VARIANTS, form, count) for form, count in variants]
    return found


def shown_ratios(rows: list[Row]) -> list[dict[str, object]]:
    """The promises, and what was measured of each."""
    rates = {(row.group, row.letter, row.wire_format, row.connections, row.rate): row for row in rows}

    def rate(letter: str, form: str, count: int, group: str = "main") -> float:
        return rates[group, letter, form, count, 0.0].requests_per_second

    forms = [form for form in ("xml", "json") if ("main", "e", form, 32, 0.0) in rates]
    found: list[tuple[str, float, float, bool]] = []
    for form in forms:
        found.append((f"{form}, 32 connections: (e) / (a)", rate("e", form, 32) / rate("a", form, 32), 0.5, True))
        found.append((f"{form}, 32 connections: (e) / (c)", rate("e", form, 32) / rate("c", form, 32), 3.5, True))
        found.append((f"{form}, 32 connections: (e) / (b)", rate("e", form, 32) / rate("b", form, 32), 2.5, True))
    found.append(("xml, 128 connections: (e) / (a)", rate("e", "xml", 128) / rate("a", "xml", 128), 0.6, True))
    if len(forms) > 1:
        found.append(("32 connections: (e) JSON / XML", rate("e", "json", 32) / rate("e", "xml", 32), 1.0, True))
    lone = [rates["main", letter, "xml", 1, 0.0].p50_ms for letter in ("e", "b")]
    found.append(("a lone query: latency of (e) / (b)", lone[0] / lone[1], 1.5, False))
    opened = {row.letter: row for row in rows if row.group == "open" and row.letter in ("c", "e")}
    if len(opened) == 2:
        found.append(("p99 at equal load: (e) / (c)", opened["e"].p99_ms / opened["c"].p99_ms, 1.0, False))
    for letter, share, bound in (("t1", "1%", 0.97), ("t10", "10%", 0.90), ("t100", "100%", 0.50)):
        kept = [
            row.requests_per_second / rate("e", row.wire_format, row.connections, "variants")
            for row in rows
            if row.letter == letter
        ]
        found.append((f"tracing {share} of the calls: rate kept", statistics.median(kept), bound, True))
    return [
        {
            "what": what,
            "measured": round(value, 3),
            "bound": bound,
            "at_least": least,
            "holds": value >= bound if least else value <= bound,
        }
        for what, value, bound, least in found
    ]


def machine() -> dict[str, object]:
    model = (
        re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text()) if Path("/proc/cpuinfo").exists() else None
    )
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processors": os.cpu_count(),
        "processor": model[1] if model else platform.processor(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer connections and shorter runs: under four minutes")
    parser.add_argument("--seconds", type=float, help="how long each run takes")
    parser.add_argument("--rounds", type=int, help="runs of which the median is told")
    parser.add_argument("--rate", type=float, default=1000.0, help="arrivals a second of the open loop")
    parser.add_argument("--json", type=Path, help="write what was measured to this file")
    arguments = parser.parse_args()
    seconds = arguments.seconds or (1.0 if arguments.quick else 3.0)
    rounds = arguments.rounds or 3
    about = machine()
    print(" ".join(f"{name}: {value}" for name, value in about.items()), flush=True)
    began = time.monotonic()
    rows: list[Row] = []
    for letters in (MAIN, VARIANTS):
        with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
            Path(scratch).chmod(0o755)
            bench = Bench(Path(scratch), stack)
            for letter in letters:
                add(bench, letter)
            candidates = {candidate.letter: candidate for candidate in bench.candidates}
            for plan in plans(arguments):
                if plan.letters[-1] in candidates and (plan.group == "variants") == (letters is VARIANTS):
                    rows += run_plan(plan, candidates, rounds, seconds)
    ratios = shown_ratios(rows)
    print()
    for ratio in ratios:
        sign = ">=" if ratio["at_least"] else "<="
        print(
            f"{'holds' if ratio['holds'] else 'FAILS'}  {ratio['what']}: {ratio['measured']} ({sign} {ratio['bound']})"
        )
    print(f"took {time.monotonic() - began:.0f} s")
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        content = {"machine": about, "rows": [asdict(row) for row in rows], "ratios": ratios}
        arguments.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
