"""Messages as they are posted: JSON in the shape of CloudEvents 1.0 (structured mode)."""

from dataclasses import fields
from datetime import UTC
from enum import Enum
from typing import Any
from urllib.parse import quote

import orjson

from common.clock import from_microseconds
from common.protocol_codes import CallResult, EventCode, ProtocolCode
from event_service.domain import Call, CallRevision, call_key, event_hash
from event_service.ports import LoggedEvent
from event_service.webhooks.domain import TEST_MESSAGE_TYPE, MessageType, WebhookMessage, message_id_of

_CALL_FIELDS = tuple(field.name for field in fields(Call))
_TIME_SUFFIX = "_us"


def event_message(logged: LoggedEvent) -> WebhookMessage:
    """The message that tells of an event. The raw body stays in the log."""
    event = logged.event
    key = call_key(event.tenant_id, event.session_id)
    message_id = message_id_of("evt", key, event_hash(event))
    data: dict[str, Any] = {
        "tenant_id": event.tenant_id,
        "session_id": event.session_id,
        "call_id": event.call_id,
        "seq": event.seq,
        "code": event.code,
        **_meaning("code", EventCode.lookup(event.code)),
        "call_result": event.call_result,
        **_meaning("call_result", CallResult.lookup(event.call_result)),
        "reason": event.reason,
        "charge_ext": event.charge_ext,
        "client_id": event.client_id,
        "user_data": event.user_data,
        "members": [
            {
                "line": member.line,
                "number": member.number,
                "type": member.type,
                "state": member.state,
                "translated_number": member.translated_number,
            }
            for member in event.members
        ],
        "media_server": event.media_server,
        "file_path": event.file_path,
        "unknown_fields": dict(event.unknown_fields),
        "form_flags": event.form_flags,
        "conflict": logged.conflict,
        "received_at": _time(event.received_at_us),
        "partition_id": logged.partition_id,
        "log_offset": logged.log_offset,
    }
    return WebhookMessage(
        message_id=message_id,
        message_type=MessageType.CALL_EVENT,
        tenant_id=event.tenant_id,
        session_id=event.session_id,
        call_key=key,
        body=_cloud_event(
            message_id,
            MessageType.CALL_EVENT.value,
            event.tenant_id,
            event.session_id,
            event.received_at_us,
            data,
            event.traceparent,
        ),
        event_code=event.code,
    )


def call_message(revised: CallRevision) -> WebhookMessage:
    """The message that tells of a call that is over."""
    call = revised.call
    key = call_key(call.tenant_id, call.session_id)
    message_id = message_id_of("call", key, str(revised.revision).encode())
    data = dict(_shown(name, getattr(call, name)) for name in _CALL_FIELDS)
    data["revision"] = revised.revision
    ended_at_us = call.ended_at_us if call.ended_at_us is not None else call.started_at_us
    return WebhookMessage(
        message_id=message_id,
        message_type=MessageType.CALL_COMPLETED,
        tenant_id=call.tenant_id,
        session_id=call.session_id,
        call_key=key,
        body=_cloud_event(
            message_id, MessageType.CALL_COMPLETED.value, call.tenant_id, call.session_id, ended_at_us, data
        ),
    )


def body_of_test(message_id: str, tenant_id: str, webhook_id: str, now_us: int) -> bytes:
    """The body of a test."""
    return _cloud_event(message_id, TEST_MESSAGE_TYPE, tenant_id, webhook_id, now_us, {"webhook_id": webhook_id})


def _cloud_event(
    message_id: str,
    kind: str,
    tenant_id: str,
    subject: str,
    happened_at_us: int,
    data: dict[str, Any],
    traceparent: str = "",
) -> bytes:
    # The extension for distributed tracing: only of calls that are traced.
    tracing = {"traceparent": traceparent} if traceparent else {}
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": message_id,
            "source": f"/axbridge/tenants/{quote(tenant_id, safe='')}",
            "type": kind,
            "subject": subject,
            "time": _time(happened_at_us),
            "datacontenttype": "application/json",
            **tracing,
            "data": data,
        }
    )


def _shown(name: str, value: Any) -> tuple[str, Any]:
    """A field of a record under the name that it has in messages: `ended_at_us` is the time `ended_at`."""
    if name.endswith(_TIME_SUFFIX):
        return name.removesuffix(_TIME_SUFFIX), _time(value)
    return name, value.value if isinstance(value, Enum) else value


def _meaning(name: str, code: ProtocolCode | None) -> dict[str, str]:
    """A code's meanings; empty for one that the protocol does not name."""
    return {
        f"{name}_text": code.english if code is not None else "",
        f"{name}_text_zh": code.chinese if code is not None else "",
    }


def _time(microseconds: int | None) -> str | None:
    """RFC 3339 in UTC, to the microsecond."""
    if microseconds is None:
        return None
    moment = from_microseconds(microseconds).astimezone(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond:06d}Z"
