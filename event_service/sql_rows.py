"""Rows and values: how events, decisions and call records are written into the columns of sql_schema."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import orjson

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
    return {"at_partition": logged.partition_id, "at_offset": logged.log_offset, **_count_columns(logged)}


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


def logged_event(row: Mapping[str, Any]) -> LoggedEvent:
    """The event of a row of `events`; without its raw body where that was not read."""
    content = orjson.loads(row["fields"])
    members = tuple(EventMember(*member) for member in content.pop("members", ()))
    unknown_fields = tuple((name, text) for name, text in content.pop("unknown_fields", ()))
    event = CallEvent(
        tenant_id=row["tenant_id"],
        session_id=row["session_id"],
        code=row["code"],
        received_at_us=row["received_at_us"],
        call_id=row["call_id"],
        seq=row["seq"],
        members=members,
        unknown_fields=unknown_fields,
        form_flags=tuple(content.pop("form_flags", ())),
        raw_body=row.get("raw_body", b""),
        content_type=row["content_type"],
        traceparent=row["traceparent"],
        **content,
    )
    return LoggedEvent(
        event=event,
        partition_id=row["partition_id"],
        log_offset=row["log_offset"],
        call_ordinal=row["call_ordinal"],
        received_count=row["received_count"],
        last_received_at_us=row["last_received_at_us"],
        stored_at_us=row["stored_at_us"],
        conflict=row["conflict"],
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
    return {"at_key": named.key, "at_hash": named.hash, **_decision_columns(named.decision)}


def _decision_columns(decision: LoggedDecision) -> Row:
    content: dict[str, Any] = {
        name: value for name in (*_DECISION_TEXTS, *_DECISION_NUMBERS) if (value := getattr(decision, name))
    }
    if decision.called_numbers:
        content["called_numbers"] = decision.called_numbers
    return {"received_at_us": decision.received_at_us, "fields": orjson.dumps(content).decode()}


def logged_decision(row: Mapping[str, Any]) -> LoggedDecision:
    """The decision of a row of `decisions`."""
    content = orjson.loads(row["fields"])
    return LoggedDecision(
        tenant_id=row["tenant_id"],
        session_id=row["session_id"],
        received_at_us=row["received_at_us"],
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


def call_revision(row: Mapping[str, Any]) -> CallRevision:
    """The record of a row of `calls`."""
    values = {name: row[name] for name in _CALL_FIELDS}
    values["state"] = CallState(values["state"])
    values["hangup_party"] = HangupParty(values["hangup_party"])
    values["anomalies"] = tuple(orjson.loads(values["anomalies"]))
    return CallRevision(Call(**values), row["revision"])
