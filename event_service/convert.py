"""Between the contracts' messages (protobuf) and the domain."""

from typing import Literal

from axbridge.events.v1 import call_pb2, call_service_pb2, event_pb2, event_service_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from common.errors import InvalidArgumentError
from event_service.domain import (
    CallEvent,
    CallRevision,
    CallState,
    EventMember,
    HangupParty,
    LoggedDecision,
)
from event_service.ports import CallPeriod, CallPosition, EventOutcome, EventStatus, LoggedEvent, QuarantinedMessage
from event_service.reports import HOUR_US, HourReport, RebuildPosition
from event_service.service import CallQuery

# The names of the contracts' values; protobuf takes them as well as numbers.
DAY_US = 24 * HOUR_US

_STATES = {state: f"CALL_STATE_{state.name}" for state in CallState}
_STATES_BACK = {call_pb2.CallState.Value(name): state for state, name in _STATES.items()}
_PARTIES = {party: f"HANGUP_PARTY_{party.name}" for party in HangupParty}
_STATUSES = {status: f"PUBLISH_STATUS_{status.name}" for status in EventStatus}


def event_from_message(message: event_pb2.CallEvent) -> CallEvent:
    """The event of a message."""
    members = tuple([EventMember(m.line, m.number, m.type, m.state, m.translated_number) for m in message.members])
    return CallEvent(
        tenant_id=message.tenant_id,
        session_id=message.session_id,
        code=message.code,
        received_at_us=message.received_at_us,
        call_id=message.call_id,
        seq=message.seq,
        charge_ext=message.charge_ext,
        client_id=message.client_id,
        call_result=message.call_result,
        reason=message.reason,
        user_data=message.user_data,
        members=members,
        media_server=message.media_server,
        file_path=message.file_path,
        # A map has no order of its own.
        unknown_fields=tuple(sorted(message.unknown_fields.items())),
        form_flags=tuple(message.form_flags),
        raw_body=message.raw_body,
        content_type=message.content_type,
        traceparent=message.traceparent,
        default_region=message.default_region,
    )


def event_to_message(event: CallEvent) -> event_pb2.CallEvent:
    """The message of an event."""
    return event_pb2.CallEvent(
        tenant_id=event.tenant_id,
        session_id=event.session_id,
        call_id=event.call_id,
        seq=event.seq,
        charge_ext=event.charge_ext,
        client_id=event.client_id,
        code=event.code,
        call_result=event.call_result,
        reason=event.reason,
        user_data=event.user_data,
        members=[
            event_pb2.EventMember(
                line=member.line,
                number=member.number,
                type=member.type,
                state=member.state,
                translated_number=member.translated_number,
            )
            for member in event.members
        ],
        media_server=event.media_server,
        file_path=event.file_path,
        unknown_fields=dict(event.unknown_fields),
        form_flags=event.form_flags,
        received_at_us=event.received_at_us,
        raw_body=event.raw_body,
        content_type=event.content_type,
        traceparent=event.traceparent,
        default_region=event.default_region,
    )


def stored_event_to_message(logged: LoggedEvent) -> call_service_pb2.StoredEvent:
    """The message of an event with what the log knows of it."""
    return call_service_pb2.StoredEvent(
        event=event_to_message(logged.event),
        log_offset=logged.log_offset,
        received_count=logged.received_count,
        conflict=logged.conflict,
    )


def decision_from_message(message: event_pb2.LoggedDecision) -> LoggedDecision:
    """The decision of a message."""
    return LoggedDecision(
        tenant_id=message.tenant_id,
        session_id=message.session_id,
        result=message.result,
        received_at_us=message.received_at_us,
        call_id=message.call_id,
        calling_number=message.calling_number,
        access_number=message.access_number,
        called_numbers=tuple(message.called_numbers),
        reason=message.reason,
        binding_id=message.binding_id,
        binding_revision=message.binding_revision,
        direction=message.direction,
        decision_source=message.decision_source,
        took_us=message.took_us,
        max_duration_seconds=message.max_duration_seconds,
        traceparent=message.traceparent,
        default_region=message.default_region,
    )


def decision_to_message(decision: LoggedDecision) -> event_pb2.LoggedDecision:
    """The message of a decision."""
    return event_pb2.LoggedDecision(
        tenant_id=decision.tenant_id,
        session_id=decision.session_id,
        call_id=decision.call_id,
        calling_number=decision.calling_number,
        access_number=decision.access_number,
        called_numbers=decision.called_numbers,
        result=decision.result,
        reason=decision.reason,
        binding_id=decision.binding_id,
        binding_revision=decision.binding_revision,
        direction=decision.direction,
        decision_source=decision.decision_source,
        received_at_us=decision.received_at_us,
        took_us=decision.took_us,
        max_duration_seconds=decision.max_duration_seconds,
        traceparent=decision.traceparent,
        default_region=decision.default_region,
    )


def outcome_to_message(outcome: EventOutcome) -> event_service_pb2.PublishResult:
    """The message of what became of an event."""
    return event_service_pb2.PublishResult(
        status=_STATUSES[outcome.status], error=outcome.error, log_offset=outcome.log_offset
    )


