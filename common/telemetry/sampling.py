"""Which calls are traced."""

from common.trace_ids import trace_id_bytes

_BITS = 64
_LOW_BYTES = 8


class TraceSampler:
    """Samples whole calls: the trace id follows from the call's name, and the choice from the trace id.

    So the query, every event and every delivery of a call are traced or are not, whichever process they come to, where
    the ratio is the same. The id's low 64 bits decide, as in OpenTelemetry's TraceIdRatioBased.
    """

    def __init__(self, ratio: float) -> None:
        self._threshold = round(ratio * (1 << _BITS))

    @property
    def is_on(self) -> bool:
        """Whether any call is sampled."""
        return self._threshold > 0

    def sampled(self, tenant_id: str, session_id: str) -> bytes | None:
        """The trace id of a call that is traced, None for one that is not."""
        if not self._threshold:
            return None
        trace_id = trace_id_bytes(tenant_id, session_id)
        return trace_id if int.from_bytes(trace_id[_LOW_BYTES:], "big") < self._threshold else None
