"""The fields of a request: from a raw tree to a Query or an Event.

A JSON `null` is an absent field. A boolean stands for the text `true` or `false`, which no field of the protocol takes:
a query refuses it in its required fields, an event flags it.
"""

from common.protocol_codes import Method, ResultCode
from gateway.codec.errors import InvalidEventError, InvalidQueryError
from gateway.codec.field_table import FieldNames, FieldTable, is_digits_or_blank
from gateway.codec.members import read_members
from gateway.codec.raw_tree import RawValue, text_of
from gateway.domain import Event, Message, MessageForm, Query, QueryAnswer

# Ids are indexed and stored; nothing longer is one.
MAX_ID_LENGTH = 256
# More are only in the raw body.
MAX_UNKNOWN_FIELDS = 256

_QUERY_FIELDS = ("sid", "vccId", "callId", "seq", "method", "callingNumber", "accessNumber")
_EVENT_FIELDS = (
    *("sid", "vccId", "callId", "seq", "method", "chargeExt", "clientId", "code", "callResult", "reason", "callData"),
    *("userList", "msServer", "filePath"),
)
_REQUEST_NAMES = FieldNames((*_QUERY_FIELDS, *_EVENT_FIELDS))
_QUERY_NAMES = FieldNames(_QUERY_FIELDS)
_QUERY_FIELDS_WITH_SEQ = len(_QUERY_FIELDS)
_QUERY_FIELDS_WITHOUT_SEQ = len(_QUERY_FIELDS) - 1
_EVENT_NAMES = FieldNames(_EVENT_FIELDS)

_REQUIRED_IN_QUERY = ("sid", "vccId", "callId", "callingNumber", "accessNumber")
_REQUIRED_IN_EVENT = ("sid", "vccId", "code")
# Wanted in an event, but worth less than the event.
_WANTED_IN_EVENT = ("callId", "seq", "method")
_SHORT_IN_EVENT = ("callId", "seq", "callResult")
_DIGITS_IN_EVENT = ("seq", "callResult")


def read_request(form: MessageForm, root: RawValue) -> Message:
    """The command that a request's tree holds.

    Raises InvalidQueryError for a query that lacks a required field or has a bad one, and for a missing or unknown
    method; InvalidEventError for an event without sid, vccId or code. A message without any method but with a code is
    taken as an event and flagged.
    """
    table = _REQUEST_NAMES.table(root)
    known = table.known
    method = known.get("method")
    if method != "query" and method != "event":
        method = text_of(method).strip().lower()
    if method == Method.EVENT.text or (not method and "code" in known):
        if "callingNumber" in known or "accessNumber" in known:
            table = _EVENT_NAMES.table(root)
        return Message(form, _event(form, table))
    if method != Method.QUERY.text:
        raise _bad_query(form, table, "method", "unknown, must be query or event" if method else "missing")
    query_fields = _QUERY_FIELDS_WITH_SEQ if "seq" in known else _QUERY_FIELDS_WITHOUT_SEQ
    if len(known) > query_fields:
        # With everything that a query needs there is more: fields that only an event has.
        table = _QUERY_NAMES.table(root)
    return Message(form, _query(form, table))


def _query(form: MessageForm, table: FieldTable) -> Query:
    known = table.known
    if table.repeated:
        raise _bad_query(form, table, table.repeated[0], "stands there more than once")
    texts = []
    for name in _REQUIRED_IN_QUERY:
        value = known.get(name)
        if type(value) is not str or len(value) > MAX_ID_LENGTH:
            value = _id_text(form, table, name, value)
        if not value or value.isspace():
            raise _bad_query(form, table, name, "missing")
        texts.append(value)
    seq = known.get("seq", "")
    if type(seq) is not str or len(seq) > MAX_ID_LENGTH:
        seq = _id_text(form, table, "seq", seq)
    session_id, tenant_id, call_id, calling_number, access_number = texts
    return Query(session_id, tenant_id, call_id, calling_number, access_number, seq, table.unknown_texts())


def _id_text(form: MessageForm, table: FieldTable, name: str, value: RawValue) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _bad_query(form, table, name, "must be text or a number")
    if len(value) > MAX_ID_LENGTH:
        raise _bad_query(form, table, name, f"longer than {MAX_ID_LENGTH} characters")
    return str(value)


def _event(form: MessageForm, table: FieldTable) -> Event:
    texts: dict[str, str] = {}
    flags = [f"repeated:{name}" for name in dict.fromkeys(table.repeated)] if table.repeated else []
    for name, value in table.known.items():
        if type(value) is str:
            texts[name] = value
        elif name != "userList":
            texts[name] = text_of(value)
            if not isinstance(value, str):
                flags.append(f"boolean:{name}" if isinstance(value, bool) else f"nested:{name}")
    for name in _REQUIRED_IN_EVENT:
        text = texts.get(name)
        if not text or text.isspace():
            raise _bad_event(form, table, name, "missing")
        if len(text) > MAX_ID_LENGTH:
            raise _bad_event(form, table, name, f"longer than {MAX_ID_LENGTH} characters")
        if not isinstance(table.known[name], str):
            raise _bad_event(form, table, name, "must be text or a number")
    flags += _doubts(texts)
    get = texts.get
    user_list = read_members(table.known.get("userList"))
    unknown_fields = table.unknown_texts() + user_list.unknown_fields
    if len(unknown_fields) > MAX_UNKNOWN_FIELDS:
        unknown_fields = unknown_fields[:MAX_UNKNOWN_FIELDS]
        flags.append("length:unknown_fields")
    return Event(
        texts["sid"],
        texts["vccId"],
        texts["code"],
        get("callId", "")[:MAX_ID_LENGTH],
        get("seq", "")[:MAX_ID_LENGTH],
        get("chargeExt", ""),
        get("clientId", ""),
        get("callResult", "")[:MAX_ID_LENGTH],
        get("reason", ""),
        get("callData", ""),
        user_list.members,
        get("msServer", ""),
        get("filePath", ""),
        unknown_fields,
        (*flags, *user_list.form_flags),
    )


def _doubts(texts: dict[str, str]) -> list[str]:
    flags = []
    # An empty chargeExt is what our own answers often carry; only its absence is a fault.
    if "chargeExt" not in texts:
        flags.append("missing:chargeExt")
    for name in _WANTED_IN_EVENT:
        text = texts.get(name)
        if not text or text.isspace():
            flags.append(f"missing:{name}")
    for name in _SHORT_IN_EVENT:
        if name in texts and len(texts[name]) > MAX_ID_LENGTH:
            flags.append(f"length:{name}")
    for name in _DIGITS_IN_EVENT:
        if name in texts and not is_digits_or_blank(texts[name]):
            flags.append(f"number:{name}")
    return flags


def _bad_query(form: MessageForm, table: FieldTable, name: str, message: str) -> InvalidQueryError:
    return InvalidQueryError(form, name, message, answer=_refusal(table, f"{name}: {message}"))


def _bad_event(form: MessageForm, table: FieldTable, name: str, message: str) -> InvalidEventError:
    return InvalidEventError(form, name, message, answer=_refusal(table, f"{name}: {message}"))


def _refusal(table: FieldTable, reason: str) -> QueryAnswer:
    """The answer to a message that is wrong, echoing what of it could be read."""
    echoed = []
    for name in ("sid", "vccId", "callId", "seq"):
        value = table.known.get(name)
        echoed.append(str(value) if isinstance(value, str) else "")
    session_id, tenant_id, call_id, seq = echoed
    return QueryAnswer(session_id, tenant_id, call_id, seq, ResultCode.MALFORMED_REQUEST, reason=reason)
