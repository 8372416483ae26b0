"""One call, one trace: the platform sends no trace context, so it follows from the call's own name."""

import hashlib


def trace_id_for(tenant_id: str, session_id: str) -> str:
    """The W3C trace id (32 hexadecimal digits, never all zero) of a call, from its vccId and sid."""
    # The length prefix keeps ("ab", "c") and ("a", "bc") apart.
    name = f"{len(tenant_id)}:{tenant_id}{session_id}".encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(name, digest_size=16, person=b"axbridge-trace").hexdigest()
    return digest if int(digest, 16) else "1".rjust(32, "0")


def traceparent_for(tenant_id: str, session_id: str, span_id: int, *, sampled: bool) -> str:
    """A W3C traceparent header for one message of a call. `span_id` is a random number from 1 to 2^64 - 1."""
    return f"00-{trace_id_for(tenant_id, session_id)}-{span_id:016x}-{'01' if sampled else '00'}"
