"""What is remembered, as JSON: the columns of the rows that it was read from.

A binding's or a tenant's new column is in here by itself; a new field of `Candidates` is added below. With any change
of what these documents look like the number FORMAT in redis_cache grows, since the version before reads them too.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson

from common.clock import from_microseconds, to_microseconds
from common.errors import UnexpectedError
from routing_service.domain.decision import Candidates, DecisionSource
from routing_service.domain.number_list import NumberListAction, NumberListEntry, NumberListTerms, NumberPatternType
from routing_service.domain.tenant import Tenant
from routing_service.sql_store.rows import binding_values, read_binding_values, read_tenant_values, tenant_values


def candidates_document(candidates: Candidates) -> bytes:
    """The document of what is known about a key."""
    bindings = [binding_values(each) for each in candidates.bindings]
    entries = [_entry_values(each) for each in candidates.list_entries]
    return orjson.dumps({"known": candidates.access_number_known, "bindings": bindings, "list_entries": entries})


# The same text always means the same, so that reading it again is for nothing. What is answered from is the text that
# the cache has just sent; nothing here is asked whether it still holds.
@lru_cache(maxsize=8192)
def read_candidates(document: bytes) -> Candidates:
    """What a document says is known, as coming from the cache. Raises ValueError."""
    fields = _fields(document)
    try:
        bindings = tuple(read_binding_values(each) for each in fields["bindings"])
        entries = tuple(_entry(each) for each in fields["list_entries"])
        return Candidates(fields["known"], bindings, DecisionSource.CACHE, entries)
    except (KeyError, TypeError, OverflowError, UnexpectedError) as error:
        raise ValueError("not a document of candidates") from error


def tenant_document(tenant: Tenant | None) -> bytes:
    """The document of a tenant; None: there is none."""
    return orjson.dumps(None if tenant is None else tenant_values(tenant))


@lru_cache(maxsize=1024)
def read_tenant_document(document: bytes) -> Tenant | None:
    """The tenant of a document. Raises ValueError."""
    if document == b"null":
        return None
    try:
        return read_tenant_values(_fields(document))
    except (KeyError, UnexpectedError) as error:
        raise ValueError("not a document of a tenant") from error


def _entry_values(entry: NumberListEntry) -> list[Any]:
    terms = entry.terms
    return [
        entry.entry_id,
        entry.tenant_id,
        to_microseconds(entry.created_at),
        terms.access_number,
        terms.action.value,
        terms.pattern_type.value,
        terms.pattern,
        terms.note,
        None if terms.expires_at is None else to_microseconds(terms.expires_at),
    ]


def _entry(values: list[Any]) -> NumberListEntry:
    entry_id, tenant_id, created_at_us, access_number, action, pattern_type, pattern, note, expires_at_us = values
    terms = NumberListTerms(
        access_number,
        NumberListAction(action),
        NumberPatternType(pattern_type),
        pattern,
        note,
        None if expires_at_us is None else from_microseconds(expires_at_us),
    )
    return NumberListEntry(entry_id, tenant_id, terms, from_microseconds(created_at_us))


def _fields(document: bytes) -> Mapping[str, Any]:
    fields = orjson.loads(document)
    if not isinstance(fields, dict):
        raise ValueError("a document is a JSON object")  # noqa: TRY004 - what the text says is wrong, not its type
    return fields
