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

# Our own failures. What is wrong with a request is none.
_FAILURES = frozenset({ResultCode.TIMED_OUT, ResultCode.UNAVAILABLE, ResultCode.INTERNAL})
_TAKEN, _UNAVAILABLE, _FAILED = 200, 503, 500
_QUERY, _EVENT = ("query",), ("event",)


class RequestReport:
    """The gateway's requests. It holds the clock by which they are timed; `started` is on its monotonic one."""

    def __init__(self, tenants: TenantLabels, lines: RequestLines, clock: Clock) -> None:
        self.clock = clock
        self.lines = lines
        self._tenants = tenants
        self.queries = Histogram(names.QUERY_DURATION, clock)
        self.events = Histogram(names.EVENT_DURATION, clock)
        self.refused = Counter(names.REFUSED_MESSAGES, *((str(status),) for status in (400, 408, 413, 415)))
        self.limited = Counter(names.LIMITED_MESSAGES, _QUERY, _EVENT)
        self.unexpected = 0

    def query(self, query: Query, result: ResultCode, started: float, trace_id: bytes = b"") -> None:
        """A query is answered. `trace_id`: of the trace that it is in, empty for none."""
        self._query(query, result, started, trace_id, failed=result in _FAILURES)

    def query_over_limit(self, query: Query, started: float) -> None:
        """A query was over its enterprise's rate. That comes in floods, and is no failure of ours."""
        self.limited.add(_QUERY)
        self._query(query, ResultCode.UNAVAILABLE, started, b"", failed=False)

    def event(self, event: Event, status: int, started: float, trace_id: bytes = b"", detail: str = "") -> None:
        """An event is answered with this HTTP status. `detail` says why it was not taken."""
        self._event(event, status, started, trace_id, detail, failed=status >= _FAILED)

    def event_over_limit(self, event: Event, started: float) -> None:
        """An event was over its enterprise's rate."""
        self.limited.add(_EVENT)
        self._event(event, _UNAVAILABLE, started, b"", "over the enterprise's rate", failed=False)

    def unreadable(self, status: int, detail: str, started: float) -> None:
        """A message could not be read, and was answered with this HTTP status."""
        self.refused.add((str(status),))
        now = self.clock.monotonic()
        if self.lines.admit(now, failed=False):
            _log.info("message refused", status=status, detail=detail, took_ms=_milliseconds(now - started))

    def _query(self, query: Query, result: ResultCode, started: float, trace_id: bytes, *, failed: bool) -> None:
        now = self.clock.monotonic()
        tenant_id = query.tenant_id.strip()
        # Where there is somebody to call there is an enterprise, whether the directory has it yet or not.
        tenant = self._tenants.named.get(tenant_id) or self._tenants.of(
            tenant_id, surely_known=result is ResultCode.SUCCESS
        )
        self.queries.record(now - started, (tenant, result.text), trace_id)
        if self.lines.admit(now, failed=failed):
            (_log.warning if failed else _log.info)(
                "query answered",
                tenant_id=tenant_id,
                trace_id=trace_id_for(tenant_id, query.session_id.strip()),
                access_number=query.access_number,
                result=result.text,
                took_ms=_milliseconds(now - started),
            )

    def _event(self, event: Event, status: int, started: float, trace_id: bytes, detail: str, *, failed: bool) -> None:
        now = self.clock.monotonic()
        tenant_id = event.tenant_id.strip()
        self.events.record(now - started, (self._tenants.of(tenant_id), str(status)), trace_id)
        if self.lines.admit(now, failed=failed):
            (_log.warning if failed else _log.info)(
                "event taken" if status == _TAKEN else "event not taken",
                tenant_id=tenant_id,
                trace_id=trace_id_for(tenant_id, event.session_id.strip()),
                code=event.code,
                status=status,
                took_ms=_milliseconds(now - started),
                **({"detail": detail} if detail else {}),
            )


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 2)
