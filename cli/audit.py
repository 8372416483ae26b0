"""`axbridge audit`: who changed what, and who saw whole numbers."""

import heapq
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

import typer
from axbridge.events.v1 import privacy_service_pb2
from axbridge.routing.v1 import binding_service_pb2

from cli.bind import Tenant
from cli.clients import (
    DEFAULT_EVENTS_TARGET,
    EVENTS_VARIABLE,
    EventsTarget,
    RoutingTarget,
    events_client,
    routing_client,
)
from cli.option_groups import spread_options
from cli.output import OutputOptions, add_row, free_text, local_time, message_dict, print_json, stdout_console, table
from common.auth.unmasking import UNMASK_ACTION

app = typer.Typer(help="Who changed what or saw whole numbers, and when.", no_args_is_help=True)

RoutingEntry = binding_service_pb2.AuditEntry
EventsEntry = privacy_service_pb2.AuditEntry
_Entry = TypeVar("_Entry", RoutingEntry, EventsEntry)

_PAGE_SIZE = 1000
_WIDEST_CHANGE = 60
_COLUMNS: list[Any] = [("entry", "right"), "when", "who", "what", "object", "changed"]

Limit = Annotated[int, typer.Option(min=1, help="Most entries to list.")]


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
    limit: Limit = 50,
) -> None:
    """List a tenant's audit log in the routing service, newest first: bindings, lists, pools, settings."""
    entries, has_more = _of_routing(target, tenant, object_id, limit)
    if output.as_json:
        print_json([message_dict(each, unmask=output.unmask) for each in entries])
        return
    listing = table(f"Audit log of {tenant}", _COLUMNS)
    for each in entries:
        add_row(listing, *_cells(each))
    stdout_console().print(listing if entries else "nothing was changed")
    _say_more(has_more, limit)


@app.command("events")
@spread_options
def events(
    tenant: Tenant,
    target: EventsTarget,
    output: OutputOptions,
    object_id: Annotated[
        str, typer.Option("--object", help="Only what was done to this webhook (its id) or subscription (its name).")
    ] = "",
    limit: Limit = 50,
) -> None:
    """List a tenant's audit log in the event service, newest first: webhooks, subscriptions, rebuilt calls."""
    entries, has_more = _of_events(target, tenant, object_id, limit)
    if output.as_json:
        print_json([message_dict(each, unmask=output.unmask) for each in entries])
        return
    listing = table(f"Audit log of {tenant}'s calls", _COLUMNS)
    for each in entries:
        add_row(listing, *_cells(each))
    stdout_console().print(listing if entries else "nothing was written down")
    _say_more(has_more, limit)


@app.command("all")
@spread_options
def all_(
    tenant: Tenant,
    target: RoutingTarget,
    output: OutputOptions,
    events_target: Annotated[
        str, typer.Option("--events-target", envvar=EVENTS_VARIABLE, help="HOST:PORT of the event service.")
    ] = DEFAULT_EVENTS_TARGET,
    object_id: Annotated[str, typer.Option("--object", help="Only what was done to this object.")] = "",
    limit: Limit = 50,
) -> None:
    """List a tenant's audit log in both services as one, newest first."""
    routing, routing_has_more = _of_routing(target, tenant, object_id, limit)
    event, events_has_more = _of_events(EventsTarget(events_target, target.timeout), tenant, object_id, limit)
    # Each service's entries keep their own order, whatever the clocks of its replicas said.
    named: list[list[tuple[str, RoutingEntry | EventsEntry]]] = [
        [("routing", each) for each in routing],
        [("events", each) for each in event],
    ]
    merged = list(heapq.merge(*named, key=lambda pair: pair[1].at.ToNanoseconds(), reverse=True))
    has_more = routing_has_more or events_has_more or len(merged) > limit
    if output.as_json:
        shown = merged[:limit]
        print_json([{"service": name, **message_dict(each, unmask=output.unmask)} for name, each in shown])
        return
    listing = table(f"Audit log of {tenant} in both services", ["service", *_COLUMNS])
    for name, each in merged[:limit]:
        add_row(listing, name, *_cells(each))
    stdout_console().print(listing if merged else "nothing was written down")
    _say_more(has_more, limit)


def _of_routing(target: RoutingTarget, tenant: str, object_id: str, limit: int) -> tuple[list[RoutingEntry], bool]:
    with routing_client(target) as client:

        def page(size: int, token: str) -> tuple[Sequence[RoutingEntry], str]:
            request = binding_service_pb2.ListAuditEntriesRequest(
                tenant_id=tenant, object_id=object_id, page_size=size, page_token=token
            )
            found = client.caller.call(client.bindings.ListAuditEntries, request)
            return found.entries, found.next_page_token

        return _read(page, limit)


def _of_events(target: EventsTarget, tenant: str, object_id: str, limit: int) -> tuple[list[EventsEntry], bool]:
    with events_client(target) as client:

        def page(size: int, token: str) -> tuple[Sequence[EventsEntry], str]:
            request = privacy_service_pb2.ListAuditEntriesRequest(
                tenant_id=tenant, object_id=object_id, page_size=size, page_token=token
            )
            found = client.caller.call(client.privacy.ListAuditEntries, request)
            return found.entries, found.next_page_token

        return _read(page, limit)


def _read(page: Callable[[int, str], tuple[Sequence[_Entry], str]], limit: int) -> tuple[list[_Entry], bool]:
    """The newest entries, and whether there are more."""
    entries: list[_Entry] = []
    token = ""
    while len(entries) < limit:
        found, token = page(min(limit - len(entries), _PAGE_SIZE), token)
        entries.extend(found)
        if not token:
            break
    return entries, bool(token)


def _say_more(has_more: bool, limit: int) -> None:
    if has_more:
        stdout_console().print(f"there are more than {limit}: narrow the list with --object, or raise --limit")


def _cells(entry: RoutingEntry | EventsEntry) -> list[Any]:
    change = free_text(_change(entry))
    return [str(entry.entry_id), local_time(entry.at), entry.actor, entry.action, entry.object_id, change]


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


def _change(entry: RoutingEntry | EventsEntry) -> str:
    """The fields that changed, where something was there before and after; of what changed no object, what it was."""
    if entry.action == UNMASK_ACTION:
        return _asked(entry.after_json)
    if entry.before_json and entry.after_json:
        before, after = _document(entry.before_json), _document(entry.after_json)
        names = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
        changes = [
            f"{name}: {before.get(name, '-')} → {after.get(name, '-')}" for name in names if name != "updated_at"
        ]
        return _cut(", ".join(changes))
    if isinstance(entry, EventsEntry) and not (entry.object_id and entry.action.endswith((".create", ".delete"))):
        return _cut(_asked(entry.before_json or entry.after_json))
    return ""


def _cut(text: str) -> str:
    return text if len(text) <= _WIDEST_CHANGE else text[: _WIDEST_CHANGE - 1] + "…"


def _document(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError:
        # Masking may have hidden a whole number that is no text.
        return {}
    return document if isinstance(document, dict) else {}
