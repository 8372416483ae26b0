"""The RPCs over a real connection and a real SQLite file."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import grpc
import grpc.aio
import pytest
from axbridge.events.v1 import (
    call_pb2,
    call_service_pb2,
    call_service_pb2_grpc,
    event_pb2,
    event_service_pb2,
    event_service_pb2_grpc,
)
from google.protobuf.timestamp_pb2 import Timestamp

from common.errors import InvalidArgumentError, NotFoundError
from common.grpc_channel import open_channel
from common.grpc_errors import from_rpc_error
from common.grpc_server import GrpcServerOptions, running_server
from common.sql import open_engine
from common.telemetry.tracing import Tracer
from event_service.convert import decision_to_message, event_to_message
from event_service.group_commit import GroupCommitter, GroupLimits
from event_service.migrate import migrate
from event_service.reports import CallReporting
from event_service.service import CallQueries, EventIntake, QuarantineDesk
from event_service.servicer import SERVICE_NAMES, CallServicer, EventServicer
from event_service.sql_calls import SqlCallReader
from event_service.sql_log import SqlEventLog, create_partitions
from event_service.sql_quarantine import QuarantineBounds, SqlQuarantine
from event_service.sql_reports import SqlCallReports
from event_service.sql_upkeep import SqlCallUpkeep
from tests.unit.event_service.builders import (
    A_NORMAL,
    B_NORMAL,
    SECOND,
    START_US,
    X_NORMAL,
    decision,
    event,
    refusal,
)

NOW = datetime(2026, 5, 1, 8, 30, 0, 123456, tzinfo=UTC)
STORED = event_service_pb2.PUBLISH_STATUS_STORED
INVALID = event_service_pb2.PUBLISH_STATUS_INVALID


class FixedClock:
    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0


@dataclass(frozen=True, slots=True)
class Api:
    events: "event_service_pb2_grpc.EventServiceAsyncStub"
    calls: "call_service_pb2_grpc.CallServiceAsyncStub"

    async def publish(self, *events: event_pb2.CallEvent) -> list[event_service_pb2.PublishResult]:
        request = event_service_pb2.PublishBatchRequest(events=events)
        return list((await self.events.PublishBatch(request, timeout=10)).results)

    async def record(self, *decisions: event_pb2.LoggedDecision) -> None:
        await self.events.RecordDecisions(event_service_pb2.RecordDecisionsRequest(decisions=decisions), timeout=10)

    async def call(self, session_id: str = "sid-1", tenant_id: str = "100001") -> call_pb2.Call:
        request = call_service_pb2.GetCallRequest(tenant_id=tenant_id, session_id=session_id)
        return (await self.calls.GetCall(request, timeout=10)).call

    async def listed(self, **fields: object) -> call_service_pb2.ListCallsResponse:
        request = call_service_pb2.ListCallsRequest(**{"tenant_id": "100001", **fields})  # type: ignore[arg-type]
        return await self.calls.ListCalls(request, timeout=10)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'events.db'}")
    clock = FixedClock()
    try:
        await migrate(engine)
        committer = GroupCommitter(SqlEventLog(engine, clock, await create_partitions(engine, 4)), GroupLimits())
        events = EventServicer(
            EventIntake(committer, clock),
            QuarantineDesk(SqlQuarantine(engine, QuarantineBounds(5, 100_000)), clock),
            Tracer(None, clock),
        )
        reporting = CallReporting(SqlCallReports(engine), SqlCallUpkeep(engine, clock, 4))
        calls = CallServicer(CallQueries(SqlCallReader(engine)), reporting, clock)

        def add(server: grpc.aio.Server) -> None:
            event_service_pb2_grpc.add_EventServiceServicer_to_server(events, server)
            call_service_pb2_grpc.add_CallServiceServicer_to_server(calls, server)

        options = GrpcServerOptions(listen="127.0.0.1:0", drain_seconds=5)
        async with (
            committer.running(),
            running_server(options, add, SERVICE_NAMES) as server,
            open_channel(server.address) as channel,
        ):
            yield Api(
                event_service_pb2_grpc.EventServiceStub(channel),  # type: ignore[arg-type]
                call_service_pb2_grpc.CallServiceStub(channel),  # type: ignore[arg-type]
            )
    finally:
        await engine.dispose()


def message(code: str, at: float, **fields: object) -> event_pb2.CallEvent:
    return event_to_message(event(code, at, **fields))


async def refused_field(call: object) -> str:
    with pytest.raises(grpc.RpcError) as failure:
        await call  # type: ignore[misc]
    error = from_rpc_error(failure.value)
    assert isinstance(error, InvalidArgumentError)
    return error.field


async def test_a_whole_call(api: Api) -> None:
    await api.record(decision_to_message(decision()))
    assert (await api.call()).state == call_pb2.CALL_STATE_QUERIED
    codes = [("15", 1), ("16", 2.5), ("31", 7.25), ("40", 7.5), ("22", 70)]
    results = await api.publish(*(message(code, at, file_path="/rec/1.wav") for code, at in codes))
    assert [(r.status, r.error) for r in results] == [(STORED, "")] * 5
    assert [r.log_offset for r in results] == [1, 2, 3, 4, 5]
    call = await api.call()
    assert (call.state, call.hangup_party) == (call_pb2.CALL_STATE_COMPLETED, call_pb2.HANGUP_PARTY_CALLER)
    assert (call.calling_number, call.access_number, call.called_number) == (A_NORMAL, X_NORMAL, B_NORMAL)
    assert call.answered_at.ToMicroseconds() == START_US + 7_250_000
    assert (call.ring_seconds, call.talk_seconds) == (4, 62)
    assert (call.end_reason, call.end_reason_zh) == ("caller hung up, call over", "主叫挂机通话结束")
    assert (call.recording_path, call.event_count, call.revision) == ("/rec/1.wav", 5, 2)
    assert (list(call.anomalies), len(call.trace_id)) == ([], 32)


async def test_what_is_not_known_yet_is_absent(api: Api) -> None:
    await api.publish(message("15", 1))
    call = await api.call()
    assert not call.HasField("ring_seconds")
    assert not call.HasField("talk_seconds")
    assert not call.HasField("ended_at")
    assert call.hangup_party == call_pb2.HANGUP_PARTY_UNSPECIFIED


async def test_each_event_has_its_own_answer(api: Api) -> None:
    results = await api.publish(
        message("15", 1),
        message("16", 2, tenant_id=""),
        message("16", 2, session_id=""),
        message("", 2),
        message("16", 2, user_data="a\x00b"),
        message("15", 1),
        message("15", 1, client_id="other"),
        message("16", 2),
    )
    status = event_service_pb2.PublishStatus
    assert [status.Name(r.status).removeprefix("PUBLISH_STATUS_") for r in results] == [
        "STORED", "INVALID", "INVALID", "INVALID", "INVALID", "DUPLICATE", "CONFLICT", "STORED",
    ]  # fmt: skip
    assert [r.error for r in results[1:5]] == [
        "vccId: is missing",
        "sid: is missing",
        "code: is missing",
        "callData: holds a NUL character",
    ]
    assert [r.log_offset for r in results] == [1, 0, 0, 0, 0, 1, 2, 3]


async def test_a_batch_of_nothing_valid_and_an_empty_one(api: Api) -> None:
    assert [r.status for r in await api.publish(message("", 1))] == [INVALID]
    assert await api.publish() == []
    await api.record()


async def test_an_event_without_a_receive_time_was_received_now(api: Api) -> None:
    await api.publish(event_pb2.CallEvent(tenant_id="100001", session_id="sid-1", code="15"))
    assert (await api.call()).called_at.ToDatetime(UTC) == NOW


async def test_too_large_requests_are_refused_by_name(api: Api) -> None:
    assert await refused_field(api.publish(*[message("15", 1)] * 1025)) == "events"
    assert await refused_field(api.record(*[decision_to_message(decision())] * 1025)) == "decisions"


async def test_a_decision_that_can_not_be_stored_is_named(api: Api) -> None:
    answers = [decision_to_message(decision()), decision_to_message(decision(session_id=""))]
    assert await refused_field(api.record(*answers)) == "decisions[1].session_id"
    with pytest.raises(grpc.RpcError):
        await api.call()


async def test_nothing_is_known_of_another_tenants_call(api: Api) -> None:
    await api.publish(message("15", 1))
    with pytest.raises(grpc.RpcError) as failure:
        await api.call(tenant_id="200002")
    assert isinstance(from_rpc_error(failure.value), NotFoundError)
    request = call_service_pb2.ListCallEventsRequest(tenant_id="200002", session_id="sid-1")
    with pytest.raises(grpc.RpcError) as failure:
        await api.calls.ListCallEvents(request, timeout=10)
    assert isinstance(from_rpc_error(failure.value), NotFoundError)
    assert (await api.listed(tenant_id="200002")).calls == []


async def test_the_events_of_a_call_in_the_order_of_the_log_with_the_decision(api: Api) -> None:
    original = message("22", 9, unknown_fields=(("x", "1"),), raw_body=b"\x00<req/>", form_flags=("missing:seq",))
    await api.record(decision_to_message(refusal("9001")), decision_to_message(decision(at=0.5)))
    await api.publish(original, message("15", 1), original, message("15", 1, client_id="other"))
    request = call_service_pb2.ListCallEventsRequest(tenant_id="100001", session_id="sid-1")
    response = await api.calls.ListCallEvents(request, timeout=10)
    assert response.events[0].event == original
    assert [(e.event.code, e.log_offset, e.received_count, e.conflict) for e in response.events] == [
        ("22", 1, 2, False),
        ("15", 2, 1, True),
        ("15", 3, 1, True),
    ]
    assert response.decision == decision_to_message(decision(at=0.5))


async def test_a_call_without_a_known_query_has_no_decision(api: Api) -> None:
    await api.publish(message("15", 1))
    request = call_service_pb2.ListCallEventsRequest(tenant_id="100001", session_id="sid-1")
    assert not (await api.calls.ListCallEvents(request, timeout=10)).HasField("decision")


class TestListing:
    @pytest.fixture(autouse=True)
    async def calls(self, api: Api) -> None:
        """Seven calls, s6 the newest; the even ones are over."""
        for number in range(7):
            sid = f"s{number}"
            await api.record(decision_to_message(decision(at=100 * number, session_id=sid)))
            codes = ("15", "22") if number % 2 == 0 else ("15", "16")
            await api.publish(*(message(c, 100 * number + 1 + i, session_id=sid) for i, c in enumerate(codes)))

    @staticmethod
    def sids(response: call_service_pb2.ListCallsResponse) -> list[str]:
        return [call.session_id for call in response.calls]

    async def test_newest_first_in_pages(self, api: Api) -> None:
        assert self.sids(await api.listed()) == ["s6", "s5", "s4", "s3", "s2", "s1", "s0"]
        found, token = [], ""
        while True:
            page = await api.listed(page_size=3, page_token=token)
            found.append(self.sids(page))
            if not (token := page.next_page_token):
                break
        assert found == [["s6", "s5", "s4"], ["s3", "s2", "s1"], ["s0"]]

    async def test_a_last_page_that_is_full_is_known_to_be_the_last(self, api: Api) -> None:
        assert (await api.listed(page_size=7)).next_page_token == ""

    @pytest.mark.parametrize("number", ["13800001111", "+86 138-0000-1111", "008613800001111", "025 66000001"])
    async def test_a_number_in_any_usual_writing(self, api: Api, number: str) -> None:
        assert len((await api.listed(number=number)).calls) == 7
        assert len((await api.listed(number=number, default_region="US", page_size=1)).calls) in (0, 1)

    async def test_states_and_times(self, api: Api) -> None:
        ringing = await api.listed(states=[call_pb2.CALL_STATE_RINGING])
        assert self.sids(ringing) == ["s5", "s3", "s1"]
        start = START_US // SECOND
        between = await api.listed(
            started_from=Timestamp(seconds=start + 200), started_before=Timestamp(seconds=start + 500)
        )
        assert self.sids(between) == ["s4", "s3", "s2"]

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"tenant_id": ""}, "tenant_id"),
            ({"number": "anonymous"}, "number"),
            ({"default_region": "XX"}, "default_region"),
            ({"states": [0]}, "states"),
            ({"states": [99]}, "states"),
            ({"page_size": -1}, "page_size"),
            ({"page_size": 1001}, "page_size"),
            ({"page_token": "nonsense"}, "page_token"),
            ({"page_token": "WzFd"}, "page_token"),
            ({"page_token": "e30="}, "page_token"),
            ({"started_from": Timestamp(seconds=1 << 40)}, "started_from"),
            ({"started_before": Timestamp(nanos=-1)}, "started_before"),
        ],
    )
    async def test_a_wrong_filter_is_named(self, api: Api, fields: dict[str, object], field: str) -> None:
        assert await refused_field(api.listed(**fields)) == field

    async def test_a_token_belongs_to_its_filters(self, api: Api) -> None:
        token = (await api.listed(page_size=2)).next_page_token
        assert await refused_field(api.listed(page_token=token, number="13800001111")) == "page_token"
        assert len((await api.listed(page_token=token, page_size=5)).calls) == 5


class TestQuarantine:
    @staticmethod
    async def keep(api: Api, *bodies: bytes, tenant_id: str = "100001") -> int:
        messages = [
            event_service_pb2.QuarantinedMessage(
                reason="sid is missing", tenant_id=tenant_id, raw_body=body, content_type="text/xml"
            )
            for body in bodies
        ]
        request = event_service_pb2.QuarantineMessagesRequest(messages=messages)
        return (await api.events.QuarantineMessages(request, timeout=10)).dropped

    @staticmethod
    async def listed(api: Api, **fields: object) -> event_service_pb2.ListQuarantinedResponse:
        request = event_service_pb2.ListQuarantinedRequest(**fields)  # type: ignore[arg-type]
        return await api.events.ListQuarantined(request, timeout=10)

    async def test_kept_listed_and_deleted(self, api: Api) -> None:
        assert await self.keep(api, b"1", b"2", b"3") == 0
        assert await self.keep(api, b"4", tenant_id="") == 0
        assert await self.keep(api, b"5", b"6") == 1
        found = (await self.listed(api)).messages
        assert [m.raw_body for m in found] == [b"2", b"3", b"4", b"5", b"6"]
        assert found[0].received_at_us == int(NOW.timestamp()) * SECOND + NOW.microsecond
        assert [m.raw_body for m in (await self.listed(api, tenant_id="100001")).messages] == [b"2", b"3", b"5", b"6"]
        request = event_service_pb2.DeleteQuarantinedRequest(message_ids=[found[0].message_id, found[2].message_id])
        assert (await api.events.DeleteQuarantined(request, timeout=10)).deleted == 2
        assert [m.raw_body for m in (await self.listed(api)).messages] == [b"3", b"5", b"6"]

    async def test_pages(self, api: Api) -> None:
        await self.keep(api, b"1", b"2", b"3")
        first = await self.listed(api, page_size=2)
        second = await self.listed(api, page_size=2, page_token=first.next_page_token)
        assert [m.raw_body for m in (*first.messages, *second.messages)] == [b"1", b"2", b"3"]
        assert second.next_page_token == ""
        for token in ("x", "-1", str(1 << 70)):
            assert await refused_field(self.listed(api, page_token=token)) == "page_token"

    async def test_what_can_not_be_kept_is_named(self, api: Api) -> None:
        assert await refused_field(self.keep(api, b"1", b"x" * 300_000)) == "messages[1].raw_body"
        assert await refused_field(self.keep(api, b"1", tenant_id="\x00")) == "messages[0].tenant_id"
        assert (await self.listed(api)).messages == []
