import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CallState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CALL_STATE_UNSPECIFIED: _ClassVar[CallState]
    CALL_STATE_QUERIED: _ClassVar[CallState]
    CALL_STATE_CALLING: _ClassVar[CallState]
    CALL_STATE_RINGING: _ClassVar[CallState]
    CALL_STATE_ANSWERED: _ClassVar[CallState]
    CALL_STATE_COMPLETED: _ClassVar[CallState]
    CALL_STATE_UNREACHED: _ClassVar[CallState]
    CALL_STATE_ABANDONED: _ClassVar[CallState]
    CALL_STATE_REFUSED: _ClassVar[CallState]
    CALL_STATE_UNKNOWN: _ClassVar[CallState]
    CALL_STATE_UNTERMINATED: _ClassVar[CallState]

class HangupParty(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    HANGUP_PARTY_UNSPECIFIED: _ClassVar[HangupParty]
    HANGUP_PARTY_CALLER: _ClassVar[HangupParty]
    HANGUP_PARTY_CALLEE: _ClassVar[HangupParty]
    HANGUP_PARTY_PLATFORM: _ClassVar[HangupParty]
    HANGUP_PARTY_EITHER: _ClassVar[HangupParty]
CALL_STATE_UNSPECIFIED: CallState
CALL_STATE_QUERIED: CallState
CALL_STATE_CALLING: CallState
CALL_STATE_RINGING: CallState
CALL_STATE_ANSWERED: CallState
CALL_STATE_COMPLETED: CallState
CALL_STATE_UNREACHED: CallState
CALL_STATE_ABANDONED: CallState
CALL_STATE_REFUSED: CallState
CALL_STATE_UNKNOWN: CallState
CALL_STATE_UNTERMINATED: CallState
HANGUP_PARTY_UNSPECIFIED: HangupParty
HANGUP_PARTY_CALLER: HangupParty
HANGUP_PARTY_CALLEE: HangupParty
HANGUP_PARTY_PLATFORM: HangupParty
HANGUP_PARTY_EITHER: HangupParty

class Call(_message.Message):
    __slots__ = ("tenant_id", "session_id", "call_id", "state", "calling_number", "access_number", "called_number", "translated_number", "direction", "binding_id", "binding_revision", "query_result", "started_at", "called_at", "ringing_at", "answered_at", "ended_at", "ring_seconds", "talk_seconds", "hangup_party", "call_result", "end_reason", "end_reason_zh", "recording_path", "client_id", "charge_ext", "user_data", "anomalies", "event_count", "revision", "trace_id", "max_duration_seconds", "closed_at")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CALLING_NUMBER_FIELD_NUMBER: _ClassVar[int]
    ACCESS_NUMBER_FIELD_NUMBER: _ClassVar[int]
    CALLED_NUMBER_FIELD_NUMBER: _ClassVar[int]
    TRANSLATED_NUMBER_FIELD_NUMBER: _ClassVar[int]
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    BINDING_ID_FIELD_NUMBER: _ClassVar[int]
    BINDING_REVISION_FIELD_NUMBER: _ClassVar[int]
    QUERY_RESULT_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    CALLED_AT_FIELD_NUMBER: _ClassVar[int]
    RINGING_AT_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    RING_SECONDS_FIELD_NUMBER: _ClassVar[int]
    TALK_SECONDS_FIELD_NUMBER: _ClassVar[int]
    HANGUP_PARTY_FIELD_NUMBER: _ClassVar[int]
    CALL_RESULT_FIELD_NUMBER: _ClassVar[int]
    END_REASON_FIELD_NUMBER: _ClassVar[int]
    END_REASON_ZH_FIELD_NUMBER: _ClassVar[int]
    RECORDING_PATH_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    CHARGE_EXT_FIELD_NUMBER: _ClassVar[int]
    USER_DATA_FIELD_NUMBER: _ClassVar[int]
    ANOMALIES_FIELD_NUMBER: _ClassVar[int]
    EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    MAX_DURATION_SECONDS_FIELD_NUMBER: _ClassVar[int]
    CLOSED_AT_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    session_id: str
    call_id: str
    state: CallState
    calling_number: str
    access_number: str
    called_number: str
    translated_number: str
    direction: str
    binding_id: str
    binding_revision: int
    query_result: str
    started_at: _timestamp_pb2.Timestamp
    called_at: _timestamp_pb2.Timestamp
    ringing_at: _timestamp_pb2.Timestamp
    answered_at: _timestamp_pb2.Timestamp
    ended_at: _timestamp_pb2.Timestamp
    ring_seconds: int
    talk_seconds: int
    hangup_party: HangupParty
    call_result: str
    end_reason: str
    end_reason_zh: str
    recording_path: str
    client_id: str
    charge_ext: str
    user_data: str
    anomalies: _containers.RepeatedScalarFieldContainer[str]
    event_count: int
    revision: int
    trace_id: str
    max_duration_seconds: int
    closed_at: _timestamp_pb2.Timestamp
    def __init__(self, tenant_id: _Optional[str] = ..., session_id: _Optional[str] = ..., call_id: _Optional[str] = ..., state: _Optional[_Union[CallState, str]] = ..., calling_number: _Optional[str] = ..., access_number: _Optional[str] = ..., called_number: _Optional[str] = ..., translated_number: _Optional[str] = ..., direction: _Optional[str] = ..., binding_id: _Optional[str] = ..., binding_revision: _Optional[int] = ..., query_result: _Optional[str] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., called_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ringing_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., answered_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ended_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ring_seconds: _Optional[int] = ..., talk_seconds: _Optional[int] = ..., hangup_party: _Optional[_Union[HangupParty, str]] = ..., call_result: _Optional[str] = ..., end_reason: _Optional[str] = ..., end_reason_zh: _Optional[str] = ..., recording_path: _Optional[str] = ..., client_id: _Optional[str] = ..., charge_ext: _Optional[str] = ..., user_data: _Optional[str] = ..., anomalies: _Optional[_Iterable[str]] = ..., event_count: _Optional[int] = ..., revision: _Optional[int] = ..., trace_id: _Optional[str] = ..., max_duration_seconds: _Optional[int] = ..., closed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
