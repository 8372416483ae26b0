"""Rows and values: how events, decisions and call records are written into the columns of sql_schema."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import orjson
from sqlalchemy import LargeBinary, literal

from event_service.append_plan import NamedDecision, NamedEvent
from event_service.domain import (
    Call,
    CallEvent,
    CallRevision,
    CallState,
    EventMember,
    HangupParty,
    LoggedDecision,
)
from event_service.ports import LoggedEvent
from event_service.sql_schema import calls, decisions, events

US_PER_DAY = 86_400_000_000

_EVENT_TEXTS = (
    "charge_ext",
    "client_id",
    "call_result",
    "reason",
    "user_data",
    "media_server",
    "file_path",
    "default_region",
)
_DECISION_TEXTS = (
    "call_id",
    "calling_number",
    "access_number",
    "result",
    "reason",
    "binding_id",
    "direction",
    "decision_source",
    "traceparent",
    "default_region",
)
_DECISION_NUMBERS = ("binding_revision", "took_us", "max_duration_seconds")
_CALL_FIELDS = tuple(field.name for field in fields(Call))
_STATE, _HANGUP_PARTY, _ANOMALIES = (_CALL_FIELDS.index(name) for name in ("state", "hangup_party", "anomalies"))

# What the readers below take, in their order.
EVENT_COLUMNS = (
    events.c.call_key,
    events.c.event_hash,
    events.c.partition_id,
    events.c.log_offset,
    events.c.call_ordinal,
    events.c.stored_at_us,
    events.c.received_at_us,
    events.c.last_received_at_us,
    events.c.received_count,
    events.c.conflict,
    events.c.tenant_id,
    events.c.session_id,
    events.c.call_id,
    events.c.seq,
    events.c.code,
    events.c.fields,
    events.c.content_type,
    events.c.traceparent,
    events.c.raw_body,
)
# The raw body is long, and nothing follows from it.
FOLD_COLUMNS = (*EVENT_COLUMNS[:-1], literal(b"", LargeBinary).label("raw_body"))
DECISION_COLUMNS = (
    decisions.c.call_key,
    decisions.c.decision_hash,
    decisions.c.tenant_id,
    decisions.c.session_id,
    decisions.c.received_at_us,
    decisions.c.fields,
)
CALL_COLUMNS = (calls.c.call_key, calls.c.revision, *(calls.c[name] for name in _CALL_FIELDS))

Row = dict[str, Any]


def event_row(named: NamedEvent, logged: LoggedEvent) -> Row:
    """The columns of `events`."""
    event = logged.event
    return {
        "partition_id": logged.partition_id,
        "log_offset": logged.log_offset,
        "call_key": named.key,
        "event_hash": named.hash,
        "call_ordinal": logged.call_ordinal,
        "stored_day": logged.stored_at_us // US_PER_DAY,
        "stored_at_us": logged.stored_at_us,
        "tenant_id": event.tenant_id,
        "session_id": event.session_id,
        "call_id": event.call_id,
        "seq": event.seq,
        "code": event.code,
        **_copy_columns(logged),
        **_count_columns(logged),
    }


def count_row(logged: LoggedEvent) -> Row:
    """What a further copy changes. The names of a row's place are prefixed, since an UPDATE binds them apart."""
    return {
        "at_partition_id": logged.partition_id,
        "at_log_offset": logged.log_offset,
        "at_stored_day": logged.stored_at_us // US_PER_DAY,
        **_count_columns(logged),
    }


def copy_row(logged: LoggedEvent) -> Row:
    """What a further copy changes that was received before the one that is stored."""
    return {**count_row(logged), **_copy_columns(logged)}


def _count_columns(logged: LoggedEvent) -> Row:
    return {
        "last_received_at_us": logged.last_received_at_us,
        "received_count": logged.received_count,
        "conflict": logged.conflict,
    }


def _copy_columns(logged: LoggedEvent) -> Row:
    event = logged.event
    content: dict[str, Any] = {name: text for name in _EVENT_TEXTS if (text := getattr(event, name))}
    if event.members:
        content["members"] = [[m.line, m.number, m.type, m.state, m.translated_number] for m in event.members]
    if event.unknown_fields:
        content["unknown_fields"] = event.unknown_fields
    if event.form_flags:
        content["form_flags"] = event.form_flags
    return {
        "received_at_us": event.received_at_us,
        "fields": orjson.dumps(content).decode(),
        "content_type": event.content_type,
        "traceparent": event.traceparent,
        "raw_body": event.raw_body,
    }


