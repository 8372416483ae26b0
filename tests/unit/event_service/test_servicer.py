"""The RPCs over a real connection and a real SQLite file."""

import base64
import csv
import io
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
from event_service.ports import CallName, Patience
from event_service.reports import CallReporting
from event_service.service import CallQueries, EventIntake, QuarantineDesk
from event_service.servicer import SERVICE_NAMES, CallServicer, EventServicer
from event_service.sql_calls import SqlCallReader
from event_service.sql_database import EventDatabase
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
    upkeep: SqlCallUpkeep

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
            QuarantineDesk(SqlQuarantine(EventDatabase(engine), QuarantineBounds(5, 100_000)), clock),
            Tracer(None, clock),
        )
        database = EventDatabase(engine)
        upkeep = SqlCallUpkeep(database, clock, 4)
        reporting = CallReporting(SqlCallReports(database), upkeep)
        calls = CallServicer(CallQueries(SqlCallReader(database)), reporting, clock)

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
                upkeep,
            )
    finally:
        await engine.dispose()


def message(code: str, at: float, **fields: object) -> event_pb2.CallEvent:
    return event_to_message(event(code, at, **fields))


def token_of(started_at: float, key: str = "00" * 16) -> str:
    """A token that nobody was given."""
    at = repr(started_at) if started_at != float("inf") else "1e400"
    return base64.urlsafe_b64encode(f'[{at},"{key}","x"]'.encode()).decode()


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
            ({"page_token": token_of(1e400)}, "page_token"),
            ({"page_token": token_of(1 << 63)}, "page_token"),
            ({"page_token": token_of(1, "00")}, "page_token"),
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


async def exported(api: Api, **fields: object) -> list[call_service_pb2.ExportCallsResponse]:
    request = call_service_pb2.ExportCallsRequest(**{"tenant_id": "100001", **fields})  # type: ignore[arg-type]
    return [piece async for piece in api.calls.ExportCalls(request, timeout=10)]


