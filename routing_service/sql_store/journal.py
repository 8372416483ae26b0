"""What every write puts down in its own transaction: an audit entry, and the change's place in the feed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from common.at_rest.cipher import current_cipher
from common.clock import from_microseconds, to_microseconds
from routing_service.domain.binding import Binding
from routing_service.domain.journal import ChangeType
from routing_service.domain.number_list import NumberListEntry
from routing_service.domain.number_pool import AccessNumber
from routing_service.domain.tenant import Tenant
from routing_service.domain.write_origin import WriteOrigin
from routing_service.sql_schema import audit_entries, binding_change_heads, binding_changes
from routing_service.sql_store.bulk import insert_rows
from routing_service.sql_store.rows import binding_values, list_entry_values, tenant_values
from routing_service.sql_store.sealing import Columns, audit_place

# From so many rows on they are worth a command of their own.
MANY_ROWS = 16
_ACTIONS = {
    ChangeType.CREATED: "binding.create",
    ChangeType.UPDATED: "binding.update",
    ChangeType.DELETED: "binding.delete",
}
# Kept for our own use, not the binding's.
_OUR_OWN = frozenset({"ruled_fields"})

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """What was done to an object, and what it was before and after: plain JSON values, None where there is nothing."""

    action: str
    object_id: str
    before: Document | None = None
    after: Document | None = None


@dataclass(frozen=True, slots=True)
class BindingWrite:
    """A binding that was written. `binding` is what is left of it, or for DELETED what was there; `columns` are those
    of `binding`, where they are known already."""

    type: ChangeType
    binding: Binding
    before: Binding | None = None
    action: str = ""
    columns: Mapping[str, Any] | None = None


async def write_audit(
    connection: AsyncConnection, tenant_id: str, origin: WriteOrigin, at: datetime, records: Sequence[AuditRecord]
) -> None:
    """Put down what was changed. Every transaction that changes a tenant's objects calls this once."""
    if not records:
        return
    rows = [
        {
            "tenant_id": tenant_id,
            "at_us": to_microseconds(at),
            "actor": origin.actor,
            "action": each.action,
            "object_id": each.object_id,
            "before_json": document_text(each.before),
            "after_json": document_text(each.after),
            "request_id": origin.request_id,
        }
        for each in records
    ]
    for row in rows:
        seal_documents(row)
    if len(rows) >= MANY_ROWS:
        await insert_rows(connection, audit_entries, rows)
    else:
        # Without asking for the ids they are written in one go.
        await connection.execute(sa.insert(audit_entries).inline(), rows)


def seal_documents(row: dict[str, Any]) -> None:
    """Seal the documents in the columns of an entry, where there are any."""
    cipher = current_cipher()
    for side in ("before_json", "after_json"):
        if row[side]:
            row[side] = cipher.seal(row["tenant_id"], audit_place(row, side), row[side])


def opened_documents(row: Columns) -> tuple[str, str]:
    """The documents before and after of a stored entry. Raises UnexpectedError."""
    cipher = current_cipher()
    before, after = (
        cipher.open(row["tenant_id"], audit_place(row, side), row[side]) if row[side] else ""
        for side in ("before_json", "after_json")
    )
    return before, after


async def write_binding_changes(
    connection: AsyncConnection, tenant_id: str, origin: WriteOrigin, at: datetime, writes: Sequence[BindingWrite]
) -> None:
    """Put down changes of bindings, in the audit log and in the feed.

    To be called last in a transaction: it holds up the tenant's other writers until the end.
    """
    if not writes:
        return
    await write_audit(connection, tenant_id, origin, at, [audit_record(each) for each in writes])
    insert: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    advance = insert(binding_change_heads).values(tenant_id=tenant_id, position=len(writes))
    advance = advance.on_conflict_do_update(
        index_elements=[binding_change_heads.c.tenant_id],
        set_={"position": binding_change_heads.c.position + len(writes)},
    ).returning(binding_change_heads.c.position)
    last: int = (await connection.execute(advance)).scalar_one()
    rows = [
        {
            "tenant_id": tenant_id,
            "position": position,
            "type": each.type.value,
            "binding_id": each.binding.binding_id,
            "revision": each.binding.revision,
            "changed_at_us": to_microseconds(at),
        }
        for position, each in enumerate(writes, last - len(writes) + 1)
    ]
    if len(rows) >= MANY_ROWS:
        await insert_rows(connection, binding_changes, rows)
    else:
        await connection.execute(sa.insert(binding_changes), rows)


def binding_document(binding: Binding) -> Document:
    """A binding for the audit log."""
    return _document(binding_values(binding))


def tenant_document(tenant: Tenant) -> Document:
    """A tenant for the audit log."""
    return _document(tenant_values(tenant))


def list_entry_document(entry: NumberListEntry) -> Document:
    """An entry of a number list for the audit log."""
    document = {name: value for name, value in list_entry_values(entry).items() if value != ""}
    del document["expires_at_us"], document["created_at_us"]
    document["created_at"] = entry.created_at.isoformat()
    if entry.terms.expires_at is not None:
        document["expires_at"] = entry.terms.expires_at.isoformat()
    return document


def access_number_document(number: AccessNumber) -> Document:
    """An access number for the audit log."""
    return {
        "number": number.number,
        "tenant_id": number.tenant_id,
        "pool": number.pool,
        "city_code": number.city_code,
        "capabilities": list(number.capabilities),
    }


def audit_record(write: BindingWrite) -> AuditRecord:
    """What the audit log says of a binding that was written."""
    document = binding_document(write.binding) if write.columns is None else _document(write.columns)
    action = write.action or _ACTIONS[write.type]
    if write.type is ChangeType.DELETED:
        return AuditRecord(action, write.binding.binding_id, before=document)
    before = None if write.before is None else binding_document(write.before)
    return AuditRecord(action, write.binding.binding_id, before, document)


def _document(columns: Mapping[str, Any]) -> Document:
    document: dict[str, Any] = {}
    for name, value in columns.items():
        if name in _OUR_OWN or value is None or value == "":
            continue
        if name.endswith("_us"):
            document[name.removesuffix("_us")] = _written(value)
        elif isinstance(value, str) and value[0] in "{[":
            # A JSON document itself.
            document[name] = orjson.Fragment(value)
        else:
            document[name] = value
    return document


# The rows of an import have the same times.
@lru_cache(maxsize=256)
def _written(microseconds: int) -> str:
    return from_microseconds(microseconds).isoformat()


def document_text(document: Document | None) -> str:
    """A document as it is stored; empty for none."""
    return "" if document is None else orjson.dumps(document).decode()
