"""Runs the simulator for `axbridge simulate`, and shows what it found."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import typer
import uvloop
from rich.console import Console, Group, JustifyMethod
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from cli.output import add_row, printable, stderr_console, table
from common.protocol_codes import ResultCode
from simulator.ack_file import AckFile
from simulator.plan import RunSettings
from simulator.player import Player, real_surroundings
from simulator.report import Latencies, Report, percentiles
from simulator.scenario import Scenario
from simulator.transport import HttpTransport


class _CallDone:
    """Moves the progress bar, when there is one."""

    def __init__(self, progress: Progress | None, calls: int) -> None:
        self._progress = progress
        self._task = progress.add_task("calls", total=calls) if progress is not None else None

    def __call__(self) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.advance(self._task)


@contextmanager
def _progress(calls: int) -> Iterator[_CallDone]:
    console = stderr_console()
    if not console.is_terminal:
        yield _CallDone(None, calls)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        yield _CallDone(progress, calls)


def play(settings: RunSettings, ack_path: Path | None) -> Report:
    """Play the calls, with a progress bar on a terminal. Ctrl-C ends it early and the report says so."""
    with ExitStack() as resources:
        acks = None
        if ack_path is not None:
            try:
                acks = resources.enter_context(AckFile(ack_path))
            except OSError as error:
                raise typer.BadParameter(f"--ack-file: {error}") from error
        call_done = resources.enter_context(_progress(settings.load.calls))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_run(settings, acks, call_done))


async def _run(settings: RunSettings, acks: AckFile | None, call_done: "_CallDone") -> Report:
    connections = 0 if settings.load.calls_per_second > 0 else settings.load.concurrency * 2
    async with HttpTransport(connections=connections) as transport:
        player = Player(settings, transport, real_surroundings(acks, call_done))
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, player.stop)
        return await player.run()


def show_report(report: Report, settings: RunSettings, console: Console) -> None:
    """The report for people."""
    right: list[str | tuple[str, JustifyMethod]] = [
        (name, "right") for name in ("calls", "routed", "events", "acknowledged", "wrong")
    ]
    scenarios = table(
        f"{_count(report.calls, 'call')} of {settings.tenant_id}, seed {settings.seed}", ["scenario", *right]
    )
    for scenario in Scenario:
        counts = report.scenarios.get(scenario)
        if counts is not None:
            add_row(
                scenarios,
                scenario.value,
                str(counts.calls),
                str(counts.routed),
                str(counts.events),
                str(counts.acknowledged),
                Text(str(counts.findings), style="red" if counts.findings else ""),
            )
    latencies = table("latency in ms", ["", *[(name, "right") for name in ("answers", "p50", "p90", "p99", "max")]])
    for name, seconds in (("queries", report.query_seconds), ("events", report.event_seconds)):
        latencies.add_row(name, *_latency_cells(percentiles(seconds)))
    results = ", ".join(
        f"{result} {ResultCode.describe(result) if result.isdecimal() else 'no answer read'} × {count}"
        for result, count in sorted(report.results.items())
    )
    console.print(Group(scenarios, "", latencies, ""))
    console.print(f"results: {results or 'none'}")
    rate = report.calls / report.took_seconds if report.took_seconds > 0 else 0.0
    console.print(
        f"{report.took_seconds:.1f} s, {rate:.0f} calls/s; sent again: {report.repeated_queries} queries, "
        f"{report.repeated_events} events; retried: {report.retried_events} events"
    )
    for rule, count in report.broken_rules.most_common():
        console.print(Text.assemble(("✗", "red"), f" {count} × {rule.value}"))
    for example in report.examples:
        console.print(printable(f"    {example.session_id}: {example.finding.rule.name} {example.finding.detail}"))
    if report.passed:
        checked = f"{_count(report.calls, 'call')}, {_count(report.acknowledged, 'event')}"
        console.print(Text.assemble(("✓ every answer was right", "bold green"), f" ({checked})"))


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _latency_cells(latencies: Latencies) -> list[str]:
    times = (latencies.p50, latencies.p90, latencies.p99, latencies.highest)
    return [str(latencies.count), *(f"{milliseconds:.1f}" for milliseconds in times)]
