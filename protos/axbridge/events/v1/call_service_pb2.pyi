import datetime

from axbridge.events.v1 import call_pb2 as _call_pb2
from axbridge.events.v1 import event_pb2 as _event_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ExportFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXPORT_FORMAT_UNSPECIFIED: _ClassVar[ExportFormat]
    EXPORT_FORMAT_CSV: _ClassVar[ExportFormat]
    EXPORT_FORMAT_NDJSON: _ClassVar[ExportFormat]
EXPORT_FORMAT_UNSPECIFIED: ExportFormat
EXPORT_FORMAT_CSV: ExportFormat
EXPORT_FORMAT_NDJSON: ExportFormat

class GetCallRequest(_message.Message):
    __slots__ = ("tenant_id", "session_id")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    session_id: str
    def __init__(self, tenant_id: _Optional[str] = ..., session_id: _Optional[str] = ...) -> None: ...

class GetCallResponse(_message.Message):
    __slots__ = ("call",)
    CALL_FIELD_NUMBER: _ClassVar[int]
    call: _call_pb2.Call
    def __init__(self, call: _Optional[_Union[_call_pb2.Call, _Mapping]] = ...) -> None: ...

class ListCallsRequest(_message.Message):
    __slots__ = ("tenant_id", "number", "states", "started_from", "started_before", "page_size", "page_token", "default_region")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    STARTED_FROM_FIELD_NUMBER: _ClassVar[int]
    STARTED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_REGION_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    number: str
    states: _containers.RepeatedScalarFieldContainer[_call_pb2.CallState]
    started_from: _timestamp_pb2.Timestamp
    started_before: _timestamp_pb2.Timestamp
    page_size: int
    page_token: str
    default_region: str
    def __init__(self, tenant_id: _Optional[str] = ..., number: _Optional[str] = ..., states: _Optional[_Iterable[_Union[_call_pb2.CallState, str]]] = ..., started_from: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., started_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., default_region: _Optional[str] = ...) -> None: ...

class ListCallsResponse(_message.Message):
    __slots__ = ("calls", "next_page_token")
    CALLS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    calls: _containers.RepeatedCompositeFieldContainer[_call_pb2.Call]
    next_page_token: str
    def __init__(self, calls: _Optional[_Iterable[_Union[_call_pb2.Call, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListCallEventsRequest(_message.Message):
    __slots__ = ("tenant_id", "session_id")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    session_id: str
    def __init__(self, tenant_id: _Optional[str] = ..., session_id: _Optional[str] = ...) -> None: ...

class ListCallEventsResponse(_message.Message):
    __slots__ = ("events", "decision")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[StoredEvent]
    decision: _event_pb2.LoggedDecision
    def __init__(self, events: _Optional[_Iterable[_Union[StoredEvent, _Mapping]]] = ..., decision: _Optional[_Union[_event_pb2.LoggedDecision, _Mapping]] = ...) -> None: ...

class StoredEvent(_message.Message):
    __slots__ = ("event", "log_offset", "received_count", "conflict")
    EVENT_FIELD_NUMBER: _ClassVar[int]
    LOG_OFFSET_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_COUNT_FIELD_NUMBER: _ClassVar[int]
    CONFLICT_FIELD_NUMBER: _ClassVar[int]
    event: _event_pb2.CallEvent
    log_offset: int
    received_count: int
    conflict: bool
    def __init__(self, event: _Optional[_Union[_event_pb2.CallEvent, _Mapping]] = ..., log_offset: _Optional[int] = ..., received_count: _Optional[int] = ..., conflict: _Optional[bool] = ...) -> None: ...

class ExportCallsRequest(_message.Message):
    __slots__ = ("tenant_id", "started_from", "started_before", "format", "page_token")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    STARTED_FROM_FIELD_NUMBER: _ClassVar[int]
    STARTED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    started_from: _timestamp_pb2.Timestamp
    started_before: _timestamp_pb2.Timestamp
    format: ExportFormat
    page_token: str
    def __init__(self, tenant_id: _Optional[str] = ..., started_from: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., started_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., format: _Optional[_Union[ExportFormat, str]] = ..., page_token: _Optional[str] = ...) -> None: ...

class ExportCallsResponse(_message.Message):
    __slots__ = ("chunk", "calls", "next_page_token")
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    chunk: bytes
    calls: int
    next_page_token: str
    def __init__(self, chunk: _Optional[bytes] = ..., calls: _Optional[int] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CountActiveCallsRequest(_message.Message):
    __slots__ = ("tenant_id",)
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    def __init__(self, tenant_id: _Optional[str] = ...) -> None: ...

class CountActiveCallsResponse(_message.Message):
    __slots__ = ("active", "answered")
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_FIELD_NUMBER: _ClassVar[int]
    active: int
    answered: int
    def __init__(self, active: _Optional[int] = ..., answered: _Optional[int] = ...) -> None: ...

class RebuildCallsRequest(_message.Message):
    __slots__ = ("tenant_id", "started_from", "started_before", "dry_run", "page_token")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    STARTED_FROM_FIELD_NUMBER: _ClassVar[int]
    STARTED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    started_from: _timestamp_pb2.Timestamp
    started_before: _timestamp_pb2.Timestamp
    dry_run: bool
    page_token: str
    def __init__(self, tenant_id: _Optional[str] = ..., started_from: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., started_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., dry_run: _Optional[bool] = ..., page_token: _Optional[str] = ...) -> None: ...

class RebuildCallsResponse(_message.Message):
    __slots__ = ("calls", "different", "different_session_ids", "next_page_token")
    CALLS_FIELD_NUMBER: _ClassVar[int]
    DIFFERENT_FIELD_NUMBER: _ClassVar[int]
    DIFFERENT_SESSION_IDS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    calls: int
    different: int
    different_session_ids: _containers.RepeatedScalarFieldContainer[str]
    next_page_token: str
    def __init__(self, calls: _Optional[int] = ..., different: _Optional[int] = ..., different_session_ids: _Optional[_Iterable[str]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ReportCompletenessRequest(_message.Message):
    __slots__ = ("tenant_id", "before")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    FROM_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    before: _timestamp_pb2.Timestamp
    def __init__(self, tenant_id: _Optional[str] = ..., before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., **kwargs) -> None: ...

class ReportCompletenessResponse(_message.Message):
    __slots__ = ("hours",)
    HOURS_FIELD_NUMBER: _ClassVar[int]
    hours: _containers.RepeatedCompositeFieldContainer[CompletenessHour]
    def __init__(self, hours: _Optional[_Iterable[_Union[CompletenessHour, _Mapping]]] = ...) -> None: ...

class CompletenessHour(_message.Message):
    __slots__ = ("hour", "calls", "complete", "active", "unterminated", "with_anomalies", "anomaly_kinds")
    class AnomalyKindsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    HOUR_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    UNTERMINATED_FIELD_NUMBER: _ClassVar[int]
    WITH_ANOMALIES_FIELD_NUMBER: _ClassVar[int]
    ANOMALY_KINDS_FIELD_NUMBER: _ClassVar[int]
    hour: _timestamp_pb2.Timestamp
    calls: int
    complete: int
    active: int
    unterminated: int
    with_anomalies: int
    anomaly_kinds: _containers.ScalarMap[str, int]
    def __init__(self, hour: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., calls: _Optional[int] = ..., complete: _Optional[int] = ..., active: _Optional[int] = ..., unterminated: _Optional[int] = ..., with_anomalies: _Optional[int] = ..., anomaly_kinds: _Optional[_Mapping[str, int]] = ...) -> None: ...
