"""What the tenants of the isolation test ask without changing anything, now and about the past."""

from datetime import datetime
from itertools import product

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from common.errors import NotFoundError
from routing_service.answer import RouteAnswer
from routing_service.domain.decision import RouteDecision
from routing_service.forecast import forecast
from routing_service.ports import BindingFilter
from routing_service.service.pools import DEFAULT_WINDOW
from routing_service.service.routing import IncomingQuery
from routing_service.service.shadow import Proposal, ShadowQuery
from tests.contract.routing_store.isolation_model import PEOPLE, PLACES, TENANTS, Model, people, places, tenants, which
from tests.contract.routing_store.isolation_services import Services


def check_answer(answer: RouteAnswer, decision: RouteDecision | None) -> None:
    """That this is what was decided; None: nobody knows."""
    if decision is None:
        return
    binding_id = decision.binding.binding_id if decision.binding else ""
    assert (answer.result, answer.binding_id, answer.reason) == (decision.result, binding_id, decision.reason)
    assert ["+86" + each.number for each in answer.members] == [each.number for each in decision.targets]


def reading(services: Services) -> type[RuleBasedStateMachine]:
    """A machine with the rules that only read."""

    class Reading(RuleBasedStateMachine):
        models: dict[str, Model]
        binding_ids: list[str]

        def __init__(self) -> None:
            super().__init__()
            self.past: list[tuple[datetime, dict[str, Model]]] = []

        @rule()
        def remember(self) -> None:
            self.past.append((services.clock.now(), {name: each.snapshot() for name, each in self.models.items()}))

        @rule(tenant_id=tenants)
        def explain(self, tenant_id: str) -> None:
            for caller, x in product(PEOPLE, PLACES):
                found = services.run(services.routing.explain(IncomingQuery(tenant_id, "s1", caller, x), None))
                check_answer(found.answer, self.models[tenant_id].decision(x, caller, services.clock.now()))

        @precondition(lambda self: self.past)
        @rule(tenant_id=tenants, number=which)
        def explain_the_past(self, tenant_id: str, number: int) -> None:
            moment, models = self.past[number % len(self.past)]
            for caller, x in product(PEOPLE, PLACES):
                found = services.run(services.routing.explain(IncomingQuery(tenant_id, "s1", caller, x), moment))
                check_answer(found.answer, models[tenant_id].decision(x, caller, moment))

        @precondition(lambda self: self.binding_ids)
        @rule(tenant_id=tenants, number=which, caller=people, x=places)
        def replay_without_a_binding(self, tenant_id: str, number: int, caller: str, x: str) -> None:
            binding_id = self.binding_ids[number % len(self.binding_ids)]
            model = self.models[tenant_id]
            now = services.clock.now()
            work = services.replayed(Proposal(tenant_id, (), [binding_id]), ShadowQuery("s1", caller, x, now))
            if binding_id not in model.bindings:
                with pytest.raises(NotFoundError):
                    services.run(work)
                return
            for each in services.run(work):
                check_answer(each.present, model.decision(x, caller, now))
                check_answer(each.proposed, model.decision(x, caller, now, but=binding_id))

        @rule(tenant_id=tenants)
        def look_into_the_future(self, tenant_id: str) -> None:
            model = self.models[tenant_id]
            found = services.run(services.pools.forecast(tenant_id, "", None))
            now = services.clock.now()
            uses = [use for x, use in model.uses if x in model.pool]
            assert found == forecast(len(model.pool), uses, now - DEFAULT_WINDOW, now, services.pools.default_cool_down)

        @rule(tenant_id=tenants, x=st.sampled_from(["", *PLACES]))
        def look_up(self, tenant_id: str, x: str) -> None:
            for number in ("", *PEOPLE):
                page = services.run(services.bindings.list_page(BindingFilter(tenant_id, x, number), 100, ""))
                assert {each.binding_id for each in page.bindings} == {
                    binding_id
                    for binding_id, each in self.models[tenant_id].bindings.items()
                    if x in ("", each.terms.access_number) and number in ("", each.terms.a_number, each.terms.b_number)
                }

        @rule()
        def look_at_tenants(self) -> None:
            page = services.run(services.tenants.list_page(100, ""))
            assert [each.tenant_id for each in page.tenants] == sorted(TENANTS)

    return Reading
