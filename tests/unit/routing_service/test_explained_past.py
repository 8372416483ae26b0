"""Whatever was written, a minute of the past is explained as it was answered."""

import pytest
from axbridge.routing.v1 import decision_pb2, routing_service_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from tests.unit.routing_service.builders import MINUTE
from tests.unit.routing_service.conftest import TIMEOUT_SECONDS, Client
from tests.unit.routing_service.random_writes import Writer, queries
from tests.unit.routing_service.rpc import resolve

STEPS = 50


def said(decision: decision_pb2.RouteDecision) -> decision_pb2.RouteDecision:
    """All of a decision but where it was read."""
    copy = decision_pb2.RouteDecision()
    copy.CopyFrom(decision)
    copy.ClearField("decision_source")
    return copy


@pytest.mark.parametrize("seed", range(3))
async def test_the_past_is_explained_as_it_was_answered(client: Client, seed: int) -> None:
    await client.add_tenant()
    writer = Writer(client, seed)
    answered: list[tuple[Timestamp, tuple[str, str, str], decision_pb2.RouteDecision]] = []
    for _ in range(STEPS):
        await writer.write()
        asked = [*queries()]
        moment = writer.stamp()
        answered += [(moment, *each) for each in zip(asked, await resolve(client, *asked), strict=True)]
        client.clock.advance(MINUTE / 2)
    seen = {decision.result for _, _, decision in answered}
    assert len(seen) >= 4, "the writer has to bring about more than that"
    for moment, (tenant_id, caller, access), decision in answered:
        request = routing_service_pb2.ExplainRequest(
            tenant_id=tenant_id, calling_number=caller, access_number=access, at=moment
        )
        explained = (await client.routing.Explain(request, timeout=TIMEOUT_SECONDS)).decision
        assert said(explained) == said(decision), (moment.ToJsonString(), caller, access)
