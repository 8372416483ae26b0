"""One call, one trace: the platform sends no trace context, so it follows from the call's own name."""

import hashlib

_NO_TRACE, _ANY_TRACE = bytes(16), (1).to_bytes(16, "big")
_NO_SPAN, _ANY_SPAN = bytes(8), (1).to_bytes(8, "big")


def trace_id_bytes(tenant_id: str, session_id: str) -> bytes:
    """The trace id of a call, from its vccId and sid: 16 bytes, never all zero."""
    # The length prefix keeps ("ab", "c") and ("a", "bc") apart.
    name = f"{len(tenant_id)}:{tenant_id}{session_id}".encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(name, digest_size=16, person=b"axbridge-trace").digest()
    return digest if digest != _NO_TRACE else _ANY_TRACE


def trace_id_for(tenant_id: str, session_id: str) -> str:
    """The same as W3C writes it: 32 hexadecimal digits."""
    return trace_id_bytes(tenant_id, session_id).hex()


def query_span_id(trace_id: bytes) -> bytes:
    """The id of the span of a call's query: 8 bytes, never all zero.

    It follows from the trace id, so that whoever takes one of the call's events knows its parent without asking.
    """
    digest = hashlib.blake2b(trace_id, digest_size=8, person=b"axbridge-query").digest()
    return digest if digest != _NO_SPAN else _ANY_SPAN
