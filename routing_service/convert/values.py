"""Times, prompts and profiles."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from axbridge.routing.v1 import call_profile_pb2, prompt_pb2
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from common.clock import from_microseconds, to_microseconds
from common.errors import InvalidArgumentError
from common.prompts import FileSegment, Prompt, Segment, VariableSegment, checked_prompt
from common.protocol_codes import ConnectionType, PromptVariableType, RecordType, RingbackMode
from routing_service.domain.profile import MEMBER_PROMPT_FIELDS, CallProfile, MemberPrompts

_Value = TypeVar("_Value")

RECORD_TYPES = {
    call_profile_pb2.RECORD_TYPE_NONE: RecordType.NONE,
    call_profile_pb2.RECORD_TYPE_AT_ONCE: RecordType.AT_ONCE,
    call_profile_pb2.RECORD_TYPE_AFTER_ANSWER: RecordType.AFTER_ANSWER,
}
CONNECTION_TYPES = {
    call_profile_pb2.CONNECTION_TYPE_CONFERENCE: ConnectionType.CONFERENCE,
    call_profile_pb2.CONNECTION_TYPE_BRIDGE: ConnectionType.BRIDGE,
}
RINGBACK_MODES = {
    call_profile_pb2.RINGBACK_MODE_LOCAL: RingbackMode.LOCAL,
    call_profile_pb2.RINGBACK_MODE_PASS_THROUGH: RingbackMode.PASS_THROUGH,
}
RECORD_TYPES_OUT = {domain: wire for wire, domain in RECORD_TYPES.items()}
CONNECTION_TYPES_OUT = {domain: wire for wire, domain in CONNECTION_TYPES.items()}
RINGBACK_MODES_OUT = {domain: wire for wire, domain in RINGBACK_MODES.items()}

_VARIABLE_TYPES = {
    prompt_pb2.PROMPT_VARIABLE_TYPE_INTEGER: PromptVariableType.INTEGER,
    prompt_pb2.PROMPT_VARIABLE_TYPE_DIGITS: PromptVariableType.DIGITS,
    prompt_pb2.PROMPT_VARIABLE_TYPE_TIME: PromptVariableType.TIME,
    prompt_pb2.PROMPT_VARIABLE_TYPE_DATE: PromptVariableType.DATE,
    prompt_pb2.PROMPT_VARIABLE_TYPE_PRICE: PromptVariableType.PRICE,
    prompt_pb2.PROMPT_VARIABLE_TYPE_DURATION: PromptVariableType.DURATION,
    prompt_pb2.PROMPT_VARIABLE_TYPE_TEXT: PromptVariableType.TEXT,
}
_VARIABLE_TYPES_OUT = {domain: wire for wire, domain in _VARIABLE_TYPES.items()}

_ENUMS: dict[str, tuple[Mapping[Any, Any], Mapping[Any, Any]]] = {
    "record_type": (RECORD_TYPES, RECORD_TYPES_OUT),
    "connection_type": (CONNECTION_TYPES, CONNECTION_TYPES_OUT),
    "ringback_mode": (RINGBACK_MODES, RINGBACK_MODES_OUT),
}
_PROMPTS = ("caller_prompt", "warning_prompt", "ringback_prompt")
_PLAIN = ("charge_ext", "client_id", "user_data", "max_duration_seconds", "warning_duration_seconds")


def enum_value(table: Mapping[Any, _Value], number: int, field: str) -> _Value | None:
    """The domain's value of a protobuf enum, None for UNSPECIFIED. Raises InvalidArgumentError for an unknown one."""
    if number == 0:
        return None
    if number not in table:
        raise InvalidArgumentError(field, "not a value that this service knows")
    return table[number]


def moment_from_proto(message: Message, name: str, field: str) -> datetime | None:
    """The time in the field `name`, to the microsecond, None when it is absent. Raises InvalidArgumentError."""
    if not message.HasField(name):
        return None
    timestamp: Timestamp = getattr(message, name)
    if not 0 <= timestamp.nanos < 1_000_000_000:
        raise InvalidArgumentError(field, "nanos must be from 0 to 999,999,999")
    try:
        return from_microseconds(timestamp.seconds * 1_000_000 + timestamp.nanos // 1000)
    except (OverflowError, ValueError, OSError) as error:
        raise InvalidArgumentError(field, "a time from year 1 to 9999 is expected") from error


def moment_to_proto(moment: datetime) -> Timestamp:
    seconds, microseconds = divmod(to_microseconds(moment), 1_000_000)
    return Timestamp(seconds=seconds, nanos=microseconds * 1000)


def prompt_from_proto(message: prompt_pb2.Prompt, field: str) -> Prompt:
    """The prompt, checked. Raises InvalidArgumentError."""
    segments = (_segment(each, f"{field}.segments[{place}]") for place, each in enumerate(message.segments))
    return checked_prompt(tuple(segments), field)


def prompt_to_proto(prompt: Prompt) -> prompt_pb2.Prompt:
    return prompt_pb2.Prompt(segments=[_segment_to_proto(each) for each in prompt.segments])


def profile_from_proto(message: call_profile_pb2.CallProfile, field: str) -> CallProfile:
    """The profile with its prompts checked; the rules between its fields are not this module's."""
    values: dict[str, Any] = {name: getattr(message, name) for name in _PLAIN if message.HasField(name)}
    for name, (known, _) in _ENUMS.items():
        values[name] = enum_value(known, getattr(message, name), f"{field}.{name}")
    for name in _PROMPTS:
        if message.HasField(name):
            values[name] = prompt_from_proto(getattr(message, name), f"{field}.{name}")
    return CallProfile(**values)


def profile_to_proto(profile: CallProfile) -> call_profile_pb2.CallProfile:
    values: dict[str, Any] = {name: getattr(profile, name) for name in _PLAIN}
    for name, (_, known) in _ENUMS.items():
        value = getattr(profile, name)
        values[name] = None if value is None else known[value]
    for name in _PROMPTS:
        prompt = getattr(profile, name)
        values[name] = None if prompt is None else prompt_to_proto(prompt)
    return call_profile_pb2.CallProfile(**values)


def member_prompts_from_proto(message: Any, field: str) -> MemberPrompts:
    """The prompts of a called member, checked. Raises InvalidArgumentError."""
    return MemberPrompts(
        **{
            name: prompt_from_proto(getattr(message, name), f"{field}.{name}")
            for name in MEMBER_PROMPT_FIELDS
            if message.HasField(name)
        }
    )


def _segment(message: prompt_pb2.PromptSegment, field: str) -> Segment:
    match message.WhichOneof("segment"):
        case "file":
            return FileSegment(message.file)
        case "variable":
            kind = enum_value(_VARIABLE_TYPES, message.variable.type, f"{field}.variable.type")
            if kind is None:
                raise InvalidArgumentError(f"{field}.variable.type", "a type is needed")
            return VariableSegment(kind, message.variable.value)
    raise InvalidArgumentError(field, "a segment is a file or a variable")


def _segment_to_proto(segment: Segment) -> prompt_pb2.PromptSegment:
    if isinstance(segment, FileSegment):
        return prompt_pb2.PromptSegment(file=segment.name)
    variable = prompt_pb2.PromptVariable(type=_VARIABLE_TYPES_OUT[segment.type], value=segment.value)
    return prompt_pb2.PromptSegment(variable=variable)
