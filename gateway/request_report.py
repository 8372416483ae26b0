"""What is told of each request: counted always, and logged as a line of its own while there are few enough."""

from common.clock import Clock
from common.logs import get_logger
from common.protocol_codes import ResultCode
from common.request_lines import RequestLines
from common.telemetry import names
from common.telemetry.metrics import Counter, Histogram
from common.telemetry.tenant_labels import TenantLabels
from common.trace_ids import trace_id_for
from gateway.domain import Event, Query

_log = get_logger(__name__)

# Our own failures: these lines are never held back. What is wrong with a request is no failure, and comes in floods.
_FAILURES = frozenset({ResultCode.TIMED_OUT, ResultCode.UNAVAILABLE, ResultCode.INTERNAL})
_TAKEN, _FAILED = 200, 500
_KINDS = (("query",), ("event",))


class RequestReport:
    """The gateway's requests. It holds the clock by which they are timed."""

    def __init__(self, tenants: TenantLabels, lines: RequestLines, clock: Clock) -> None:
        self.clock = clock
        self.lines = lines
        self._tenants = tenants
        self.queries = Histogram(names.QUERY_DURATION, clock)
        self.events = Histogram(names.EVENT_DURATION, clock)
        self.refused = Counter(names.REFUSED_MESSAGES, *((str(status),) for status in (400, 408, 413, 415)))
        self.limited = Counter(names.LIMITED_MESSAGES, *_KINDS)
        self.unexpected = 0

    def query(self, query: Query, result: ResultCode, started: float, trace_id: bytes = b"") -> None:
        """A query is answered. `trace_id`: of the call's trace, where it has one."""
        now = self.clock.monotonic()
        took = now - started
        tenant_id = query.tenant_id.strip()
        self.queries.record(took, (self._tenants.of(tenant_id), result.text), trace_id)
        failed = result in _FAILURES
        if self.lines.admit(now, failed=failed):
            (_log.warning if failed else _log.info)(
                "query answered",
                tenant_id=tenant_id,
                trace_id=trace_id_for(tenant_id, query.session_id.strip()),
                access_number=query.access_number,
                result=result.text,
                took_ms=_milliseconds(took),
            )

    def event(self, event: Event, status: int, started: float, trace_id: bytes = b"") -> None:
        """An event is answered with this HTTP status."""
        now = self.clock.monotonic()
        took = now - started
        tenant_id = event.tenant_id.strip()
        self.events.record(took, (self._tenants.of(tenant_id), str(status)), trace_id)
        failed = status >= _FAILED
        if self.lines.admit(now, failed=failed):
            (_log.warning if failed else _log.info)(
                "event taken" if status == _TAKEN else "event not taken",
                tenant_id=tenant_id,
                trace_id=trace_id_for(tenant_id, event.session_id.strip()),
                code=event.code,
                status=status,
                took_ms=_milliseconds(took),
            )

    def unreadable(self, status: int, detail: str, started: float) -> None:
        """A message could not be read, and was answered with this HTTP status."""
        self.refused.add((str(status),))
        now = self.clock.monotonic()
        if self.lines.admit(now, failed=False):
            _log.info("message refused", status=status, detail=detail, took_ms=_milliseconds(now - started))


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 2)
