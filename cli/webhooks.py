"""`axbridge webhooks`: where an enterprise's messages are posted, and what became of them."""

from dataclasses import dataclass, replace
from typing import Annotated

import typer
from axbridge.events.v1 import webhook_pb2, webhook_service_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from cli.bind import Tenant
from cli.clients import EventsTarget, events_client
from cli.option_groups import spread_options
from cli.output import OutputOptions, message_dict, print_json, print_message, print_messages, stdout_console
from cli.values import INT32_MAX, INT64_MAX, Choice, countable, parse_duration
from cli.webhook_view import attempt_line, attempts_table, dead_letters_table, show_webhook, webhooks_table
from common.errors import AxbridgeError

app = typer.Typer(help="Webhooks: where a tenant's messages are posted, and what became of them.", no_args_is_help=True)

WebhookId = Annotated[str, typer.Argument(metavar="WEBHOOK_ID", help="As `webhooks list` shows it.")]
Limit = Annotated[int, typer.Option(min=1, help="Most to list.")]
DeliveryIds = Annotated[
    list[int] | None,
    typer.Argument(metavar="[DELIVERY_ID]...", min=1, max=INT64_MAX, help="As `webhooks dead-letters` shows them."),
]

_PAGE = 1000
_TEST_SECONDS = 35.0


class MessageChoice(Choice):
    CALL_EVENT = "call-event"
    CALL_COMPLETED = "call-completed"


class StateChoice(Choice):
    ENABLED = "enabled"
    PAUSED = "paused"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class WebhookOptions:
    """Options: a webhook's settings."""

    description: Annotated[str | None, typer.Option("--description", help="A note for people.")] = None
    message: Annotated[
        list[MessageChoice] | None, typer.Option("--message", help="What is posted; else everything. Repeatable.")
    ] = None
    code: Annotated[
        list[str] | None, typer.Option("--code", help="Of events, only those with this code. Repeatable.")
    ] = None
    max_in_flight: Annotated[
        int | None, typer.Option(min=0, max=INT32_MAX, help="Most requests at the same time, 1 to 64.")
    ] = None
    max_per_second: Annotated[
        int | None, typer.Option(min=0, max=INT32_MAX, help="Most requests in a second; 0: no bound.")
    ] = None
    timeout_ms: Annotated[
        int | None,
        typer.Option(min=0, max=INT32_MAX, help="How long a request may take, milliseconds, 1000 to 30000."),
    ] = None
    state: Annotated[StateChoice | None, typer.Option(help="paused: messages gather; disabled: they pass by.")] = None

    def fill(self, webhook: webhook_pb2.Webhook) -> list[str]:
        """Write what was given into `webhook`; the names of the fields that were set."""
        paths: list[str] = []
        if self.description is not None:
            webhook.description = self.description
            paths.append("description")
        if self.message is not None:
            names = [choice.enum_name("WEBHOOK_MESSAGE_TYPE_") for choice in self.message]
            webhook.MergeFrom(webhook_pb2.Webhook(message_types=names))
            paths.append("message_types")
        if self.code is not None:
            webhook.event_codes.extend(self.code)
            paths.append("event_codes")
        if self.state is not None:
            webhook.MergeFrom(webhook_pb2.Webhook(state=self.state.enum_name("WEBHOOK_STATE_")))
            paths.append("state")
        for name in ("max_in_flight", "max_per_second", "timeout_ms"):
            number = getattr(self, name)
            if number is not None:
                setattr(webhook.limits, name, number)
                paths.append(f"limits.{name}")
        return paths


@app.command()
@spread_options
def add(
    tenant: Tenant,
    url: Annotated[str, typer.Argument(metavar="URL", help="Where messages are posted: an https URL.")],
    settings: WebhookOptions,
    target: EventsTarget,
    output: OutputOptions,
) -> None:
    """Add a webhook. Its signing secret is shown now and never again."""
    webhook = webhook_pb2.Webhook(tenant_id=tenant, url=url)
    settings.fill(webhook)
    with events_client(target) as client:
        request = webhook_service_pb2.CreateWebhookRequest(webhook=webhook)
        added = client.caller.call(client.webhooks.CreateWebhook, request)
    if output.as_json:
        print_json(message_dict(added, unmask=output.unmask))
        return
    show_webhook(added.webhook, f"webhook {added.webhook.webhook_id} added")
    _show_secret(added.secret)


