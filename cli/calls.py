"""`axbridge calls`: call records, and one call as a ladder."""

from typing import Annotated

import typer
from axbridge.events.v1 import call_pb2, call_service_pb2
from rich.console import JustifyMethod
from rich.text import Text

from cli.bind import Tenant
from cli.clients import EventsClient, EventsTarget, events_client
from cli.ladder import LadderCall, LadderEvent, LadderQuery, ladder
from cli.option_groups import spread_options
from cli.output import (
    OutputOptions,
    add_row,
    facts_table,
    free_text,
    local_time,
    message_dict,
    person,
    print_json,
    print_messages,
    printable,
    stdout_console,
    table,
)
from cli.values import Choice, enum_word, parse_moment, to_timestamp
from common.protocol_codes import CallResult

# What stands for it in the address of a trace.
_TRACE_ID = "{trace_id}"

app = typer.Typer(help="Call records: list them, show one as a ladder.", no_args_is_help=True)


class StateChoice(Choice):
    QUERIED = "queried"
    CALLING = "calling"
    RINGING = "ringing"
    ANSWERED = "answered"
    COMPLETED = "completed"
    UNREACHED = "unreached"
    ABANDONED = "abandoned"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    UNTERMINATED = "unterminated"


_STATE_STYLES = {
    "completed": "green",
    "answered": "bold green",
    "unreached": "yellow",
    "abandoned": "yellow",
    "refused": "red",
    "unknown": "red",
    "unterminated": "red",
}


@app.command("list")
@spread_options
def list_(
    tenant: Tenant,
    target: EventsTarget,
    output: OutputOptions,
    number: Annotated[str, typer.Option(help="Only calls with this number as A, X or B.")] = "",
    region: Annotated[str, typer.Option(help="Region that a national --number belongs to.")] = "CN",
    state: Annotated[list[StateChoice] | None, typer.Option(help="Only calls in this state. Repeatable.")] = None,
    since: Annotated[str | None, typer.Option("--from", metavar="TIME", help="Only calls from this time on.")] = None,
    before: Annotated[str | None, typer.Option(metavar="TIME", help="Only calls before this time.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most calls to list.")] = 50,
) -> None:
    """List a tenant's calls, newest first."""
    request = call_service_pb2.ListCallsRequest(
        tenant_id=tenant,
        number=number,
        states=[choice.enum_name("CALL_STATE_") for choice in state or []],
        started_from=to_timestamp(parse_moment(since, "--from")) if since is not None else None,
        started_before=to_timestamp(parse_moment(before, "--before")) if before is not None else None,
        default_region=region,
    )
    with events_client(target) as client:
        calls, more = _pages(client, request, limit)
    if output.as_json:
        print_messages(calls, unmask=output.unmask)
        return
    columns: list[str | tuple[str, JustifyMethod]] = [
        "started",
        "sid",
        "A",
        "X",
        "B",
        "state",
        ("ring", "right"),
        ("talk", "right"),
        "end",
        "anomalies",
    ]
    listing = table(f"Calls of {tenant}", columns)
    for call in calls:
        shown_state = state_word(call)
        add_row(
            listing,
            local_time(call.started_at),
            call.session_id,
            person(call.calling_number, unmask=output.unmask),
            call.access_number,
            person(call.called_number, unmask=output.unmask),
            Text(shown_state, style=_STATE_STYLES.get(shown_state, "cyan")),
            f"{call.ring_seconds} s" if call.HasField("ring_seconds") else "",
            f"{call.talk_seconds} s" if call.HasField("talk_seconds") else "",
            call.end_reason.removesuffix(", call over"),
            free_text(", ".join(call.anomalies)),
        )
    console = stdout_console()
    console.print(listing if calls else "no such calls")
    if more:
        console.print(f"there are more than {limit}: narrow the list, or raise --limit")


@app.command()
@spread_options
def show(
    sid: Annotated[str, typer.Argument(metavar="SID", help="The call's session id.")],
    tenant: Tenant,
    target: EventsTarget,
    output: OutputOptions,
    trace_url: Annotated[
        str,
        typer.Option(
            envvar="AXBRIDGE_TRACE_URL",
            metavar="URL",
            help="Where traces are shown, with {trace_id} in it: https://jaeger.example/trace/{trace_id}.",
        ),
    ] = "",
) -> None:
    """Show one call: a ladder of its messages, and its record with the id of its trace."""
    if trace_url and _TRACE_ID not in trace_url:
        raise typer.BadParameter(f"--trace-url has {_TRACE_ID} where the trace's id is to stand")
    with events_client(target) as client:
        request = call_service_pb2.GetCallRequest(tenant_id=tenant, session_id=sid)
        call = client.caller.call(client.calls.GetCall, request).call
        events_request = call_service_pb2.ListCallEventsRequest(tenant_id=tenant, session_id=sid)
        stored = client.caller.call(client.calls.ListCallEvents, events_request)
    if output.as_json:
        print_json(
            {
                "call": message_dict(call, unmask=output.unmask),
                **message_dict(stored, unmask=output.unmask),
            }
        )
        return
    console = stdout_console()
    console.print(_headline(call), end="\n\n")
    for line in ladder(ladder_call(call, stored, unmask=output.unmask)):
        console.print(line, soft_wrap=True)
    console.print()
    facts = _facts(call, unmask=output.unmask)
    if trace_url:
        facts["trace is at"] = trace_url.replace(_TRACE_ID, call.trace_id)
    console.print(facts_table(facts))


