"""Shadow replays over real gRPC, on a real store."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
import pytest
from axbridge.routing.v1 import binding_pb2, decision_pb2, routing_service_pb2
from axbridge.routing.v1 import number_list_service_pb2 as lists_pb2
from axbridge.routing.v1 import number_pool_service_pb2 as pools_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from common.errors import AxbridgeError
from tests.unit.routing_service.builders import MINUTE, NOW, OTHER_TENANT, TENANT, X2, A, B, C, X
from tests.unit.routing_service.conftest import TIMEOUT_SECONDS, Client
from tests.unit.routing_service.rpc import error_of, list_bindings

Request = routing_service_pb2.ShadowReplayRequest
ROUTED, UNKNOWN, NO_BINDING = (
    decision_pb2.ROUTE_RESULT_ROUTED,
    decision_pb2.ROUTE_RESULT_UNKNOWN_ACCESS_NUMBER,
    decision_pb2.ROUTE_RESULT_NO_BINDING,
)


def query(calling: str, access: str = X, *, minutes: int = 0) -> routing_service_pb2.ShadowQuery:
    at = Timestamp()
    at.FromDatetime(NOW + minutes * MINUTE)
    return routing_service_pb2.ShadowQuery(session_id="s1", calling_number=calling, access_number=access, at=at)


def pair(**fields: Any) -> binding_pb2.Binding:
    return binding_pb2.Binding(
        **{"kind": binding_pb2.BINDING_KIND_AXB, "access_number": X, "a_number": A, "b_number": C, **fields}
    )


def proposal(**fields: Any) -> routing_service_pb2.ShadowProposal:
    return routing_service_pb2.ShadowProposal(**{"tenant_id": TENANT, **fields})


async def replayed(client: Client, *messages: Request) -> list[routing_service_pb2.ShadowReplayResponse]:
    async def sent() -> AsyncIterator[Request]:
        for each in messages:
            yield each

    return [each async for each in client.routing.ShadowReplay(sent(), timeout=TIMEOUT_SECONDS)]


async def refusal(client: Client, *messages: Request) -> tuple[grpc.StatusCode, AxbridgeError]:
    return await error_of(replayed(client, *messages))


async def test_the_answers_that_would_change_come_with_their_queries(client: Client) -> None:
    await client.add_tenant()
    binding = await client.bind(binding_id="")
    before = await list_bindings(client)
    changed = pair(binding_id=binding.binding_id)
    answers = await replayed(
        client,
        Request(
            proposal=proposal(bindings=[changed]), queries=[query(A), query("13600001111"), query("139 0000 1111")]
        ),
        Request(queries=[query(A, minutes=-5)] * 2),
        Request(queries=[query("withheld")]),
    )

    assert [each.queries for each in answers] == [3, 5, 6]
    assert [[each.query.calling_number for each in answer.differences] for answer in answers] == [
        [A, "139 0000 1111"],
        [A, A],
        [],
    ]
    first, second = answers[0].differences
    assert first.query == query(A)
    assert (first.present.members[0].number, first.proposed.members[0].number) == ("13900001111", "13700001111")
    assert (first.present.binding_id, first.proposed.binding_revision) == (binding.binding_id, 2)
    assert (second.present.result, second.proposed.result) == (ROUTED, NO_BINDING)
    assert await list_bindings(client) == before, "nothing was changed"


async def test_a_number_that_nothing_is_left_on_is_unknown_unless_it_is_in_a_pool(client: Client) -> None:
    await client.add_tenant()
    in_pool, alone = await client.bind(), await client.bind(access_number=X2)
    add = pools_pb2.AddAccessNumbersRequest(tenant_id=TENANT, access_numbers=[pools_pb2.AccessNumber(number=X)])
    await client.pools.AddAccessNumbers(add, timeout=TIMEOUT_SECONDS)
    gone = proposal(deleted_binding_ids=[in_pool.binding_id, alone.binding_id])
    (answer,) = await replayed(client, Request(proposal=gone, queries=[query(A), query(A, X2)]))

    assert [each.proposed.result for each in answer.differences] == [NO_BINDING, UNKNOWN]


async def test_many_differences_come_in_several_messages(client: Client) -> None:
    await client.add_tenant()
    owner = pair(kind=binding_pb2.BINDING_KIND_AX, b_number="")
    queries = [query(f"1370000{n:04}") for n in range(120)]
    answers = await replayed(client, Request(proposal=proposal(bindings=[owner]), queries=queries), Request())

    assert [(len(each.differences), each.queries) for each in answers] == [(50, 120), (50, 120), (20, 120), (0, 120)]
    assert [each.query for answer in answers for each in answer.differences] == queries


async def test_lists_and_expiry_count_as_if_the_proposal_were_stored(client: Client) -> None:
    """On an access number that is not the tenant's yet, and on one whose binding was in force then."""
    await client.add_tenant()
    blocked = lists_pb2.NumberListEntry(
        tenant_id=TENANT,
        action=lists_pb2.NUMBER_LIST_ACTION_BLOCK,
        pattern_type=lists_pb2.NUMBER_PATTERN_TYPE_EXACT,
        pattern=B,
    )
    entry = lists_pb2.CreateNumberListEntryRequest(entry=blocked)
    await client.lists.CreateNumberListEntry(entry, timeout=TIMEOUT_SECONDS)
    await client.bind(expires_at=query(A, minutes=1).at)
    client.clock.advance(2 * MINUTE)
    owner = pair(kind=binding_pb2.BINDING_KIND_AX, access_number=X2, b_number="")
    asked = [query(A), query(C, X2), query(B, X2)]
    (answer,) = await replayed(client, Request(proposal=proposal(bindings=[pair(), owner]), queries=asked))

    assert [(each.present.result, each.proposed.result) for each in answer.differences] == [
        (ROUTED, ROUTED),
        (UNKNOWN, ROUTED),
        (UNKNOWN, decision_pb2.ROUTE_RESULT_CALLER_BLOCKED),
    ]
    first = answer.differences[0]
    assert [each.members[0].number for each in (first.present, first.proposed)] == ["13900001111", "13700001111"]