@app.command("list")
@spread_options
def list_(tenant: Tenant, target: EventsTarget, output: OutputOptions, limit: Limit = 100) -> None:
    """List a tenant's webhooks."""
    webhooks: list[webhook_pb2.Webhook] = []
    token = ""
    with events_client(target) as client:
        while len(webhooks) < limit:
            size = min(limit - len(webhooks), _PAGE)
            request = webhook_service_pb2.ListWebhooksRequest(tenant_id=tenant, page_size=size, page_token=token)
            page = client.caller.call(client.webhooks.ListWebhooks, request)
            webhooks.extend(page.webhooks)
            token = page.next_page_token
            if not token:
                break
    if output.as_json:
        print_messages(webhooks, unmask=output.unmask)
    else:
        listing = webhooks_table(webhooks)
        stdout_console().print(listing if webhooks else "no webhooks yet: `axbridge webhooks add` adds one")


@app.command()
@spread_options
def show(tenant: Tenant, webhook_id: WebhookId, target: EventsTarget, output: OutputOptions) -> None:
    """Show a webhook with its settings, and how it does."""
    with events_client(target) as client:
        request = webhook_service_pb2.GetWebhookRequest(tenant_id=tenant, webhook_id=webhook_id)
        found = client.caller.call(client.webhooks.GetWebhook, request)
    if output.as_json:
        print_message(found, unmask=output.unmask)
    else:
        show_webhook(found.webhook, f"webhook {webhook_id}", found.status)


@app.command()
@spread_options
def update(
    tenant: Tenant,
    webhook_id: WebhookId,
    settings: WebhookOptions,
    target: EventsTarget,
    output: OutputOptions,
    url: Annotated[str | None, typer.Option("--url", help="Where messages are posted.")] = None,
    clear: Annotated[
        list[str] | None, typer.Option(metavar="FIELD", help="Set a field back, such as event_codes. Repeatable.")
    ] = None,
    if_revision: Annotated[
        int, typer.Option(min=0, callback=countable, help="Only when this is the current revision; 0: any.")
    ] = 0,
) -> None:
    """Change the settings that are given and leave the others. A new URL, and --state enabled, try everything anew."""
    webhook = webhook_pb2.Webhook(tenant_id=tenant, webhook_id=webhook_id)
    paths = settings.fill(webhook)
    if url is not None:
        webhook.url = url
        paths.append("url")
    paths += clear or []
    if not paths:
        raise typer.BadParameter("nothing to change: give at least one setting, or --clear FIELD")
    request = webhook_service_pb2.UpdateWebhookRequest(
        webhook=webhook, update_mask=FieldMask(paths=paths), expected_revision=if_revision
    )
    with events_client(target) as client:
        stored = client.caller.call(client.webhooks.UpdateWebhook, request).webhook
    if output.as_json:
        print_message(stored, unmask=output.unmask)
    else:
        show_webhook(stored, f"webhook {webhook_id} changed")


@app.command()
@spread_options
def delete(tenant: Tenant, webhook_id: WebhookId, target: EventsTarget, output: OutputOptions) -> None:
    """Remove a webhook with its queue, its attempts and its dead letters."""
    with events_client(target) as client:
        request = webhook_service_pb2.DeleteWebhookRequest(tenant_id=tenant, webhook_id=webhook_id)
        client.caller.call(client.webhooks.DeleteWebhook, request)
    if output.as_json:
        print_json({"deleted": webhook_id})
    else:
        stdout_console().print(f"webhook {webhook_id} deleted")


@app.command("rotate-secret")
@spread_options
def rotate_secret(
    tenant: Tenant,
    webhook_id: WebhookId,
    target: EventsTarget,
    output: OutputOptions,
    keep_previous: Annotated[
        str,
        typer.Option(metavar="SPAN", help="How long messages are signed with the previous secret too, such as 24h."),
    ] = "24h",
) -> None:
    """Make a new signing secret. It is shown now and never again."""
    kept = Duration()
    kept.FromTimedelta(parse_duration(keep_previous, "--keep-previous"))
    request = webhook_service_pb2.RotateWebhookSecretRequest(
        tenant_id=tenant, webhook_id=webhook_id, keep_previous=kept
    )
    with events_client(target) as client:
        rotated = client.caller.call(client.webhooks.RotateWebhookSecret, request)
    if output.as_json:
        print_json(message_dict(rotated, unmask=output.unmask))
        return
    stdout_console().print(f"messages of {webhook_id} are signed with a new secret")
    if kept.seconds:
        stdout_console().print(f"and for {keep_previous} with the previous one too")
    _show_secret(rotated.secret)


