"""What the two tenants of the isolation test have, as simply as it can be said, and what is done to them."""

from collections.abc import Collection
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hypothesis import strategies as st

from common.errors import AlreadyExistsError, AxbridgeError, FailedPreconditionError
from routing_service.domain.binding import EVERY_CALLER, Binding, BindingTerms, HuntStrategy
from routing_service.domain.decision import Candidates, RouteContext, RouteDecision, RouteQuery
from routing_service.domain.journal import ChangeType
from routing_service.domain.number_list import NumberListAction, NumberListEntry, NumberListTerms, NumberPatternType
from routing_service.domain.number_pool import NumberUse
from routing_service.resolver import resolve
from tests.unit.routing_service.builders import OTHER_TENANT, TENANT, X2, A, B, C, D, X, ax, axb, axe, axg, axyb

# How something fails, and the bindings in the way: the error names one of them.
Failure = tuple[type[AxbridgeError], Collection[str]]

TENANTS, PLACES, PEOPLE = (TENANT, OTHER_TENANT), (X, X2), (A, B, C, D)
tenants, places, people = (st.sampled_from(each) for each in (TENANTS, PLACES, PEOPLE))
two_people = st.permutations(PEOPLE).map(lambda order: (order[0], order[1]))
all_terms = st.one_of(
    st.builds(lambda pair, x: axb(pair[0], pair[1], x), two_people, places),
    st.builds(lambda pair, x: axyb(pair[0], pair[1], x), two_people, places),
    st.builds(ax, people, places),
    st.builds(lambda owner, x: axe(owner, "8001", x, callback_to_last_caller=True), people, places),
    st.builds(
        lambda order, x, strategy: axg(order[:3], x, hunt_strategy=strategy),
        st.permutations(PEOPLE),
        places,
        st.sampled_from([HuntStrategy.SEQUENTIAL, HuntStrategy.ROUND_ROBIN]),
    ),
)
list_terms = st.builds(
    NumberListTerms,
    st.sampled_from(["", *PLACES]),
    st.sampled_from(NumberListAction),
    st.just(NumberPatternType.EXACT),
    people,
)
# Ids of anything: one's own, another's, one that is gone or never was.
which = st.integers(0, 20)
# For allocations: no access number yet.
wanted_terms = st.one_of(
    st.builds(lambda pair: axb(pair[0], pair[1], ""), two_people), st.builds(lambda owner: ax(owner, ""), people)
)
request_names = st.sampled_from(["r1", "r2"])


@dataclass
class Model:
    """What one tenant has. What was done to it is known also when it was deleted and made again."""

    bindings: dict[str, Binding] = field(default_factory=dict)
    entries: dict[str, NumberListEntry] = field(default_factory=dict)
    pool: set[str] = field(default_factory=set)
    # By name: what was asked for, and what came of it.
    requests: dict[str, tuple[BindingTerms, Binding]] = field(default_factory=dict)
    changes: list[tuple[ChangeType, str]] = field(default_factory=list)
    # Actions and the ids of what they were done to.
    audit: list[tuple[str, str]] = field(default_factory=list)
    # By access number, all there were.
    uses: list[tuple[str, NumberUse]] = field(default_factory=list)
    fallback: str = ""

    def begin_again(self) -> None:
        """As a tenant that was deleted and made again."""
        self.fallback = ""
        for each in (self.bindings, self.entries, self.pool, self.requests):
            each.clear()

    def store(self, binding: Binding, action: str) -> None:
        """A binding that was made."""
        self.bindings[binding.binding_id] = binding
        self.begin_use(binding)
        self.changes.append((ChangeType.CREATED, binding.binding_id))
        self.audit.append((action, binding.binding_id))

    def begin_use(self, binding: Binding) -> None:
        numbers = tuple(each for each in (binding.terms.a_number, binding.terms.b_number) if each)
        use = NumberUse(binding.binding_id, numbers, binding.updated_at, None)
        self.uses.append((binding.terms.access_number, use))

    def end_use(self, binding_id: str, at: datetime) -> None:
        self.uses = [
            (x, replace(use, ended_at=at) if use.binding_id == binding_id and use.ended_at is None else use)
            for x, use in self.uses
        ]

    def holders(self, terms: BindingTerms, but: str = "") -> Collection[str]:
        """The bindings that stand in the way of these terms: A and B can have one each."""
        return {
            binding_id
            for binding_id, each in self.bindings.items()
            if binding_id != but
            and each.terms.access_number == terms.access_number
            and set(each.terms.claims()) & set(terms.claims())
        }

    def is_bound_at(self, x: str) -> bool:
        return any(each.terms.access_number == x for each in self.bindings.values())

    def is_at(self, x: str) -> bool:
        return x in self.pool or self.is_bound_at(x)

    def free_for(self, terms: BindingTerms, now: datetime, cool_down: timedelta) -> Collection[str]:
        """The access numbers that may be picked for these terms."""
        numbers = {terms.a_number, terms.b_number}

        def is_free(x: str) -> bool:
            there = [
                set(use.numbers)
                for used, use in self.uses
                if used == x and (use.ended_at is None or use.ended_at > now - cool_down)
            ]
            if not terms.b_number:
                return not there
            return not any(len(each) < 2 or numbers & each for each in there)

        return {x for x in self.pool if is_free(x)}

    def candidates(self, x: str, caller: str) -> Candidates:
        there = [each for each in self.bindings.values() if each.terms.access_number == x]
        mine = tuple(each for each in there if {caller, EVERY_CALLER} & set(each.terms.claims()))
        entries = tuple(each for each in self.entries.values() if each.terms.access_number in ("", x))
        return Candidates(self.is_at(x), mine, list_entries=entries)

    def decision(self, x: str, caller: str, now: datetime, but: str = "") -> RouteDecision | None:
        """What a call comes to; without the binding `but`. None where that depends on earlier calls."""
        candidates = self.candidates(x, caller)
        kept = tuple(each for each in candidates.bindings if each.binding_id != but)
        if any(each.terms.callback_to_last_caller and each.terms.a_number == caller for each in kept):
            return None
        is_known = x in self.pool or any(
            each.terms.access_number == x for each in self.bindings.values() if each.binding_id != but
        )
        left = replace(candidates, bindings=kept, access_number_known=is_known)
        return resolve(RouteQuery("", "s1", caller, x), left, now, context=RouteContext(self.fallback))

    def snapshot(self) -> "Model":
        return deepcopy(self)


def failure_of(terms: BindingTerms, own: Model, other: Model, but: str = "") -> Failure | None:
    """How storing these terms fails, if it does."""
    if other.is_at(terms.access_number):
        return FailedPreconditionError, ()
    holders = own.holders(terms, but)
    return (AlreadyExistsError, holders) if holders else None
