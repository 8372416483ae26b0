"""Answering the platform's queries, a batch at a time."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from common.clock import Clock
from common.errors import AxbridgeError, InvalidArgumentError, UnavailableError
from common.logs import get_logger
from common.numbers import normalize_number
from common.protocol_codes import ResultCode
from routing_service.answer import RouteAnswer, answer_of, failure_answer
from routing_service.call_memory import CallMemory, NoStore
from routing_service.domain.call_memory import (
    WantedRecollection,
    call_to_remember,
    may_want_recollection,
    wanted_recollection,
)
from routing_service.domain.decision import (
    NOTHING_KNOWN,
    UNREADABLE,
    Candidates,
    ConsideredRule,
    Recollection,
    RouteContext,
    RouteDecision,
    RouteKey,
    RouteQuery,
    RuleOutcome,
)
from routing_service.domain.tenant import Tenant
from routing_service.not_found import no_such_tenant
from routing_service.ports import BindingHistory, CandidateSource, ReadError
from routing_service.resolver import Trace, resolve
from routing_service.routing_stats import RoutingStats
from routing_service.tenant_rules import is_tenant_id

_log = get_logger(__name__)

# How long a batch may wait for what is remembered of earlier calls; it is decided without, if need be.
_RECALL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class IncomingQuery:
    """A query as the platform sent it. `budget_seconds`: how long it may take; None: as long as its batch."""

    tenant_id: str
    session_id: str
    calling_number: str
    access_number: str
    budget_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class RoutingLimits:
    """At most so many queries in a batch, and so long for a batch whose sender set no deadline."""

    max_batch_queries: int = 1024
    default_budget_seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class Explanation:
    """An answer and how it came about; the numbers in normal form, empty where they can't be read."""

    answer: RouteAnswer
    considered: Sequence[ConsideredRule]
    calling_number: str
    access_number: str
    at: datetime


@dataclass(slots=True)
class _Batch:
    """What is known so far; `failure` says why no more will be."""

    tenants: Mapping[str, Tenant | ReadError] | None = None
    queries: list[RouteQuery | None] = field(default_factory=list)
    candidates: Mapping[RouteKey, Candidates | ReadError] = field(default_factory=dict)
    # For the queries that depend on earlier calls; what is missing here can't be recalled now.
    recollections: Mapping[WantedRecollection, Recollection] = field(default_factory=dict)
    failure: RouteDecision | None = None