def call_to_message(revised: CallRevision) -> call_pb2.Call:
    """The message of a call record."""
    call = revised.call
    return call_pb2.Call(
        tenant_id=call.tenant_id,
        session_id=call.session_id,
        call_id=call.call_id,
        state=_STATES[call.state],
        calling_number=call.calling_number,
        access_number=call.access_number,
        called_number=call.called_number,
        translated_number=call.translated_number,
        direction=call.direction,
        binding_id=call.binding_id,
        binding_revision=call.binding_revision,
        query_result=call.query_result,
        started_at=_timestamp(call.started_at_us),
        called_at=_timestamp(call.called_at_us),
        ringing_at=_timestamp(call.ringing_at_us),
        answered_at=_timestamp(call.answered_at_us),
        ended_at=_timestamp(call.ended_at_us),
        ring_seconds=call.ring_seconds,
        talk_seconds=call.talk_seconds,
        hangup_party=_PARTIES[call.hangup_party],
        call_result=call.call_result,
        end_reason=call.end_reason,
        end_reason_zh=call.end_reason_zh,
        recording_path=call.recording_path,
        client_id=call.client_id,
        charge_ext=call.charge_ext,
        user_data=call.user_data,
        anomalies=call.anomalies,
        event_count=call.event_count,
        revision=revised.revision,
        trace_id=call.trace_id,
        max_duration_seconds=call.max_duration_seconds,
        closed_at=_timestamp(call.closed_at_us),
    )


def call_query_from_message(request: call_service_pb2.ListCallsRequest) -> CallQuery:
    """What is asked for. Raises InvalidArgumentError naming the field."""
    states = set()
    for number in request.states:
        if number not in _STATES_BACK:
            raise InvalidArgumentError("states", f"{number} is no state of a call")
        states.add(_STATES_BACK[number])
    return CallQuery(
        tenant_id=request.tenant_id,
        number=request.number,
        default_region=request.default_region,
        states=frozenset(states),
        started_from_us=_filter_time(request, "started_from"),
        started_before_us=_filter_time(request, "started_before"),
        page_size=request.page_size,
        page_token=request.page_token,
    )


def period_from_message(
    request: call_service_pb2.ExportCallsRequest | call_service_pb2.RebuildCallsRequest,
) -> CallPeriod:
    """The calls that are asked for. Raises InvalidArgumentError naming the field."""
    return CallPeriod(request.tenant_id, _filter_time(request, "started_from"), _filter_time(request, "started_before"))


def report_period_from_message(request: call_service_pb2.ReportCompletenessRequest, now_us: int) -> CallPeriod:
    """The hours that are asked for: whole ones, the last 24 where nothing is said. Raises InvalidArgumentError."""
    # `from` is a word of Python's own.
    begin: Timestamp = getattr(request, "from")
    end_us = _microseconds("before", request.before) if request.HasField("before") else now_us
    begin_us = _microseconds("from", begin) if request.HasField("from") else end_us - DAY_US
    return CallPeriod(request.tenant_id, begin_us // HOUR_US * HOUR_US, end_us)


# A rebuild that has come to the log stands, in a token, at a time that no call started at, behind a key of the log. The
# key is empty where it begins.
_IN_THE_LOG_US = -1


def token_position(position: RebuildPosition) -> CallPosition:
    """Where a rebuild stands, as a page token holds it."""
    if position.log_key is not None:
        return CallPosition(_IN_THE_LOG_US, position.log_key)
    return position.record if position.record is not None else CallPosition(0, b"")


def rebuild_position(position: CallPosition) -> RebuildPosition:
    """The reverse of `token_position`."""
    if position.started_at_us == _IN_THE_LOG_US:
        return RebuildPosition(log_key=position.call_key)
    return RebuildPosition(position)


def hour_to_message(hour: HourReport) -> call_service_pb2.CompletenessHour:
    """The message of one hour of a completeness report."""
    return call_service_pb2.CompletenessHour(
        hour=_timestamp(hour.hour_us),
        calls=hour.calls,
        complete=hour.complete,
        active=hour.active,
        unterminated=hour.unterminated,
        with_anomalies=hour.with_anomalies,
        anomaly_kinds=hour.anomaly_kinds,
    )


def quarantined_from_message(message: event_service_pb2.QuarantinedMessage) -> QuarantinedMessage:
    """The quarantined message of a message; its id does not count."""
    return QuarantinedMessage(
        received_at_us=message.received_at_us,
        reason=message.reason,
        tenant_id=message.tenant_id,
        raw_body=message.raw_body,
        content_type=message.content_type,
    )


def quarantined_to_message(message: QuarantinedMessage) -> event_service_pb2.QuarantinedMessage:
    """The message of a quarantined message."""
    return event_service_pb2.QuarantinedMessage(
        message_id=message.message_id,
        received_at_us=message.received_at_us,
        reason=message.reason,
        tenant_id=message.tenant_id,
        raw_body=message.raw_body,
        content_type=message.content_type,
    )


def _timestamp(microseconds: int | None) -> Timestamp | None:
    if microseconds is None:
        return None
    seconds, rest = divmod(microseconds, 1_000_000)
    return Timestamp(seconds=seconds, nanos=rest * 1000)


_Bounded = (
    call_service_pb2.ListCallsRequest | call_service_pb2.ExportCallsRequest | call_service_pb2.RebuildCallsRequest
)


def _filter_time(request: _Bounded, field: Literal["started_from", "started_before"]) -> int | None:
    if not request.HasField(field):
        return None
    return _microseconds(field, request.started_from if field == "started_from" else request.started_before)


def _microseconds(field: str, timestamp: Timestamp) -> int:
    if not -62_135_596_800 <= timestamp.seconds <= 253_402_300_799 or not 0 <= timestamp.nanos < 1_000_000_000:
        raise InvalidArgumentError(field, "not a time between the years 1 and 9999")
    return timestamp.seconds * 1_000_000 + timestamp.nanos // 1000
