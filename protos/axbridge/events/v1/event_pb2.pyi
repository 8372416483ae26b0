from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CallEvent(_message.Message):
    __slots__ = ("tenant_id", "session_id", "call_id", "seq", "charge_ext", "client_id", "code", "call_result", "reason", "user_data", "members", "media_server", "file_path", "unknown_fields", "form_flags", "received_at_us", "raw_body", "content_type", "traceparent", "default_region")
    class UnknownFieldsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    CHARGE_EXT_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    CALL_RESULT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    USER_DATA_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    MEDIA_SERVER_FIELD_NUMBER: _ClassVar[int]
    FILE_PATH_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_FIELDS_FIELD_NUMBER: _ClassVar[int]
    FORM_FLAGS_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_AT_US_FIELD_NUMBER: _ClassVar[int]
    RAW_BODY_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_REGION_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    session_id: str
    call_id: str
    seq: str
    charge_ext: str
    client_id: str
    code: str
    call_result: str
    reason: str
    user_data: str
    members: _containers.RepeatedCompositeFieldContainer[EventMember]
    media_server: str
    file_path: str
    unknown_fields: _containers.ScalarMap[str, str]
    form_flags: _containers.RepeatedScalarFieldContainer[str]
    received_at_us: int
    raw_body: bytes
    content_type: str
    traceparent: str
    default_region: str
    def __init__(self, tenant_id: _Optional[str] = ..., session_id: _Optional[str] = ..., call_id: _Optional[str] = ..., seq: _Optional[str] = ..., charge_ext: _Optional[str] = ..., client_id: _Optional[str] = ..., code: _Optional[str] = ..., call_result: _Optional[str] = ..., reason: _Optional[str] = ..., user_data: _Optional[str] = ..., members: _Optional[_Iterable[_Union[EventMember, _Mapping]]] = ..., media_server: _Optional[str] = ..., file_path: _Optional[str] = ..., unknown_fields: _Optional[_Mapping[str, str]] = ..., form_flags: _Optional[_Iterable[str]] = ..., received_at_us: _Optional[int] = ..., raw_body: _Optional[bytes] = ..., content_type: _Optional[str] = ..., traceparent: _Optional[str] = ..., default_region: _Optional[str] = ...) -> None: ...

class EventMember(_message.Message):
    __slots__ = ("line", "number", "type", "state", "translated_number")
    LINE_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    TRANSLATED_NUMBER_FIELD_NUMBER: _ClassVar[int]
    line: str
    number: str
    type: str
    state: str
    translated_number: str
    def __init__(self, line: _Optional[str] = ..., number: _Optional[str] = ..., type: _Optional[str] = ..., state: _Optional[str] = ..., translated_number: _Optional[str] = ...) -> None: ...

class LoggedDecision(_message.Message):
    __slots__ = ("tenant_id", "session_id", "call_id", "calling_number", "access_number", "called_numbers", "result", "reason", "binding_id", "binding_revision", "direction", "decision_source", "received_at_us", "took_us", "max_duration_seconds", "traceparent", "default_region")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    CALLING_NUMBER_FIELD_NUMBER: _ClassVar[int]
    ACCESS_NUMBER_FIELD_NUMBER: _ClassVar[int]
    CALLED_NUMBERS_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    BINDING_ID_FIELD_NUMBER: _ClassVar[int]
    BINDING_REVISION_FIELD_NUMBER: _ClassVar[int]
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    DECISION_SOURCE_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_AT_US_FIELD_NUMBER: _ClassVar[int]
    TOOK_US_FIELD_NUMBER: _ClassVar[int]
    MAX_DURATION_SECONDS_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_REGION_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    session_id: str
    call_id: str
    calling_number: str
    access_number: str
    called_numbers: _containers.RepeatedScalarFieldContainer[str]
    result: str
    reason: str
    binding_id: str
    binding_revision: int
    direction: str
    decision_source: str
    received_at_us: int
    took_us: int
    max_duration_seconds: int
    traceparent: str
    default_region: str
    def __init__(self, tenant_id: _Optional[str] = ..., session_id: _Optional[str] = ..., call_id: _Optional[str] = ..., calling_number: _Optional[str] = ..., access_number: _Optional[str] = ..., called_numbers: _Optional[_Iterable[str]] = ..., result: _Optional[str] = ..., reason: _Optional[str] = ..., binding_id: _Optional[str] = ..., binding_revision: _Optional[int] = ..., direction: _Optional[str] = ..., decision_source: _Optional[str] = ..., received_at_us: _Optional[int] = ..., took_us: _Optional[int] = ..., max_duration_seconds: _Optional[int] = ..., traceparent: _Optional[str] = ..., default_region: _Optional[str] = ...) -> None: ...
