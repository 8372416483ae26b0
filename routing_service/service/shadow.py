"""What a change of bindings would change: queries of the past, decided with it and without it."""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from common.clock import Clock
from common.errors import AlreadyExistsError, InvalidArgumentError
from common.numbers import normalize_number
from routing_service.answer import RouteAnswer, answer_of
from routing_service.binding_rules import checked_terms
from routing_service.domain.binding import EVERY_CALLER, Binding, BindingTerms
from routing_service.domain.decision import UNREADABLE, Candidates, RouteContext, RouteKey, RouteQuery
from routing_service.domain.tenant import Tenant
from routing_service.not_found import no_such_binding, no_such_tenant
from routing_service.pool_ports import NumberPoolStore
from routing_service.ports import BindingFilter, BindingStore, CandidateSource, TenantStore
from routing_service.resolver import resolve
from routing_service.tenant_rules import check_tenant_id

MAX_PROPOSED = 10_000
MAX_QUERIES_AT_ONCE = 1000
_KEYS_AT_ONCE = 250


@dataclass(frozen=True, slots=True)
class ProposedBinding:
    """A binding that would be created, or, with a `binding_id`, take the place of that one."""

    binding_id: str
    terms: BindingTerms


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change of a tenant's bindings that is not made yet."""

    tenant_id: str
    bindings: Sequence[ProposedBinding]
    deleted_binding_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class ShadowQuery:
    """A query of the past, as it was asked at `at`."""

    session_id: str
    calling_number: str
    access_number: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ShadowDifference:
    """A query whose answer would be another one; `place` is its place among those that were asked with it."""

    place: int
    present: RouteAnswer
    proposed: RouteAnswer


@dataclass(frozen=True, slots=True)
class _Overlay:
    """A checked proposal, beside what is stored."""

    tenant: Tenant
    by_access_number: dict[str, list[Binding]]
    gone: frozenset[str]
    # Access numbers that the tenant would no longer have.
    unknown: frozenset[str]

    def over(self, key: RouteKey, present: Candidates) -> Candidates:
        """The candidates with the proposal applied."""
        kept = tuple(each for each in present.bindings if each.binding_id not in self.gone)
        proposed = self.by_access_number.get(key.access_number, ())
        claimed = {EVERY_CALLER} if key.calling_number == UNREADABLE else {EVERY_CALLER, key.calling_number}
        added = tuple(each for each in proposed if claimed.intersection(each.terms.claims()))
        known = bool(proposed) or (present.access_number_known and key.access_number not in self.unknown)
        return replace(present, access_number_known=known, bindings=kept + added)


