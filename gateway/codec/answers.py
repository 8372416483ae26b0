"""Answers read back, for tools and tests that look at the gateway from the platform's side."""

from typing import TypeVar

from common.protocol_codes import ConnectionType, ProtocolCode, RecordType, ResultCode, RingbackMode
from gateway.codec.errors import MalformedBodyError
from gateway.codec.field_table import FieldNames, FieldTable
from gateway.codec.members import member_groups
from gateway.codec.raw_tree import RawValue, text_of
from gateway.domain import NO_ATTRIBUTES, CallAttributes, Member, QueryAnswer

Code = TypeVar("Code", bound=ProtocolCode)

_MANDATORY = ("sid", "vccId", "callId", "seq", "chargeExt", "result")
_NAMES = FieldNames(
    (
        *_MANDATORY,
        *("clientId", "callerPrompt", "userList", "callData", "callBackUrl", "maxDuration", "recordType"),
        *("warningDuration", "warningPrompt", "connType", "ringbackMode", "ringbackPrompt", "reason"),
    )
)
_MEMBER_NAMES = FieldNames(("number", "type", "displayNumber", "answerPrompt", "disconnectPrompt", "failPrompt"))


def read_answer(root: RawValue) -> QueryAnswer:
    """The answer that a tree holds. Raises MalformedBodyError, naming the field, for what breaks the protocol."""
    table = _NAMES.table(root)
    if table.repeated:
        raise MalformedBodyError(f"{table.repeated[0]}: stands there more than once")
    for name in _MANDATORY:
        if name not in table.known:
            raise MalformedBodyError(f"{name}: missing")
    result = ResultCode.lookup(text_of(table.known["result"]))
    if result is None:
        raise MalformedBodyError("result: unknown")
    attributes = CallAttributes(
        client_id=_text(table, "clientId"),
        caller_prompt=_text(table, "callerPrompt"),
        user_data=_text(table, "callData"),
        callback_url=_text(table, "callBackUrl"),
        max_duration_seconds=_seconds(table, "maxDuration"),
        record_type=_code(table, "recordType", RecordType),
        warning_duration_seconds=_seconds(table, "warningDuration"),
        warning_prompt=_text(table, "warningPrompt"),
        connection_type=_code(table, "connType", ConnectionType),
        ringback_mode=_code(table, "ringbackMode", RingbackMode),
        ringback_prompt=_text(table, "ringbackPrompt"),
    )
    return QueryAnswer(
        session_id=text_of(table.known["sid"]),
        tenant_id=text_of(table.known["vccId"]),
        call_id=text_of(table.known["callId"]),
        seq=text_of(table.known["seq"]),
        result=result,
        charge_ext=text_of(table.known["chargeExt"]),
        members=tuple(_member(_MEMBER_NAMES.table_of(group)) for group in member_groups(table.known.get("userList"))),
        attributes=NO_ATTRIBUTES if attributes == NO_ATTRIBUTES else attributes,
        reason=_text(table, "reason") or "",
    )


def _member(table: FieldTable) -> Member:
    if _text(table, "type") != "1":
        raise MalformedBodyError("userList.type: must be 1")
    return Member(
        number=_text(table, "number") or "",
        display_number=_text(table, "displayNumber") or "",
        answer_prompt=_text(table, "answerPrompt") or "",
        disconnect_prompt=_text(table, "disconnectPrompt") or "",
        fail_prompt=_text(table, "failPrompt") or "",
    )


def _text(table: FieldTable, name: str) -> str | None:
    value = table.known.get(name)
    return None if value is None else text_of(value)


def _seconds(table: FieldTable, name: str) -> int | None:
    text = _text(table, name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise MalformedBodyError(f"{name}: must be whole seconds")
    return int(text)


def _code(table: FieldTable, name: str, codes: type[Code]) -> Code | None:
    text = _text(table, name)
    if text is None:
        return None
    code = codes.lookup(text)
    if code is None:
        raise MalformedBodyError(f"{name}: unknown value")
    return code
