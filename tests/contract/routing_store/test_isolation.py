"""Two tenants, every operation in any order, and a simple model beside it: nobody sees or changes another's rows."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from common.errors import AlreadyExistsError, AxbridgeError, FailedPreconditionError, NotFoundError
from routing_service.binding_ids import BindingIds
from routing_service.call_memory import CallMemory
from routing_service.domain.binding import EVERY_CALLER, Binding, BindingTerms, HuntStrategy
from routing_service.domain.decision import Candidates, RouteQuery
from routing_service.domain.number_list import NumberListAction, NumberListEntry, NumberListTerms, NumberPatternType
from routing_service.domain.tenant import TenantSettings
from routing_service.ports import BindingFilter
from routing_service.resolver import resolve
from routing_service.service.bindings import BindingService
from routing_service.service.number_lists import NumberListService
from routing_service.service.routing import IncomingQuery, RoutingService
from routing_service.service.tenants import TenantService
from routing_service.settings import RoutingServiceSettings
from routing_service.sql_schema import metadata
from routing_service.sql_store.call_memory import SqlCallMemoryStore
from routing_service.sql_store.number_list_store import SqlNumberListStore
from routing_service.wiring import Stores, opened_stores
from tests.support.postgres import PostgresServer
from tests.unit.routing_service.builders import (
    OTHER_TENANT,
    TENANT,
    X2,
    A,
    B,
    C,
    D,
    FakeClock,
    X,
    ax,
    axb,
    axe,
    axg,
    axyb,
)

Result = TypeVar("Result")
Failure = tuple[type[AxbridgeError], str]

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


@dataclass(frozen=True, slots=True)
class Services:
    """The use cases on one store, and the loop that they run in."""

    runner: asyncio.Runner
    stores: Stores
    clock: FakeClock
    bindings: BindingService
    lists: NumberListService
    tenants: TenantService
    routing: RoutingService
    memory: CallMemory

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        # No two things happen at the same time.
        self.clock.advance(timedelta(milliseconds=1))
        return self.runner.run(work)

    async def empty(self) -> None:
        async with self.stores.database.writers.begin() as connection:
            for table in reversed(metadata.sorted_tables):
                await connection.execute(sa.delete(table))


@dataclass
class Model:
    """What one tenant has."""

    bindings: dict[str, Binding] = field(default_factory=dict)
    entries: dict[str, NumberListEntry] = field(default_factory=dict)

    def holder(self, terms: BindingTerms, but: str = "") -> str | None:
        """The binding that stands in the way of these terms."""
        for binding_id, each in self.bindings.items():
            same_place = each.terms.access_number == terms.access_number
            if binding_id != but and same_place and set(each.terms.claims()) & set(terms.claims()):
                return binding_id
        return None

    def is_at(self, x: str) -> bool:
        return any(each.terms.access_number == x for each in self.bindings.values())

    def candidates(self, x: str, caller: str) -> Candidates:
        there = [each for each in self.bindings.values() if each.terms.access_number == x]
        mine = tuple(each for each in there if {caller, EVERY_CALLER} & set(each.terms.claims()))
        entries = tuple(each for each in self.entries.values() if each.terms.access_number in ("", x))
        return Candidates(bool(there), mine, list_entries=entries)


def machine(services: Services) -> type[RuleBasedStateMachine]:
    class Isolation(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            services.run(services.empty())
            self.models = {each: Model() for each in TENANTS}
            self.binding_ids: list[str] = []
            self.entry_ids: list[str] = []
            settings_ = TenantSettings(foreign_display_numbers_allowed=True)
            for each in TENANTS:
                services.run(services.tenants.create(each, settings_))

        def expected(self, tenant_id: str, terms: BindingTerms, but: str = "") -> Failure | None:
            """How storing these terms fails, if it does, and the binding in the way."""
            (other,) = (each for each in TENANTS if each != tenant_id)
            if self.models[other].is_at(terms.access_number):
                return FailedPreconditionError, ""
            holder = self.models[tenant_id].holder(terms, but)
            return None if holder is None else (AlreadyExistsError, holder)

        def outcome(self, work: Coroutine[Any, Any, Result], failure: Failure | None) -> Any:
            if failure is None:
                return services.run(work)
            with pytest.raises(failure[0]) as error:
                services.run(work)
            assert error.value.metadata.get("binding_id", "") == failure[1]
            return None

        @rule(tenant_id=tenants, terms=all_terms)
        def create(self, tenant_id: str, terms: BindingTerms) -> None:
            stored = self.outcome(services.bindings.create(tenant_id, terms), self.expected(tenant_id, terms))
            if stored is not None:
                assert (stored.tenant_id, stored.terms) == (tenant_id, terms)
                self.models[tenant_id].bindings[stored.binding_id] = stored
                self.binding_ids.append(stored.binding_id)

        @precondition(lambda self: self.binding_ids)
        @rule(tenant_id=tenants, number=which, terms=all_terms)
        def update(self, tenant_id: str, number: int, terms: BindingTerms) -> None:
            binding_id = self.binding_ids[number % len(self.binding_ids)]
            model = self.models[tenant_id]
            current = model.bindings.get(binding_id)
            work = services.bindings.update(tenant_id, binding_id, terms, ["access_number"], 0)
            if current is None:
                with pytest.raises(NotFoundError):
                    services.run(work)
                return
            moved = replace(current.terms, access_number=terms.access_number)
            changed = self.outcome(work, self.expected(tenant_id, moved, binding_id))
            if changed is not None:
                assert changed.terms == moved
                model.bindings[binding_id] = changed

        @precondition(lambda self: self.binding_ids)
        @rule(tenant_id=tenants, number=which)
        def delete(self, tenant_id: str, number: int) -> None:
            binding_id = self.binding_ids[number % len(self.binding_ids)]
            work = services.bindings.delete(tenant_id, binding_id, 0)
            if self.models[tenant_id].bindings.pop(binding_id, None) is not None:
                services.run(work)
                return
            with pytest.raises(NotFoundError):
                services.run(work)

        @rule(tenant_id=tenants, terms=list_terms)
        def add_to_list(self, tenant_id: str, terms: NumberListTerms) -> None:
            model = self.models[tenant_id]
            work = services.lists.create(tenant_id, terms)
            if any(
                (each.terms.access_number, each.terms.pattern) == (terms.access_number, terms.pattern)
                for each in model.entries.values()
            ):
                with pytest.raises(AlreadyExistsError) as error:
                    services.run(work)
                assert error.value.metadata["entry_id"] in model.entries
                return
            entry = services.run(work)
            model.entries[entry.entry_id] = entry
            self.entry_ids.append(entry.entry_id)

        @precondition(lambda self: self.entry_ids)
        @rule(tenant_id=tenants, number=which)
        def take_from_list(self, tenant_id: str, number: int) -> None:
            entry_id = self.entry_ids[number % len(self.entry_ids)]
            work = services.lists.delete(tenant_id, entry_id)
            if self.models[tenant_id].entries.pop(entry_id, None) is not None:
                services.run(work)
                return
            with pytest.raises(NotFoundError):
                services.run(work)

        @rule(tenant_id=tenants)
        def delete_tenant(self, tenant_id: str) -> None:
            work = services.tenants.delete(tenant_id)
            if self.models[tenant_id].bindings:
                with pytest.raises(FailedPreconditionError):
                    services.run(work)
                return
            services.run(work)
            self.models[tenant_id] = Model()
            services.run(services.tenants.create(tenant_id, TenantSettings(foreign_display_numbers_allowed=True)))

        @rule(tenant_id=tenants, caller=people, x=places)
        def call(self, tenant_id: str, caller: str, x: str) -> None:
            query = RouteQuery(tenant_id, "s1", caller, x)
            candidates = self.models[tenant_id].candidates(x, caller)
            calls_back = any(
                each.terms.callback_to_last_caller and each.terms.a_number == caller for each in candidates.bindings
            )
            (answer,) = services.run(services.routing.resolve_batch([IncomingQuery(tenant_id, "s1", caller, x)], 20.0))
            services.run(services.memory.flush())
            own = self.models[tenant_id].bindings
            assert not answer.binding_id or answer.binding_id in own
            if not calls_back:
                decision = resolve(query, candidates, services.clock.now())
                assert (answer.result, answer.binding_id, answer.reason) == (
                    decision.result,
                    decision.binding.binding_id if decision.binding else "",
                    decision.reason,
                )
                assert ["+86" + each.number for each in answer.members] == [each.number for each in decision.targets]

        @invariant()
        def each_sees_exactly_its_own(self) -> None:
            for tenant_id, model in self.models.items():
                page = services.run(services.bindings.list_page(BindingFilter(tenant_id), 100, ""))
                assert {each.binding_id: each for each in page.bindings} == model.bindings
                entries = services.run(services.lists.list_page(tenant_id, "", 100, ""))
                assert {each.entry_id: each for each in entries.entries} == model.entries
                for binding_id in self.binding_ids[-3:]:
                    if binding_id not in model.bindings:
                        with pytest.raises(NotFoundError):
                            services.run(services.bindings.get(tenant_id, binding_id))

    return Isolation


@pytest.fixture(params=["sqlite", "postgresql"])
def services(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Services]:
    clock = FakeClock()
    with asyncio.Runner() as runner:
        if request.param == "sqlite":
            url = f"sqlite+aiosqlite:///{tmp_path / 'routing.db'}"
        else:
            server: PostgresServer = request.getfixturevalue("postgres")
            url = runner.run(server.create_database())
        closing = AsyncExitStack()
        configured = RoutingServiceSettings(
            database_url=url, migrate_at_start="yes", read_timeout_seconds=20, write_timeout_seconds=20
        )
        stores = runner.run(closing.enter_async_context(opened_stores(configured, clock)))
        memory = CallMemory(SqlCallMemoryStore(stores.database), clock)
        lists = SqlNumberListStore(stores.database, stores.writer, clock)
        yield Services(
            runner,
            stores,
            clock,
            BindingService(stores.bindings, stores.tenants, clock, BindingIds(clock)),
            NumberListService(lists, stores.tenants, clock, BindingIds(clock)),
            TenantService(stores.tenants),
            RoutingService(stores.source, stores.history, clock, memory=memory),
            memory,
        )
        runner.run(closing.aclose())


def test_no_tenant_sees_or_changes_anothers_rows(services: Services) -> None:
    run_state_machine_as_test(
        machine(services),
        settings=settings(
            max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
