"""Who changed what."""

from collections.abc import Sequence
from dataclasses import dataclass

from common.auth.unmasking import ALL_TENANTS_ENTRY
from common.errors import InvalidArgumentError
from routing_service.domain.journal import AuditEntry
from routing_service.ports import AuditLog
from routing_service.service.paging import page_limit, page_token, read_page_token
from routing_service.tenant_rules import check_tenant_id

MAX_OBJECT_ID_LENGTH = 128


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Some entries, newest first, and the token of the next page; empty: this was the last."""

    entries: Sequence[AuditEntry]
    next_page_token: str


class AuditService:
    """Reads the audit log. It outlives what it is about: also a tenant that was deleted can be asked for."""

    def __init__(self, log: AuditLog) -> None:
        self._log = log

    async def list_page(self, tenant_id: str, object_id: str, page_size: int, token: str) -> AuditPage:
        """A page of a tenant's entries; an empty `object_id` is any. Raises InvalidArgumentError."""
        if tenant_id != ALL_TENANTS_ENTRY:
            check_tenant_id(tenant_id, "tenant_id")
        if len(object_id) > MAX_OBJECT_ID_LENGTH or not object_id.isprintable():
            raise InvalidArgumentError("object_id", f"at most {MAX_OBJECT_ID_LENGTH} printable characters")
        limit = page_limit(page_size)
        listed = ("audit", tenant_id, object_id)
        before = int(read_page_token(token, listed, (int,))[0]) if token else None
        found = await self._log.list_page(tenant_id, object_id, before, limit + 1)
        page = found[:limit]
        return AuditPage(page, page_token((page[-1].entry_id,), listed) if len(found) > limit else "")
