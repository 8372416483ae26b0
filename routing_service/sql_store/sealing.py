"""Rows as they are stored where numbers are encrypted: hashes in place of numbers that are looked for, and everything
that holds numbers sealed together in one column, which opens in its own row only.

Where nothing is encrypted these functions return what they are given. See docs/privacy.md.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from common.at_rest.cipher import NumberCipher, current_cipher

# Of a row, or of what is to become one.
Columns = Mapping[Any, Any]

# Looked for, so hashed.
_BINDING_NUMBERS = ("a_number", "b_number", "callback_number")
# Sealed together in `details`.
_BINDING_SEALED = (*_BINDING_NUMBERS, "display_number", "member_prompts", "profile", "details")
_ENTRY_SEALED = ("pattern", "note")


def sealed_binding(columns: Columns) -> dict[str, Any]:
    """The columns of a binding, present or past, as they are stored."""
    cipher = current_cipher()
    if cipher.is_plain:
        return {**columns}
    tenant_id = columns["tenant_id"]
    content = orjson.dumps([columns[name] for name in _BINDING_SEALED]).decode()
    return {
        **columns,
        **{name: cipher.number_key(tenant_id, columns[name]) for name in _BINDING_NUMBERS},
        "display_number": "",
        "member_prompts": "",
        "profile": "",
        "details": cipher.seal(tenant_id, _binding_place(columns), content),
    }


def opened_binding(columns: Columns) -> Columns:
    """The inverse. Raises UnexpectedError."""
    cipher = current_cipher()
    if cipher.is_plain:
        return columns
    content = cipher.open(columns["tenant_id"], _binding_place(columns), columns["details"])
    return {**columns, **dict(zip(_BINDING_SEALED, orjson.loads(content), strict=True))}


def sealed_entry(columns: Columns) -> dict[str, Any]:
    """The columns of an entry of a number list as they are stored."""
    cipher = current_cipher()
    if cipher.is_plain:
        return {**columns}
    tenant_id = columns["tenant_id"]
    content = orjson.dumps([columns[name] for name in _ENTRY_SEALED]).decode()
    return {
        **columns,
        "pattern": cipher.number_key(tenant_id, columns["pattern"]),
        "note": cipher.seal(tenant_id, _entry_place(columns), content),
    }


def opened_entry(columns: Columns) -> Columns:
    """The inverse. Raises UnexpectedError."""
    cipher = current_cipher()
    if cipher.is_plain:
        return columns
    content = cipher.open(columns["tenant_id"], _entry_place(columns), columns["note"])
    return {**columns, **dict(zip(_ENTRY_SEALED, orjson.loads(content), strict=True))}


def sealed_tenant(columns: Columns) -> dict[str, Any]:
    """The columns of a tenant, present or past, as they are stored: its settings may name a fallback number."""
    cipher = current_cipher()
    settings = cipher.seal(columns["tenant_id"], tenant_place(columns), columns["settings"])
    return {**columns, "settings": settings}


def opened_tenant(columns: Columns) -> Columns:
    """The inverse. Raises UnexpectedError."""
    cipher = current_cipher()
    if cipher.is_plain:
        return columns
    settings = cipher.open(columns["tenant_id"], tenant_place(columns), columns["settings"])
    return {**columns, "settings": settings}


def stored_number(tenant_id: str, number: str) -> str:
    """A number as it stands in columns that are looked into."""
    return current_cipher().number_key(tenant_id, number)


def tenant_place(columns: Columns) -> tuple[str, ...]:
    return ("tenants", str(columns["revision"]))


def audit_place(columns: Columns, side: str) -> tuple[str, ...]:
    """Where a document of an audit entry stands; its id is given only when it is stored."""
    return ("audit_entries", columns["object_id"], columns["action"], str(columns["at_us"]), side)


def request_place(request_id: str, part: int) -> tuple[str, ...]:
    return ("requests", request_id, str(part))


def order_place(session_id: str, binding_id: str) -> tuple[str, ...]:
    return ("hunt_orders", session_id, binding_id)


def caller_place(binding_id: str) -> tuple[str, ...]:
    return ("last_callers", binding_id)


def request_digest(cipher: NumberCipher, tenant_id: str, content_hash: str) -> str:
    """What is kept of a request's content hash; what stands in front of its colon stays."""
    kind, colon, digest = content_hash.rpartition(":")
    return f"{kind}{colon}{cipher.digest(tenant_id, digest)}"


def _binding_place(columns: Columns) -> tuple[str, ...]:
    # A version that becomes the past moves to another table as it is. Its access number is bound too: moved to another
    # one, it would connect whoever calls that.
    return ("bindings", columns["binding_id"], str(columns["revision"]), columns["access_number"])


def _entry_place(columns: Columns) -> tuple[str, ...]:
    return ("number_list_entries", columns["entry_id"], columns["access_number"], columns["action"])
