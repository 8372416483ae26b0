"""What the gateway does: answers queries within their budget, and takes events once they are stored."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from common.clock import Clock
from common.errors import (
    AxbridgeError,
    DeadlineExceededError,
    NotFoundError,
    ResourceExhaustedError,
    UnavailableError,
)
from common.logs import get_logger
from common.protocol_codes import ResultCode
from gateway.call_traces import NO_HEADERS, CallTraces
from gateway.domain import (
    DEFAULT_STYLE,
    NO_ATTRIBUTES,
    AnsweredQuery,
    AnswerStyle,
    CallAttributes,
    Event,
    Query,
    QueryAnswer,
    Receipt,
    ReceivedEvent,
    RejectedMessage,
    RouteDecision,
    TenantSettings,
)
from gateway.log_throttle import LogThrottle
from gateway.ports import DecisionSink, EventPublisher, Quarantine, RouteResolver
from gateway.tenants import TenantDirectory

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StyledAnswer:
    """An answer, how its tenant wants it written, and the trace that it is in; empty: in none."""

    answer: QueryAnswer
    style: AnswerStyle
    trace_id: bytes = b""


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """How long an answer may take, and which calls are traced."""

    budget_seconds: float
    traces: CallTraces


class QueryService:
    """Answers queries. Whatever happens elsewhere, there is an answer when the budget is spent."""

    def __init__(
        self,
        resolver: RouteResolver,
        directory: TenantDirectory,
        decisions: DecisionSink,
        options: QueryOptions,
        clock: Clock,
    ) -> None:
        self._resolver = resolver
        self._directory = directory
        self._decisions = decisions
        self._clock = clock
        self._budget_seconds = options.budget_seconds
        self._traces = options.traces

    def style_of(self, tenant_id: str) -> AnswerStyle:
        """How a tenant's answers are written, as far as that is known without asking."""
        tenant = self._directory.known(tenant_id.strip())
        return DEFAULT_STYLE if tenant is None else tenant.style

    async def answer(self, query: Query, started: float, headers: Mapping[str, str] = NO_HEADERS) -> StyledAnswer:
        """The answer to a query whose headers were read at `started`, on the monotonic clock. Raises nothing."""
        context = self._traces.of_query(query)
        traceparent = "" if context is None else context.traceparent
        try:
            decision = await self._resolver.resolve(query, traceparent, started + self._budget_seconds)
        except DeadlineExceededError:
            decision = RouteDecision(ResultCode.TIMED_OUT, reason="the routing service did not answer in time")
        except (UnavailableError, ResourceExhaustedError) as error:
            decision = RouteDecision(ResultCode.UNAVAILABLE, reason=error.message)
        except Exception as error:  # noqa: BLE001 - a query always gets an answer
            _log.error("a query failed unexpectedly", traceparent=traceparent, exc_info=error)
            decision = RouteDecision(ResultCode.INTERNAL, reason="internal error")
        ended = self._clock.monotonic()
        tenant = self._directory.known(query.tenant_id.strip())
        if context is not None or self._traces.is_kept(decision.result, ended - started):
            times = (started, ended)
            # Only known tenants have a style.
            is_known = tenant is not None or decision.style is not None
            self._traces.query_answered(query, context, decision, headers, times, is_tenant_known=is_known)
        if decision.style is None and tenant is not None:
            decision = _as_tenant_wishes(decision, tenant)
        if decision.result is not ResultCode.UNKNOWN_TENANT:
            # Calls of enterprises that don't exist have no record: anybody could fill the store with them.
            region = "" if tenant is None else tenant.default_region
            # No record has the unknown fields, and thousands of answers may wait with all that a body can hold.
            kept = replace(query, unknown_fields=()) if query.unknown_fields else query
            answered = AnsweredQuery(kept, decision, started, ended, region, traceparent)
            self._decisions.add(answered)
        trace_id = b"" if context is None else context.trace_id
        return StyledAnswer(_answer(query, decision), decision.style or DEFAULT_STYLE, trace_id)

    def decline(self, query: Query, result: ResultCode) -> StyledAnswer:
        """An answer without asking anybody, as the tenant wishes it. It goes into no record: floods are not kept."""
        decision = RouteDecision(result)
        tenant = self._directory.known(query.tenant_id.strip())
        if tenant is not None:
            decision = _as_tenant_wishes(decision, tenant)
        return StyledAnswer(_answer(query, decision), decision.style or DEFAULT_STYLE)