class RoutingService:
    """Decides queries. Calls are remembered in `memory` only; but for a guess, the region of each tenant.

    Numbers can be normalised only when the tenant's region is known. With the region that it had last, tenants and
    bindings are read together; a wrong guess is noticed, and costs a second read.
    """

    def __init__(
        self,
        source: CandidateSource,
        history: BindingHistory,
        clock: Clock,
        limits: RoutingLimits | None = None,
        memory: CallMemory | None = None,
    ) -> None:
        """Without a `memory` only what was answered here is remembered."""
        self._source = source
        self._history = history
        self._memory = memory if memory is not None else CallMemory(NoStore(), clock)
        self._clock = clock
        self._limits = limits if limits is not None else RoutingLimits()
        self._last_regions: dict[str, str] = {}
        self.stats = RoutingStats()

    async def resolve_batch(
        self, incoming: Sequence[IncomingQuery], time_left_seconds: float | None
    ) -> list[RouteAnswer]:
        """The answers, in the order of the queries, each with its own failure.

        `time_left_seconds` is what the sender gives the whole batch, None for no limit. Raises InvalidArgumentError for
        a batch that is too long.
        """
        if len(incoming) > self._limits.max_batch_queries:
            raise InvalidArgumentError("queries", f"at most {self._limits.max_batch_queries} in a batch")
        if not incoming:
            return []
        started = self._clock.monotonic()
        longest = self._limits.default_budget_seconds if time_left_seconds is None else time_left_seconds
        budgets = [longest if each.budget_seconds is None else min(each.budget_seconds, longest) for each in incoming]
        batch = await self._read(incoming, max(budgets))
        spent = self._clock.monotonic() - started
        now = self._clock.now()
        answers = [
            _TIMED_OUT if spent > budget else self._answer(each, place, batch, now)
            for place, (each, budget) in enumerate(zip(incoming, budgets, strict=True))
        ]
        self.stats.note(answers, self._clock.monotonic() - started)
        return answers

    async def explain(self, incoming: IncomingQuery, at: datetime | None) -> Explanation:
        """What `resolve_batch` answers, with every rule that was considered, now or at another time.

        For a time in the past the bindings, lists and settings of that time count, also those of a tenant that was
        deleted since, and no earlier calls: an owner who would have been called back can't be, and whoever is put first
        in a group by those is not known any more. The trace says so. Raises NotFoundError for an unknown tenant,
        UnavailableError when the store can't be read.
        """
        now = self._clock.now()
        moment = now if at is None else at
        past = moment if moment < now else None
        tenant = await self._tenant_of(incoming, past)
        query = _normal_query(incoming, tenant.settings.default_region)
        candidates = await self._candidates_of(query, past)
        trace: Trace = [ConsideredRule("tenant", "", RuleOutcome.PASSED, "the tenant is known")]
        context = RouteContext(tenant.settings.fallback_number)
        if (wanted := wanted_recollection(query, candidates)) is not None:
            if past is not None:
                trace.append(_NOT_KEPT)
                context = replace(context, recollection=None)
            else:
                recalled = (await self._memory.recall([wanted]))[wanted]
                context = replace(context, recollection=self._memory.latest(wanted, recalled))
        decision = resolve(query, candidates, moment, trace, context)
        source = None if query.access_number == UNREADABLE else candidates.source
        answer = answer_of(decision, query, tenant, source)
        return Explanation(answer, trace, query.calling_number, query.access_number, moment)

    async def _tenant_of(self, incoming: IncomingQuery, past: datetime | None) -> Tenant:
        readable = _readable_tenant_ids([incoming])
        if past is not None and readable:
            then = await self._history.tenant_at(incoming.tenant_id, past)
            if then is not None:
                return then
        tenant = (await self._source.tenants(readable)).get(incoming.tenant_id)
        if tenant is None:
            raise no_such_tenant(incoming.tenant_id)
        if not isinstance(tenant, Tenant):
            raise tenant
        return tenant

    async def _candidates_of(self, query: RouteQuery, past: datetime | None) -> Candidates:
        if query.access_number == UNREADABLE:
            return NOTHING_KNOWN
        if past is not None:
            return await self._history.candidates_at(query.key, past)
        candidates = (await self._source.candidates([query.key]))[query.key]
        if not isinstance(candidates, Candidates):
            raise candidates
        return candidates

    async def _read(self, incoming: Sequence[IncomingQuery], time_left_seconds: float) -> _Batch:
        batch = _Batch()
        try:
            async with asyncio.timeout(time_left_seconds):
                tenant_ids = _readable_tenant_ids(incoming)
                guessed_regions = {each: self._last_regions[each] for each in tenant_ids if each in self._last_regions}
                guessed = _with_region(incoming, guessed_regions)
                known = await self._source.look_up(tenant_ids, _keys(guessed))
                batch.tenants, batch.candidates = known.tenants, known.candidates
                regions = self._learned_regions(tenant_ids, known.tenants)
                if regions == guessed_regions:
                    batch.queries = guessed
                else:
                    batch.queries = _with_region(incoming, regions)
                    not_guessed = _keys(batch.queries) - batch.candidates.keys()
                    if not_guessed:
                        batch.candidates = {**batch.candidates, **await self._source.candidates(not_guessed)}
                batch.recollections = await self._recalled(_wanted(batch))
        except TimeoutError:
            batch.failure = RouteDecision(ResultCode.TIMED_OUT, "there was no time left to decide")
        except UnavailableError:
            batch.failure = RouteDecision(ResultCode.UNAVAILABLE, "the store can't be reached")
        return batch

    async def _recalled(self, wanted: Collection[WantedRecollection]) -> Mapping[WantedRecollection, Recollection]:
        if not wanted:
            return {}
        try:
            async with asyncio.timeout(_RECALL_SECONDS):
                return await self._memory.recall(wanted)
        except (TimeoutError, UnavailableError):
            # Groups are called in some order all the same; only who calls back is told that it can't be done now.
            return {}

    def _learned_regions(
        self, tenant_ids: Collection[str], tenants: Mapping[str, Tenant | ReadError]
    ) -> Mapping[str, str]:
        regions = {
            tenant_id: tenant.settings.default_region
            for tenant_id, tenant in tenants.items()
            if isinstance(tenant, Tenant)
        }
        self._last_regions.update(regions)
        for tenant_id in tenant_ids:
            if tenant_id not in tenants:
                self._last_regions.pop(tenant_id, None)
        return regions

    def _answer(self, incoming: IncomingQuery, place: int, batch: _Batch, now: datetime) -> RouteAnswer:
        try:
            return self._decided(incoming, place, batch, now)
        except Exception as error:  # noqa: BLE001 - one query must not fail the others of its batch
            detail = error.message if isinstance(error, AxbridgeError) else type(error).__name__
            _log.error("query failed", tenant_id=incoming.tenant_id, detail=detail, exc_info=error)
            return failure_answer(ResultCode.INTERNAL, "something unexpected went wrong")

    def _decided(self, incoming: IncomingQuery, place: int, batch: _Batch, now: datetime) -> RouteAnswer:
        if not incoming.tenant_id:
            return failure_answer(ResultCode.MALFORMED_REQUEST, "the query names no tenant")
        if batch.tenants is None:
            assert batch.failure is not None
            return failure_answer(batch.failure.result, batch.failure.reason)
        tenant = batch.tenants.get(incoming.tenant_id)
        if tenant is None:
            return failure_answer(ResultCode.UNKNOWN_TENANT, "there is no such tenant")
        if isinstance(tenant, UnavailableError):
            return _UNAVAILABLE
        if not isinstance(tenant, Tenant):
            raise tenant
        query = batch.queries[place]
        assert query is not None, "the queries of known tenants are read"
        if query.access_number == UNREADABLE:
            return answer_of(resolve(query, NOTHING_KNOWN, now), query, tenant, None)
        if batch.failure is not None:
            return failure_answer(batch.failure.result, batch.failure.reason, tenant)
        candidates = batch.candidates[query.key]
        if isinstance(candidates, UnavailableError):
            return failure_answer(ResultCode.UNAVAILABLE, candidates.message, tenant)
        if not isinstance(candidates, Candidates):
            raise candidates
        decision = self._resolved(query, candidates, tenant, batch, now)
        return answer_of(decision, query, tenant, candidates.source)

    def _resolved(
        self, query: RouteQuery, candidates: Candidates, tenant: Tenant, batch: _Batch, now: datetime
    ) -> RouteDecision:
        context = RouteContext(tenant.settings.fallback_number)
        wanted = wanted_recollection(query, candidates)
        if wanted is not None:
            recalled = batch.recollections.get(wanted)
            # Earlier queries of this batch are remembered by now.
            recollection = None if recalled is None else self._memory.latest(wanted, recalled)
            context = replace(context, recollection=recollection)
        decision = resolve(query, candidates, now, None, context)
        call = call_to_remember(query, decision)
        # A query that is sent again is the same call.
        if call is not None and not (context.recollection is not None and context.recollection.order):
            self._memory.note(call)
        return decision


