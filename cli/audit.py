"""`axbridge audit`: who changed what."""

import json
from typing import Annotated, Any

import typer
from axbridge.routing.v1 import binding_service_pb2

from cli.bind import Tenant
from cli.clients import RoutingTarget, routing_client
from cli.option_groups import spread_options
from cli.output import OutputOptions, add_row, local_time, message_dict, print_json, stdout_console, table
from common.masking import mask_text

app = typer.Typer(help="Who changed what, and when.", no_args_is_help=True)

_PAGE_SIZE = 1000
_WIDEST_CHANGE = 60


@app.callback()
def group() -> None:
    """Who changed what, and when."""


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
        print_json([_shown(each, unmask=output.unmask) for each in entries])
        return
    listing = table(f"Audit log of {tenant}", [("entry", "right"), "when", "who", "what", "object", "changed"])
    for each in entries:
        change = _change(each)
        add_row(
            listing,
            str(each.entry_id),
            local_time(each.at),
            each.actor,
            each.action,
            each.object_id,
            change if output.unmask else mask_text(change),
        )
    stdout_console().print(listing if entries else "nothing was changed")


def _change(entry: binding_service_pb2.AuditEntry) -> str:
    """The fields that changed, where something was there before and after."""
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


def _shown(entry: binding_service_pb2.AuditEntry, *, unmask: bool) -> dict[str, Any]:
    shown = message_dict(entry, unmask=unmask)
    if not unmask:
        for name in ("before_json", "after_json"):
            shown[name] = mask_text(shown[name])
    return shown
