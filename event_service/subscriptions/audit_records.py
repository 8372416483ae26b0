"""What the audit log says of subscriptions."""

from collections.abc import Mapping

from common.clock import from_microseconds
from common.masking import mask_number
from event_service.privacy.audit import AuditRecord, Document
from event_service.subscriptions.domain import Place, StartKind, StartPosition, Subscription

Places = Mapping[int, Place]


def created(subscription: Subscription, start: StartPosition) -> AuditRecord:
    """A subscription was made."""
    document = {**subscription_document(subscription), "start": _start(start)}
    return AuditRecord("subscription.create", subscription.name, after=document)


def deleted(subscription: Subscription) -> AuditRecord:
    """A subscription was removed."""
    return AuditRecord("subscription.delete", subscription.name, before=subscription_document(subscription))


def moved(subscription: Subscription, before: Places, after: Places, to: StartPosition) -> AuditRecord:
    """A subscription was moved: from where, and to where."""
    return AuditRecord(
        "subscription.seek",
        subscription.name,
        {"positions": _positions(before)},
        {"to": _start(to), "positions": _positions({**before, **after})},
    )


def subscription_document(subscription: Subscription) -> Document:
    """A subscription for the audit log, its numbers masked."""
    which = subscription.filter
    document = {
        "content": which.content.value,
        "codes": sorted(which.codes),
        "numbers": [mask_number(number) for number in sorted(which.numbers)],
        "created_at": from_microseconds(subscription.created_at_us).isoformat(),
    }
    if subscription.remove_unused_us:
        document["remove_unused_after"] = f"{subscription.remove_unused_us / 1_000_000:g}s"
    return document


def _start(start: StartPosition) -> str:
    if start.kind is StartKind.RECEIVED_FROM:
        return from_microseconds(start.received_from_us).isoformat()
    return str(start.kind.value)


def _positions(places: Places) -> Mapping[str, str]:
    return {str(number): str(places[number].position) for number in sorted(places)}
