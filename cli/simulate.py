"""`axbridge simulate`: plays the call platform against a gateway."""

import asyncio
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console, Group
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli.errors import fail
from cli.option_groups import spread_options
from cli.output import print_json, stderr_console, stdout_console, table
from cli.values import Choice
from common.protocol_codes import ResultCode
from simulator.ack_file import AckFile
from simulator.checker import ANY_RESULT
from simulator.plan import Dialing, Faults, Load, RunSettings, WireFormat, read_dialings
from simulator.player import Player, real_surroundings
from simulator.report import Latencies, Report, percentiles
from simulator.scenario import Scenario
from simulator.transport import HttpTransport


class FormatChoice(Choice):
    XML = "xml"
    JSON = "json"
    MIXED = "mixed"


class ScenarioChoice(Choice):
    ANSWERED = "answered"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    UNREACHABLE = "unreachable"
    CALLER_GIVES_UP = "caller-gives-up"
    CALLEE_HANGS_UP = "callee-hangs-up"
    MAX_DURATION = "max-duration"
    MIX = "mix"


Chance = typer.Option(min=0.0, max=1.0, metavar="0..1")


@dataclass(frozen=True, slots=True)
class NumberOptions:
    """Options: who calls whom."""

    access: Annotated[
        list[str] | None, typer.Option(help="X, the number dialled. Repeatable, one for all or one a --caller.")
    ] = None
    caller: Annotated[list[str] | None, typer.Option(help="A, who calls. Repeatable.")] = None
    expect_callee: Annotated[
        list[str] | None, typer.Option(help="Who must be called. Repeatable, one for all or one a --caller.")
    ] = None
    numbers: Annotated[
        Path | None, typer.Option(metavar="CSV", help="Instead: a file with the columns caller,access[,callee].")
    ] = None

    def dialings(self) -> tuple[Dialing, ...]:
        """Raises typer.BadParameter when the options don't fit together."""
        if self.numbers is not None:
            if self.access or self.caller or self.expect_callee:
                raise typer.BadParameter("--numbers takes the place of --caller, --access and --expect-callee")
            try:
                return read_dialings(self.numbers)
            except (ValueError, OSError) as error:
                raise typer.BadParameter(f"--numbers: {error}") from error
        callers, accesses, callees = self.caller or [], self.access or [], self.expect_callee or []
        if not callers or not accesses:
            raise typer.BadParameter("say who calls what: --caller and --access, or --numbers CSV")
        if len(accesses) not in (1, len(callers)):
            raise typer.BadParameter("give one --access for all callers, or one for each --caller")
        if len(callees) not in (0, 1, len(callers)):
            raise typer.BadParameter("give one --expect-callee for all callers, or one for each --caller")
        return tuple(
            Dialing(caller, accesses[index % len(accesses)], callees[index % len(callees)] if callees else None)
            for index, caller in enumerate(callers)
        )


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """Options: how much, how fast, and what goes wrong."""

    calls: Annotated[int, typer.Option(min=1, help="How many calls.")] = 100
    rate: Annotated[float, typer.Option(min=0.0, help="Calls begun a second, on time; 0: as fast as it goes.")] = 0.0
    concurrency: Annotated[int, typer.Option(min=1, help="Calls at a time when --rate is 0.")] = 16
    time_scale: Annotated[float, typer.Option(min=0.0, help="Pauses within a call, 1 is real time; 0: no pauses.")] = (
        0.0
    )
    duplicates: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Chance that a query or an event is sent twice.")
    ] = 0.0
    reorder: Annotated[float, typer.Option(min=0.0, max=1.0, help="Chance that an event overtakes another.")] = 0.0
    retry_seconds: Annotated[
        float, typer.Option(min=0.0, help="How long an event is tried again after a 503 or no answer.")
    ] = 0.0

    def load(self) -> Load:
        return Load(self.calls, self.rate, self.concurrency, self.time_scale)

    def faults(self) -> Faults:
        return Faults(self.duplicates, self.reorder, self.retry_seconds)


