"""`axbridge simulate`: plays the call platform against a gateway."""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from cli.errors import fail
from cli.option_groups import spread_options
from cli.output import print_json, stdout_console
from cli.values import Choice
from common.protocol_codes import ResultCode
from simulator.checker import ANY_RESULT
from simulator.plan import Dialing, Faults, Load, RunSettings, WireFormat, read_dialings
from simulator.scenario import Scenario


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
    # The HTTP client takes a quarter of a second to import, which no other command needs.
    from cli.simulate_run import play, show_report

    report = play(settings, ack_file)
    if as_json:
        print_json({"seed": settings.seed, "run_id": settings.run_id, **report.as_dict()})
    else:
        show_report(report, settings, stdout_console())
    if report.interrupted:
        fail("interrupted before all calls were played", 130)
    if not report.passed:
        broken = sum(report.broken_rules.values())
        fail(f"{broken} findings: not every answer was right; play the same calls again with --seed {settings.seed}")
