"""What a replay says of a proposal is what is answered once it is made."""

from collections.abc import AsyncIterator

import grpc
import pytest
from axbridge.routing.v1 import binding_pb2, binding_service_pb2, decision_pb2, routing_service_pb2
from google.protobuf.field_mask_pb2 import FieldMask

from tests.unit.routing_service.builders import MINUTE, TENANT
from tests.unit.routing_service.conftest import TIMEOUT_SECONDS, Client
from tests.unit.routing_service.random_writes import Writer, queries
from tests.unit.routing_service.rpc import list_bindings, resolve, updated

Query = tuple[str, str, str]
Answers = dict[tuple[int, Query], decision_pb2.RouteDecision]
LATER = range(6)
REFUSALS = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.ALREADY_EXISTS}
CHANGES = ("access_number", "expires_at")


async def replay(client: Client, writer: Writer, proposal: routing_service_pb2.ShadowProposal) -> Answers:
    """The answers that would change, by the minute from now and the query."""
    places = [(minutes, query) for minutes in LATER for query in queries()]
    asked = [
        routing_service_pb2.ShadowQuery(calling_number=a, access_number=x, at=writer.stamp(minutes * MINUTE))
        for minutes, (_, a, x) in places
    ]
    by_query = {each.SerializeToString(): place for each, place in zip(asked, places, strict=True)}

    async def sent() -> AsyncIterator[routing_service_pb2.ShadowReplayRequest]:
        yield routing_service_pb2.ShadowReplayRequest(proposal=proposal, queries=asked)

    return {
        by_query[each.query.SerializeToString()]: each.proposed
        async for answer in client.routing.ShadowReplay(sent(), timeout=TIMEOUT_SECONDS)
        for each in answer.differences
    }


async def answered(client: Client) -> Answers:
    """The answers in the next minutes; the clock stands where it stood afterwards."""
    now = client.clock.now()
    answers: Answers = {}
    for minutes in LATER:
        client.clock.current = now + minutes * MINUTE
        asked = [*queries()]
        for query, decision in zip(asked, await resolve(client, *asked), strict=True):
            answers[minutes, query] = decision
    client.clock.current = now
    return answers


async def make(client: Client, proposal: routing_service_pb2.ShadowProposal) -> None:
    for binding_id in proposal.deleted_binding_ids:
        gone = binding_service_pb2.DeleteBindingRequest(tenant_id=TENANT, binding_id=binding_id)
        await client.bindings.DeleteBinding(gone, timeout=TIMEOUT_SECONDS)
    for binding in proposal.bindings:
        if binding.binding_id:
            await updated(client, binding, *CHANGES)
        else:
            create = binding_service_pb2.CreateBindingRequest(binding=binding)
            await client.bindings.CreateBinding(create, timeout=TIMEOUT_SECONDS)


def proposed(writer: Writer, there: list[binding_pb2.Binding]) -> routing_service_pb2.ShadowProposal:
    choices = writer.choices
    choices.shuffle(there)
    deleted, changed = there[: choices.randint(0, 1)], there[2 : 2 + choices.randint(0, 1)]
    for binding in changed:
        fields = writer.fields()
        FieldMask(paths=CHANGES).MergeMessage(binding_pb2.Binding(**{n: fields[n] for n in CHANGES}), binding)
    created = [binding_pb2.Binding(tenant_id=TENANT, **writer.fields()) for _ in range(choices.randint(0, 2))]
    ids = [each.binding_id for each in deleted]
    return routing_service_pb2.ShadowProposal(tenant_id=TENANT, bindings=[*changed, *created], deleted_binding_ids=ids)


def said(decision: decision_pb2.RouteDecision) -> tuple[object, ...]:
    return (decision.result, [*decision.members], decision.attributes)


@pytest.mark.parametrize("seed", range(4))
async def test_what_a_replay_says_comes_true(client: Client, seed: int) -> None:
    await client.add_tenant()
    # Round robin goes by the binding's id, which a proposed one has not got yet.
    writer = Writer(client, seed, binding_pb2.HUNT_STRATEGY_SEQUENTIAL)
    made = 0
    for _ in range(12):
        for _ in range(6):
            await writer.write()
            client.clock.advance(MINUTE / 2)
        proposal = proposed(writer, [*(await list_bindings(client)).bindings])
        before = await answered(client)
        try:
            differences = await replay(client, writer, proposal)
        except grpc.aio.AioRpcError as error:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await make(client, proposal)
            # Of several reasons it may be another one.
            assert {refused.value.code(), error.code()} <= REFUSALS
            continue
        await make(client, proposal)
        made += 1
        after = await answered(client)
        for place, decision in after.items():
            assert said(differences.get(place, before[place])) == said(decision), (place, proposal)
            assert (place in differences) is (said(before[place]) != said(decision)), (place, proposal)
    assert made
