"""What a change of bindings would change: queries of the past, decided with it and without it."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from common.clock import Clock
from common.errors import AlreadyExistsError, InvalidArgumentError
from common.numbers import normalize_number
from routing_service.answer import RouteAnswer, answer_of
from routing_service.binding_rules import checked_terms, display_numbers
from routing_service.domain.binding import EVERY_CALLER, Binding, BindingTerms
from routing_service.domain.decision import UNREADABLE, Candidates, RouteContext, RouteKey, RouteQuery
from routing_service.domain.tenant import Tenant
from routing_service.not_found import no_such_binding, no_such_tenant
from routing_service.pool_ports import NumberPoolStore
from routing_service.ports import BindingFilter, BindingHistory, BindingStore, CandidateSource, TenantStore
from routing_service.refusals import foreign_display_number
from routing_service.resolver import resolve
from routing_service.tenant_rules import check_tenant_id

MAX_PROPOSED = 10_000
MAX_QUERIES_AT_ONCE = 1000
# Of either some milliseconds' work.
_KEYS_AT_ONCE = 50
_ITEMS_AT_ONCE = 20

_Item = TypeVar("_Item")


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
    # By the claims of each.
    proposed: Mapping[RouteKey, Sequence[Binding]]
    access_numbers: frozenset[str]
    gone: frozenset[str]
    # The claims of those that have not expired: what has expired gives way there, as when they are created.
    taken: frozenset[RouteKey]
    # Access numbers that the tenant would no longer have.
    unknown: frozenset[str]

    def makes_known(self, key: RouteKey, present: Candidates) -> bool:
        """Whether only the proposal makes the access number the tenant's."""
        return not present.access_number_known and key.access_number in self.access_numbers

    def over(self, key: RouteKey, present: Candidates) -> Candidates:
        """The candidates with the proposal applied."""
        claims = {RouteKey(key.tenant_id, key.access_number, each) for each in (EVERY_CALLER, key.calling_number)}
        lost = {claim.calling_number for claim in claims & self.taken}
        kept = tuple(
            each
            for each in present.bindings
            if each.binding_id not in self.gone and lost.isdisjoint(each.terms.claims())
        )
        added = tuple(each for claim in claims for each in self.proposed.get(claim, ()))
        known = key.access_number in self.access_numbers or (
            present.access_number_known and key.access_number not in self.unknown
        )
        return replace(present, access_number_known=known, bindings=kept + added)


@dataclass(frozen=True, slots=True)
class ShadowStores:
    """What a replay reads."""

    source: CandidateSource
    history: BindingHistory
    bindings: BindingStore
    tenants: TenantStore
    pools: NumberPoolStore


