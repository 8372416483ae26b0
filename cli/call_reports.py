"""`axbridge calls export|active|report|rebuild`: many calls at once."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from axbridge.events.v1 import call_service_pb2
from rich.console import JustifyMethod
from rich.text import Text

from cli.bind import Tenant
from cli.clients import EventsClient, EventsTarget, events_client
from cli.option_groups import spread_options
from cli.output import (
    OutputOptions,
    add_row,
    local_time,
    print_message,
    printable,
    stderr_console,
    stdout_console,
    table,
)
from cli.values import Choice, parse_moment, to_timestamp
from common.errors import AxbridgeError, UnavailableError

# Records that were different are named up to this number.
_MAX_NAMED = 100

Since = Annotated[str | None, typer.Option("--from", metavar="TIME", help="Only calls from this time on.")]
Before = Annotated[str | None, typer.Option("--before", metavar="TIME", help="Only calls before this time.")]


class FormatChoice(Choice):
    CSV = "csv"
    NDJSON = "ndjson"


app = typer.Typer()


@app.command()
@spread_options
def export(
    tenant: Tenant,
    target: EventsTarget,
    export_format: Annotated[
        FormatChoice, typer.Option("--format", help="How records are written.")
    ] = FormatChoice.CSV,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to; else to standard output.")] = None,
    since: Since = None,
    before: Before = None,
    unmask: Annotated[bool, typer.Option("--unmask", help="Write whole phone numbers.")] = False,
) -> None:
    """Write a tenant's call records, oldest first."""
    request = call_service_pb2.ExportCallsRequest(
        tenant_id=tenant,
        format=export_format.enum_name("EXPORT_FORMAT_"),
        started_from=to_timestamp(parse_moment(since, "--from")) if since is not None else None,
        started_before=to_timestamp(parse_moment(before, "--before")) if before is not None else None,
    )
    exported = 0
    with ExitStack() as stack:
        client = stack.enter_context(events_client(target, unmask=unmask))
        pieces = _pieces(client, request)
        # Until the first piece has come it is not known that any will: a file that is there stays as it is.
        first = next(pieces, None)
        file: BinaryIO = sys.stdout.buffer
        if out is not None:
            try:
                file = stack.enter_context(out.open("wb"))
            except OSError as error:
                raise AxbridgeError(f"--out: can't write {out}: {error.strerror}") from error
        for chunk, calls in chain([first] if first is not None else [], pieces):
            file.write(chunk)
            exported = calls
        file.flush()
    stderr_console().print(f"{exported} calls exported")


def _pieces(client: EventsClient, request: call_service_pb2.ExportCallsRequest) -> Iterator[tuple[bytes, int]]:
    """The pieces of an export, and how many calls have come with each. Where the stream breaks off, because its
    connection got too old or a replica was replaced, another one goes on."""
    calls_before = 0
    while True:
        token = request.page_token
        calls = 0
        try:
            for piece in client.caller.stream(client.calls.ExportCalls, request):
                calls = piece.calls
                # The next request has the token of what was written.
                yield piece.chunk, calls_before + calls
                request.page_token = piece.next_page_token
        except UnavailableError:
            if request.page_token == token:
                raise
            calls_before += calls
        else:
            return


@app.command()
@spread_options
def active(tenant: Tenant, target: EventsTarget, output: OutputOptions) -> None:
    """Say how many calls are going on."""
    with events_client(target) as client:
        request = call_service_pb2.CountActiveCallsRequest(tenant_id=tenant)
        counted = client.caller.call(client.calls.CountActiveCalls, request)
    if output.as_json:
        print_message(counted, unmask=output.unmask)
        return
    stdout_console().print(f"{counted.active} calls of {tenant} are going on, {counted.answered} of them answered")


@app.command()
@spread_options
def report(
    tenant: Tenant, target: EventsTarget, output: OutputOptions, since: Since = None, before: Before = None
) -> None:
    """Count calls by the hour, and what is wrong with them. Without times: the last 24 hours."""
    request = call_service_pb2.ReportCompletenessRequest(tenant_id=tenant)
    if since is not None:
        # `from` is a word of Python's own.
        getattr(request, "from").CopyFrom(to_timestamp(parse_moment(since, "--from")))
    if before is not None:
        request.before.CopyFrom(to_timestamp(parse_moment(before, "--before")))
    with events_client(target) as client:
        response = client.caller.call(client.calls.ReportCompleteness, request)
    if output.as_json:
        print_message(response, unmask=output.unmask)
        return
    columns: list[str | tuple[str, JustifyMethod]] = [
        "hour",
        *((name, "right") for name in ("calls", "complete", "going on", "unterminated", "with anomalies")),
        "anomalies by kind",
    ]
    listing = table(f"Completeness of {tenant}'s calls", columns)
    for hour in response.hours:
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(hour.anomaly_kinds.items()))
        add_row(
            listing,
            local_time(hour.hour),
            str(hour.calls),
            str(hour.complete),
            str(hour.active),
            str(hour.unterminated),
            Text(str(hour.with_anomalies), style="yellow" if hour.with_anomalies else ""),
            printable(kinds),
        )
    stdout_console().print(listing if response.hours else "no calls in this time")


@app.command()
@spread_options
def rebuild(
    tenant: Tenant,
    target: EventsTarget,
    output: OutputOptions,
    since: Since = None,
    before: Before = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only compare, change nothing.")] = False,
) -> None:
    """Make call records anew from the log, and say whether any was different.

    Without times, calls of the log that have no record get one, too.
    """
    request = call_service_pb2.RebuildCallsRequest(
        tenant_id=tenant,
        started_from=to_timestamp(parse_moment(since, "--from")) if since is not None else None,
        started_before=to_timestamp(parse_moment(before, "--before")) if before is not None else None,
        dry_run=dry_run,
    )
    result = call_service_pb2.RebuildCallsResponse()
    with events_client(target) as client:
        while True:
            part = client.caller.call(client.calls.RebuildCalls, request)
            result.calls += part.calls
            result.different += part.different
            room = _MAX_NAMED - len(result.different_session_ids)
            result.different_session_ids.extend(part.different_session_ids[:room])
            request.page_token = part.next_page_token
            if not part.next_page_token:
                break
    if output.as_json:
        print_message(result, unmask=output.unmask)
        return
    console = stdout_console()
    console.print(f"{result.calls} calls made anew from the log, {result.different} records were different")
    for session_id in result.different_session_ids:
        console.print(f"  {printable(session_id)}", highlight=False)
