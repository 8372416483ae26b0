"""Rows to domain values and back."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Row

from common.clock import from_microseconds, to_microseconds
from common.errors import UnexpectedError
from routing_service.domain.binding import Binding, BindingKind, BindingTerms
from routing_service.domain.number_list import (
    NumberListAction,
    NumberListEntry,
    NumberListTerms,
    NumberPatternType,
)
from routing_service.domain.tenant import Tenant
from routing_service.profile_rules import RuledFields
from routing_service.sql_schema import bindings, tenants
from routing_service.sql_store import documents
from routing_service.sql_store.binding_details import details_document, read_details
from routing_service.sql_store.sealing import opened_binding, opened_entry, opened_tenant

BINDING_COLUMNS = (*bindings.c,)
TENANT_COLUMNS = (*tenants.c,)


def binding_values(binding: Binding) -> dict[str, Any]:
    """The columns of a binding."""
    terms = binding.terms
    return {
        "binding_id": binding.binding_id,
        "revision": binding.revision,
        "tenant_id": binding.tenant_id,
        "kind": terms.kind.value,
        "access_number": terms.access_number,
        "a_number": terms.a_number,
        "b_number": terms.b_number,
        "callback_number": terms.callback_number,
        "display_number": terms.display_number,
        "one_way": terms.one_way,
        "member_prompts": documents.member_prompts_document(terms.member_prompts),
        "profile": documents.profile_document(terms.profile),
        "ruled_fields": documents.ruled_fields_document(RuledFields.of(terms.profile)),
        "not_before_us": _microseconds(terms.not_before),
        "expires_at_us": _microseconds(terms.expires_at),
        "created_at_us": to_microseconds(binding.created_at),
        "updated_at_us": to_microseconds(binding.updated_at),
        "details": details_document(terms),
    }


def read_binding(row: Row[Any]) -> Binding:
    """The binding of a row with the columns of `bindings`. Raises UnexpectedError when this version can't read it."""
    return read_binding_values(opened_binding(_columns(row)))


def read_binding_values(columns: Mapping[str, Any]) -> Binding:
    """The inverse of `binding_values`. Raises UnexpectedError when this version can't read it."""
    try:
        return Binding(
            binding_id=columns["binding_id"],
            tenant_id=columns["tenant_id"],
            terms=BindingTerms(
                kind=BindingKind(columns["kind"]),
                access_number=columns["access_number"],
                a_number=columns["a_number"],
                b_number=columns["b_number"],
                callback_number=columns["callback_number"],
                display_number=columns["display_number"],
                member_prompts=documents.read_member_prompts(columns["member_prompts"]),
                profile=documents.read_profile(columns["profile"]),
                not_before=_moment(columns["not_before_us"]),
                expires_at=_moment(columns["expires_at_us"]),
                one_way=columns["one_way"],
                **read_details(columns["details"]),
            ),
            revision=columns["revision"],
            created_at=from_microseconds(columns["created_at_us"]),
            updated_at=from_microseconds(columns["updated_at_us"]),
        )
    except (ValueError, TypeError, OverflowError) as error:
        raise UnexpectedError(
            f"binding {columns['binding_id']} can't be read by this version", reason="UNREADABLE_ROW"
        ) from error


# Sorts behind every time.
_NO_END_US = 2**63 - 1


def list_entry_values(entry: NumberListEntry) -> dict[str, Any]:
    """The columns of an entry of a number list."""
    terms = entry.terms
    return {
        "entry_id": entry.entry_id,
        "tenant_id": entry.tenant_id,
        "access_number": terms.access_number,
        "action": terms.action.value,
        "pattern_type": terms.pattern_type.value,
        "pattern": terms.pattern,
        "note": terms.note,
        "expires_at_us": _NO_END_US if terms.expires_at is None else to_microseconds(terms.expires_at),
        "created_at_us": to_microseconds(entry.created_at),
    }


def read_list_entry(row: Row[Any]) -> NumberListEntry:
    """The entry of a row of `number_list_entries`. Raises UnexpectedError when this version can't read it."""
    return read_list_entry_values(opened_entry(_columns(row)))


def read_list_entry_values(columns: Mapping[str, Any]) -> NumberListEntry:
    """The inverse of `list_entry_values`. Raises UnexpectedError when this version can't read it."""
    expires_at_us = columns["expires_at_us"]
    try:
        terms = NumberListTerms(
            access_number=columns["access_number"],
            action=NumberListAction(columns["action"]),
            pattern_type=NumberPatternType(columns["pattern_type"]),
            pattern=columns["pattern"],
            note=columns["note"],
            expires_at=None if expires_at_us == _NO_END_US else from_microseconds(expires_at_us),
        )
        return NumberListEntry(
            columns["entry_id"], columns["tenant_id"], terms, from_microseconds(columns["created_at_us"])
        )
    except (ValueError, TypeError, OverflowError) as error:
        raise UnexpectedError(
            f"list entry {columns['entry_id']} can't be read by this version", reason="UNREADABLE_ROW"
        ) from error


def tenant_values(tenant: Tenant) -> dict[str, Any]:
    """The columns of a tenant."""
    return {
        "tenant_id": tenant.tenant_id,
        "display_name": tenant.settings.display_name,
        "settings": documents.settings_document(tenant.settings),
        "revision": tenant.revision,
    }


def read_tenant(row: Row[Any]) -> Tenant:
    """The tenant of a row with the columns of `tenants`. Raises UnexpectedError when this version can't read it."""
    return read_tenant_values(opened_tenant(_columns(row)))


def read_tenant_values(columns: Mapping[str, Any]) -> Tenant:
    """The inverse of `tenant_values`. Raises UnexpectedError when this version can't read it."""
    try:
        settings = documents.read_settings(columns["display_name"], columns["settings"])
    except (ValueError, TypeError) as error:
        raise UnexpectedError(
            f"tenant {columns['tenant_id']} can't be read by this version", reason="UNREADABLE_ROW"
        ) from error
    return Tenant(columns["tenant_id"], settings, columns["revision"])


def _columns(row: Row[Any]) -> Mapping[str, Any]:
    # Rows have their columns by name for text too, which its type does not say.
    columns: Any = row._mapping
    return cast(Mapping[str, Any], columns)


def _microseconds(moment: datetime | None) -> int | None:
    return None if moment is None else to_microseconds(moment)


def _moment(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else from_microseconds(microseconds)