def ladder_call(call: call_pb2.Call, stored: call_service_pb2.ListCallEventsResponse, *, unmask: bool) -> LadderCall:
    """What the ladder needs of a call, numbers as they are to be shown."""
    query = None
    if stored.HasField("decision"):
        decision = stored.decision
        query = LadderQuery(
            received_at_us=decision.received_at_us,
            took_us=decision.took_us,
            result=decision.result,
            reason=free_text(decision.reason),
            called=tuple(person(number, unmask=unmask) for number in decision.called_numbers),
        )
    events = [
        LadderEvent(
            received_at_us=item.event.received_at_us,
            code=item.event.code,
            call_result=item.event.call_result,
            file_path=free_text(item.event.file_path),
            received_count=item.received_count,
            conflict=item.conflict,
        )
        for item in stored.events
    ]
    return LadderCall(
        caller=person(call.calling_number, unmask=unmask),
        access_number=call.access_number,
        callee=person(call.called_number, unmask=unmask),
        query=query,
        events=events,
    )


def state_word(call: call_pb2.Call) -> str:
    return enum_word(call_pb2.CallState.Name(call.state), "CALL_STATE_") or "unknown"


def _hangup_word(call: call_pb2.Call) -> str:
    return enum_word(call_pb2.HangupParty.Name(call.hangup_party), "HANGUP_PARTY_").replace("either", "one of the two")


def _headline(call: call_pb2.Call) -> Text:
    word = state_word(call)
    said = f", {call.talk_seconds} s of talk" if call.HasField("talk_seconds") and call.talk_seconds else ""
    said += f", {call.end_reason}" if call.end_reason else ""
    return Text.assemble(
        (f"call {printable(call.session_id)}", "bold"),
        f" of tenant {printable(call.tenant_id)}: ",
        (word, _STATE_STYLES.get(word, "cyan")),
        printable(said),
    )


def _facts(call: call_pb2.Call, *, unmask: bool) -> dict[str, str]:
    moments = {
        "started": call.started_at if call.HasField("started_at") else None,
        "called": call.called_at if call.HasField("called_at") else None,
        "rang": call.ringing_at if call.HasField("ringing_at") else None,
        "answered": call.answered_at if call.HasField("answered_at") else None,
        "ended": call.ended_at if call.HasField("ended_at") else None,
        "given up": call.closed_at if call.HasField("closed_at") else None,
    }
    chinese = f" ({call.end_reason_zh})" if call.end_reason_zh else ""
    result = f"{call.call_result} {CallResult.describe(call.call_result)}" if call.call_result else ""
    binding = f"{call.binding_id} revision {call.binding_revision}" if call.binding_id else ""
    return {
        "A, caller": person(call.calling_number, unmask=unmask),
        "X, access number": call.access_number,
        "B, callee": person(call.called_number, unmask=unmask),
        "really reached": person(call.translated_number, unmask=unmask),
        "direction": call.direction,
        "binding": binding,
        **{name: local_time(moment) for name, moment in moments.items() if moment is not None},
        "ring": f"{call.ring_seconds} s" if call.HasField("ring_seconds") else "",
        "talk": f"{call.talk_seconds} s" if call.HasField("talk_seconds") else "",
        "may talk": f"{call.max_duration_seconds} s" if call.max_duration_seconds else "",
        "hung up": _hangup_word(call),
        "ended because": f"{call.end_reason}{chinese}" if call.end_reason else "",
        "callResult": result,
        "recording": free_text(call.recording_path),
        "charge extension": free_text(call.charge_ext),
        "client id": free_text(call.client_id),
        "user data": free_text(call.user_data),
        "anomalies": free_text(", ".join(call.anomalies)) or "none",
        "events": str(call.event_count),
        "trace": call.trace_id,
    }


def _pages(
    client: EventsClient, request: call_service_pb2.ListCallsRequest, limit: int
) -> tuple[list[call_pb2.Call], bool]:
    calls: list[call_pb2.Call] = []
    while len(calls) < limit:
        request.page_size = min(limit - len(calls), 1000)
        page = client.caller.call(client.calls.ListCalls, request)
        calls.extend(page.calls)
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    return calls, bool(request.page_token)