class ShadowService:
    """Replays queries against the bindings as they are now, and with a proposal applied. Nothing is changed.

    Validity and weekly hours count at the time of each query. What is remembered of earlier calls (whose turn it is in
    a group, who called last) is left out on both sides.
    """

    def __init__(
        self,
        source: CandidateSource,
        bindings: BindingStore,
        tenants: TenantStore,
        pools: NumberPoolStore,
        clock: Clock,
    ) -> None:
        self._source = source
        self._bindings = bindings
        self._tenants = tenants
        self._pools = pools
        self._clock = clock

    async def replay(
        self, proposal: Proposal, queries: AsyncIterator[Sequence[ShadowQuery]]
    ) -> AsyncIterator[Sequence[ShadowDifference]]:
        """The differences, for each lot of queries.

        Raises InvalidArgumentError and NotFoundError for a proposal that could not be made, AlreadyExistsError for one
        with a binding that another one is in the way of, and UnavailableError.
        """
        overlay = await self._overlay(proposal)
        async for some in queries:
            if len(some) > MAX_QUERIES_AT_ONCE:
                raise InvalidArgumentError("queries", f"at most {MAX_QUERIES_AT_ONCE} in one message")
            yield await self._differences(overlay, some)

    async def _differences(self, overlay: _Overlay, asked: Sequence[ShadowQuery]) -> Sequence[ShadowDifference]:
        tenant = overlay.tenant
        queries = [_normal_query(each, tenant) for each in asked]
        keys = sorted({each.key for each in queries if each.access_number != UNREADABLE}, key=_order)
        known: dict[RouteKey, Candidates] = {}
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            for key, found in (await self._source.candidates(keys[start : start + _KEYS_AT_ONCE])).items():
                if not isinstance(found, Candidates):
                    raise found
                known[key] = found
        differences = []
        for place, (query, moment) in enumerate(zip(queries, (each.at for each in asked), strict=True)):
            if query.access_number == UNREADABLE:
                continue
            present = self._answer(query, known[query.key], moment, tenant)
            proposed = self._answer(query, overlay.over(query.key, known[query.key]), moment, tenant)
            if _essence(present) != _essence(proposed):
                differences.append(ShadowDifference(place, present, proposed))
        return differences

    def _answer(self, query: RouteQuery, candidates: Candidates, at: datetime, tenant: Tenant) -> RouteAnswer:
        context = RouteContext(fallback_number=tenant.settings.fallback_number)
        decision = resolve(query, candidates, at, context=context)
        return answer_of(decision, query, tenant, candidates.source)

    async def _overlay(self, proposal: Proposal) -> _Overlay:
        check_tenant_id(proposal.tenant_id, "proposal.tenant_id")
        if len(proposal.bindings) + len(proposal.deleted_binding_ids) > MAX_PROPOSED:
            raise InvalidArgumentError("proposal.bindings", f"at most {MAX_PROPOSED} bindings in a proposal")
        tenant = await self._tenants.get(proposal.tenant_id)
        if tenant is None:
            raise no_such_tenant(proposal.tenant_id)
        now = self._clock.now()
        replaced = [await self._present(tenant, each.binding_id) for each in proposal.bindings if each.binding_id]
        deleted = [await self._present(tenant, each) for each in proposal.deleted_binding_ids]
        by_id = {each.binding_id: each for each in [*replaced, *deleted]}
        if len(by_id) < len(replaced) + len(deleted):
            raise InvalidArgumentError("proposal.deleted_binding_ids", "each binding can be named once")
        proposed: defaultdict[str, list[Binding]] = defaultdict(list)
        for place, each in enumerate(proposal.bindings):
            before = by_id.get(each.binding_id)
            terms = _checked(each.terms, tenant, None if before is None else before.terms, place)
            revision, created_at = (1, now) if before is None else (before.revision + 1, before.created_at)
            binding_id = each.binding_id or f"proposed-{place}"
            proposed[terms.access_number].append(
                Binding(binding_id, tenant.tenant_id, terms, revision, created_at, now)
            )
        await self._check_conflicts(proposed, frozenset(by_id), now)
        unknown = await self._no_longer_known(tenant, by_id, now)
        return _Overlay(tenant, dict(proposed), frozenset(by_id), unknown)

    async def _present(self, tenant: Tenant, binding_id: str) -> Binding:
        binding = await self._bindings.get(tenant.tenant_id, binding_id) if binding_id.isalnum() else None
        if binding is None:
            raise no_such_binding(binding_id)
        return binding

    async def _check_conflicts(self, proposed: dict[str, list[Binding]], gone: frozenset[str], now: datetime) -> None:
        claimed: dict[RouteKey, Binding] = {}
        for binding in (each for on_number in proposed.values() for each in on_number):
            if binding.terms.has_expired(now):
                continue
            for number in binding.terms.claims():
                key = RouteKey(binding.tenant_id, binding.terms.access_number, number)
                if key in claimed:
                    raise _in_the_way(binding, claimed[key])
                claimed[key] = binding
        keys = sorted(claimed, key=_order)
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            for key, found in (await self._source.candidates(keys[start : start + _KEYS_AT_ONCE])).items():
                if not isinstance(found, Candidates):
                    raise found
                for each in found.bindings:
                    is_in_force = each.binding_id not in gone and not each.terms.has_expired(now)
                    if is_in_force and key.calling_number in each.terms.claims():
                        raise _in_the_way(claimed[key], each)

    async def _no_longer_known(self, tenant: Tenant, gone: dict[str, Binding], now: datetime) -> frozenset[str]:
        """Access numbers that would no longer be the tenant's: no binding of it would be left there, and they are in
        none of its pools."""
        unknown = set()
        for number in sorted({each.terms.access_number for each in gone.values()}):
            going = sum(each.terms.access_number == number for each in gone.values())
            which = BindingFilter(tenant.tenant_id, number, now=now)
            if len(await self._bindings.list_page(which, None, going + 1)) <= going:
                unknown.add(number)
        return frozenset(unknown.difference(await self._pools.pooled(tenant.tenant_id, unknown) if unknown else ()))


def _checked(terms: BindingTerms, tenant: Tenant, current: BindingTerms | None, place: int) -> BindingTerms:
    try:
        return checked_terms(terms, tenant, current)
    except InvalidArgumentError as error:
        field = error.field.replace("binding", f"proposal.bindings[{place}]", 1)
        raise InvalidArgumentError(field, error.message.removeprefix(f"{error.field}: ")) from error


def _in_the_way(binding: Binding, other: Binding) -> AlreadyExistsError:
    return AlreadyExistsError(
        f"binding {other.binding_id} is in the way of {binding.binding_id}: both are about the same caller of access "
        f"number {binding.terms.access_number}",
        reason="BINDING_IN_THE_WAY",
        metadata={"binding_id": other.binding_id},
    )


def _normal_query(query: ShadowQuery, tenant: Tenant) -> RouteQuery:
    return RouteQuery(
        tenant.tenant_id,
        query.session_id,
        _normal_number(query.calling_number, tenant),
        _normal_number(query.access_number, tenant),
    )


def _normal_number(text: str, tenant: Tenant) -> str:
    try:
        return normalize_number(text, tenant.settings.default_region)
    except ValueError:
        return UNREADABLE


def _order(key: RouteKey) -> tuple[str, str]:
    return (key.access_number, key.calling_number)


def _essence(answer: RouteAnswer) -> object:
    """What of an answer the platform is told."""
    return (answer.result, answer.members, answer.attributes)
