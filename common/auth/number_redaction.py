"""Answers for callers who may read but not see whole numbers."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from common.masking import mask_number, mask_text

# Fields that hold one number of a person, in every contract. An access number is the enterprise's own.
NUMBER_FIELDS = frozenset(
    {
        "a_number",
        "b_number",
        "called_number",
        "called_numbers",
        "callback_number",
        "calling_number",
        "display_number",
        "fallback_number",
        "number",
        "numbers",
        "pattern",
        "translated_number",
        "y_number",
    }
)
# Of these, the ones that are the enterprise's own after all: `Message.field`.
OWN_NUMBERS = frozenset({"AccessNumber.number"})
# Fields whose text comes from outside, or quotes what came from outside, and may hold a number anywhere.
TEXT_FIELDS = frozenset(
    {
        "after_json",
        "anomalies",
        "answer_prompt",
        "before_json",
        "caller_prompt",
        "detail",
        "disconnect_prompt",
        "error",
        "fail_prompt",
        "file_path",
        "last_error",
        "note",
        "reason",
        "recording_path",
        "response_excerpt",
        "ringback_prompt",
        "state_reason",
        "unknown_fields",
        "user_data",
        "value",
        "warning_prompt",
    }
)
# Fields that hold a whole message as it came.
RAW_FIELDS = frozenset({"raw_body"})

_Redaction = Callable[[Any], None]


def redacted(message: Message) -> Message:
    """A copy of the message with every person's number masked and raw bodies emptied."""
    copy = type(message)()
    copy.CopyFrom(message)
    _redact(copy)
    return copy


def _redact(message: Message) -> None:
    for redact in _plan(message.DESCRIPTOR):
        redact(message)


@lru_cache(maxsize=256)
def _plan(descriptor: Descriptor) -> tuple[_Redaction, ...]:
    return tuple(redact for field in descriptor.fields for redact in _redactions(field))


def _redactions(field: FieldDescriptor) -> list[_Redaction]:
    name = field.name
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        value = field.message_type.fields_by_name["value"]
        if value.message_type is not None:
            return [lambda message: _each(getattr(message, name).values())]
        return [lambda message: _redact_map(getattr(message, name))] if name in TEXT_FIELDS else []
    if field.message_type is not None:
        if field.is_repeated:
            return [lambda message: _each(getattr(message, name))]
        return [lambda message: _redact(getattr(message, name)) if message.HasField(name) else None]
    if field.containing_type is not None and f"{field.containing_type.name}.{name}" in OWN_NUMBERS:
        return []
    if name in RAW_FIELDS:
        return [lambda message: message.ClearField(name)]
    mask = mask_number if name in NUMBER_FIELDS else mask_text if name in TEXT_FIELDS else None
    if mask is None or field.type != FieldDescriptor.TYPE_STRING:
        return []
    if field.is_repeated:
        return [lambda message: _redact_list(getattr(message, name), mask)]
    return [lambda message: _redact_text(message, name, mask)]


def _redact_text(message: Any, name: str, mask: Callable[[str], str]) -> None:
    text = getattr(message, name)
    if text:
        setattr(message, name, mask(text))


def _redact_list(texts: Any, mask: Callable[[str], str]) -> None:
    texts[:] = [mask(text) for text in texts]


def _redact_map(texts: Any) -> None:
    masked: Mapping[str, str] = {key: mask_text(text) for key, text in texts.items()}
    texts.clear()
    texts.update(masked)


def _each(messages: Any) -> None:
    for message in messages:
        _redact(message)
