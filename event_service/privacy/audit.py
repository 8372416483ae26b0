"""The audit log: who did what that has to be written down."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from common.auth.unmasking import UNMASK_ACTION, UnmaskedRequest
from common.clock import Clock
from common.errors import InvalidArgumentError
from event_service.limits import MAX_IDENTIFIER_CHARACTERS, check_text

DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1000


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what. `after_json` is a JSON object that says what was asked, numbers masked."""

    tenant_id: str
    at: datetime
    actor: str
    action: str
    after_json: str
    # Given when it is stored, and grows.
    entry_id: int = 0


class AuditLog(Protocol):
    """Entries, kept in the order in which they were added."""

    async def add(self, entries: Sequence[AuditEntry]) -> None:
        """Put entries down, all or none. Raises UnavailableError."""
        ...

    async def list_page(self, tenant_id: str, before_entry_id: int | None, limit: int) -> Sequence[AuditEntry]:
        """A tenant's entries, newest first, those before an entry only where one is given. Raises UnavailableError."""
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

    async def list_page(self, tenant_id: str, page_size: int, page_token: str) -> AuditPage:
        """A page of a tenant's entries. Raises InvalidArgumentError naming the field."""
        if not tenant_id:
            raise InvalidArgumentError("tenant_id", "missing")
        check_text("tenant_id", tenant_id, MAX_IDENTIFIER_CHARACTERS)
        if not 0 <= page_size <= MAX_PAGE_SIZE:
            raise InvalidArgumentError("page_size", f"1 to {MAX_PAGE_SIZE}, or 0 for {DEFAULT_PAGE_SIZE}")
        try:
            before = int(page_token) if page_token else None
        except ValueError as error:
            raise InvalidArgumentError("page_token", "not from a previous page") from error
        limit = page_size or DEFAULT_PAGE_SIZE
        found = await self._log.list_page(tenant_id, before, limit + 1)
        page = found[:limit]
        return AuditPage(page, str(page[-1].entry_id) if len(found) > limit else "")