def _answer(query: Query, decision: RouteDecision) -> QueryAnswer:
    attributes = decision.attributes
    if decision.result is not ResultCode.SUCCESS and attributes is not NO_ATTRIBUTES:
        # Of a failure nothing but the caller's prompt is of use.
        attributes = CallAttributes(caller_prompt=attributes.caller_prompt)
    return QueryAnswer(
        query.session_id,
        query.tenant_id,
        query.call_id,
        query.seq,
        decision.result,
        decision.charge_ext,
        decision.members if decision.result is ResultCode.SUCCESS else (),
        attributes,
    )


def _as_tenant_wishes(decision: RouteDecision, tenant: TenantSettings) -> RouteDecision:
    """A decision that was made without the tenant's settings, with what the directory knows of them."""
    attributes = decision.attributes
    if decision.result is not ResultCode.SUCCESS and attributes.caller_prompt is None:
        prompts = tenant.failure_prompts
        prompt = prompts.get(decision.result.text) or prompts.get("default")
        attributes = CallAttributes(caller_prompt=prompt) if prompt else attributes
    charge_ext = decision.charge_ext or tenant.charge_ext
    return replace(decision, style=tenant.style, charge_ext=charge_ext, attributes=attributes)


@dataclass(frozen=True, slots=True)
class EventOptions:
    """How long storing an event may take, how much of it may go into finding its tenant, and which calls are traced."""

    budget_seconds: float
    tenant_seconds: float
    traces: CallTraces


class EventService:
    """Takes events, and puts away what could not be taken."""

    def __init__(
        self,
        publisher: EventPublisher,
        directory: TenantDirectory,
        quarantine: Quarantine,
        options: EventOptions,
        clock: Clock,
    ) -> None:
        self._publisher = publisher
        self._directory = directory
        self._quarantine = quarantine
        self._clock = clock
        self._options = options
        self._quarantining = 0
        self.lost = 0
        self._unverified = LogThrottle(clock)
        self._lost = LogThrottle(clock)

    async def take(
        self, event: Event, receipt: Receipt, started: float, headers: Mapping[str, str] = NO_HEADERS
    ) -> bytes:
        """Returns when the event is on disk: the id of its trace, empty when it is in none.

        Raises NotFoundError for an enterprise that does not exist, InvalidArgumentError for an event that can't be
        stored in any form, and another AxbridgeError when it is not known to be stored: it must be sent again.
        When it can't be told whether the enterprise exists, the event is stored with the flag `tenant_unverified`.
        """
        traces = self._options.traces
        context = traces.of_event(event)
        try:
            is_known = await self._store(event, receipt, started, "" if context is None else context.traceparent)
        except BaseException as error:
            times = (started, self._clock.monotonic())
            traces.event_taken(event, context, error, headers, times, is_tenant_known=False)
            raise
        times = (started, self._clock.monotonic())
        traces.event_taken(event, context, None, headers, times, is_tenant_known=is_known)
        return b"" if context is None else context.trace_id

    async def _store(self, event: Event, receipt: Receipt, started: float, traceparent: str) -> bool:
        """Returns when the event is on disk: whether its tenant is known."""
        tenant_id = event.tenant_id.strip()
        tenant = self._directory.known(tenant_id)
        if tenant is None:
            try:
                tenant = await self._directory.find(tenant_id, self._options.tenant_seconds)
            except AxbridgeError as error:
                if (held_back := self._unverified.admit()) is not None:
                    detail = error.message
                    _log.warning("events are taken of an unverified enterprise", detail=detail, held_back=held_back)
                event = replace(event, form_flags=(*event.form_flags, "tenant_unverified"))
            else:
                if tenant is None:
                    raise NotFoundError("vccId: unknown enterprise")
        region = "" if tenant is None else tenant.default_region
        received = ReceivedEvent(event, receipt, region, traceparent)
        await self._publisher.publish(received, started + self._options.budget_seconds)
        return tenant is not None

    async def put_away(self, message: RejectedMessage, started: float) -> None:
        """Quarantine a message, best effort: a failure is logged, not raised."""
        left = started + self._options.budget_seconds - self._clock.monotonic()
        if self._quarantining >= _MAX_QUARANTINING:
            self._log_lost(message, "too many at once")
            return
        self._quarantining += 1
        try:
            await self._quarantine.keep(message, max(left, 0.0))
        except AxbridgeError as error:
            self._log_lost(message, error.message)
        finally:
            self._quarantining -= 1

    def _log_lost(self, message: RejectedMessage, detail: str) -> None:
        self.lost += 1
        if (held_back := self._lost.admit()) is not None:
            _log.warning("a message could not be quarantined", why=message.reason, detail=detail, held_back=held_back)


# Whoever sends rubbish must not keep the event service busy with it.
_MAX_QUARANTINING = 64