async def test_a_binding_in_the_way_is_named(client: Client) -> None:
    await client.add_tenant()
    binding = await client.bind()
    code, error = await refusal(client, Request(proposal=proposal(bindings=[pair()])))

    assert (code, error.reason) == (grpc.StatusCode.ALREADY_EXISTS, "BINDING_IN_THE_WAY")
    assert error.metadata == {"binding_id": binding.binding_id}


async def test_anothers_bindings_are_not_there(client: Client) -> None:
    await client.add_tenant()
    await client.add_tenant(OTHER_TENANT)
    binding = await client.bind(tenant_id=OTHER_TENANT)
    for each in (
        proposal(deleted_binding_ids=[binding.binding_id]),
        proposal(bindings=[pair(binding_id=binding.binding_id)]),
    ):
        code, error = await refusal(client, Request(proposal=each))
        assert (code, error.reason) == (grpc.StatusCode.NOT_FOUND, "BINDING_NOT_FOUND")


@pytest.mark.parametrize(
    ("messages", "field"),
    [
        ([], "proposal"),
        ([Request(queries=[query(A)])], "proposal"),
        ([Request(proposal=proposal()), Request(proposal=proposal())], "proposal"),
        ([Request(proposal=proposal(tenant_id=""))], "proposal.tenant_id"),
        ([Request(proposal=proposal(bindings=[pair(kind=0)]))], "proposal.bindings[0].kind"),
        ([Request(proposal=proposal(bindings=[pair(), pair(b_number="x")]))], "proposal.bindings[1].b_number"),
        ([Request(proposal=proposal(bindings=[pair(tenant_id=OTHER_TENANT)]))], "proposal.bindings[0].tenant_id"),
        (
            [Request(proposal=proposal(), queries=[query(A), routing_service_pb2.ShadowQuery(calling_number=B)])],
            "queries[1].at",
        ),
        ([Request(proposal=proposal(), queries=[query(A)] * 1001)], "queries"),
    ],
)
async def test_replays_that_are_refused(client: Client, messages: Sequence[Request], field: str) -> None:
    await client.add_tenant()
    code, error = await refusal(client, *messages)

    assert (code, error.metadata) == (grpc.StatusCode.INVALID_ARGUMENT, {"field": field})