class TestExport:
    @pytest.fixture(autouse=True)
    async def calls(self, api: Api) -> None:
        # More than fit into one piece.
        for number in range(5):
            await api.publish(message("15", number, session_id=f"s{number}", user_data="订" * 40_000))

    async def test_an_export_that_broke_off_goes_on_behind_any_of_its_pieces(
        self, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("event_service.export.PIECE_CHARACTERS", 90_000)
        pieces = await exported(api)
        whole = b"".join(piece.chunk for piece in pieces)
        rows = list(csv.DictReader(io.StringIO(whole.decode(), newline="")))
        assert [row["session_id"] for row in rows] == [f"s{number}" for number in range(5)]
        assert all(row["user_data"] == "订" * 40_000 for row in rows)
        assert [piece.calls for piece in pieces] == [0, 2, 4, 5]
        assert pieces[0].next_page_token == ""
        for number in range(1, 4):
            rest = await exported(api, page_token=pieces[number].next_page_token)
            assert b"".join(p.chunk for p in (*pieces[: number + 1], *rest)) == whole

    async def test_a_token_belongs_to_its_tenant_and_time(self, api: Api) -> None:
        token = (await exported(api))[-1].next_page_token
        for fields in ({"tenant_id": "200002"}, {"started_from": Timestamp(seconds=1)}):
            assert await refused_field(exported(api, page_token=token, **fields)) == "page_token"

    async def test_a_wrong_request_has_no_piece(self, api: Api) -> None:
        wrong = {"started_from": Timestamp(seconds=2), "started_before": Timestamp(seconds=1)}
        request = call_service_pb2.ExportCallsRequest(tenant_id="100001", **wrong)
        pieces = []
        with pytest.raises(grpc.RpcError) as failure:
            async for piece in api.calls.ExportCalls(request, timeout=10):
                pieces.append(piece)
        assert from_rpc_error(failure.value).metadata["field"] == "started_before"
        assert pieces == []

    async def test_nothing_to_export_is_a_header(self, api: Api) -> None:
        (piece,) = await exported(api, tenant_id="200002")
        assert piece.chunk.startswith(b"tenant_id,session_id,")
        assert await exported(api, tenant_id="200002", format=call_service_pb2.EXPORT_FORMAT_NDJSON) == []

    async def test_a_page_of_a_list_fits_into_a_reply(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("event_service.service.MAX_PAGE_BYTES", 250_000)
        seen, token = [], ""
        while True:
            page = await api.listed(page_size=4, page_token=token)
            assert len(page.calls) in (1, 2)
            seen += [call.session_id for call in page.calls]
            if not (token := page.next_page_token):
                break
        assert seen == ["s4", "s3", "s2", "s1", "s0"]


async def test_a_call_that_was_given_up_says_when(api: Api) -> None:
    await api.record(decision_to_message(decision(max_duration_seconds=60)))
    await api.publish(message("15", 1))
    call = await api.call()
    assert (call.max_duration_seconds, call.HasField("closed_at")) == (60, False)
    now_us = START_US + 3600 * SECOND
    assert await api.upkeep.close([CallName("100001", "sid-1")], now_us, Patience(60, 60)) == 1
    call = await api.call()
    assert (call.state, call.closed_at.ToMicroseconds()) == (call_pb2.CALL_STATE_UNTERMINATED, now_us)


class TestReports:
    async def test_active_calls(self, api: Api) -> None:
        await api.publish(message("15", 1, session_id="s1"), message("31", 1, session_id="s2"), message("22", 1))
        counted = await api.calls.CountActiveCalls(call_service_pb2.CountActiveCallsRequest(tenant_id="100001"))
        assert (counted.active, counted.answered) == (2, 1)
        assert (
            await refused_field(api.calls.CountActiveCalls(call_service_pb2.CountActiveCallsRequest())) == "tenant_id"
        )

    async def test_a_rebuild_says_where_it_stopped(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        for number in range(3):
            await api.publish(message("15", number, session_id=f"s{number}"))
        monkeypatch.setattr("event_service.reports.REFOLD_CALLS", 1)
        monkeypatch.setattr("event_service.reports.MAX_REBUILD_SECONDS", 0.0)
        request = call_service_pb2.RebuildCallsRequest(tenant_id="100001", dry_run=True)
        folded = []
        while True:
            part = await api.calls.RebuildCalls(request, timeout=10)
            folded.append(part.calls)
            if not part.next_page_token:
                break
            request.page_token = part.next_page_token
            changed = call_service_pb2.RebuildCallsRequest(tenant_id="100001", page_token=request.page_token)
            assert await refused_field(api.calls.RebuildCalls(changed, timeout=10)) == "page_token"
        # One call at a time; then there is no further record, a look at the log, and no further call in it.
        assert folded == [1, 1, 1, 0, 0, 0]

    async def test_completeness_without_times_is_the_last_day_in_whole_hours(self, api: Api) -> None:
        now_us = round(NOW.timestamp()) * SECOND
        for hours in (24.6, 24.2, 1.0):
            sid = f"ago-{hours}"
            await api.publish(message("15", (now_us - START_US) / SECOND - hours * 3600, session_id=sid))
        request = call_service_pb2.ReportCompletenessRequest(tenant_id="100001")
        found = (await api.calls.ReportCompleteness(request, timeout=10)).hours
        # 08:30:00 a day ago is in the hour from 08:00 on; 24.6 hours ago was 07:54.
        assert [(hour.hour.ToDatetime(UTC).hour, hour.calls, hour.active) for hour in found] == [(8, 1, 1), (7, 1, 1)]
        assert dict(found[0].anomaly_kinds) == {"missing": 1}

    @pytest.mark.parametrize(
        ("begin", "end", "field"), [(20_000, 10_000, "before"), (0, 100 * 86_400, "from"), (-(10**15), 1, "from")]
    )
    async def test_a_wrong_time_is_named_as_it_was_asked(self, api: Api, begin: int, end: int, field: str) -> None:
        request = call_service_pb2.ReportCompletenessRequest(tenant_id="100001", before=Timestamp(seconds=end))
        getattr(request, "from").CopyFrom(Timestamp(seconds=begin))
        assert await refused_field(api.calls.ReportCompleteness(request, timeout=10)) == field


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
