"""The errors for what is not there, alike wherever it is noticed."""

from common.errors import NotFoundError


def no_such_tenant(tenant_id: str) -> NotFoundError:
    """There is no tenant of this id."""
    return NotFoundError(
        "there is no such tenant", reason="TENANT_NOT_FOUND", metadata={"tenant_id": _printable(tenant_id)}
    )


def no_such_binding(binding_id: str) -> NotFoundError:
    """The tenant has no binding of this id; another one may."""
    return NotFoundError(
        "the tenant has no such binding", reason="BINDING_NOT_FOUND", metadata={"binding_id": _printable(binding_id)}
    )


def no_such_list_entry(entry_id: str) -> NotFoundError:
    """The tenant has no entry of this id in its number lists; another one may."""
    return NotFoundError(
        "the tenant has no such list entry", reason="LIST_ENTRY_NOT_FOUND", metadata={"entry_id": _printable(entry_id)}
    )


def _printable(text: str) -> str:
    return text[:64] if text.isprintable() else ""
