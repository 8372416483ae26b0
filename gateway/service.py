"""What the gateway does: answers queries within their budget, and takes events once they are stored."""

import random
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
from common.trace_ids import traceparent_for
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
from gateway.ports import DecisionSink, EventPublisher, Quarantine, RouteResolver
from gateway.tenants import TenantDirectory

_log = get_logger(__name__)
_SPAN_BITS = 64


@dataclass(frozen=True, slots=True)
class StyledAnswer:
    """An answer and how its tenant wants it written."""

    answer: QueryAnswer
    style: AnswerStyle


class QueryService:
    """Answers queries. Whatever happens elsewhere, there is an answer when the budget is spent."""

    def __init__(
        self,
        resolver: RouteResolver,
        directory: TenantDirectory,
        decisions: DecisionSink,
        clock: Clock,
        budget_seconds: float,
    ) -> None:
        self._resolver = resolver
        self._directory = directory
        self._decisions = decisions
        self._clock = clock
        self._budget_seconds = budget_seconds

    async def answer(self, query: Query, started: float, received_at_us: int) -> StyledAnswer:
        """The answer to a query whose headers were read at `started`, on the monotonic clock. Raises nothing."""
        tenant_id = query.tenant_id.strip()
        traceparent = _traceparent(tenant_id, query.session_id)
        try:
            decision = await self._resolver.resolve(query, traceparent, started + self._budget_seconds)
        except DeadlineExceededError:
            decision = RouteDecision(ResultCode.TIMED_OUT, reason="the routing service did not answer in time")
        except (UnavailableError, ResourceExhaustedError) as error:
            decision = RouteDecision(ResultCode.UNAVAILABLE, reason=error.message)
        except Exception as error:  # noqa: BLE001 - a query always gets an answer
            _log.error("a query failed unexpectedly", traceparent=traceparent, exc_info=error)
            decision = RouteDecision(ResultCode.INTERNAL, reason="internal error")
        tenant = self._directory.known(tenant_id)
        if decision.style is None and tenant is not None:
            decision = _as_tenant_wishes(decision, tenant)
        if decision.result is not ResultCode.UNKNOWN_TENANT:
            # Calls of enterprises that don't exist have no record: anybody could fill the store with them.
            took_us = int((self._clock.monotonic() - started) * 1_000_000)
            region = "" if tenant is None else tenant.default_region
            self._decisions.add(AnsweredQuery(query, decision, received_at_us, took_us, region, traceparent))
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
class EventBudgets:
    """How long storing an event may take, and how much of it may go into finding its tenant."""

    total_seconds: float
    tenant_seconds: float


class EventService:
    """Takes events, and puts away what could not be taken."""

    def __init__(
        self,
        publisher: EventPublisher,
        directory: TenantDirectory,
        quarantine: Quarantine,
        clock: Clock,
        budgets: EventBudgets,
    ) -> None:
        self._publisher = publisher
        self._directory = directory
        self._quarantine = quarantine
        self._clock = clock
        self._budgets = budgets
        self._quarantining = 0

    async def take(self, event: Event, receipt: Receipt, started: float) -> None:
        """Returns when the event is on disk.

        Raises NotFoundError for an enterprise that does not exist, InvalidArgumentError for an event that can't be
        stored in any form, and another AxbridgeError when it is not known to be stored: it must be sent again.
        When it can't be told whether the enterprise exists, the event is stored with the flag `tenant_unverified`.
        """
        tenant_id = event.tenant_id.strip()
        tenant = self._directory.known(tenant_id)
        if tenant is None:
            try:
                tenant = await self._directory.find(tenant_id, self._budgets.tenant_seconds)
            except AxbridgeError as error:
                _log.warning("an event's enterprise can't be looked up, taking it unverified", detail=error.message)
                event = replace(event, form_flags=(*event.form_flags, "tenant_unverified"))
            else:
                if tenant is None:
                    raise NotFoundError("vccId: unknown enterprise")
        region = "" if tenant is None else tenant.default_region
        received = ReceivedEvent(event, receipt, region, _traceparent(tenant_id, event.session_id))
        await self._publisher.publish(received, started + self._budgets.total_seconds)

    async def put_away(self, message: RejectedMessage, started: float) -> None:
        """Quarantine a message, best effort: a failure is logged, not raised."""
        left = started + self._budgets.total_seconds - self._clock.monotonic()
        if self._quarantining >= _MAX_QUARANTINING:
            _log.warning("too many messages for the quarantine at once, one is lost", reason=message.reason)
            return
        self._quarantining += 1
        try:
            await self._quarantine.keep(message, max(left, 0.0))
        except AxbridgeError as error:
            _log.warning("a message could not be quarantined", reason=message.reason, detail=error.message)
        finally:
            self._quarantining -= 1


# Whoever sends rubbish must not keep the event service busy with it.
_MAX_QUARANTINING = 64


def _traceparent(tenant_id: str, session_id: str) -> str:
    """The trace context of one message of a call; nothing is sampled here."""
    return traceparent_for(tenant_id, session_id.strip(), random.getrandbits(_SPAN_BITS) or 1, sampled=False)