@spread_options
def simulate(
    tenant: Annotated[str, typer.Option(help="The enterprise (vccId) that is called.")],
    numbers: NumberOptions,
    load: LoadOptions,
    url: Annotated[
        str, typer.Option(envvar="AXBRIDGE_URL", help="Where the gateway takes calls.")
    ] = "http://127.0.0.1:8080/v1/calls",
    wire_format: Annotated[
        FormatChoice, typer.Option("--format", help="The language of the calls.")
    ] = FormatChoice.MIXED,
    scenario: Annotated[ScenarioChoice, typer.Option(help="How the calls go.")] = ScenarioChoice.MIX,
    seed: Annotated[int | None, typer.Option(help="The same seed plays the same calls; else a new one.")] = None,
    run_id: Annotated[str | None, typer.Option(help="Stands in every sid; else made of the seed.")] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Textbook messages instead of all the forms there are.")
    ] = False,
    expect_result: Annotated[
        str, typer.Option(metavar="CODE", help="The result that queries must get, or `any`.")
    ] = ResultCode.SUCCESS.text,
    answer_root: Annotated[
        str | None, typer.Option(metavar="NAME", help="Root of answers in XML where the tenant has set one, or `any`.")
    ] = None,
    follow_callback: Annotated[
        bool, typer.Option("--follow-callback", help="Send events to the answer's callBackUrl.")
    ] = False,
    ack_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write every acknowledged event there, a JSON line each.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Play the call platform, and check every answer against the protocol.

    The exit code is 0 only when every answer was right.
    """
    if not url.startswith(("http://", "https://")):
        raise typer.BadParameter("--url takes an address such as http://127.0.0.1:8080/v1/calls")
    if expect_result != ANY_RESULT and not (len(expect_result) == 4 and expect_result.isdecimal()):
        raise typer.BadParameter("--expect-result takes four digits, or any")
    chosen_seed = seed if seed is not None else random.SystemRandom().randrange(1_000_000)
    settings = RunSettings(
        url=url,
        tenant_id=tenant,
        dialings=numbers.dialings(),
        seed=chosen_seed,
        run_id=run_id or f"sim{chosen_seed}",
        formats=tuple(WireFormat) if wire_format is FormatChoice.MIXED else (WireFormat(wire_format.value),),
        scenarios=tuple(Scenario) if scenario is ScenarioChoice.MIX else (Scenario(scenario.value),),
        load=load.load(),
        faults=load.faults(),
        plain=plain,
        expected_result=expect_result,
        expected_xml_root=answer_root,
        follow_callback_url=follow_callback,
    )
    report = _play(settings, ack_file)
    if as_json:
        print_json({"seed": settings.seed, "run_id": settings.run_id, **report.as_dict()})
    else:
        show_report(report, settings, stdout_console())
    if report.interrupted:
        fail("interrupted before all calls were played", 130)
    if not report.passed:
        broken = sum(report.broken_rules.values())
        fail(f"{broken} findings: not every answer was right; play the same calls again with --seed {settings.seed}")


def _play(settings: RunSettings, ack_path: Path | None) -> Report:
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


def show_report(report: Report, settings: RunSettings, console: Console) -> None:
    """The report for people."""
    right: list[str | tuple[str, str]] = [
        (name, "right") for name in ("calls", "routed", "events", "acknowledged", "wrong")
    ]
    scenarios = table(f"{report.calls} calls of {settings.tenant_id}, seed {settings.seed}", ["scenario", *right])
    for scenario in Scenario:
        counts = report.scenarios.get(scenario)
        if counts is not None:
            scenarios.add_row(
                scenario.value,
                str(counts.calls),
                str(counts.routed),
                str(counts.events),
                str(counts.acknowledged),
                f"[red]{counts.findings}[/]" if counts.findings else "0",
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
        console.print(f"[red]✗[/] {count} × {escape(rule.value)}")
    for example in report.examples:
        console.print(f"    {escape(example.session_id)}: {example.finding.rule.name} {escape(example.finding.detail)}")
    if report.passed:
        console.print(f"[bold green]✓ every answer was right[/] ({report.calls} calls, {report.acknowledged} events)")


def _latency_cells(latencies: Latencies) -> list[str]:
    times = (latencies.p50, latencies.p90, latencies.p99, latencies.highest)
    return [str(latencies.count), *(f"{milliseconds:.1f}" for milliseconds in times)]
