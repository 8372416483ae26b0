"""`axbridge shadow-replay` with the calls of the event service."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from axbridge.events.v1 import call_pb2, call_service_pb2
from axbridge.routing.v1 import decision_pb2, routing_service_pb2

from common.errors import UnavailableError
from tests.unit.cli.conftest import Cli, FakeServices

X, A, B = "+862566000001", "+8613800001111", "+8613900001111"


@pytest.fixture
def command(services: FakeServices, tmp_path: Path) -> tuple[str, ...]:
    proposal = tmp_path / "proposal.json"
    proposal.write_text('{"deletedBindingIds": ["b1"]}')
    known = [
        call_pb2.Call(session_id="s1", calling_number=A, access_number=X),
        call_pb2.Call(session_id="unknown"),
        call_pb2.Call(session_id="s2", calling_number=B, access_number=X),
    ]

    def page(request: call_service_pb2.ListCallsRequest) -> call_service_pb2.ListCallsResponse:
        place = int(request.page_token or 0)
        following = str(place + 1) if place + 1 < len(known) else ""
        return call_service_pb2.ListCallsResponse(calls=known[place : place + 1], next_page_token=following)

    services.answers["ListCalls"] = page
    return (
        *("shadow-replay", "--tenant", "100001", "--proposal", str(proposal)),
        *("--from", "2026-05-04T08:00+08:00", "--events-target", services.target),
    )


def test_the_calls_of_a_time_are_replayed(cli: Cli, services: FakeServices, command: tuple[str, ...]) -> None:
    received: list[routing_service_pb2.ShadowReplayRequest] = []

    def replay(
        requests: Iterator[routing_service_pb2.ShadowReplayRequest],
    ) -> Iterator[routing_service_pb2.ShadowReplayResponse]:
        for request in requests:
            received.append(request)
            changed = routing_service_pb2.ShadowDifference(
                query=request.queries[0],
                present=decision_pb2.RouteDecision(
                    result=decision_pb2.ROUTE_RESULT_ROUTED, members=[decision_pb2.RouteMember(number="13900001111")]
                ),
                proposed=decision_pb2.RouteDecision(
                    result=decision_pb2.ROUTE_RESULT_NO_BINDING, reason="no binding relates them"
                ),
            )
            yield routing_service_pb2.ShadowReplayResponse(differences=[changed], queries=len(request.queries))

    services.answers["ShadowReplay"] = replay
    shown = cli.ok(*command, "--to", "2026-05-04T12:00+08:00")

    (request,) = received
    assert request.proposal == routing_service_pb2.ShadowProposal(tenant_id="100001", deleted_binding_ids=["b1"])
    assert [(each.session_id, each.calling_number) for each in request.queries] == [("s1", A), ("s2", B)]
    asked = next(each for each in services.requests if isinstance(each, call_service_pb2.ListCallsRequest))
    assert asked.started_from.ToJsonString() == "2026-05-04T00:00:00Z"
    assert asked.started_before.ToJsonString() == "2026-05-04T04:00:00Z"
    assert "1 of 2 answers would change" in shown
    assert "which access number was dialled: 1" in " ".join(shown.split())
    assert "1004 no binding relates them" in shown and A not in shown
    (difference,) = json.loads(cli.ok(*command, "--json"))
    assert difference["query"]["session_id"] == "s1"


def test_a_time_is_that_of_calls_and_not_of_a_file(cli: Cli, services: FakeServices, tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text("{}")
    (tmp_path / "q.jsonl").write_text("")
    files = ("--proposal", str(tmp_path / "p.json"), "--queries", str(tmp_path / "q.jsonl"))

    assert cli.run("shadow-replay", "--tenant", "100001", *files, "--to", "2026-05-04T12:00+08:00").exit_code == 2
    assert not services.requests


def test_an_event_service_that_can_not_be_read(cli: Cli, services: FakeServices, command: tuple[str, ...]) -> None:
    services.answers["ListCalls"] = UnavailableError("the log can't be reached")
    services.answers["ShadowReplay"] = lambda requests: iter(
        [routing_service_pb2.ShadowReplayResponse()] * len([*requests])
    )

    assert "the log can't be reached" in cli.error(*command)
