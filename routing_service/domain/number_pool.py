"""Access numbers in pools, and what is wanted of one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

NATIONWIDE = ""


@dataclass(frozen=True, slots=True)
class AccessNumber:
    """An access number of a tenant, in normal form.

    An empty `pool` is the tenant's default pool, an empty `city_code` (area code without the leading 0) nationwide.
    `live_bindings` have not expired; `last_released_at` is when one last ended.
    """

    number: str
    tenant_id: str
    pool: str = ""
    city_code: str = ""
    capabilities: tuple[str, ...] = ()
    live_bindings: int = 0
    last_released_at: datetime | None = None


class PreviousNumberPolicy(Enum):
    """What to do about the access number that a pair had last."""

    NO_MATTER = "no_matter"
    STICKY = "sticky"
    AVOID = "avoid"


@dataclass(frozen=True, slots=True)
class AllocationWish:
    """Which access number is wanted.

    With a `city_code` only numbers of that city will do, or, with `nationwide_fallback`, also nationwide ones and then
    any. A number that used an access number finds it at rest for `cool_down` after its binding there ended: whoever
    still calls it must not reach a stranger. One that another tenant used rests for everybody, for `others_cool_down`
    where that is longer: what this tenant wishes is not about the others' callers.
    """

    pool: str
    city_code: str
    nationwide_fallback: bool
    capabilities: tuple[str, ...]
    previous_number_policy: PreviousNumberPolicy
    cool_down: timedelta
    others_cool_down: timedelta = timedelta()

    def cities(self) -> list[str | None]:
        """The cities to look in, one after the other; None: any."""
        if not self.city_code:
            return [None]
        return [self.city_code, *((NATIONWIDE, None) if self.nationwide_fallback else ())]


@dataclass(frozen=True, slots=True)
class Parties:
    """Whom an access number is wanted for, in normal form.

    `pair` are A and B, empty for a binding that wants an access number to itself; `named` is every number that the
    binding names and that its access number must differ from.
    """

    pair: tuple[str, ...]
    named: frozenset[str]


@dataclass(frozen=True, slots=True)
class NumberUse:
    """That some numbers used an access number through a binding; `ended_at` None: they still do.

    `numbers` are A and B of a pair; one or none for a binding that had the access number to itself.
    """

    binding_id: str
    numbers: tuple[str, ...]
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class PastUse:
    """One use of an access number by one or both of a pair's numbers.

    `own`: by this very pair. `live`: its binding is there and has not expired.
    """

    access_number: str
    own: bool
    live: bool


@dataclass(frozen=True, slots=True)
class Uses:
    """Access numbers that some numbers use (`live`), or used until lately (`resting`), and those of these that only
    this very pair used: `own` may be given to it again."""

    live: frozenset[str]
    resting: frozenset[str]
    own: frozenset[str]


UNUSED = Uses(frozenset(), frozenset(), frozenset())


def uses_among(past: Iterable[PastUse]) -> Uses:
    """How access numbers are used by a pair's numbers, of all uses that have not rested for long enough."""
    live, resting, others = set[str](), set[str](), set[str]()
    for use in past:
        (live if use.live else resting).add(use.access_number)
        if not use.own:
            others.add(use.access_number)
    return Uses(frozenset(live), frozenset(resting - live), frozenset(resting - live - others))


@dataclass(frozen=True, slots=True)
class PooledNumber:
    """A number of the pool that a wish is about, what of the wish it fits, and whether it has rested from others."""

    number: str
    in_city: bool
    capable: bool
    rested: bool


@dataclass(frozen=True, slots=True)
class PoolShortage:
    """Why none of a pool's numbers is free: each of them counted once."""

    total: int
    other_city: int
    not_capable: int
    in_use: int
    resting: int
    kept: int


def shortage_of(pool: Sequence[PooledNumber], uses: Uses) -> PoolShortage:
    """Why a pool has no free number for those whose `uses` these are."""
    suitable = {each.number for each in pool if each.in_city and each.capable}
    other_city = sum(not each.in_city for each in pool)
    not_capable = len(pool) - other_city - len(suitable)
    at_rest = uses.resting | {each.number for each in pool if not each.rested}
    in_use, resting = len(suitable & uses.live), len(suitable & at_rest - uses.live)
    kept = len(suitable) - in_use - resting
    return PoolShortage(len(pool), other_city, not_capable, in_use, resting, kept)


@dataclass(frozen=True, slots=True)
class PoolForecast:
    """How many access numbers a pool has and needs.

    `busiest_number`, in normal form, is the one because of which pairs need the most; empty where there are none.
    """

    access_numbers: int
    needed: int
    busiest_number: str
    peak_live_bindings: int
