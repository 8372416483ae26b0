"""Who makes a write, and what they call it."""

from dataclasses import dataclass
from datetime import timedelta

from common.auth.grants import ANONYMOUS
from common.errors import InvalidArgumentError

MAX_REQUEST_ID_LENGTH = 128
# For how long a request that is sent again under its name is not carried out again.
REQUEST_RETENTION = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class WriteOrigin:
    """Where a write comes from.

    `actor` is the credential's name. `request_id` names the request, empty: it can't be repeated; `content_hash` is of
    what it asks for, so that a name which is used again for something else is noticed.
    """

    actor: str = ANONYMOUS
    request_id: str = ""
    content_hash: str = ""


NO_ORIGIN = WriteOrigin()


def checked_request_id(request_id: str, field: str = "request_id") -> str:
    """Raises InvalidArgumentError naming `field` for an id that is too long or can't be printed."""
    if len(request_id) > MAX_REQUEST_ID_LENGTH or not request_id.isprintable():
        raise InvalidArgumentError(field, f"at most {MAX_REQUEST_ID_LENGTH} printable characters")
    return request_id
