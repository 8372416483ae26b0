"""A query, what is known about it, and what is decided."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from common.protocol_codes import ResultCode
from routing_service.domain.binding import Binding
from routing_service.domain.number_list import NumberListEntry
from routing_service.domain.profile import MemberPrompts

# Stands for a number that can't be read: withheld, `anonymous`, not a number.
UNREADABLE = ""


class DecisionSource(Enum):
    """Where a decision's binding was read."""

    STORE = "store"
    CACHE = "cache"

    # There is one object per member. Enum's own hash is a Python function.
    __hash__ = object.__hash__


class CallDirection(Enum):
    """Which way through its binding a call goes."""

    A_TO_B = "a_to_b"
    B_TO_A = "b_to_a"
    TO_OWNER = "to_owner"
    FROM_OWNER = "from_owner"

    __hash__ = object.__hash__


class RuleOutcome(Enum):
    """What came of a considered rule."""

    PASSED = "passed"
    DECIDED = "decided"
    REJECTED = "rejected"


# A tuple, since it is hashed many times for each query.
class RouteKey(NamedTuple):
    """What a relationship is looked up by: numbers in normal form; UNREADABLE for a caller that can't be read."""

    tenant_id: str
    access_number: str
    calling_number: str


@dataclass(frozen=True, slots=True)
class RouteQuery:
    """A query to decide. The numbers are in normal form or UNREADABLE; `session_id` is the call's `sid`."""

    tenant_id: str
    session_id: str
    calling_number: str
    access_number: str

    @property
    def key(self) -> RouteKey:
        return RouteKey(self.tenant_id, self.access_number, self.calling_number)


@dataclass(frozen=True, slots=True)
class Candidates:
    """What the store or the cache knows about a key: every binding that could decide it, in any order.

    `bindings` holds those that claim the caller or everyone on this access number, in force or not.
    `access_number_known` says whether the tenant has any binding there at all. `list_entries` are the entries of the
    access number's list and the tenant's that match the caller, and of each list one ALLOW entry, of those that last
    longest, where there are any; expired ones may be among them. Of an unknown access number there need be none.
    """

    access_number_known: bool
    bindings: tuple[Binding, ...] = ()
    source: DecisionSource = DecisionSource.STORE
    list_entries: tuple[NumberListEntry, ...] = ()


NOTHING_KNOWN = Candidates(access_number_known=False)


@dataclass(frozen=True, slots=True)
class Recollection:
    """What is remembered of earlier calls: for the order of a group's members and for calls back.

    `order` are the members as this very session got them before, empty where it did not. `last_routed_at_us` says when
    members were last put first in an answer, for those of whom that is known. `last_caller` is who called the owner
    last, and `last_called_at_us` when; empty where that is not known.
    """

    order: tuple[str, ...] = ()
    last_routed_at_us: Mapping[str, int] = field(default_factory=dict)
    last_caller: str = ""
    last_called_at_us: int = 0


NOTHING_RECALLED = Recollection()


@dataclass(frozen=True, slots=True)
class RouteContext:
    """What a decision depends on besides its candidates.

    `fallback_number` is the tenant's; `recollection` is None where the memory can't be asked.
    """

    fallback_number: str = ""
    recollection: Recollection | None = NOTHING_RECALLED


NO_CONTEXT = RouteContext()


@dataclass(frozen=True, slots=True)
class RouteTarget:
    """One number to call, in normal form. `display_number` is what it sees; empty: the access number."""

    number: str
    display_number: str
    prompts: MemberPrompts


@dataclass(frozen=True, slots=True)
class RouteDecision:
    """The outcome of a query.

    `targets` are to be called in this order; there are some exactly when the result is SUCCESS. `binding` is the one
    that decided, also when it decided that nobody is called; None is a call to the tenant's fallback.
    """

    result: ResultCode
    reason: str
    binding: Binding | None = None
    direction: CallDirection | None = None
    targets: tuple[RouteTarget, ...] = ()


@dataclass(frozen=True, slots=True)
class ConsideredRule:
    """One rule that the resolver looked at, and why it passed, decided or lost."""

    rule: str
    binding_id: str
    outcome: RuleOutcome
    detail: str
