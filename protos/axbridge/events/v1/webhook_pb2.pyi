import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WebhookMessageType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WEBHOOK_MESSAGE_TYPE_UNSPECIFIED: _ClassVar[WebhookMessageType]
    WEBHOOK_MESSAGE_TYPE_CALL_EVENT: _ClassVar[WebhookMessageType]
    WEBHOOK_MESSAGE_TYPE_CALL_COMPLETED: _ClassVar[WebhookMessageType]

class WebhookState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WEBHOOK_STATE_UNSPECIFIED: _ClassVar[WebhookState]
    WEBHOOK_STATE_ENABLED: _ClassVar[WebhookState]
    WEBHOOK_STATE_PAUSED: _ClassVar[WebhookState]
    WEBHOOK_STATE_DISABLED: _ClassVar[WebhookState]

class WebhookCircuit(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WEBHOOK_CIRCUIT_UNSPECIFIED: _ClassVar[WebhookCircuit]
    WEBHOOK_CIRCUIT_CLOSED: _ClassVar[WebhookCircuit]
    WEBHOOK_CIRCUIT_OPEN: _ClassVar[WebhookCircuit]
    WEBHOOK_CIRCUIT_HALF_OPEN: _ClassVar[WebhookCircuit]
WEBHOOK_MESSAGE_TYPE_UNSPECIFIED: WebhookMessageType
WEBHOOK_MESSAGE_TYPE_CALL_EVENT: WebhookMessageType
WEBHOOK_MESSAGE_TYPE_CALL_COMPLETED: WebhookMessageType
WEBHOOK_STATE_UNSPECIFIED: WebhookState
WEBHOOK_STATE_ENABLED: WebhookState
WEBHOOK_STATE_PAUSED: WebhookState
WEBHOOK_STATE_DISABLED: WebhookState
WEBHOOK_CIRCUIT_UNSPECIFIED: WebhookCircuit
WEBHOOK_CIRCUIT_CLOSED: WebhookCircuit
WEBHOOK_CIRCUIT_OPEN: WebhookCircuit
WEBHOOK_CIRCUIT_HALF_OPEN: WebhookCircuit

class Webhook(_message.Message):
    __slots__ = ("webhook_id", "tenant_id", "url", "description", "message_types", "event_codes", "state", "state_reason", "limits", "secrets", "created_at", "updated_at", "revision")
    WEBHOOK_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_TYPES_FIELD_NUMBER: _ClassVar[int]
    EVENT_CODES_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    STATE_REASON_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    SECRETS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    webhook_id: str
    tenant_id: str
    url: str
    description: str
    message_types: _containers.RepeatedScalarFieldContainer[WebhookMessageType]
    event_codes: _containers.RepeatedScalarFieldContainer[str]
    state: WebhookState
    state_reason: str
    limits: WebhookLimits
    secrets: _containers.RepeatedCompositeFieldContainer[WebhookSecretInfo]
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    revision: int
    def __init__(self, webhook_id: _Optional[str] = ..., tenant_id: _Optional[str] = ..., url: _Optional[str] = ..., description: _Optional[str] = ..., message_types: _Optional[_Iterable[_Union[WebhookMessageType, str]]] = ..., event_codes: _Optional[_Iterable[str]] = ..., state: _Optional[_Union[WebhookState, str]] = ..., state_reason: _Optional[str] = ..., limits: _Optional[_Union[WebhookLimits, _Mapping]] = ..., secrets: _Optional[_Iterable[_Union[WebhookSecretInfo, _Mapping]]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., revision: _Optional[int] = ...) -> None: ...

class WebhookLimits(_message.Message):
    __slots__ = ("max_in_flight", "max_per_second", "timeout_ms")
    MAX_IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    MAX_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    max_in_flight: int
    max_per_second: int
    timeout_ms: int
    def __init__(self, max_in_flight: _Optional[int] = ..., max_per_second: _Optional[int] = ..., timeout_ms: _Optional[int] = ...) -> None: ...

class WebhookSecretInfo(_message.Message):
    __slots__ = ("created_at", "expires_at")
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    created_at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class WebhookStatus(_message.Message):
    __slots__ = ("circuit", "held_until", "consecutive_failures", "last_success_at", "last_failure_at", "last_error", "pending", "oldest_pending_at", "dead_letters")
    CIRCUIT_FIELD_NUMBER: _ClassVar[int]
    HELD_UNTIL_FIELD_NUMBER: _ClassVar[int]
    CONSECUTIVE_FAILURES_FIELD_NUMBER: _ClassVar[int]
    LAST_SUCCESS_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_FAILURE_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_ERROR_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    OLDEST_PENDING_AT_FIELD_NUMBER: _ClassVar[int]
    DEAD_LETTERS_FIELD_NUMBER: _ClassVar[int]
    circuit: WebhookCircuit
    held_until: _timestamp_pb2.Timestamp
    consecutive_failures: int
    last_success_at: _timestamp_pb2.Timestamp
    last_failure_at: _timestamp_pb2.Timestamp
    last_error: str
    pending: int
    oldest_pending_at: _timestamp_pb2.Timestamp
    dead_letters: int
    def __init__(self, circuit: _Optional[_Union[WebhookCircuit, str]] = ..., held_until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., consecutive_failures: _Optional[int] = ..., last_success_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_failure_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_error: _Optional[str] = ..., pending: _Optional[int] = ..., oldest_pending_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., dead_letters: _Optional[int] = ...) -> None: ...

class WebhookAttempt(_message.Message):
    __slots__ = ("message_id", "message_type", "delivery_id", "attempt", "started_at", "took_ms", "status_code", "error", "response_excerpt")
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_TYPE_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    TOOK_MS_FIELD_NUMBER: _ClassVar[int]
    STATUS_CODE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_EXCERPT_FIELD_NUMBER: _ClassVar[int]
    message_id: str
    message_type: str
    delivery_id: int
    attempt: int
    started_at: _timestamp_pb2.Timestamp
    took_ms: int
    status_code: int
    error: str
    response_excerpt: str
    def __init__(self, message_id: _Optional[str] = ..., message_type: _Optional[str] = ..., delivery_id: _Optional[int] = ..., attempt: _Optional[int] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., took_ms: _Optional[int] = ..., status_code: _Optional[int] = ..., error: _Optional[str] = ..., response_excerpt: _Optional[str] = ...) -> None: ...

class WebhookDeadLetter(_message.Message):
    __slots__ = ("delivery_id", "message_id", "message_type", "session_id", "queued_at", "died_at", "attempts", "reason", "last_status_code", "last_error", "raw_body")
    DELIVERY_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_TYPE_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    QUEUED_AT_FIELD_NUMBER: _ClassVar[int]
    DIED_AT_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    LAST_STATUS_CODE_FIELD_NUMBER: _ClassVar[int]
    LAST_ERROR_FIELD_NUMBER: _ClassVar[int]
    RAW_BODY_FIELD_NUMBER: _ClassVar[int]
    delivery_id: int
    message_id: str
    message_type: str
    session_id: str
    queued_at: _timestamp_pb2.Timestamp
    died_at: _timestamp_pb2.Timestamp
    attempts: int
    reason: str
    last_status_code: int
    last_error: str
    raw_body: bytes
    def __init__(self, delivery_id: _Optional[int] = ..., message_id: _Optional[str] = ..., message_type: _Optional[str] = ..., session_id: _Optional[str] = ..., queued_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., died_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., attempts: _Optional[int] = ..., reason: _Optional[str] = ..., last_status_code: _Optional[int] = ..., last_error: _Optional[str] = ..., raw_body: _Optional[bytes] = ...) -> None: ...