class ShadowService:
    """Replays queries against the bindings as they are now, and with a proposal applied. Nothing is changed.

    Validity and weekly hours count at the time of each query. What is remembered of earlier calls (whose turn it is in
    a group, who called last) is left out on both sides.

    Calls are answered meanwhile: what is to be done with many is done with some at a time.
    """

    def __init__(self, stores: ShadowStores, clock: Clock) -> None:
        self._stores = stores
        self._clock = clock

    async def replay(
        self, proposal: Proposal, queries: AsyncIterator[Sequence[ShadowQuery]]
    ) -> AsyncIterator[Sequence[ShadowDifference]]:
        """The differences, for each lot of queries.

        Raises InvalidArgumentError and NotFoundError for a proposal that could not be made, AlreadyExistsError for one
        with a binding that another one is in the way of, and UnavailableError. Whether another enterprise has an access
        number in use is not looked at.
        """
        overlay = await self._overlay(proposal)
        async for some in queries:
            if len(some) > MAX_QUERIES_AT_ONCE:
                raise InvalidArgumentError("queries", f"at most {MAX_QUERIES_AT_ONCE} in one message")
            yield await self._differences(overlay, some)

    async def _differences(self, overlay: _Overlay, asked: Sequence[ShadowQuery]) -> Sequence[ShadowDifference]:
        tenant = overlay.tenant
        queries = [_normal_query(each, tenant) async for each in _in_turns(asked)]
        keys = {each.key for each in queries if each.access_number != UNREADABLE}
        present = {key: found async for key, found in self._candidates(keys)}
        proposed = {key: overlay.over(key, found) async for key, found in _in_turns(present.items())}
        for key in keys:
            if overlay.makes_known(key, present[key]):
                # Of an unknown access number nobody has read the lists yet.
                now = await self._stores.history.candidates_at(key, self._clock.now())
                proposed[key] = replace(proposed[key], list_entries=now.list_entries)
        differences = []
        async for place, query in _in_turns(enumerate(queries)):
            if query.access_number == UNREADABLE:
                continue
            at = asked[place].at
            answers = [_answer(query, each[query.key], at, tenant) for each in (present, proposed)]
            if _essence(answers[0]) != _essence(answers[1]):
                differences.append(ShadowDifference(place, *answers))
        return differences

    async def _candidates(self, keys: Collection[RouteKey]) -> AsyncIterator[tuple[RouteKey, Candidates]]:
        ordered = sorted(keys, key=_order)
        for start in range(0, len(ordered), _KEYS_AT_ONCE):
            for key, found in (await self._stores.source.candidates(ordered[start : start + _KEYS_AT_ONCE])).items():
                if not isinstance(found, Candidates):
                    raise found
                yield key, found

    async def _overlay(self, proposal: Proposal) -> _Overlay:
        check_tenant_id(proposal.tenant_id, "proposal.tenant_id")
        if len(proposal.bindings) + len(proposal.deleted_binding_ids) > MAX_PROPOSED:
            raise InvalidArgumentError("proposal.bindings", f"at most {MAX_PROPOSED} bindings in a proposal")
        tenant = await self._stores.tenants.get(proposal.tenant_id)
        if tenant is None:
            raise no_such_tenant(proposal.tenant_id)
        now = self._clock.now()
        replaced = [await self._present(tenant, each.binding_id) for each in proposal.bindings if each.binding_id]
        deleted = [await self._present(tenant, each) for each in proposal.deleted_binding_ids]
        by_id = {each.binding_id: each for each in [*replaced, *deleted]}
        if len(by_id) < len(replaced) + len(deleted):
            raise InvalidArgumentError("proposal.deleted_binding_ids", "each binding can be named once")
        bindings: list[Binding] = []
        async for place, each in _in_turns(enumerate(proposal.bindings)):
            before = by_id.get(each.binding_id)
            terms = _checked(each.terms, tenant, None if before is None else before.terms, place)
            revision, created_at = (1, now) if before is None else (before.revision + 1, before.created_at)
            binding_id = each.binding_id or f"proposed-{place}"
            bindings.append(Binding(binding_id, tenant.tenant_id, terms, revision, created_at, now))
        taken = await self._taken(bindings, by_id, now)
        access_numbers = frozenset(each.terms.access_number for each in bindings)
        if not tenant.settings.foreign_display_numbers_allowed:
            await self._check_display_numbers(bindings, by_id, access_numbers, now)
        proposed: defaultdict[RouteKey, list[Binding]] = defaultdict(list)
        async for binding in _in_turns(bindings):
            for claim in _claims(binding):
                proposed[claim].append(binding)
        unknown = await self._no_longer_known(tenant, by_id, now)
        return _Overlay(tenant, proposed, access_numbers, frozenset(by_id), taken, unknown)

    async def _present(self, tenant: Tenant, binding_id: str) -> Binding:
        binding = await self._stores.bindings.get(tenant.tenant_id, binding_id) if binding_id.isalnum() else None
        if binding is None:
            raise no_such_binding(binding_id)
        return binding

    async def _taken(
        self, bindings: Sequence[Binding], gone: Mapping[str, Binding], now: datetime
    ) -> frozenset[RouteKey]:
        """The claims of the bindings that have not expired. Raises AlreadyExistsError where something is in the way."""
        claimed: dict[RouteKey, Binding] = {}
        async for binding in _in_turns(bindings):
            if binding.terms.has_expired(now):
                continue
            for claim in _claims(binding):
                if claim in claimed:
                    raise _in_the_way(binding, claimed[claim])
                claimed[claim] = binding
        async for key, found in self._candidates(claimed):
            for each in found.bindings:
                is_in_force = each.binding_id not in gone and not each.terms.has_expired(now)
                if is_in_force and key.calling_number in each.terms.claims():
                    raise _in_the_way(claimed[key], each)
        return frozenset(claimed)

    async def _check_display_numbers(
        self,
        bindings: Sequence[Binding],
        before: Mapping[str, Binding],
        access_numbers: Collection[str],
        now: datetime,
    ) -> None:
        """Raises InvalidArgumentError for a binding that shows a number which is none of its tenant's."""
        shown: dict[str, str] = {}
        async for place, binding in _in_turns(enumerate(bindings)):
            current = before.get(binding.binding_id)
            kept = {} if current is None else display_numbers(current.terms)
            for number, field in display_numbers(binding.terms).items():
                if number not in kept and number not in access_numbers:
                    shown.setdefault(number, _of_proposal(field, place))
        if not shown:
            return
        tenant_id = bindings[0].tenant_id
        pooled = await self._stores.pools.pooled(tenant_id, shown)
        for number, field in shown.items():
            bound = BindingFilter(tenant_id, number, now=now)
            if number not in pooled and not await self._stores.bindings.list_page(bound, None, 1):
                raise foreign_display_number(field)

    async def _no_longer_known(self, tenant: Tenant, gone: Mapping[str, Binding], now: datetime) -> frozenset[str]:
        """Access numbers that would no longer be the tenant's: no binding of it would be left there, and they are in
        none of its pools."""
        unknown = set()
        for number, going in sorted(Counter(each.terms.access_number for each in gone.values()).items()):
            which = BindingFilter(tenant.tenant_id, number, now=now)
            if len(await self._stores.bindings.list_page(which, None, going + 1)) <= going:
                unknown.add(number)
        if not unknown:
            return frozenset()
        return frozenset(unknown.difference(await self._stores.pools.pooled(tenant.tenant_id, unknown)))


async def _in_turns(items: Iterable[_Item]) -> AsyncIterator[_Item]:
    """The items, and now and then a turn for the calls that wait to be answered."""
    for number, item in enumerate(items, 1):
        yield item
        if number % _ITEMS_AT_ONCE == 0:
            await asyncio.sleep(0)


def _claims(binding: Binding) -> list[RouteKey]:
    return [RouteKey(binding.tenant_id, binding.terms.access_number, each) for each in binding.terms.claims()]


def _answer(query: RouteQuery, candidates: Candidates, at: datetime, tenant: Tenant) -> RouteAnswer:
    context = RouteContext(fallback_number=tenant.settings.fallback_number)
    return answer_of(resolve(query, candidates, at, context=context), query, tenant, candidates.source)


def _of_proposal(field: str, place: int) -> str:
    return field.replace("binding", f"proposal.bindings[{place}]", 1)


def _checked(terms: BindingTerms, tenant: Tenant, current: BindingTerms | None, place: int) -> BindingTerms:
    try:
        return checked_terms(terms, tenant, current)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(
            _of_proposal(error.field, place), error.message.removeprefix(f"{error.field}: ")
        ) from error


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
