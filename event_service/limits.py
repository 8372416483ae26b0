"""Bounds of what is stored. The gateway's own bounds are tighter: these keep the log whole whoever calls."""

from common.errors import InvalidArgumentError
from event_service.domain import CallEvent, LoggedDecision

# Events or decisions in one request.
MAX_BATCH_ITEMS = 1024
# Identifiers stand in indexes; PostgreSQL's have to stay below 2700 bytes, and a character can take four.
MAX_IDENTIFIER_CHARACTERS = 256
MAX_TEXT_CHARACTERS = 65_536
MAX_RAW_BODY_BYTES = 262_144
MAX_LIST_ITEMS = 1000
# Events of one call that its record is read from; more are stored, counted and flagged.
MAX_FOLDED_EVENTS = 256
# Different answers to the queries of one call that are kept; a platform that resends a query gets the same answer.
MAX_DECISIONS_PER_CALL = 16

_MAX_TIME_US = 253_402_300_799_999_999


def check_event(event: CallEvent) -> None:
    """Raises InvalidArgumentError naming the field, as the protocol spells it, when the event can't be stored."""
    _check_identifiers(
        ("vccId", event.tenant_id, True),
        ("sid", event.session_id, True),
        ("code", event.code, True),
        ("callId", event.call_id, False),
        ("seq", event.seq, False),
    )
    _check_texts(
        ("chargeExt", event.charge_ext),
        ("clientId", event.client_id),
        ("callResult", event.call_result),
        ("reason", event.reason),
        ("callData", event.user_data),
        ("msServer", event.media_server),
        ("filePath", event.file_path),
        ("content_type", event.content_type),
        ("traceparent", event.traceparent),
        ("default_region", event.default_region),
        *(("form_flags", flag) for flag in event.form_flags),
    )
    _check_time(event.received_at_us)
    for name, count in (
        ("userList", len(event.members)),
        ("unknown_fields", len(event.unknown_fields)),
        ("form_flags", len(event.form_flags)),
    ):
        if count > MAX_LIST_ITEMS:
            raise InvalidArgumentError(name, f"more than {MAX_LIST_ITEMS} entries")
    for member in event.members:
        _check_texts(
            ("userList.line", member.line),
            ("userList.number", member.number),
            ("userList.type", member.type),
            ("userList.state", member.state),
            ("userList.translate", member.translated_number),
        )
    for field_name, text in event.unknown_fields:
        _check_texts(("unknown_fields", field_name), ("unknown_fields", text))
    if len(event.raw_body) > MAX_RAW_BODY_BYTES:
        raise InvalidArgumentError("raw_body", f"longer than {MAX_RAW_BODY_BYTES} bytes")


def check_decision(decision: LoggedDecision, field: str) -> None:
    """Raises InvalidArgumentError naming the part of `field` that can't be stored."""
    try:
        _check_decision(decision)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"{field}.{error.field}", error.message.partition(": ")[2]) from error


def _check_decision(decision: LoggedDecision) -> None:
    _check_identifiers(
        ("tenant_id", decision.tenant_id, True),
        ("session_id", decision.session_id, True),
        ("result", decision.result, True),
        ("call_id", decision.call_id, False),
        ("binding_id", decision.binding_id, False),
        ("direction", decision.direction, False),
    )
    _check_texts(
        ("calling_number", decision.calling_number),
        ("access_number", decision.access_number),
        ("reason", decision.reason),
        ("decision_source", decision.decision_source),
        ("traceparent", decision.traceparent),
        ("default_region", decision.default_region),
        *(("called_numbers", number) for number in decision.called_numbers),
    )
    _check_time(decision.received_at_us)
    if len(decision.called_numbers) > MAX_LIST_ITEMS:
        raise InvalidArgumentError("called_numbers", f"more than {MAX_LIST_ITEMS} entries")


def check_text(field: str, text: str, limit: int = MAX_TEXT_CHARACTERS) -> None:
    """Raises InvalidArgumentError when a store could not hold the text: too long, a NUL, or half a surrogate pair."""
    if len(text) > limit:
        raise InvalidArgumentError(field, f"longer than {limit} characters")
    if "\x00" in text:
        raise InvalidArgumentError(field, "holds a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidArgumentError(field, "holds half of a surrogate pair") from error


def _check_identifiers(*identifiers: tuple[str, str, bool]) -> None:
    for field, text, is_required in identifiers:
        if is_required and not text:
            raise InvalidArgumentError(field, "is missing")
        check_text(field, text, MAX_IDENTIFIER_CHARACTERS)


def _check_texts(*texts: tuple[str, str]) -> None:
    for field, text in texts:
        if text:
            check_text(field, text)


def _check_time(received_at_us: int) -> None:
    if not 0 < received_at_us <= _MAX_TIME_US:
        raise InvalidArgumentError("received_at_us", "not microseconds since 1970 UTC, before the year 10000")