def logged_event(row: Sequence[Any]) -> LoggedEvent:
    """The event of a row that was selected by EVENT_COLUMNS or FOLD_COLUMNS."""
    # By position: this is done several times for each event, and by name it costs three times as much.
    (
        _key,
        _hash,
        partition_id,
        log_offset,
        call_ordinal,
        stored_at_us,
        received_at_us,
        last_received_at_us,
        received_count,
        conflict,
        tenant_id,
        session_id,
        call_id,
        seq,
        code,
        content_json,
        content_type,
        traceparent,
        raw_body,
    ) = row
    content = orjson.loads(content_json)
    event = CallEvent(
        tenant_id=tenant_id,
        session_id=session_id,
        code=code,
        received_at_us=received_at_us,
        call_id=call_id,
        seq=seq,
        members=tuple([EventMember(*member) for member in content.pop("members", ())]),
        unknown_fields=tuple([(name, text) for name, text in content.pop("unknown_fields", ())]),
        form_flags=tuple(content.pop("form_flags", ())),
        raw_body=raw_body,
        content_type=content_type,
        traceparent=traceparent,
        **content,
    )
    return LoggedEvent(
        event=event,
        partition_id=partition_id,
        log_offset=log_offset,
        call_ordinal=call_ordinal,
        received_count=received_count,
        last_received_at_us=last_received_at_us,
        stored_at_us=stored_at_us,
        conflict=conflict,
    )


def decision_row(named: NamedDecision, partition_id: int, now_us: int) -> Row:
    """The columns of `decisions`."""
    return {
        "call_key": named.key,
        "decision_hash": named.hash,
        "partition_id": partition_id,
        "stored_day": now_us // US_PER_DAY,
        "stored_at_us": now_us,
        "tenant_id": named.decision.tenant_id,
        "session_id": named.decision.session_id,
        **_decision_columns(named.decision),
    }


def decision_copy_row(named: NamedDecision) -> Row:
    """What a copy of a decision changes whose query came before that of the stored one."""
    return {"at_call_key": named.key, "at_decision_hash": named.hash, **_decision_columns(named.decision)}


def _decision_columns(decision: LoggedDecision) -> Row:
    content: dict[str, Any] = {
        name: value for name in (*_DECISION_TEXTS, *_DECISION_NUMBERS) if (value := getattr(decision, name))
    }
    if decision.called_numbers:
        content["called_numbers"] = decision.called_numbers
    return {"received_at_us": decision.received_at_us, "fields": orjson.dumps(content).decode()}


def logged_decision(row: Sequence[Any]) -> LoggedDecision:
    """The decision of a row that was selected by DECISION_COLUMNS."""
    _key, _hash, tenant_id, session_id, received_at_us, content_json = row
    content = orjson.loads(content_json)
    return LoggedDecision(
        tenant_id=tenant_id,
        session_id=session_id,
        received_at_us=received_at_us,
        called_numbers=tuple(content.pop("called_numbers", ())),
        **content,
    )


def call_row(revised: CallRevision, now_us: int) -> Row:
    """The columns of `calls` that follow from the record."""
    row: Row = {name: getattr(revised.call, name) for name in _CALL_FIELDS}
    row["state"] = revised.call.state.value
    row["hangup_party"] = revised.call.hangup_party.value
    row["anomalies"] = orjson.dumps(revised.call.anomalies).decode()
    row.update(revision=revised.revision, updated_at_us=now_us)
    return row


def call_revision(row: Sequence[Any]) -> CallRevision:
    """The record of a row that was selected by CALL_COLUMNS."""
    _key, revision, *values = row
    values[_STATE] = CallState(values[_STATE])
    values[_HANGUP_PARTY] = HangupParty(values[_HANGUP_PARTY])
    values[_ANOMALIES] = tuple(orjson.loads(values[_ANOMALIES]))
    return CallRevision(Call(*values), revision)