_NOT_KEPT = ConsideredRule(
    "call_memory", "", RuleOutcome.REJECTED, "what was remembered of earlier calls at that time is not kept"
)
_TIMED_OUT = failure_answer(ResultCode.TIMED_OUT, "there was no time left to decide")
_UNAVAILABLE = failure_answer(ResultCode.UNAVAILABLE, "the store can't be reached")


def _readable_tenant_ids(incoming: Sequence[IncomingQuery]) -> Collection[str]:
    return {each.tenant_id for each in incoming if is_tenant_id(each.tenant_id)}


def _with_region(incoming: Sequence[IncomingQuery], regions: Mapping[str, str]) -> list[RouteQuery | None]:
    """The queries of the tenants whose region is known."""
    return [_normal_query(each, regions[each.tenant_id]) if each.tenant_id in regions else None for each in incoming]


def _keys(queries: Sequence[RouteQuery | None]) -> set[RouteKey]:
    return {each.key for each in queries if each is not None and each.access_number != UNREADABLE}


def _wanted(batch: _Batch) -> Collection[WantedRecollection]:
    if not any(isinstance(known, Candidates) and may_want_recollection(known) for known in batch.candidates.values()):
        return ()
    wanted = set()
    for query in batch.queries:
        known = batch.candidates.get(query.key) if query is not None else None
        if query is not None and isinstance(known, Candidates):
            each = wanted_recollection(query, known)
            if each is not None:
                wanted.add(each)
    return wanted


def _normal_query(incoming: IncomingQuery, region: str) -> RouteQuery:
    return RouteQuery(
        tenant_id=incoming.tenant_id,
        session_id=incoming.session_id,
        calling_number=_normal_number(incoming.calling_number, region),
        access_number=_normal_number(incoming.access_number, region),
    )


def _normal_number(text: str, region: str) -> str:
    try:
        return normalize_number(text, region)
    except ValueError:
        return UNREADABLE
