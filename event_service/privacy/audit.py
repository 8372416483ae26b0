"""The audit log: who did what that has to be written down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import orjson

from common.auth.unmasking import UNMASK_ACTION, UnmaskedRequest
from common.clock import Clock, from_microseconds
from common.errors import InvalidArgumentError
from event_service.limits import MAX_IDENTIFIER_CHARACTERS, check_text

DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1000
# Who did what nobody asked for. No caller has the name unless an operator gives it to one.
SERVICE_ACTOR = "(event service)"
_ENTRY_BOUND = 1 << 63

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what, and to what. The documents are JSON objects without secrets and with numbers masked, empty where
    there was or is nothing. `after_json` of what changes nothing says what was asked."""

    tenant_id: str
    at: datetime
    actor: str
    action: str
    after_json: str
    # Given when it is stored, and grows.
    entry_id: int = 0
    object_id: str = ""
    before_json: str = ""


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """What was done to an object, and what it was before and after; None where there is nothing.

    Whole numbers that may have seven digits are written as text: whoever may not see numbers gets such runs masked, and
    what is left has to be JSON.
    """

    action: str
    object_id: str
    before: Document | None = None
    after: Document | None = None

    def entry(self, tenant_id: str, at_us: int, actor: str) -> AuditEntry:
        """The entry of it, done to this tenant's object, then, by this caller."""
        return AuditEntry(
            tenant_id=tenant_id,
            at=from_microseconds(at_us),
            actor=actor,
            action=self.action,
            object_id=self.object_id,
            before_json=_text(self.before),
            after_json=_text(self.after),
        )


def _text(document: Document | None) -> str:
    return "" if document is None else orjson.dumps(document).decode()


class AuditLog(Protocol):
    """Entries, kept in the order in which they were added."""

    async def add(self, entries: Sequence[AuditEntry]) -> None:
        """Put entries down, all or none. Raises UnavailableError."""
        ...

    async def list_page(
        self, tenant_id: str, object_id: str, before_entry_id: int | None, limit: int
    ) -> Sequence[AuditEntry]:
        """A tenant's entries, newest first, of any object for an empty `object_id`; those before an entry only where
        one is given. Raises UnavailableError."""
        ...


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Some entries, newest first, and the token of the next page; empty: this was the last."""

    entries: Sequence[AuditEntry]
    next_page_token: str


class AuditService:
    """Writes and reads the audit log. It is the `UnmaskAudit` of this service."""

    def __init__(self, log: AuditLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock

    async def record(self, request: UnmaskedRequest) -> None:
        """See `UnmaskAudit`."""
        now = self._clock.now()
        await self._log.add(
            [
                AuditEntry(tenant_id, now, request.caller, UNMASK_ACTION, request.document)
                for tenant_id in request.tenant_ids
            ]
        )

    async def list_page(self, tenant_id: str, page_size: int, page_token: str, object_id: str = "") -> AuditPage:
        """A page of a tenant's entries; an empty `object_id` is any. Raises InvalidArgumentError naming the field."""
        if not tenant_id:
            raise InvalidArgumentError("tenant_id", "missing")
        check_text("tenant_id", tenant_id, MAX_IDENTIFIER_CHARACTERS)
        check_text("object_id", object_id, MAX_IDENTIFIER_CHARACTERS)
        if not 0 <= page_size <= MAX_PAGE_SIZE:
            raise InvalidArgumentError("page_size", f"1 to {MAX_PAGE_SIZE}, or 0 for {DEFAULT_PAGE_SIZE}")
        before = _entry_id(page_token) if page_token else None
        limit = page_size or DEFAULT_PAGE_SIZE
        found = await self._log.list_page(tenant_id, object_id, before, limit + 1)
        page = found[:limit]
        return AuditPage(page, str(page[-1].entry_id) if len(found) > limit else "")


def _entry_id(token: str) -> int:
    if not (token.isascii() and token.isdecimal() and len(token) < 20 and int(token) < _ENTRY_BOUND):
        raise InvalidArgumentError("page_token", "not from a previous page")
    return int(token)
