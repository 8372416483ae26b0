"""`axbridge audit`: who changed what, and who saw whole numbers."""

import json
from typing import Annotated, Any

import typer
from axbridge.events.v1 import privacy_service_pb2
from axbridge.routing.v1 import binding_service_pb2

from cli.bind import Tenant
from cli.clients import EventsTarget, RoutingTarget, events_client, routing_client
from cli.option_groups import spread_options
from cli.output import OutputOptions, add_row, free_text, local_time, message_dict, print_json, stdout_console, table
from common.auth.unmasking import UNMASK_ACTION

app = typer.Typer(help="Who changed what or saw whole numbers, and when.", no_args_is_help=True)

_PAGE_SIZE = 1000
_WIDEST_CHANGE = 60


@app.callback()
def group() -> None:
    """Who changed what or saw whole numbers, and when."""


@app.command("list")
@spread_options
def list_(
    tenant: Tenant,
    target: RoutingTarget,
    output: OutputOptions,
    object_id: Annotated[
        str, typer.Option("--object", help="Only what was done to this binding, tenant, access number or list entry.")
    ] = "",
    limit: Annotated[int, typer.Option(min=1, help="Most entries to list.")] = 50,
) -> None:
    """List a tenant's audit log, newest first."""
    entries: list[binding_service_pb2.AuditEntry] = []
    token = ""
    with routing_client(target) as client:
        while len(entries) < limit:
            request = binding_service_pb2.ListAuditEntriesRequest(
                tenant_id=tenant,
                object_id=object_id,
                page_size=min(limit - len(entries), _PAGE_SIZE),
                page_token=token,
            )
            page = client.caller.call(client.bindings.ListAuditEntries, request)
            entries.extend(page.entries)
            token = page.next_page_token
            if not token:
                break
    if output.as_json:
        print_json([message_dict(each, unmask=output.unmask) for each in entries])
        return
    listing = table(f"Audit log of {tenant}", [("entry", "right"), "when", "who", "what", "object", "changed"])
    for each in entries:
        add_row(
            listing,
            str(each.entry_id),
            local_time(each.at),
            each.actor,
            each.action,
            each.object_id,
            free_text(_change(each)),
        )
    console = stdout_console()
    console.print(listing if entries else "nothing was changed")
    if token:
        console.print(f"there are more than {limit}: narrow the list with --object, or raise --limit")


@app.command("events")
@spread_options
def events(
    tenant: Tenant,
    target: EventsTarget,
    output: OutputOptions,
    limit: Annotated[int, typer.Option(min=1, help="Most entries to list.")] = 50,
) -> None:
    """List what the event service wrote down of a tenant: who saw whole numbers of its calls. Newest first."""
    entries: list[privacy_service_pb2.AuditEntry] = []
    token = ""
    with events_client(target) as client:
        while len(entries) < limit:
            request = privacy_service_pb2.ListAuditEntriesRequest(
                tenant_id=tenant, page_size=min(limit - len(entries), _PAGE_SIZE), page_token=token
            )
            page = client.caller.call(client.privacy.ListAuditEntries, request)
            entries.extend(page.entries)
            token = page.next_page_token
            if not token:
                break
    if output.as_json:
        print_json([message_dict(each, unmask=output.unmask) for each in entries])
        return
    listing = table(f"Audit log of {tenant}'s calls", [("entry", "right"), "when", "who", "what", "asked"])
    for each in entries:
        asked = free_text(_asked(each.after_json))
        add_row(listing, str(each.entry_id), local_time(each.at), each.actor, each.action, asked)
    console = stdout_console()
    console.print(listing if entries else "nothing was written down")
    if token:
        console.print(f"there are more than {limit}: raise --limit")


def _asked(document: str) -> str:
    """A request of an entry in one line: what was called, and with what."""
    content = _document(document)
    rpc = str(content.get("rpc", "")).rpartition("/")[2]
    rest = {name: value for name, value in content.items() if name != "rpc"}
    said = ", ".join(f"{name}: {value}" for name, value in _fields(rest))
    return f"{rpc} {said}".strip()


def _fields(content: dict[str, Any]) -> list[tuple[str, Any]]:
    request = content.get("request")
    return [*(request if isinstance(request, dict) else content).items()]


def _change(entry: binding_service_pb2.AuditEntry) -> str:
    """The fields that changed, where something was there before and after."""
    if entry.action == UNMASK_ACTION:
        return _asked(entry.after_json)
    if not (entry.before_json and entry.after_json):
        return ""
    before, after = _document(entry.before_json), _document(entry.after_json)
    names = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
    changes = [f"{name}: {before.get(name, '-')} → {after.get(name, '-')}" for name in names if name != "updated_at"]
    text = ", ".join(changes)
    return text if len(text) <= _WIDEST_CHANGE else text[: _WIDEST_CHANGE - 1] + "…"


def _document(text: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(text)
    return document