@app.command()
@spread_options
def test(tenant: Tenant, webhook_id: WebhookId, target: EventsTarget, output: OutputOptions) -> None:
    """Post a signed test message now, and show what came back."""
    # An endpoint may take as long as its time limit, and what came of it is told after that.
    patient = replace(target, timeout=max(target.timeout, _TEST_SECONDS))
    with events_client(patient) as client:
        request = webhook_service_pb2.SendTestDeliveryRequest(tenant_id=tenant, webhook_id=webhook_id)
        attempt = client.caller.call(client.webhooks.SendTestDelivery, request).attempt
    if output.as_json:
        print_message(attempt, unmask=output.unmask)
    else:
        stdout_console().print(attempt_line(attempt))
    if attempt.error:
        raise AxbridgeError(f"the test was not delivered: {attempt.error}")


@app.command()
@spread_options
def attempts(
    tenant: Tenant,
    webhook_id: WebhookId,
    target: EventsTarget,
    output: OutputOptions,
    message_id: Annotated[str, typer.Option(help="Only attempts of this message, by its webhook-id.")] = "",
    limit: Limit = 20,
) -> None:
    """List the latest requests, newest first."""
    found: list[webhook_pb2.WebhookAttempt] = []
    token = ""
    with events_client(target) as client:
        while len(found) < limit:
            request = webhook_service_pb2.ListWebhookAttemptsRequest(
                tenant_id=tenant,
                webhook_id=webhook_id,
                message_id=message_id,
                page_size=min(limit - len(found), _PAGE),
                page_token=token,
            )
            page = client.caller.call(client.webhooks.ListWebhookAttempts, request)
            found.extend(page.attempts)
            token = page.next_page_token
            if not token:
                break
    if output.as_json:
        print_messages(found, unmask=output.unmask)
    else:
        stdout_console().print(attempts_table(found) if found else "no attempts yet")


@app.command("dead-letters")
@spread_options
def dead_letters(
    tenant: Tenant, webhook_id: WebhookId, target: EventsTarget, output: OutputOptions, limit: Limit = 100
) -> None:
    """List the messages that were given up, oldest first. With --json --unmask their bodies are there too."""
    found: list[webhook_pb2.WebhookDeadLetter] = []
    token = ""
    with events_client(target) as client:
        while len(found) < limit:
            request = webhook_service_pb2.ListDeadLettersRequest(
                tenant_id=tenant,
                webhook_id=webhook_id,
                page_size=min(limit - len(found), _PAGE),
                page_token=token,
                include_body=output.as_json and output.unmask,
            )
            page = client.caller.call(client.webhooks.ListDeadLetters, request)
            found.extend(page.dead_letters)
            token = page.next_page_token
            if not token:
                break
    if output.as_json:
        print_messages(found, unmask=output.unmask)
    else:
        stdout_console().print(dead_letters_table(found) if found else "no dead letters")


@app.command()
@spread_options
def replay(
    tenant: Tenant,
    webhook_id: WebhookId,
    target: EventsTarget,
    output: OutputOptions,
    delivery_ids: DeliveryIds = None,
    everything: Annotated[bool, typer.Option("--all", help="Every dead letter of the webhook.")] = False,
) -> None:
    """Queue dead letters again, with all their attempts and the same webhook-id."""
    if bool(delivery_ids) == everything:
        raise typer.BadParameter("say which dead letters: their ids, or --all")
    ids = delivery_ids or []
    replayed = 0
    with events_client(target) as client:
        for start in range(0, max(len(ids), 1), _PAGE):
            request = webhook_service_pb2.ReplayDeadLettersRequest(
                tenant_id=tenant, webhook_id=webhook_id, delivery_ids=ids[start : start + _PAGE], all=everything
            )
            replayed += client.caller.call(client.webhooks.ReplayDeadLetters, request).replayed
    if output.as_json:
        print_json({"replayed": replayed})
    else:
        stdout_console().print(f"{replayed} queued again")


def _show_secret(secret: str) -> None:
    console = stdout_console()
    console.print()
    # On a line of its own, whole, for copying.
    console.print(f"signing secret, shown only now: {secret}", soft_wrap=True)
