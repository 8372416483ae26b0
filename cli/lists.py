"""`axbridge lists`: who may call a tenant's access numbers at all."""

from typing import Annotated

import typer
from axbridge.routing.v1 import number_list_service_pb2

from cli.bind import RequestId, Tenant
from cli.clients import RoutingTarget, routing_client
from cli.option_groups import spread_options
from cli.output import (
    OutputOptions,
    add_row,
    free_text,
    local_time,
    person,
    print_json,
    print_message,
    print_messages,
    stdout_console,
    table,
)
from cli.values import Choice, enum_word, parse_moment, parse_span_from_now, to_timestamp

app = typer.Typer(help="Allow and block lists: who may call, per tenant and per access number.", no_args_is_help=True)

_ONLY_SHORT_NUMBERS = (
    "note: only service numbers and short codes, such as 95500, begin like this; all others are compared with their "
    "country code: '+86138*'"
)


class ActionChoice(Choice):
    ALLOW = "allow"
    BLOCK = "block"


@app.command()
@spread_options
def add(
    action: Annotated[ActionChoice, typer.Argument(help="What happens to callers that match.")],
    pattern: Annotated[
        str, typer.Argument(metavar="NUMBER", help="A number; or its first digits with a * behind, such as '+86138*'.")
    ],
    tenant: Tenant,
    target: RoutingTarget,
    output: OutputOptions,
    access: Annotated[str, typer.Option(help="Only for this access number; else for all of the tenant.")] = "",
    note: Annotated[str, typer.Option(help="A remark for people.")] = "",
    expires_at: Annotated[str | None, typer.Option(metavar="TIME", help="Counts no more from this time on.")] = None,
    expires_in: Annotated[str | None, typer.Option(metavar="DURATION", help="The same, counted from now: 7d.")] = None,
    request_id: RequestId = "",
) -> None:
    """Allow or block a number, or all numbers that begin with some digits."""
    if expires_at is not None and expires_in is not None:
        raise typer.BadParameter("--expires-at and --expires-in say the same: give one of them")
    ends = parse_moment(expires_at, "--expires-at") if expires_at is not None else None
    if expires_in is not None:
        ends = parse_span_from_now(expires_in, "--expires-in")
    is_prefix = pattern.endswith("*")
    entry = number_list_service_pb2.NumberListEntry(
        tenant_id=tenant,
        access_number=access,
        pattern_type="NUMBER_PATTERN_TYPE_PREFIX" if is_prefix else "NUMBER_PATTERN_TYPE_EXACT",
        pattern=pattern.removesuffix("*"),
        action=action.enum_name("NUMBER_LIST_ACTION_"),
        note=note,
        expires_at=None if ends is None else to_timestamp(ends),
    )
    request = number_list_service_pb2.CreateNumberListEntryRequest(entry=entry, request_id=request_id)
    with routing_client(target) as client:
        stored = client.caller.call(client.number_lists.CreateNumberListEntry, request).entry
    if output.as_json:
        print_message(stored, unmask=output.unmask)
    else:
        stdout_console().print(f"list entry {stored.entry_id}: {_sentence(stored, unmask=output.unmask)}")
        if is_prefix and not pattern.startswith("+"):
            stdout_console().print(_ONLY_SHORT_NUMBERS)


@app.command("list")
@spread_options
def list_(
    tenant: Tenant,
    target: RoutingTarget,
    output: OutputOptions,
    access: Annotated[str, typer.Option(help="Only those of this access number.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="Most entries to list.")] = 100,
) -> None:
    """List a tenant's entries, oldest first."""
    entries: list[number_list_service_pb2.NumberListEntry] = []
    token = ""
    with routing_client(target) as client:
        while len(entries) < limit:
            request = number_list_service_pb2.ListNumberListEntriesRequest(
                tenant_id=tenant,
                access_number=access,
                page_size=min(limit - len(entries), 1000),
                page_token=token,
            )
            page = client.caller.call(client.number_lists.ListNumberListEntries, request)
            entries.extend(page.entries)
            token = page.next_page_token
            if not token:
                break
    if output.as_json:
        print_messages(entries, unmask=output.unmask)
        return
    listing = table(f"Lists of {tenant}", ["entry", "action", "callers", "access", "until", "note"])
    for entry in entries:
        add_row(
            listing,
            entry.entry_id,
            _action(entry),
            _callers(entry, unmask=output.unmask),
            entry.access_number or "all",
            local_time(entry.expires_at) if entry.HasField("expires_at") else "",
            free_text(entry.note),
        )
    console = stdout_console()
    console.print(listing if entries else "no such entries: `axbridge lists add` makes one")
    if token:
        console.print(f"there are more than {limit}: narrow the list with --access, or raise --limit")


@app.command()
@spread_options
def delete(
    entry: Annotated[str, typer.Argument(metavar="ENTRY", help="The entry's id.")],
    tenant: Tenant,
    target: RoutingTarget,
    output: OutputOptions,
    request_id: RequestId = "",
) -> None:
    """Remove an entry. A query that begins after this returns is decided without it."""
    request = number_list_service_pb2.DeleteNumberListEntryRequest(
        tenant_id=tenant, entry_id=entry, request_id=request_id
    )
    with routing_client(target) as client:
        client.caller.call(client.number_lists.DeleteNumberListEntry, request)
    if output.as_json:
        print_json({"deleted": entry})
    else:
        stdout_console().print(f"list entry {entry} deleted")


def _sentence(entry: number_list_service_pb2.NumberListEntry, *, unmask: bool) -> str:
    where = entry.access_number or f"all access numbers of {entry.tenant_id}"
    until = f" until {local_time(entry.expires_at)}" if entry.HasField("expires_at") else ""
    return f"{_action(entry)} {_callers(entry, unmask=unmask)} on {where}{until}"


def _action(entry: number_list_service_pb2.NumberListEntry) -> str:
    return enum_word(number_list_service_pb2.NumberListAction.Name(entry.action), "NUMBER_LIST_ACTION_")


def _callers(entry: number_list_service_pb2.NumberListEntry, *, unmask: bool) -> str:
    is_prefix = entry.pattern_type == number_list_service_pb2.NUMBER_PATTERN_TYPE_PREFIX
    return person(entry.pattern, unmask=unmask) + ("*" if is_prefix else "")
