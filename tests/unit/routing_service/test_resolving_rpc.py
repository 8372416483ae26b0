"""Queries over real gRPC: batches and explanations."""

from datetime import timedelta

import grpc.aio
import pytest
from axbridge.routing.v1 import (
    binding_pb2,
    binding_service_pb2,
    decision_pb2,
    routing_service_pb2,
    tenant_service_pb2,
)
from axbridge.routing.v1 import number_list_service_pb2 as lists_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from common.errors import UnavailableError
from tests.unit.routing_service.builders import MINUTE, NOW, TENANT, A, B, X
from tests.unit.routing_service.conftest import TIMEOUT_SECONDS, Client
from tests.unit.routing_service.rpc import error_of, file_prompt, list_bindings, resolve

AX = binding_pb2.BINDING_KIND_AX


async def test_a_batch_answers_every_query_on_its_own(client: Client) -> None:
    await client.add_tenant(failure_prompts={"1004": file_prompt("no.wav")}, foreign_display_numbers_allowed=True)
    binding = await client.bind(
        display_number="95500", member_prompts=binding_pb2.MemberPrompts(answer_prompt=file_prompt())
    )
    await client.bind(access_number="02566000002", kind=AX, b_number="", expires_at=Timestamp(seconds=1))
    decisions = await resolve(
        client,
        (TENANT, "+8613800001111", "02566000001"),
        (TENANT, "anonymous", "02566000001"),
        ("nobody", "13800001111", "02566000001"),
        (TENANT, "13800001111", ""),
        (TENANT, "13800001111", "02566000003"),
        (TENANT, "", "02566000002"),
        ("", "13800001111", "02566000001"),
        (TENANT, "13900001111", "02566000001"),
    )

    assert [each.result for each in decisions] == [
        decision_pb2.ROUTE_RESULT_ROUTED,
        decision_pb2.ROUTE_RESULT_NO_BINDING,
        decision_pb2.ROUTE_RESULT_UNKNOWN_TENANT,
        decision_pb2.ROUTE_RESULT_INVALID_QUERY,
        decision_pb2.ROUTE_RESULT_UNKNOWN_ACCESS_NUMBER,
        decision_pb2.ROUTE_RESULT_NOT_IN_FORCE,
        decision_pb2.ROUTE_RESULT_INVALID_QUERY,
        decision_pb2.ROUTE_RESULT_ROUTED,
    ]
    assert decisions[0].binding_id == binding.binding_id
    assert decisions[0].binding_revision == 1
    assert decisions[0].decision_source == decision_pb2.DECISION_SOURCE_STORE
    assert decisions[0].direction == decision_pb2.CALL_DIRECTION_A_TO_B
    assert list(decisions[0].members) == [
        decision_pb2.RouteMember(number="13900001111", display_number="95500", answer_prompt="1.wav")
    ]
    assert decisions[7].direction == decision_pb2.CALL_DIRECTION_B_TO_A
    assert decisions[1].attributes == decision_pb2.RouteAttributes(caller_prompt="no.wav")
    assert not decisions[2].HasField("response_style")


async def test_a_deleted_binding_answers_no_later_query(client: Client) -> None:
    await client.add_tenant()
    for _ in range(5):
        binding = await client.bind()
        assert (await resolve(client, (TENANT, A, X)))[0].result == decision_pb2.ROUTE_RESULT_ROUTED
        await client.bindings.DeleteBinding(
            binding_service_pb2.DeleteBindingRequest(tenant_id=TENANT, binding_id=binding.binding_id),
            timeout=TIMEOUT_SECONDS,
        )
        assert (await resolve(client, (TENANT, A, X)))[0].result == decision_pb2.ROUTE_RESULT_UNKNOWN_ACCESS_NUMBER


async def test_a_binding_expires_by_the_clock(client: Client) -> None:
    await client.add_tenant()
    expires_at = Timestamp()
    expires_at.FromDatetime(NOW + MINUTE)
    await client.bind(expires_at=expires_at)
    client.clock.advance(MINUTE - timedelta(microseconds=1))
    assert (await resolve(client, (TENANT, A, X)))[0].result == decision_pb2.ROUTE_RESULT_ROUTED
    client.clock.advance(timedelta(microseconds=1))

    assert (await resolve(client, (TENANT, A, X)))[0].result == decision_pb2.ROUTE_RESULT_NOT_IN_FORCE
    await client.bind(b_number="13700001111")
    assert (await resolve(client, (TENANT, A, X)))[0].members[0].number == "13700001111"


