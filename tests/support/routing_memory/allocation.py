"""Which access number of a pool is free for whom."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from routing_service.domain.binding import PAIR_KINDS, Binding
from routing_service.domain.number_pool import (
    UNUSED,
    AccessNumber,
    AllocationWish,
    Parties,
    PastUse,
    PooledNumber,
    PreviousNumberPolicy,
    Uses,
    shortage_of,
    uses_among,
)
from routing_service.refusals import pool_exhausted
from tests.support.routing_memory.tables import Tables


@dataclass(frozen=True, slots=True)
class _Version:
    """A version of a binding that is there, or ended after the time from which on access numbers rest."""

    binding: Binding
    is_past: bool

    @property
    def access_number(self) -> str:
        return self.binding.terms.access_number

    @property
    def is_pair(self) -> bool:
        return self.binding.terms.kind in PAIR_KINDS

    @property
    def sides(self) -> frozenset[str]:
        return frozenset({self.binding.terms.a_number, self.binding.terms.b_number})


def picked_number(tables: Tables, tenant_id: str, wish: AllocationWish, parties: Parties, now: datetime) -> str:
    """The first access number that is free for the parties. Raises ResourceExhaustedError."""
    pool = [
        tables.pool[each].number
        for each in sorted(tables.pool)
        if (tables.pool[each].number.tenant_id, tables.pool[each].number.pool) == (tenant_id, wish.pool)
    ]
    capable = [each for each in pool if set(wish.capabilities) <= set(each.capabilities)]
    versions = [*_versions(tables, tenant_id, now - wish.cool_down)]
    uses = _uses_of(versions, parties, now)
    # For a pair: where somebody has, or had, the number to itself. For others: where anybody is, or was.
    kept = {each.access_number for each in versions if not (parties.pair and each.is_pair)}
    rested_since = now - max(wish.cool_down, wish.others_cool_down)
    unrested = {each.number for each in pool if tables.pool[each.number].others_released_at > rested_since}
    not_free = uses.live | uses.resting | parties.named | kept | unrested
    previous = _previous_number(tables, tenant_id, wish, parties)
    if wish.previous_number_policy is PreviousNumberPolicy.STICKY and any(
        each.number == previous
        and _is_in(each, wish.cities())
        and each.number not in not_free - (uses.own - kept - unrested)
        for each in capable
    ):
        assert previous is not None
        return previous
    if wish.previous_number_policy is PreviousNumberPolicy.AVOID and previous is not None:
        not_free = not_free | {previous}
    for city in wish.cities():
        for each in capable:
            if _is_in(each, [city]) and each.number not in not_free:
                return each.number
    numbers = [
        PooledNumber(each.number, _is_in(each, wish.cities()), each in capable, each.number not in unrested)
        for each in pool
    ]
    raise pool_exhausted(shortage_of(numbers, uses))


def _versions(tables: Tables, tenant_id: str, since: datetime) -> Iterable[_Version]:
    """What may keep an access number from being picked: what ended, or expired, after `since`."""
    found = [_Version(each, False) for each in tables.bindings_of(tenant_id)]
    found += [_Version(each.value, True) for each in tables.past_bindings_of(tenant_id) if each.ended_at > since]
    return (each for each in found if not each.binding.terms.has_expired(since))


def _uses_of(versions: Iterable[_Version], parties: Parties, now: datetime) -> Uses:
    if not parties.pair:
        return UNUSED
    pair = frozenset(parties.pair)
    return uses_among(
        PastUse(
            each.access_number,
            own=each.is_pair and each.sides == pair,
            live=not each.is_past and not each.binding.terms.has_expired(now),
        )
        for each in versions
        if each.sides & pair
    )


def _previous_number(tables: Tables, tenant_id: str, wish: AllocationWish, parties: Parties) -> str | None:
    """The access number that a pair had last, where that matters and there is one."""
    if wish.previous_number_policy is PreviousNumberPolicy.NO_MATTER or not parties.pair:
        return None
    found = [_Version(each, False) for each in tables.bindings_of(tenant_id)]
    found += [_Version(each.value, True) for each in tables.past_bindings_of(tenant_id)]
    had = [each for each in found if each.is_pair and each.sides == frozenset(parties.pair)]
    last = max(had, key=lambda each: each.binding.updated_at, default=None)
    return None if last is None else last.access_number


def _is_in(number: AccessNumber, cities: Iterable[str | None]) -> bool:
    return any(city in (None, number.city_code) for city in cities)
