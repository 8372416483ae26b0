"""Which calls are traced, and the trace context of their messages."""

import random

from common.trace_ids import trace_id_for

_SPAN_BITS = 64
_RATIO_BITS = 32
_RATIO_DIGITS = _RATIO_BITS // 4


class TraceSampler:
    """Samples whole calls: the trace id follows from the call's name, and the choice from the trace id.

    So the query and every event of a call, whichever gateway takes them, are traced or are not. What is not traced has
    no trace context: nobody would do anything with it.
    """

    def __init__(self, ratio: float) -> None:
        self._threshold = round(ratio * (1 << _RATIO_BITS))

    def traceparent(self, tenant_id: str, session_id: str) -> str:
        """A W3C traceparent for one message of a call, empty when the call is not traced."""
        if not self._threshold:
            return ""
        trace_id = trace_id_for(tenant_id.strip(), session_id.strip())
        if int(trace_id[-_RATIO_DIGITS:], 16) >= self._threshold:
            return ""
        return f"00-{trace_id}-{random.getrandbits(_SPAN_BITS) or 1:016x}-01"
