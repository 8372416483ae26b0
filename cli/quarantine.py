"""`axbridge quarantine`: messages that belong to no call we can name."""

import base64
import http.client
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

import typer
from axbridge.events.v1 import event_service_pb2

from cli.clients import EventsClient, EventsTarget, events_client
from cli.option_groups import spread_options
from cli.output import OutputOptions, add_row, local_time, print_json, printable, stdout_console, table
from common.clock import from_microseconds
from common.errors import AxbridgeError, PermissionDeniedError
from common.masking import mask_text

app = typer.Typer(help="Messages that could not be taken as events: list, replay, delete.", no_args_is_help=True)

TenantFilter = Annotated[str, typer.Option("--tenant", help="Only messages of this enterprise.")]
Ids = Annotated[list[int] | None, typer.Argument(metavar="[ID]...", help="Ids, as `quarantine list` shows them.")]
Everything = Annotated[bool, typer.Option("--all", help="Every message, of --tenant where that is given.")]
Limit = Annotated[int, typer.Option(min=1, help="Most messages to list.")]

EXCERPT_LENGTH = 160
REPLAY_TIMEOUT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class ReplayTarget:
    """Options: where the gateway is."""

    url: Annotated[
        str, typer.Option("--url", envvar="AXBRIDGE_URL", help="Where the platform posts, as `up` prints it.")
    ] = "http://127.0.0.1:8080/v1/calls"


@app.command("list")
@spread_options
def list_(target: EventsTarget, output: OutputOptions, tenant: TenantFilter = "", limit: Limit = 100) -> None:
    """List quarantined messages, oldest first."""
    with events_client(target) as client:
        messages = _messages(client, tenant, limit)
    if output.as_json:
        print_json([_as_dict(message, unmask=output.unmask) for message in messages])
        return
    listing = table("Quarantine", [("id", "right"), "received", "tenant", "reason", "content type", "body"])
    for message in messages:
        add_row(
            listing,
            str(message.message_id),
            local_time(from_microseconds(message.received_at_us)),
            message.tenant_id,
            message.reason,
            message.content_type,
            _excerpt(message.raw_body, unmask=output.unmask),
        )
    stdout_console().print(listing if messages else "the quarantine is empty")


@app.command()
@spread_options
def replay(
    target: EventsTarget,
    gateway: ReplayTarget,
    output: OutputOptions,
    ids: Ids = None,
    everything: Everything = False,
    tenant: TenantFilter = "",
) -> None:
    """Send messages to the gateway again, as they came; those that it takes are removed here."""
    # What is sent again has to be whole.
    with events_client(target, unmask=True) as client:
        chosen = _chosen(client, ids, everything, tenant)
        if not all(message.raw_body for message in chosen):
            raise PermissionDeniedError("the bodies are not shown to this credential", reason="MISSING_SCOPE")
        newest = max((message.message_id for message in _messages(client, "", None)), default=0)
        outcomes = {message.message_id: _post(gateway.url, message) for message in chosen}
        taken = [message_id for message_id, status in outcomes.items() if status == 200]
        done = taken + _new_copies(client, [message for message in chosen if message.message_id not in taken], newest)
        if done:
            request = event_service_pb2.DeleteQuarantinedRequest(message_ids=done)
            client.caller.call(client.events.DeleteQuarantined, request)
    refused = len(outcomes) - len(taken)
    if output.as_json:
        print_json({"taken": taken, "refused": {str(k): v for k, v in outcomes.items() if v != 200}})
    else:
        stdout_console().print(f"{len(taken)} taken, {refused} refused again")
    if refused:
        statuses = sorted({f"HTTP {status}" for status in outcomes.values() if status != 200})
        raise AxbridgeError(
            f"{refused} were refused again ({', '.join(statuses)}): put right what `axbridge quarantine list` "
            "gives as the reason, or remove them with `axbridge quarantine delete`"
        )


@app.command()
@spread_options
def delete(
    target: EventsTarget,
    output: OutputOptions,
    ids: Ids = None,
    everything: Everything = False,
    tenant: TenantFilter = "",
) -> None:
    """Remove messages for good."""
    with events_client(target) as client:
        chosen = [message.message_id for message in _chosen(client, ids, everything, tenant)]
        deleted = 0
        if chosen:
            request = event_service_pb2.DeleteQuarantinedRequest(message_ids=chosen)
            deleted = client.caller.call(client.events.DeleteQuarantined, request).deleted
    if output.as_json:
        print_json({"deleted": deleted})
    else:
        stdout_console().print(f"{deleted} deleted")


def _chosen(
    client: EventsClient, ids: list[int] | None, everything: bool, tenant: str
) -> list[event_service_pb2.QuarantinedMessage]:
    if bool(ids) == everything:
        raise typer.BadParameter("say which messages: their ids, or --all")
    messages = _messages(client, tenant, None)
    if everything:
        return messages
    wanted = set(ids or [])
    missing = wanted - {message.message_id for message in messages}
    if missing:
        listed = ", ".join(map(str, sorted(missing)))
        raise AxbridgeError(f"not in the quarantine: {listed}; `axbridge quarantine list` shows what is")
    return [message for message in messages if message.message_id in wanted]


def _new_copies(
    client: EventsClient, refused: list[event_service_pb2.QuarantinedMessage], newest_before: int
) -> list[int]:
    """Ids of the copies that the gateway quarantined when it refused these again: the first ones stay as they are."""
    if not refused:
        return []
    bodies = {message.raw_body for message in refused}
    return [
        message.message_id
        for message in _messages(client, "", None)
        if message.raw_body in bodies and message.message_id > newest_before
    ]


def _messages(client: EventsClient, tenant: str, limit: int | None) -> list[event_service_pb2.QuarantinedMessage]:
    messages: list[event_service_pb2.QuarantinedMessage] = []
    token = ""
    while limit is None or len(messages) < limit:
        size = 1000 if limit is None else min(limit - len(messages), 1000)
        request = event_service_pb2.ListQuarantinedRequest(tenant_id=tenant, page_size=size, page_token=token)
        page = client.caller.call(client.events.ListQuarantined, request)
        messages.extend(page.messages)
        token = page.next_page_token
        if not token:
            break
    return messages


def _post(url: str, message: event_service_pb2.QuarantinedMessage) -> int:
    """The HTTP status that the gateway answers to the message. Raises AxbridgeError when it can't be reached."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise typer.BadParameter("--url takes an address such as http://127.0.0.1:8080/v1/calls")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=REPLAY_TIMEOUT_SECONDS)
    headers = {"Content-Type": message.content_type} if message.content_type else {}
    try:
        connection.request("POST", parts.path or "/", body=message.raw_body, headers=headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise AxbridgeError(f"can't reach the gateway at {url}: start it with `axbridge up`, or give --url") from error
    finally:
        connection.close()


def _excerpt(body: bytes, *, unmask: bool) -> str:
    text = printable(" ".join(body.decode("utf-8", "replace").split()))
    shown = text if unmask else mask_text(text)
    return shown if len(shown) <= EXCERPT_LENGTH else shown[:EXCERPT_LENGTH] + "…"


def _as_dict(message: event_service_pb2.QuarantinedMessage, *, unmask: bool) -> dict[str, object]:
    shown: dict[str, object] = {
        "message_id": message.message_id,
        "received_at_us": message.received_at_us,
        "reason": message.reason,
        "tenant_id": message.tenant_id,
        "content_type": message.content_type,
        "body_text": _excerpt(message.raw_body, unmask=unmask),
    }
    if unmask:
        shown["raw_body"] = base64.b64encode(message.raw_body).decode()
    return shown
