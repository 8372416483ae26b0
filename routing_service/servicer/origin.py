"""Who makes a request, and what they call it."""

import hashlib
from typing import Any

from common.auth.grants import current_caller
from routing_service.domain.write_origin import WriteOrigin


def origin_of(request: Any, request_id: str = "") -> WriteOrigin:
    """The origin of a write that this message asks for; `request_id` is the one in it, where it has one."""
    if not request_id:
        return WriteOrigin(current_caller())
    return WriteOrigin(current_caller(), request_id, content_hash(request))


def origin_named(request_id: str) -> WriteOrigin:
    """The origin of a write whose content is hashed elsewhere."""
    return WriteOrigin(current_caller(), request_id)


def content_hash(request: Any) -> str:
    """Equal for messages of one kind that say the same."""
    digest = hashlib.sha256(request.DESCRIPTOR.full_name.encode())
    digest.update(request.SerializeToString(deterministic=True))
    return digest.hexdigest()
