"""The shortest way to read the XML query that platforms send thousands of times a second: one regular expression.

It takes a query with the protocol's fields in the order of the protocol's table and nothing else, and gives exactly
what the general way gives, or None, upon which that decides; a property test holds the two against each other.
"""

import re

from gateway.codec.fields import MAX_ID_LENGTH
from gateway.codec.plain_xml import BLANK, HEAD, TEXT
from gateway.domain import Query

_QUERY = re.compile(
    HEAD
    + "".join(f"<{name}>({TEXT})</{name}>{BLANK}" for name in ("sid", "vccId", "callId"))
    + f"(?:<seq>({TEXT})</seq>{BLANK})?+<method>query</method>{BLANK}"
    + "".join(f"<{name}>({TEXT})</{name}>{BLANK}" for name in ("callingNumber", "accessNumber"))
    + f"</\\1>{BLANK}"
)


def read_plain_query(text: str) -> tuple[str, Query] | None:
    """The root's name and the query, or None for whatever is not that plain (which may be wrong or just different)."""
    found = _QUERY.fullmatch(text)
    if found is None:
        return None
    root, session_id, tenant_id, call_id, seq, calling_number, access_number = found.groups("")
    for required in (session_id, tenant_id, call_id, calling_number, access_number):
        if not required or len(required) > MAX_ID_LENGTH or required.isspace():
            return None
    if len(seq) > MAX_ID_LENGTH:
        return None
    return root, Query(session_id, tenant_id, call_id, calling_number, access_number, seq)
