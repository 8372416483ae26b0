"""Access numbers in pools, and what is wanted of one."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum


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
class PoolForecast:
    """How many access numbers a pool has and needs.

    `busiest_number`, in normal form, is the one because of which pairs need the most; empty where there are none.
    """

    access_numbers: int
    needed: int
    busiest_number: str
    peak_live_bindings: int
