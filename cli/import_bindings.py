"""`axbridge import`: many bindings from a file."""

import csv
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, TextIO

import typer
from axbridge.routing.v1 import binding_pb2, binding_service_pb2
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cli.bind import Tenant
from cli.binding_rows import RowError, binding_of, read_rows
from cli.clients import RoutingTarget, routing_client
from cli.option_groups import spread_options
from cli.output import OutputOptions, print_json, printable, stderr_console, stdout_console
from common.masking import mask_text

_ROWS_AT_ONCE = 1000
# Refused rows that are shown when there is no file for them.
_MOST_SHOWN = 10


class _Rejected:
    """The refused rows: counted, the first ones kept to be shown, all of them written where there is a file."""

    def __init__(self, file: TextIO | None, headings: list[str]) -> None:
        self.count = 0
        self.first: list[str] = []
        self._writer = None
        if file is not None:
            self._writer = csv.DictWriter(file, [*headings, "row", "field", "error"], extrasaction="ignore")
            self._writer.writeheader()

    def add(self, row: dict[str, str], result: binding_service_pb2.ImportResult) -> None:
        self.count += 1
        if len(self.first) < _MOST_SHOWN:
            self.first.append(f"row {result.row}: {mask_text(result.error)}")
        if self._writer is not None:
            self._writer.writerow({**row, "row": result.row, "field": result.field, "error": result.error})


class _Sent:
    """The rows on their way, in order: those that can't be read here are sent as empty bindings, and refused here."""

    def __init__(self, file: Path, options: binding_service_pb2.ImportOptions) -> None:
        self._file = file
        self._options = options
        self.rows: deque[tuple[dict[str, str], RowError | None]] = deque()

    def requests(self) -> Iterator[binding_service_pb2.ImportBindingsRequest]:
        yield binding_service_pb2.ImportBindingsRequest(options=self._options)
        some: list[binding_pb2.Binding] = []
        for row in read_rows(self._file):
            error = None
            try:
                some.append(binding_of(row, self._options.tenant_id))
            except RowError as refusal:
                error = refusal
                # Without a kind the service refuses it too, so that an atomic import fails as it must.
                some.append(binding_pb2.Binding(tenant_id=self._options.tenant_id))
            self.rows.append((row, error))
            if len(some) == _ROWS_AT_ONCE:
                yield binding_service_pb2.ImportBindingsRequest(bindings=some)
                some = []
        if some:
            yield binding_service_pb2.ImportBindingsRequest(bindings=some)


@spread_options
def import_bindings(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE.csv", exists=True, dir_okay=False, help="Rows with the contract's field names."),
    ],
    tenant: Tenant,
    target: RoutingTarget,
    output: OutputOptions,
    atomic: Annotated[bool, typer.Option("--atomic", help="All rows or none, at most 20,000.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, store nothing.")] = False,
    rejected: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write refused rows with their reasons to this file.")
    ] = None,
    request_id: Annotated[
        str, typer.Option(help="Names this import: repeated after it was cut off, it stores only what is missing.")
    ] = "",
) -> None:
    """Create many bindings from a CSV file. Exits with 1 when a row was refused."""
    headings: list[str] = []
    total = 0
    for row in read_rows(file):
        headings = headings or [each for each in row if each]
        total += 1
    options = binding_service_pb2.ImportOptions(tenant_id=tenant, atomic=atomic, dry_run=dry_run, request_id=request_id)
    if rejected is None:
        refused = _run(_Sent(file, options), _Rejected(None, headings), target, total)
    else:
        with rejected.open("w", encoding="utf-8", newline="") as kept:
            refused = _run(_Sent(file, options), _Rejected(kept, headings), target, total)
    stored = total - refused.count
    if output.as_json:
        print_json({"rows": total, "accepted": stored, "refused": refused.count, "dry_run": dry_run})
    else:
        console = stdout_console()
        console.print(f"{stored} of {total} rows {'would be imported' if dry_run else 'imported'}")
        for line in refused.first if rejected is None else []:
            console.print(printable(line))
        if refused.count:
            where = f": see {rejected}" if rejected is not None else ": --rejected FILE keeps them with their reasons"
            console.print(f"{refused.count} refused{where}")
    if refused.count:
        raise typer.Exit(1)


def _run(sent: _Sent, refused: _Rejected, target: RoutingTarget, total: int) -> _Rejected:
    columns = (TextColumn("importing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = stderr_console()
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("import", total=total)
        with routing_client(target) as client:
            for response in client.caller.exchange(client.bindings.ImportBindings, sent.requests()):
                for result in response.results:
                    row, error = sent.rows.popleft()
                    if error is not None:
                        result.field, result.error = error.field, str(error)
                    if result.error:
                        refused.add(row, result)
                progress.advance(task, len(response.results))
    return refused
