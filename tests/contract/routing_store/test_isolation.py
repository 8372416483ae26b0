"""Two tenants, every operation in any order, and a simple model beside it: nobody sees or changes another's rows."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from common.errors import (
    AlreadyExistsError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    ResourceExhaustedError,
)
from routing_service.domain.binding import Binding, BindingTerms
from routing_service.domain.importing import ImportOptions
from routing_service.domain.journal import ChangeType
from routing_service.domain.number_list import NumberListAction, NumberListTerms, NumberPatternType
from routing_service.domain.number_pool import AccessNumber, AllocationWish, PreviousNumberPolicy
from routing_service.domain.tenant import TenantSettings
from routing_service.domain.write_origin import WriteOrigin
from routing_service.ports import BindingFilter
from routing_service.service.routing import IncomingQuery
from tests.contract.routing_store.isolation_model import (
    PEOPLE,
    PLACES,
    TENANTS,
    Failure,
    Model,
    all_terms,
    failure_of,
    list_terms,
    people,
    places,
    request_names,
    tenants,
    wanted_terms,
    which,
)
from tests.contract.routing_store.isolation_reading import check_answer, reading
from tests.contract.routing_store.isolation_services import Services, opened_services
from tests.support.postgres import PostgresServer
from tests.unit.routing_service.builders import A, B, C, D, axb

Result = TypeVar("Result")
EXACT = NumberPatternType.EXACT
some_terms = st.lists(all_terms, min_size=1, max_size=4)
ANY_NUMBER = AllocationWish("", "", False, (), PreviousNumberPolicy.NO_MATTER, timedelta(0))


def machine(services: Services) -> type[RuleBasedStateMachine]:
    class Isolation(reading(services)):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            services.run(services.empty())
            self.models = {each: Model() for each in TENANTS}
            # How many of each tenant's changes a watcher has seen.
            self.seen = dict.fromkeys(TENANTS, 0)
            self.binding_ids: list[str] = []
            self.entry_ids: list[str] = []
            for each in TENANTS:
                self.make_tenant(each)

        @initialize(settled=st.sampled_from([0, 1, 2]))
        def settle(self, settled: int) -> None:
            """Most of the time one or both have some of everything from the beginning: things meet sooner."""
            theirs = [*zip(TENANTS, PLACES, (C, D), (D, C), strict=True)][:settled]
            for tenant_id, x, caller, stand_in in theirs:
                self.add_to_pool(tenant_id, x)
                self.create_by_name(tenant_id, "r1", axb(A, B, x))
                self.add_to_list(tenant_id, NumberListTerms("", NumberListAction.ALLOW, EXACT, caller))
                self.change_tenant(tenant_id, stand_in)
            self.remember()
            for tenant_id in TENANTS[settled:]:
                self.delete_tenant(tenant_id)
            for tenant_id, x, _, _ in theirs:
                self.create_by_name(tenant_id, "r1", axb(A, B, x))
                self.change_tenant(tenant_id, "")
                self.explain_the_past(tenant_id, 0)

        def make_tenant(self, tenant_id: str) -> None:
            services.run(services.tenants.create(tenant_id, TenantSettings(foreign_display_numbers_allowed=True)))
            self.models[tenant_id].audit.append(("tenant.create", tenant_id))

        @rule(tenant_id=tenants, number=st.sampled_from(["", *PEOPLE]))
        def change_tenant(self, tenant_id: str, number: str) -> None:
            new = TenantSettings(fallback_number=number)
            changed = services.run(services.tenants.update(tenant_id, new, ["fallback_number"], 0))
            assert (changed.tenant_id, changed.settings.fallback_number) == (tenant_id, number)
            self.models[tenant_id].fallback = number
            self.models[tenant_id].audit.append(("tenant.update", tenant_id))

        def expected(self, tenant_id: str, terms: BindingTerms, but: str = "") -> Failure | None:
            """How storing these terms fails, if it does, and the bindings in the way."""
            return failure_of(terms, self.models[tenant_id], self.other(tenant_id), but)

        def other(self, tenant_id: str) -> Model:
            (other,) = (each for each in TENANTS if each != tenant_id)
            return self.models[other]

        def keep(self, tenant_id: str, binding: Binding, action: str) -> None:
            self.models[tenant_id].store(binding, action)
            self.binding_ids.append(binding.binding_id)

        def outcome(self, work: Coroutine[Any, Any, Result], failure: Failure | None) -> Any:
            if failure is None:
                return services.run(work)
            with pytest.raises(failure[0]) as error:
                services.run(work)
            named = error.value.metadata.get("binding_id")
            assert named in failure[1] if failure[1] else named is None
            return None

        @rule(tenant_id=tenants, terms=all_terms)
        def create(self, tenant_id: str, terms: BindingTerms) -> None:
            stored = self.outcome(services.bindings.create(tenant_id, terms), self.expected(tenant_id, terms))
            if stored is not None:
                assert (stored.tenant_id, stored.terms) == (tenant_id, terms)
                self.keep(tenant_id, stored, "binding.create")

        @rule(tenant_id=tenants, name=request_names, terms=all_terms)
        def create_by_name(self, tenant_id: str, name: str, terms: BindingTerms) -> None:
            done = self.models[tenant_id].requests.get(name)
            work = services.bindings.create(tenant_id, terms, WriteOrigin("crm", name, repr(terms)))
            if done is None:
                stored = self.outcome(work, self.expected(tenant_id, terms))
                if stored is not None:
                    self.keep(tenant_id, stored, "binding.create")
                    self.models[tenant_id].requests[name] = (terms, stored)
            elif done[0] == terms:
                assert services.run(work) == done[1]
            else:
                with pytest.raises(InvalidArgumentError) as error:
                    services.run(work)
                assert error.value.reason == "REQUEST_ID_REUSED"

        @rule(
            tenant_id=tenants,
            all_of=st.lists(all_terms, min_size=1, max_size=4),
            atomic=st.booleans(),
            dry=st.booleans(),
        )
        def import_rows(self, tenant_id: str, all_of: list[BindingTerms], atomic: bool, dry: bool) -> None:
            model = self.models[tenant_id]
            trial = Model(dict(model.bindings), pool=model.pool)
            failures: list[Failure | None] = []
            for place, terms in enumerate(all_of):
                failures.append(failure_of(terms, trial, self.other(tenant_id)))
                if failures[-1] is None:
                    now = services.clock.now()
                    trial.bindings[f"row {place}"] = Binding(f"row {place}", tenant_id, terms, 1, now, now)
            outcomes = services.run(services.imported(all_of, ImportOptions(tenant_id, atomic, dry)))
            none_stored = atomic and any(failures)
            assert [each.is_refused for each in outcomes] == [none_stored or each is not None for each in failures]
            for outcome, terms, failure in zip(outcomes, all_of, failures, strict=True):
                if failure is not None and failure[1] and model.bindings.keys() >= set(failure[1]):
                    assert any(each in outcome.error for each in failure[1])
                if outcome.binding_id and not dry:
                    stored = services.run(services.bindings.get(tenant_id, outcome.binding_id))
                    assert stored.terms == terms
                    self.keep(tenant_id, stored, "binding.import")

        @rule(tenant_id=tenants, x=places)
        def add_to_pool(self, tenant_id: str, x: str) -> None:
            model = self.models[tenant_id]
            failure: Failure | None = (AlreadyExistsError, ()) if x in model.pool else None
            if self.other(tenant_id).is_at(x):
                failure = (FailedPreconditionError, ())
            if self.outcome(services.pools.add(tenant_id, [AccessNumber(x, "")]), failure) is not None:
                model.pool.add(x)
                model.audit.append(("pool.add", x))

        @rule(tenant_id=tenants, x=places)
        def take_from_pool(self, tenant_id: str, x: str) -> None:
            model = self.models[tenant_id]
            failure: Failure | None = None
            if x not in model.pool:
                failure = (NotFoundError, ())
            elif model.is_bound_at(x):
                failure = (FailedPreconditionError, ())
            self.outcome(services.pools.remove(tenant_id, [x]), failure)
            if failure is None:
                model.pool.discard(x)
                model.audit.append(("pool.remove", x))

        @rule(tenant_id=tenants, terms=wanted_terms, cool_down=st.sampled_from([timedelta(0), timedelta(hours=1)]))
        def allocate(self, tenant_id: str, terms: BindingTerms, cool_down: timedelta) -> None:
            free = self.models[tenant_id].free_for(terms, services.clock.now(), cool_down)
            work = services.pools.allocate(tenant_id, terms, replace(ANY_NUMBER, cool_down=cool_down))
            if not free:
                with pytest.raises(ResourceExhaustedError):
                    services.run(work)
                return
            stored = services.run(work)
            assert stored.terms.access_number in free
            assert stored.terms == replace(terms, access_number=stored.terms.access_number)
            self.keep(tenant_id, stored, "pool.allocate")

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
                model.end_use(binding_id, changed.updated_at)
                model.begin_use(changed)
                model.changes.append((ChangeType.UPDATED, binding_id))
                model.audit.append(("binding.update", binding_id))

        @precondition(lambda self: self.binding_ids)
        @rule(tenant_id=tenants, number=which)
        def delete(self, tenant_id: str, number: int) -> None:
            binding_id = self.binding_ids[number % len(self.binding_ids)]
            model = self.models[tenant_id]
            work = services.bindings.delete(tenant_id, binding_id, 0)
            if model.bindings.pop(binding_id, None) is not None:
                services.run(work)
                model.end_use(binding_id, services.clock.now())
                model.changes.append((ChangeType.DELETED, binding_id))
                model.audit.append(("binding.delete", binding_id))
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
            model.audit.append(("list.create", entry.entry_id))
            self.entry_ids.append(entry.entry_id)

        @precondition(lambda self: self.entry_ids)
        @rule(tenant_id=tenants, number=which)
        def take_from_list(self, tenant_id: str, number: int) -> None:
            entry_id = self.entry_ids[number % len(self.entry_ids)]
            work = services.lists.delete(tenant_id, entry_id)
            if self.models[tenant_id].entries.pop(entry_id, None) is not None:
                services.run(work)
                self.models[tenant_id].audit.append(("list.delete", entry_id))
                return
            with pytest.raises(NotFoundError):
                services.run(work)

        @rule(tenant_id=tenants)
        def delete_tenant(self, tenant_id: str) -> None:
            model = self.models[tenant_id]
            work = services.tenants.delete(tenant_id)
            if model.bindings or model.pool:
                with pytest.raises(FailedPreconditionError):
                    services.run(work)
                return
            services.run(work)
            gone = sorted(model.entries.values(), key=lambda entry: (entry.created_at, entry.entry_id))
            model.audit += [("list.delete", each.entry_id) for each in gone]
            model.begin_again()
            model.audit.append(("tenant.delete", tenant_id))
            self.make_tenant(tenant_id)

        @rule(tenant_id=tenants, caller=people, x=places)
        def call(self, tenant_id: str, caller: str, x: str) -> None:
            (answer,) = services.run(services.routing.resolve_batch([IncomingQuery(tenant_id, "s1", caller, x)], 20.0))
            services.run(services.memory.flush())
            own = self.models[tenant_id].bindings
            assert not answer.binding_id or answer.binding_id in own
            check_answer(answer, self.models[tenant_id].decision(x, caller, services.clock.now()))

        @invariant()
        def each_sees_exactly_its_own(self) -> None:
            for tenant_id, model in self.models.items():
                page = services.run(services.bindings.list_page(BindingFilter(tenant_id), 100, ""))
                assert {each.binding_id: each for each in page.bindings} == model.bindings
                entries = services.run(services.lists.list_page(tenant_id, "", 100, ""))
                assert {each.entry_id: each for each in entries.entries} == model.entries
                assert services.run(services.tenants.get(tenant_id)).settings.fallback_number == model.fallback
                numbers = services.run(services.pools.list_page(tenant_id, "", "", 100, "")).access_numbers
                assert {each.number for each in numbers} == model.pool
                for binding_id in self.binding_ids[-3:]:
                    if binding_id not in model.bindings:
                        with pytest.raises(NotFoundError):
                            services.run(services.bindings.get(tenant_id, binding_id))

        @invariant()
        def each_hears_exactly_of_its_own(self) -> None:
            for tenant_id, model in self.models.items():
                audited = services.run(services.audit.list_page(tenant_id, "", 1000, "")).entries
                assert [(each.action, each.object_id) for each in reversed(audited)] == model.audit
                seen = self.seen[tenant_id]
                if seen == len(model.changes):
                    continue
                heard = services.run(services.watched(tenant_id, seen))
                assert [each.position for each in heard] == list(range(seen + 1, len(model.changes) + 1))
                assert [(each.type, each.binding.binding_id) for each in heard] == model.changes[seen:]
                assert {each.binding.tenant_id for each in heard} == {tenant_id}
                self.seen[tenant_id] = len(model.changes)

    return Isolation


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def services(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Services]:
    with asyncio.Runner() as runner:
        if request.param == "memory":
            url = ""
        elif request.param == "sqlite":
            url = f"sqlite+aiosqlite:///{tmp_path / 'routing.db'}"
        else:
            server: PostgresServer = request.getfixturevalue("postgres")
            url = runner.run(server.create_database())
        closing = AsyncExitStack()
        yield runner.run(closing.enter_async_context(opened_services(url, runner)))
        runner.run(closing.aclose())


def test_no_tenant_sees_or_changes_anothers_rows(services: Services) -> None:
    run_state_machine_as_test(
        machine(services),
        settings=settings(
            max_examples=12, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
