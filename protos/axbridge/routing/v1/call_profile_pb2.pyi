from axbridge.routing.v1 import prompt_pb2 as _prompt_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RecordType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RECORD_TYPE_UNSPECIFIED: _ClassVar[RecordType]
    RECORD_TYPE_NONE: _ClassVar[RecordType]
    RECORD_TYPE_AT_ONCE: _ClassVar[RecordType]
    RECORD_TYPE_AFTER_ANSWER: _ClassVar[RecordType]

class ConnectionType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONNECTION_TYPE_UNSPECIFIED: _ClassVar[ConnectionType]
    CONNECTION_TYPE_CONFERENCE: _ClassVar[ConnectionType]
    CONNECTION_TYPE_BRIDGE: _ClassVar[ConnectionType]

class RingbackMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RINGBACK_MODE_UNSPECIFIED: _ClassVar[RingbackMode]
    RINGBACK_MODE_LOCAL: _ClassVar[RingbackMode]
    RINGBACK_MODE_PASS_THROUGH: _ClassVar[RingbackMode]
RECORD_TYPE_UNSPECIFIED: RecordType
RECORD_TYPE_NONE: RecordType
RECORD_TYPE_AT_ONCE: RecordType
RECORD_TYPE_AFTER_ANSWER: RecordType
CONNECTION_TYPE_UNSPECIFIED: ConnectionType
CONNECTION_TYPE_CONFERENCE: ConnectionType
CONNECTION_TYPE_BRIDGE: ConnectionType
RINGBACK_MODE_UNSPECIFIED: RingbackMode
RINGBACK_MODE_LOCAL: RingbackMode
RINGBACK_MODE_PASS_THROUGH: RingbackMode

class CallProfile(_message.Message):
    __slots__ = ("charge_ext", "client_id", "caller_prompt", "user_data", "max_duration_seconds", "record_type", "warning_duration_seconds", "warning_prompt", "connection_type", "ringback_mode", "ringback_prompt")
    CHARGE_EXT_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    CALLER_PROMPT_FIELD_NUMBER: _ClassVar[int]
    USER_DATA_FIELD_NUMBER: _ClassVar[int]
    MAX_DURATION_SECONDS_FIELD_NUMBER: _ClassVar[int]
    RECORD_TYPE_FIELD_NUMBER: _ClassVar[int]
    WARNING_DURATION_SECONDS_FIELD_NUMBER: _ClassVar[int]
    WARNING_PROMPT_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_TYPE_FIELD_NUMBER: _ClassVar[int]
    RINGBACK_MODE_FIELD_NUMBER: _ClassVar[int]
    RINGBACK_PROMPT_FIELD_NUMBER: _ClassVar[int]
    charge_ext: str
    client_id: str
    caller_prompt: _prompt_pb2.Prompt
    user_data: str
    max_duration_seconds: int
    record_type: RecordType
    warning_duration_seconds: int
    warning_prompt: _prompt_pb2.Prompt
    connection_type: ConnectionType
    ringback_mode: RingbackMode
    ringback_prompt: _prompt_pb2.Prompt
    def __init__(self, charge_ext: _Optional[str] = ..., client_id: _Optional[str] = ..., caller_prompt: _Optional[_Union[_prompt_pb2.Prompt, _Mapping]] = ..., user_data: _Optional[str] = ..., max_duration_seconds: _Optional[int] = ..., record_type: _Optional[_Union[RecordType, str]] = ..., warning_duration_seconds: _Optional[int] = ..., warning_prompt: _Optional[_Union[_prompt_pb2.Prompt, _Mapping]] = ..., connection_type: _Optional[_Union[ConnectionType, str]] = ..., ringback_mode: _Optional[_Union[RingbackMode, str]] = ..., ringback_prompt: _Optional[_Union[_prompt_pb2.Prompt, _Mapping]] = ...) -> None: ...