async def test_a_batch_that_is_too_long(client: Client) -> None:
    await client.add_tenant()
    code, error = await error_of(resolve(client, *[(TENANT, A, X)] * 1025))
    assert (code, error.metadata) == (grpc.StatusCode.INVALID_ARGUMENT, {"field": "queries"})
    assert len(await resolve(client, *[(TENANT, A, X)] * 1024)) == 1024


async def test_a_store_that_is_gone_makes_every_item_unavailable(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    await client.add_tenant()

    async def gone(_: object) -> None:
        raise UnavailableError("the store can't be reached")

    monkeypatch.setattr(client.database, "read", gone)
    decisions = await resolve(client, (TENANT, A, X), ("nobody", A, X))
    assert [each.result for each in decisions] == [decision_pb2.ROUTE_RESULT_UNAVAILABLE] * 2
    code, _ = await error_of(list_bindings(client))
    assert code is grpc.StatusCode.UNAVAILABLE


def stamp(client: Client, later: timedelta = timedelta()) -> Timestamp:
    moment = Timestamp()
    moment.FromDatetime(client.clock.now() + later)
    return moment


async def explain(client: Client, caller: str, at: Timestamp | None = None) -> routing_service_pb2.ExplainResponse:
    request = routing_service_pb2.ExplainRequest(
        tenant_id=TENANT, calling_number=caller, access_number="02566000001", at=at
    )
    return await client.routing.Explain(request, timeout=TIMEOUT_SECONDS)


async def test_explain_shows_the_rules_and_the_same_decision(client: Client) -> None:
    await client.add_tenant()
    pair = await client.bind(one_way=True)
    owner = await client.bind(kind=AX, a_number="13700001111", b_number="")
    for caller in ("13800001111", "13900001111", "13600001111", "withheld"):
        explanation = await explain(client, caller)
        assert [explanation.decision] == await resolve(client, (TENANT, caller, "02566000001"))
    explanation = await explain(client, "0086-139-0000-1111")

    assert (explanation.calling_number, explanation.access_number) == (B, X)
    assert explanation.at.ToDatetime(NOW.tzinfo) == NOW
    assert [(each.rule, each.binding_id, each.outcome) for each in explanation.considered] == [
        ("tenant", "", routing_service_pb2.RULE_OUTCOME_PASSED),
        ("access_number", "", routing_service_pb2.RULE_OUTCOME_PASSED),
        ("validity", pair.binding_id, routing_service_pb2.RULE_OUTCOME_PASSED),
        ("ax", owner.binding_id, routing_service_pb2.RULE_OUTCOME_REJECTED),
        ("axb", pair.binding_id, routing_service_pb2.RULE_OUTCOME_DECIDED),
    ]
    assert (await explain(client, "withheld")).decision.binding_id == owner.binding_id
    assert (await explain(client, "withheld")).calling_number == ""


async def test_explain_of_a_past_minute(client: Client) -> None:
    await client.add_tenant()
    before = Timestamp()
    before.FromDatetime(NOW)
    binding = await client.bind()
    client.clock.advance(MINUTE)
    await client.bindings.DeleteBinding(
        binding_service_pb2.DeleteBindingRequest(tenant_id=TENANT, binding_id=binding.binding_id),
        timeout=TIMEOUT_SECONDS,
    )
    client.clock.advance(MINUTE)

    assert (await explain(client, A, before)).decision.members[0].number == "13900001111"
    assert (await explain(client, A)).decision.result == decision_pb2.ROUTE_RESULT_UNKNOWN_ACCESS_NUMBER


async def test_a_tenant_that_was_deleted_since_is_explained_as_it_was(client: Client) -> None:
    await client.add_tenant()
    then = stamp(client)
    binding = await client.bind()
    client.clock.advance(MINUTE)
    gone = binding_service_pb2.DeleteBindingRequest(tenant_id=TENANT, binding_id=binding.binding_id)
    await client.bindings.DeleteBinding(gone, timeout=TIMEOUT_SECONDS)
    await client.tenants.DeleteTenant(tenant_service_pb2.DeleteTenantRequest(tenant_id=TENANT), timeout=TIMEOUT_SECONDS)
    client.clock.advance(MINUTE)

    assert (await explain(client, A, then)).decision.members[0].number == "13900001111"
    for at in (stamp(client), None):
        code, error = await error_of(explain(client, A, at))
        assert (code, error.reason) == (grpc.StatusCode.NOT_FOUND, "TENANT_NOT_FOUND")


async def test_a_call_back_of_a_past_minute_is_not_guessed(client: Client) -> None:
    await client.add_tenant()
    await client.bind(kind=AX, b_number="", callback_to_last_caller=True)
    await resolve(client, (TENANT, "13600001111", X))
    (called_back,) = await resolve(client, (TENANT, A, X))
    then = stamp(client)
    assert called_back.result == decision_pb2.ROUTE_RESULT_ROUTED
    client.clock.advance(MINUTE)

    explanation = await explain(client, A, then)
    assert explanation.decision.result == decision_pb2.ROUTE_RESULT_UNAVAILABLE
    assert [each.rule for each in explanation.considered if "not kept" in each.detail] == ["call_memory"]
    assert [each.rule for each in (await explain(client, A)).considered if "not kept" in each.detail] == []


async def test_the_past_is_explained_with_the_claims_of_that_time(client: Client) -> None:
    """An expired binding loses its caller to whoever is bound then, and has nothing to say after that one has gone."""
    await client.add_tenant(fallback_number="02566000009")
    expires_at = stamp(client, MINUTE)
    owner: dict[str, object] = {"kind": AX, "b_number": ""}
    await client.bind(**owner, expires_at=expires_at)
    answers = []
    for step in ("expired", "replaced", "replacement deleted", "revived", "expired again"):
        client.clock.advance(2 * MINUTE)
        if step == "replaced":
            second = await client.bind(**owner, a_number="13700001111")
        if step == "replacement deleted":
            gone = binding_service_pb2.DeleteBindingRequest(tenant_id=TENANT, binding_id=second.binding_id)
            await client.bindings.DeleteBinding(gone, timeout=TIMEOUT_SECONDS)
        if step == "revived":
            third = await client.bind(**owner, expires_at=stamp(client, MINUTE))
        (answer,) = await resolve(client, (TENANT, "13600001111", X))
        answers.append((stamp(client), answer))
    client.clock.advance(MINUTE)

    assert [(each.result, each.binding_id) for _, each in answers][2:] == [
        (decision_pb2.ROUTE_RESULT_ROUTED, ""),
        (decision_pb2.ROUTE_RESULT_ROUTED, third.binding_id),
        (decision_pb2.ROUTE_RESULT_NOT_IN_FORCE, third.binding_id),
    ]
    for at, answer in answers:
        explained = (await explain(client, "13600001111", at)).decision
        assert (explained.result, explained.binding_id) == (answer.result, answer.binding_id)
        assert explained.members == answer.members


async def test_the_lists_of_a_past_minute_explain_it(client: Client) -> None:
    await client.add_tenant()
    await client.bind()
    entry = lists_pb2.NumberListEntry(
        tenant_id=TENANT,
        action=lists_pb2.NUMBER_LIST_ACTION_BLOCK,
        pattern_type=lists_pb2.NUMBER_PATTERN_TYPE_EXACT,
        pattern="13800001111",
    )
    create = lists_pb2.CreateNumberListEntryRequest(entry=entry)
    entry = (await client.lists.CreateNumberListEntry(create, timeout=TIMEOUT_SECONDS)).entry
    blocked = Timestamp()
    blocked.FromDatetime(client.clock.now())
    client.clock.advance(MINUTE)
    delete = lists_pb2.DeleteNumberListEntryRequest(tenant_id=TENANT, entry_id=entry.entry_id)
    await client.lists.DeleteNumberListEntry(delete, timeout=TIMEOUT_SECONDS)
    client.clock.advance(MINUTE)

    explanation = await explain(client, A, blocked)
    assert explanation.decision.result == decision_pb2.ROUTE_RESULT_CALLER_BLOCKED
    assert explanation.considered[-1].rule == "number_list"
    assert (await explain(client, A)).decision.result == decision_pb2.ROUTE_RESULT_ROUTED


async def test_explain_for_an_unknown_tenant(client: Client) -> None:
    code, error = await error_of(explain(client, A))
    assert (code, error.reason) == (grpc.StatusCode.NOT_FOUND, "TENANT_NOT_FOUND")
