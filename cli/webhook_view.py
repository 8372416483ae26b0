"""Webhooks, their attempts and their dead letters as people see them."""

from collections.abc import Sequence

from axbridge.events.v1 import webhook_pb2
from rich.table import Table

from cli.output import add_row, facts_table, free_text, local_time, printable, stdout_console, table
from cli.values import enum_word


def webhooks_table(webhooks: Sequence[webhook_pb2.Webhook]) -> Table:
    """A list of webhooks."""
    listing = table("Webhooks", ["webhook", "state", "url", "messages", "codes", "description"])
    for webhook in webhooks:
        add_row(
            listing,
            webhook.webhook_id,
            _state(webhook),
            webhook.url,
            _messages(webhook),
            ", ".join(webhook.event_codes) or "all",
            webhook.description,
        )
    return listing


def show_webhook(webhook: webhook_pb2.Webhook, heading: str, status: webhook_pb2.WebhookStatus | None = None) -> None:
    """A webhook's settings, and how it does where that is known."""
    limits = webhook.limits
    secrets = [
        f"made {local_time(secret.created_at)}"
        + (f", signs until {local_time(secret.expires_at)}" if secret.HasField("expires_at") else "")
        for secret in webhook.secrets
    ]
    facts = {
        "tenant": webhook.tenant_id,
        "URL": webhook.url,
        "description": webhook.description,
        "messages": _messages(webhook),
        "codes": ", ".join(webhook.event_codes) or "all",
        "state": _state(webhook),
        "because": free_text(webhook.state_reason),
        "at a time": f"{limits.max_in_flight} requests",
        "in a second": f"{limits.max_per_second} requests" if limits.max_per_second else "",
        "time limit": f"{limits.timeout_ms} ms",
        "secrets": "; ".join(secrets),
        "revision": str(webhook.revision),
        **(_status_facts(status) if status is not None else {}),
    }
    console = stdout_console()
    console.print(printable(heading), style="bold")
    console.print(facts_table(facts))


def _status_facts(status: webhook_pb2.WebhookStatus) -> dict[str, str]:
    circuit = enum_word(webhook_pb2.WebhookCircuit.Name(status.circuit), "WEBHOOK_CIRCUIT_")
    oldest = f", the oldest since {local_time(status.oldest_pending_at)}" if status.pending else ""
    return {
        "circuit": circuit,
        "held until": local_time(status.held_until) if status.HasField("held_until") else "",
        "failures in a row": str(status.consecutive_failures) if status.consecutive_failures else "",
        "last success": local_time(status.last_success_at) if status.HasField("last_success_at") else "never",
        "last failure": local_time(status.last_failure_at) if status.HasField("last_failure_at") else "never",
        "last error": free_text(status.last_error),
        "pending": f"{status.pending}{oldest}",
        "dead letters": str(status.dead_letters),
    }


def attempts_table(attempts: Sequence[webhook_pb2.WebhookAttempt]) -> Table:
    """A list of attempts."""
    listing = table("Attempts", ["started", "message", ("attempt", "right"), ("took", "right"), "outcome", "answer"])
    for attempt in attempts:
        add_row(
            listing,
            local_time(attempt.started_at),
            attempt.message_id,
            str(attempt.attempt),
            f"{attempt.took_ms} ms",
            _outcome(attempt),
            free_text(attempt.response_excerpt),
        )
    return listing


def attempt_line(attempt: webhook_pb2.WebhookAttempt) -> str:
    """One attempt in one line."""
    answer = f": {free_text(attempt.response_excerpt)}" if attempt.response_excerpt else ""
    return printable(f"{attempt.message_id} {_outcome(attempt)} after {attempt.took_ms} ms{answer}")


def dead_letters_table(letters: Sequence[webhook_pb2.WebhookDeadLetter]) -> Table:
    """A list of dead letters."""
    listing = table(
        "Dead letters",
        [
            ("delivery", "right"),
            "message",
            "sid",
            "given up",
            ("attempts", "right"),
            "reason",
            "last error",
        ],
    )
    for letter in letters:
        add_row(
            listing,
            str(letter.delivery_id),
            letter.message_id,
            letter.session_id,
            local_time(letter.died_at),
            str(letter.attempts),
            free_text(letter.reason),
            free_text(letter.last_error),
        )
    return listing


def _outcome(attempt: webhook_pb2.WebhookAttempt) -> str:
    return free_text(attempt.error) or f"delivered, HTTP status {attempt.status_code}"


def _state(webhook: webhook_pb2.Webhook) -> str:
    return enum_word(webhook_pb2.WebhookState.Name(webhook.state), "WEBHOOK_STATE_")


def _messages(webhook: webhook_pb2.Webhook) -> str:
    words = [
        enum_word(webhook_pb2.WebhookMessageType.Name(kind), "WEBHOOK_MESSAGE_TYPE_") for kind in webhook.message_types
    ]
    return ", ".join(words) or "all"
