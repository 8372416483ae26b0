"""The spans of the messages that platforms send: one for each query and each event of a call that is traced."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from common.limits.token_bucket import RateLimit, TokenBucket
from common.protocol_codes import ResultCode
from common.telemetry import names
from common.telemetry.failures import FAILURES, failure_of
from common.telemetry.names import SpanType
from common.telemetry.sampling import TraceSampler
from common.telemetry.spans import AttributeValue, SpanContext, new_span_id, parse_traceparent
from common.telemetry.tracing import Tracer
from common.trace_ids import query_span_id, trace_id_bytes
from gateway.domain import Event, Query, RouteDecision

NO_HEADERS: Mapping[str, str] = {}
# Queries whose spans are remembered: one that is sent again must not get the same span id.
_MAX_REMEMBERED = 4096
# When everything fails or is slow, spans of all of it would make it slower.
_KEPT = RateLimit(per_second=10.0, burst=50.0)


@dataclass(frozen=True, slots=True)
class KeepRules:
    """What is traced although the ratio left its call out: failures of ours, and what took longer than this."""

    errors: bool = False
    slow_seconds: float = math.inf


class CallTraces:
    """Decides which messages are traced, and writes their spans."""

    def __init__(self, tracer: Tracer, sampler: TraceSampler, rules: KeepRules | None = None) -> None:
        rules = rules if rules is not None and tracer.is_on else KeepRules()
        self._tracer = tracer
        self._sampler = sampler
        self._keeps_errors = rules.errors
        self._slow_seconds = rules.slow_seconds
        self._kept = TokenBucket(_KEPT, tracer.now())
        self._remembered: dict[bytes, None] = {}

    def of_query(self, query: Query) -> SpanContext | None:
        """The context of a query's span, None for a call that is not traced."""
        trace_id = self._sampler.sampled(query.tenant_id.strip(), query.session_id.strip())
        if trace_id is None:
            return None
        if trace_id in self._remembered:
            return SpanContext(trace_id, new_span_id())
        if len(self._remembered) >= _MAX_REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[trace_id] = None
        return SpanContext(trace_id, query_span_id(trace_id))

    def of_event(self, event: Event) -> SpanContext | None:
        """The context of an event's span, likewise."""
        trace_id = self._sampler.sampled(event.tenant_id.strip(), event.session_id.strip())
        return None if trace_id is None else SpanContext(trace_id, new_span_id())

    def is_kept(self, result: ResultCode, took_seconds: float) -> bool:
        """Whether a query that is not traced gets its span all the same."""
        return took_seconds > self._slow_seconds or (self._keeps_errors and result in FAILURES)

    def query_answered(
        self,
        query: Query,
        context: SpanContext | None,
        decision: RouteDecision,
        headers: Mapping[str, str],
        times: tuple[float, float],
        *,
        is_tenant_known: bool,
    ) -> None:
        """Write the span of a query. `context` None: it is kept for what became of it."""
        error = failure_of(decision.result, decision.reason)
        attributes: dict[str, AttributeValue] = {
            "http.response.status_code": 200,
            "axbridge.result": decision.result.text,
            "axbridge.access_number": query.access_number,
        }
        if is_tenant_known:
            attributes["axbridge.tenant_id"] = query.tenant_id.strip()
        if decision.decision_source:
            attributes["axbridge.decision_source"] = decision.decision_source
        if context is None:
            trace_id = trace_id_bytes(query.tenant_id.strip(), query.session_id.strip())
            context = SpanContext(trace_id, query_span_id(trace_id))
            attributes["axbridge.kept_for"] = "error" if error is not None else "slow"
            if not self._has_room():
                return
        first = query_span_id(context.trace_id)
        parent_id = b"" if context.span_id == first else first
        self._write(names.QUERY, context, parent_id, times, attributes, headers, error)

    def event_taken(
        self,
        event: Event,
        context: SpanContext | None,
        error: BaseException | None,
        headers: Mapping[str, str],
        times: tuple[float, float],
        *,
        is_tenant_known: bool,
    ) -> None:
        """Write the span of an event, if it is traced, or was refused or slow. `error` says why it was not stored."""
        kept_for = ""
        if context is None:
            if error is not None and self._keeps_errors:
                kept_for = "error"
            elif times[1] - times[0] > self._slow_seconds:
                kept_for = "slow"
            if not kept_for or not self._has_room():
                return
            context = SpanContext(trace_id_bytes(event.tenant_id.strip(), event.session_id.strip()), new_span_id())
        attributes: dict[str, AttributeValue] = {"axbridge.event_code": event.code}
        if error is None:
            attributes["http.response.status_code"] = 200
        if is_tenant_known:
            attributes["axbridge.tenant_id"] = event.tenant_id.strip()
        if kept_for:
            attributes["axbridge.kept_for"] = kept_for
        self._write(names.EVENT, context, query_span_id(context.trace_id), times, attributes, headers, error)

    def _has_room(self) -> bool:
        return self._kept.take(_KEPT, self._tracer.now())

    def _write(
        self,
        type: SpanType,
        context: SpanContext,
        parent_id: bytes,
        times: tuple[float, float],
        attributes: Mapping[str, AttributeValue],
        headers: Mapping[str, str],
        error: BaseException | None,
    ) -> None:
        # The platform's own trace is another one: ours has to follow from the call's name.
        theirs = parse_traceparent(headers.get("traceparent", ""), sampled_only=False)
        self._tracer.write(type, context, parent_id, times, attributes, () if theirs is None else (theirs,), error)
