"""`python -m tests.bench.report`: from what the benches wrote to the tables of the docs, and to a plot.

Reads docs/performance/*.json, rewrites what stands between `<!-- bench:NAME -->` and `<!-- /bench -->` in
docs/performance.md and docs/scaling.md, and writes docs/performance/queries.svg.
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

DOCS = Path("docs")
FOLDER = DOCS / "performance"
PAGES = (DOCS / "performance.md", DOCS / "scaling.md")
_BLOCK = re.compile(r"(<!-- bench:(\w+) -->\n).*?(<!-- /bench -->)", re.DOTALL)
_COLOURS = {"a": "#888888", "b": "#d55e00", "c": "#cc79a7", "d": "#56b4e9", "e": "#0072b2"}
Json = Mapping[str, Any]


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(str(cell) for cell in row) + " |\n" for row in lines)


def about(found: Json) -> str:
    machine = found["machine"]
    return (
        f"Measured {machine['date']} on {machine['processors']} cores ({machine['processor']}), Python "
        f"{machine['python']}; load average before: {machine['load_before']}.\n\n"
    )


def verdicts(found: Json) -> str:
    rows = [
        (
            each["what"],
            f"{each['measured']:.2f}",
            f"{'≥' if each['at_least'] else '≤'} {each['bound']:g}",
            "yes" if each["holds"] else "**no**",
        )
        for each in found["ratios"]
    ]
    return about(found) + table(("promise", "measured", "bound", "holds"), rows)


def loads(found: Json, group: str) -> str:
    rows = []
    for row in found["rows"]:
        if row["group"] != group:
            continue
        cpu = ", ".join(f"{part.removesuffix('_service')} {spent:.0f}" for part, spent in row["cpu_us"].items())
        lag = "" if row["loop_lag_p99_ms"] is None else f"≤ {row['loop_lag_p99_ms']:g}"
        rate = f"{row['requests_per_second']:,.0f}"
        load = row["connections"] if not row["rate"] else f"{row['connections']}, {row['rate']:,.0f}/s due"
        latency = (f"{row['p50_ms']:.2f}", f"{row['p99_ms']:.2f}")
        rows.append((row["wire_format"], load, f"({row['letter']}) {row['name']}", rate, *latency, cpu, lag))
    head = ("format", "connections", "", "queries/s", "p50 ms", "p99 ms", "CPU, µs a query", "loop lag p99, ms")
    return table(head, rows)


def events(found: Json) -> str:
    rows = []
    for row in found["rows"]:
        cpu = ", ".join(f"{part.removesuffix('_service')} {spent:.0f}" for part, spent in (row["cpu_us"] or {}).items())
        latency = (f"{row['p50_ms']:.1f}", f"{row['p99_ms']:.1f}") if row["p50_ms"] else ("", "")
        rows.append((row["what"], row["connections"], f"{row['events_per_second']:,.0f}", *latency, cpu))
    return table(("", "connections", "events/s", "p50 ms", "p99 ms", "CPU, µs an event"), rows)


def scale_out(found: Json) -> str:
    shares = [
        (count, " ".join(f"{share:.2f}" for share in each), found["noticed_seconds"].get(count, ""))
        for count, each in found["shares"].items()
    ]
    text = table(("replicas", "share of each, 1 = an equal one", "seconds until the newest got queries"), shares)
    failures = [(what, failed) for what, failed in found["failures"].items()]
    return (
        f"`max_connection_age` is {found['max_connection_age_seconds']:g} s here. Slowest of {found['queries']:,} "
        f"queries: {found['slowest_seconds']:.2f} s.\n\n{text}\n{table(('while', 'failed queries'), failures)}"
    )


def profile(found: Json) -> str:
    return "\n".join(
        f"**{part}**\n\n"
        + table(("share", "who"), [(f"{share:.1%}", name) for name, share in seen["owners"].items() if share >= 0.01])
        for part, seen in found.items()
    )


def costs(queries: Json, of_events: Json) -> str:
    """What the capacity model is made of."""
    row = next(
        each for each in queries["rows"] if each["group"] == "variants" and each["letter"] == "e" and not each["rate"]
    )
    miss = next((each for each in queries["rows"] if each["letter"] == "miss"), row)
    busiest = max((each for each in of_events["rows"] if each["cpu_us"]), key=lambda each: each["events_per_second"])
    rows = [
        ("gateway", f"{row['cpu_us']['gateway']:.0f}", f"{busiest['cpu_us']['gateway']:.0f}"),
        ("routing, cache hit", f"{row['cpu_us']['routing_service']:.0f}", ""),
        ("routing, cache miss", f"{miss['cpu_us']['routing_service']:.0f}", ""),
        ("event service", "", f"{busiest['cpu_us']['event_service']:.0f}"),
    ]
    return table(("CPU, µs", "a query", "an event"), rows)


def blocks() -> dict[str, str]:
    """The text of each block whose measurements are there."""
    found: dict[str, Json] = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.json")}
    made = {}
    if "queries" in found:
        queries = found["queries"]
        made["promises"] = verdicts(queries)
        made["queries"] = loads(queries, "main")
        made["latency"] = loads(queries, "open")
        made["variants"] = loads(queries, "variants")
    if "events" in found:
        made["events"] = verdicts(found["events"]) + "\n" + events(found["events"])
    if "scale_out" in found:
        made["scale_out"] = scale_out(found["scale_out"])
    if "profile" in found:
        made["profile"] = profile(found["profile"])
    if "queries" in found and "events" in found:
        made["costs"] = costs(found["queries"], found["events"])
    return made


def plot(found: Json) -> str:
    """Rates over connections, XML, one line for each candidate."""
    rows = [row for row in found["rows"] if row["group"] == "main" and row["wire_format"] == "xml"]
    counts = sorted({row["connections"] for row in rows})
    most = max(row["requests_per_second"] for row in rows)
    step = next(size for size in (500, 1000, 2000, 5000, 10_000, 20_000) if most / size <= 8)
    width, height, left, right, top, bottom = 760, 380, 70, 230, 30, 50
    top_value = (int(most / step) + 1) * step

    def x(count: int) -> float:
        return left + (width - left - right) * counts.index(count) / max(1, len(counts) - 1)

    def y(rate: float) -> float:
        return height - bottom - (height - top - bottom) * rate / top_value

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        f'font-size="12"><rect width="{width}" height="{height}" fill="white"/>'
    ]
    for tick in range(0, top_value + 1, step):
        parts.append(f'<path d="M{left} {y(tick):.1f}H{width - right}" stroke="#dddddd"/>')
        parts.append(f'<text x="{left - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:,}</text>')
    for count in counts:
        parts.append(f'<text x="{x(count):.1f}" y="{height - bottom + 18}" text-anchor="middle">{count}</text>')
    parts.append(f'<text x="{left}" y="18">queries a second</text>')
    parts.append(
        f'<text x="{(left + width - right) / 2:.0f}" y="{height - 10}" text-anchor="middle">connections</text>'
    )
    ends: list[float] = []
    for letter in sorted({row["letter"] for row in rows}):
        of_it = sorted((row for row in rows if row["letter"] == letter), key=lambda row: row["connections"])
        points = " ".join(f"{x(row['connections']):.1f},{y(row['requests_per_second']):.1f}" for row in of_it)
        colour = _COLOURS.get(letter, "#000000")
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        end = y(of_it[-1]["requests_per_second"])
        while any(abs(end - other) < 15 for other in ends):
            end += 5
        ends.append(end)
        label = escape(f"({letter}) {of_it[-1]['name']}")
        parts.append(f'<text x="{width - right + 8}" y="{end + 4:.1f}" fill="{colour}">{label}</text>')
    return "\n".join([*parts, "</svg>\n"])


def main() -> int:
    made = blocks()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        page.write_text(
            _BLOCK.sub(lambda block: block[1] + made.get(block[2], "Not measured yet.\n") + block[3], text),
            encoding="utf-8",
        )
        print(f"wrote {page}")
    queries = FOLDER / "queries.json"
    if queries.exists():
        picture = FOLDER / "queries.svg"
        picture.write_text(plot(json.loads(queries.read_text(encoding="utf-8"))), encoding="utf-8")
        print(f"wrote {picture}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
