"""`axbridge shadow-replay`: what a change of bindings would change, before it is made."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from axbridge.events.v1 import call_service_pb2
from axbridge.routing.v1 import decision_pb2, routing_service_pb2
from google.protobuf.json_format import ParseDict, ParseError

from cli.bind import Tenant
from cli.clients import (
    DEFAULT_EVENTS_TARGET,
    EVENTS_VARIABLE,
    EventsTarget,
    RoutingTarget,
    events_client,
    routing_client,
)
from cli.explain import RESULT_CODES
from cli.option_groups import spread_options
from cli.output import OutputOptions, add_row, local_time, person, print_messages, stdout_console, table
from cli.values import parse_moment, to_timestamp

_QUERIES_AT_ONCE = 1000


@spread_options
def shadow_replay(
    tenant: Tenant,
    proposal: Annotated[
        Path,
        typer.Option(
            exists=True,
            dir_okay=False,
            help='JSON: {"bindings": [..], "deleted_binding_ids": [..]}, as in the contract.',
        ),
    ],
    target: RoutingTarget,
    output: OutputOptions,
    queries: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help='A file with one query a line, as JSON: {"calling_number", "access_number", "at", "session_id"}.',
        ),
    ] = None,
    started_from: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Replay the calls that started at this time or later.")
    ] = None,
    started_before: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Replay the calls that started before this time.")
    ] = None,
    events_target: Annotated[
        str, typer.Option("--events-target", envvar=EVENTS_VARIABLE, help="HOST:PORT of the event service.")
    ] = DEFAULT_EVENTS_TARGET,
) -> None:
    """Replay queries of the past against the bindings as they are, and with a proposal; nothing is changed."""
    proposed = routing_service_pb2.ShadowProposal()
    _parse(_document(proposal), proposed, str(proposal))
    proposed.tenant_id = tenant
    if (queries is None) == (started_from is None) or (queries is not None and started_before is not None):
        raise typer.BadParameter("give the queries with --queries FILE, or the time of the calls with --from and --to")
    left_out: list[str] = []
    if queries is not None:
        asked = _from_file(queries)
    else:
        request = call_service_pb2.ListCallsRequest(tenant_id=tenant, page_size=_QUERIES_AT_ONCE)
        request.started_from.CopyFrom(to_timestamp(parse_moment(started_from or "", "--from")))
        if started_before is not None:
            request.started_before.CopyFrom(to_timestamp(parse_moment(started_before, "--to")))
        asked = _from_calls(EventsTarget(events_target, target.timeout), request, left_out)
    differences: list[routing_service_pb2.ShadowDifference] = []
    count = 0
    with routing_client(target) as client:
        for response in client.caller.exchange(client.routing.ShadowReplay, _requests(proposed, asked)):
            differences.extend(response.differences)
            count = response.queries
    if output.as_json:
        print_messages(differences, unmask=output.unmask)
        return
    listing = table(f"{len(differences)} of {count} answers would change", ["when", "A", "X", "now", "then"])
    for each in differences:
        add_row(
            listing,
            local_time(each.query.at),
            person(each.query.calling_number, unmask=output.unmask),
            each.query.access_number,
            _answer(each.present, unmask=output.unmask),
            _answer(each.proposed, unmask=output.unmask),
        )
    stdout_console().print(listing if differences else f"none of {count} answers would change")
    if left_out:
        stdout_console().print(
            f"calls left out, since nobody has told which access number was dialled: {len(left_out)}"
        )


def _requests(
    proposal: routing_service_pb2.ShadowProposal, queries: Iterator[routing_service_pb2.ShadowQuery]
) -> Iterator[routing_service_pb2.ShadowReplayRequest]:
    request = routing_service_pb2.ShadowReplayRequest(proposal=proposal)
    for query in queries:
        request.queries.append(query)
        if len(request.queries) == _QUERIES_AT_ONCE:
            yield request
            request = routing_service_pb2.ShadowReplayRequest()
    yield request


def _from_file(file: Path) -> Iterator[routing_service_pb2.ShadowQuery]:
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                query = routing_service_pb2.ShadowQuery()
                _parse(_json(line, f"{file}, line {number}"), query, f"{file}, line {number}")
                yield query


def _from_calls(
    target: EventsTarget, request: call_service_pb2.ListCallsRequest, left_out: list[str]
) -> Iterator[routing_service_pb2.ShadowQuery]:
    """The queries of the calls that the event service knows. Without an access number a call can't be replayed: its
    session goes to `left_out`."""
    # Masked numbers can't be replayed.
    with events_client(target, unmask=True) as client:
        while True:
            page = client.caller.call(client.calls.ListCalls, request)
            for call in page.calls:
                if call.access_number:
                    yield routing_service_pb2.ShadowQuery(
                        session_id=call.session_id,
                        calling_number=call.calling_number,
                        access_number=call.access_number,
                        at=call.started_at,
                    )
                else:
                    left_out.append(call.session_id)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token


def _answer(decision: decision_pb2.RouteDecision, *, unmask: bool) -> str:
    if decision.members:
        return ", ".join(person(each.number, unmask=unmask) for each in decision.members)
    code = RESULT_CODES.get(decision.result)
    return f"{code.text} {decision.reason}" if code is not None else decision.reason


def _document(file: Path) -> Any:
    return _json(file.read_text(encoding="utf-8"), str(file))


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise typer.BadParameter(f"{where} is no JSON: {error.msg}") from error


def _parse(document: Any, message: Any, where: str) -> None:
    try:
        ParseDict(document, message)
    except ParseError as error:
        raise typer.BadParameter(f"{where}: {error}") from error
