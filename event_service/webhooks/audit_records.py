"""What the audit log says of webhooks: everything but secrets, and what a URL may hold of them."""

from collections.abc import Sequence

from yarl import URL

from common.clock import from_microseconds
from common.masking import mask_text
from event_service.privacy.audit import AuditRecord, Document
from event_service.webhooks.domain import TEST_MESSAGE_TYPE, Webhook


def created(webhook: Webhook) -> AuditRecord:
    """An endpoint was added."""
    return AuditRecord("webhook.create", webhook.webhook_id, after=webhook_document(webhook))


def changed(before: Webhook, after: Webhook) -> AuditRecord:
    """An endpoint's settings were changed, or it was given another secret."""
    action = "webhook.update" if before.secrets == after.secrets else "webhook.rotate_secret"
    return AuditRecord(action, after.webhook_id, webhook_document(before), webhook_document(after))


def deleted(webhook: Webhook) -> AuditRecord:
    """An endpoint was removed."""
    return AuditRecord("webhook.delete", webhook.webhook_id, before=webhook_document(webhook))


def tested(webhook: Webhook) -> AuditRecord:
    """A test message is about to be posted."""
    asked = {"message_type": TEST_MESSAGE_TYPE, "url": bare_url(webhook.url)}
    return AuditRecord("webhook.test", webhook.webhook_id, after=asked)


def replayed(webhook_id: str, delivery_ids: Sequence[int]) -> AuditRecord:
    """Dead letters were queued again."""
    named = {"replayed": len(delivery_ids), "delivery_ids": [str(each) for each in delivery_ids]}
    return AuditRecord("webhook.replay", webhook_id, after=named)


def webhook_document(webhook: Webhook) -> Document:
    """An endpoint for the audit log."""
    return {
        "url": bare_url(webhook.url),
        "description": mask_text(webhook.description),
        "message_types": sorted(kind.value for kind in webhook.message_types),
        "event_codes": sorted(webhook.event_codes),
        "state": webhook.state.value,
        "state_reason": mask_text(webhook.state_reason),
        "max_in_flight": webhook.limits.max_in_flight,
        "max_per_second": webhook.limits.max_per_second,
        "timeout_ms": webhook.limits.timeout_ms,
        "secrets": [
            {"created_at": _written(each.created_at_us), "expires_at": _written(each.expires_at_us)}
            for each in webhook.secrets
        ],
        "created_at": _written(webhook.created_at_us),
        "updated_at": _written(webhook.updated_at_us),
        "revision": webhook.revision,
    }


def bare_url(text: str) -> str:
    """A URL without user information, query and fragment, where credentials stand; `?…`: it has a query."""
    try:
        url = URL(text, encoded=True)
        bare = str(url.with_user(None).with_query(None).with_fragment(None))
    except ValueError:
        # None that could be posted to.
        return ""
    return f"{bare}?…" if url.raw_query_string else bare


def _written(microseconds: int | None) -> str | None:
    return None if microseconds is None else from_microseconds(microseconds).isoformat()
