"""`axbridge import`: many bindings from a file."""

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, TextIO

import typer
from axbridge.routing.v1 import binding_pb2, binding_service_pb2
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cli.bind import Tenant
from cli.binding_rows import RESULT_COLUMNS, CsvRow, RowError, binding_of, read_rows
from cli.clients import RoutingTarget, routing_client
from cli.errors import fail, one_line
from cli.option_groups import spread_options
from cli.output import OutputOptions, print_json, printable, stderr_console, stdout_console
from common.errors import AxbridgeError
from common.masking import mask_text

_ROWS_AT_ONCE = 1000
# Refused rows that are shown when there is no file for them.
_MOST_SHOWN = 10


class _Rejected:
    """The refused rows: counted, the first ones kept to be shown, all of them written where there is a file.

    A row is written as it was read, behind what is wrong with it: so the file can be imported again.
    """

    def __init__(self, file: TextIO | None, columns: Sequence[str]) -> None:
        self.count = 0
        self.first: list[str] = []
        self._writer = None
        if file is not None:
            self._writer = csv.writer(file)
            self._writer.writerow([*RESULT_COLUMNS, *columns])

    def add(self, row: CsvRow, result: binding_service_pb2.ImportResult) -> None:
        self.count += 1
        if len(self.first) < _MOST_SHOWN:
            self.first.append(f"row {result.row}: {mask_text(result.error)}")
        if self._writer is not None:
            self._writer.writerow([result.row, result.field, result.error, *row.values])


class _Sent:
    """The rows on their way, in order: those that can't be read here are sent as empty bindings, and refused here."""

    def __init__(self, file: Path, options: binding_service_pb2.ImportOptions) -> None:
        self._file = file
        self.options = options
        self.rows: deque[tuple[CsvRow, RowError | None]] = deque()

    def requests(self) -> Iterator[binding_service_pb2.ImportBindingsRequest]:
        yield binding_service_pb2.ImportBindingsRequest(options=self.options)
        some: list[binding_pb2.Binding] = []
        for row in read_rows(self._file):
            error = None
            try:
                some.append(binding_of(row, self.options.tenant_id))
            except RowError as refusal:
                error = refusal
                # Without a kind the service refuses it too, so that an atomic import fails as it must.
                some.append(binding_pb2.Binding(tenant_id=self.options.tenant_id))
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
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, store nothing; at most 100,000.")
    ] = False,
    rejected: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Write refused rows to this file, with reasons: mended, it can be imported."),
    ] = None,
    request_id: Annotated[
        str, typer.Option(help="Names this import: repeated after it was cut off, it stores only what is missing.")
    ] = "",
) -> None:
    """Create many bindings from a CSV file. Exits with 1 when a row was refused."""
    if not file.is_file():
        # What comes out of a pipe is gone once its rows are counted.
        raise typer.BadParameter("a regular file is expected, it is read twice", param_hint="FILE.csv")
    columns: Sequence[str] = ()
    total = 0
    for row in read_rows(file):
        columns = row.columns
        total += 1
    options = binding_service_pb2.ImportOptions(tenant_id=tenant, atomic=atomic, dry_run=dry_run, request_id=request_id)
    with _opened(rejected, file) as kept:
        refused = _run(_Sent(file, options), _Rejected(kept, columns), target, total)
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


def _opened(rejected: Path | None, file: Path) -> AbstractContextManager[TextIO | None]:
    if rejected is None:
        return nullcontext()
    if rejected.exists() and rejected.samefile(file):
        raise typer.BadParameter("this file is the one to import, and would be lost", param_hint="--rejected")
    try:
        return rejected.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise typer.BadParameter(
            f"{rejected} can't be written: {error.strerror or error}", param_hint="--rejected"
        ) from error


def _run(sent: _Sent, refused: _Rejected, target: RoutingTarget, total: int) -> _Rejected:
    columns = (TextColumn("importing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = stderr_console()
    done = 0
    try:
        with (
            Progress(*columns, console=console, disable=not console.is_terminal) as progress,
            routing_client(target) as client,
        ):
            task = progress.add_task("import", total=total)
            for response in client.caller.exchange(client.bindings.ImportBindings, sent.requests()):
                for result in response.results:
                    row, error = sent.rows.popleft()
                    if error is not None:
                        result.field, result.error = error.field, str(error)
                    if result.error:
                        refused.add(row, result)
                done += len(response.results)
                progress.advance(task, len(response.results))
    except KeyboardInterrupt:
        fail(_how_far(sent.options, done, refused.count, total), code=130)
    except AxbridgeError as error:
        if not done:
            raise
        fail(f"{one_line(error)}; {_how_far(sent.options, done, refused.count, total)}")
    if done != total:
        fail(f"{done} rows were dealt with, and {total} were counted before: the file changed while it was read")
    return refused


def _how_far(options: binding_service_pb2.ImportOptions, done: int, refused: int, total: int) -> str:
    """What is known of an import that was cut off."""
    if options.dry_run:
        return f"the check ended after {done} of {total} rows"
    how = f"the import was cut off after {done} of {total} rows, of which {done - refused} are stored"
    if options.request_id:
        return f"{how}: the same command again stores what is missing"
    return f"{how}: run it again, and rows that are stored are refused as being in the way"
