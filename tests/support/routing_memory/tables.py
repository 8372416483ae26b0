"""What the store holds, and its transactions: each works on a copy, and a commit is one assignment."""

import asyncio
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, TypeVar

from common.errors import AbortedError
from routing_service.claiming import Place
from routing_service.domain.binding import Binding
from routing_service.domain.journal import AuditEntry, BindingChange
from routing_service.domain.number_list import NumberListEntry
from routing_service.domain.number_pool import AccessNumber
from routing_service.domain.tenant import Tenant
from routing_service.domain.write_origin import REQUEST_RETENTION, WriteOrigin
from routing_service.not_found import no_such_tenant
from routing_service.refusals import request_id_reused
from routing_service.sql_store.journal import AuditRecord, BindingWrite, audit_record, document_text

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Ended:
    """A version of something that was replaced or removed; `value` is what it was until then."""

    value: Any
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class Pooled:
    """An access number in a pool, and when another tenant's binding on it ended last; the beginning of time: never."""

    number: AccessNumber
    added_at: datetime
    others_released_at: datetime


@dataclass(frozen=True, slots=True)
class LostClaim:
    """From this time on a version of a binding did not have the claim any more."""

    place: Place
    binding: Binding
    at: datetime


@dataclass(frozen=True, slots=True)
class DoneRequest:
    """A named request that was carried out: what it asked for, when, and what came of it."""

    asked: tuple[bool, str]
    at: datetime
    result: Any


@dataclass(slots=True)
class Tables:
    """Everything. All values are immutable, so a copy of the containers is a copy of it all."""

    tenants: dict[str, Tenant] = field(default_factory=dict)
    past_tenants: list[Ended] = field(default_factory=list)
    bindings: dict[str, Binding] = field(default_factory=dict)
    past_bindings: dict[tuple[str, int], Ended] = field(default_factory=dict)
    # By tenant and place: the binding that has the claim.
    claims: dict[tuple[str, Place], str] = field(default_factory=dict)
    lost_claims: list[LostClaim] = field(default_factory=list)
    # By access number: the tenant that it belongs to.
    owners: dict[str, str] = field(default_factory=dict)
    entries: dict[str, NumberListEntry] = field(default_factory=dict)
    past_entries: list[Ended] = field(default_factory=list)
    pool: dict[str, Pooled] = field(default_factory=dict)
    past_pool: list[Ended] = field(default_factory=list)
    # By tenant, name and part.
    requests: dict[tuple[str, str, int], DoneRequest] = field(default_factory=dict)
    audit: list[tuple[str, AuditEntry]] = field(default_factory=list)
    # By tenant, in the order of their positions, which begin at 1.
    changes: dict[str, tuple[BindingChange, ...]] = field(default_factory=dict)
    # By tenant, session and binding: a group's order, and until when it is remembered.
    orders: dict[tuple[str, str, str], tuple[tuple[str, ...], datetime]] = field(default_factory=dict)
    # By tenant and member.
    routed_at_us: dict[tuple[str, str], int] = field(default_factory=dict)
    # By binding: access number, owner, caller and time.
    last_callers: dict[str, tuple[str, str, str, int]] = field(default_factory=dict)

    def copied(self) -> "Tables":
        """Tables of the same content, which change by themselves."""
        return Tables(**{each.name: copy(getattr(self, each.name)) for each in fields(self)})

    def tenant(self, tenant_id: str) -> Tenant:
        """The tenant. Raises NotFoundError."""
        found = self.tenants.get(tenant_id)
        if found is None:
            raise no_such_tenant(tenant_id)
        return found

    def bindings_of(self, tenant_id: str, access_number: str = "") -> list[Binding]:
        """A tenant's bindings, all or those on an access number."""
        return [
            each
            for each in self.bindings.values()
            if each.tenant_id == tenant_id and access_number in ("", each.terms.access_number)
        ]

    def past_bindings_of(self, tenant_id: str, access_number: str = "") -> list[Ended]:
        """The versions of bindings that a tenant had, all or those on an access number."""
        return [
            each
            for each in self.past_bindings.values()
            if each.value.tenant_id == tenant_id and access_number in ("", each.value.terms.access_number)
        ]

    def keep_past_binding(self, binding: Binding, ended_at: datetime) -> None:
        """Put down that this version ended."""
        version = (binding.binding_id, binding.revision)
        if version in self.past_bindings:
            raise AbortedError("there was such a revision before", reason="CONCURRENT_CHANGE")
        self.past_bindings[version] = Ended(binding, ended_at)

    def write_audit(self, tenant_id: str, origin: WriteOrigin, at: datetime, records: Sequence[AuditRecord]) -> None:
        """Put down what was changed."""
        for record in records:
            entry = AuditEntry(
                entry_id=len(self.audit) + 1,
                at=at,
                actor=origin.actor,
                action=record.action,
                object_id=record.object_id,
                before_json=document_text(record.before),
                after_json=document_text(record.after),
                request_id=origin.request_id,
            )
            self.audit.append((tenant_id, entry))

    def write_binding_changes(
        self, tenant_id: str, origin: WriteOrigin, at: datetime, writes: Sequence[BindingWrite]
    ) -> None:
        """Put down changes of bindings, in the audit log and in the feed."""
        self.write_audit(tenant_id, origin, at, [audit_record(each) for each in writes])
        before = self.changes.get(tenant_id, ())
        new = (
            BindingChange(position, each.type, each.binding, at)
            for position, each in enumerate(writes, len(before) + 1)
        )
        self.changes[tenant_id] = (*before, *new)

    def once(
        self,
        tenant_id: str,
        origin: WriteOrigin,
        now: datetime,
        work: Callable[[], Result],
        *,
        part: int = 0,
        of_tenants: bool = False,
    ) -> Result:
        """What `work` returns, or what it returned when this request was carried out before.

        Writes `of_tenants` are other requests than all others, also under the same name, and outlive their tenants.
        """
        if not origin.request_id:
            return work()
        name, asked = (tenant_id, origin.request_id, part), (of_tenants, origin.content_hash)
        done = self.requests.get(name)
        if done is not None and done.at > now - REQUEST_RETENTION:
            if done.asked != asked:
                raise request_id_reused()
            result: Result = done.result
            return result
        result = work()
        self.requests[name] = DoneRequest(asked, now, result)
        return result


class MemoryDatabase:
    """Tables that are read as they were committed last, and written by one after the other.

    Both give way to other tasks, as waiting for a real store does: what is not atomic is found out.
    """

    def __init__(self) -> None:
        self._committed = Tables()
        self._writing = asyncio.Lock()

    async def read(self) -> Tables:
        """The tables as they are now; not to be changed."""
        await asyncio.sleep(0)
        return self._committed

    async def write(self, work: Callable[[Tables], Result]) -> Result:
        """What `work` returns, once what it changed is committed. What it raises is raised; then nothing is."""
        async with self._writing:
            tables = self._committed.copied()
            result = work(tables)
            await asyncio.sleep(0)
            self._committed = tables
        return result

    def clear(self) -> None:
        """Forget everything."""
        self._committed = Tables()
