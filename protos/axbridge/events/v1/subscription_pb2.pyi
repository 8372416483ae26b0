import datetime

from axbridge.events.v1 import call_pb2 as _call_pb2
from axbridge.events.v1 import call_service_pb2 as _call_service_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SubscriptionContent(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SUBSCRIPTION_CONTENT_UNSPECIFIED: _ClassVar[SubscriptionContent]
    SUBSCRIPTION_CONTENT_EVENTS: _ClassVar[SubscriptionContent]
    SUBSCRIPTION_CONTENT_CALLS: _ClassVar[SubscriptionContent]
    SUBSCRIPTION_CONTENT_EVENTS_AND_CALLS: _ClassVar[SubscriptionContent]
SUBSCRIPTION_CONTENT_UNSPECIFIED: SubscriptionContent
SUBSCRIPTION_CONTENT_EVENTS: SubscriptionContent
SUBSCRIPTION_CONTENT_CALLS: SubscriptionContent
SUBSCRIPTION_CONTENT_EVENTS_AND_CALLS: SubscriptionContent

class Subscription(_message.Message):
    __slots__ = ("name", "tenant_id", "filter", "created_at", "last_acknowledged_at", "backlog", "remove_unused_after")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_ACKNOWLEDGED_AT_FIELD_NUMBER: _ClassVar[int]
    BACKLOG_FIELD_NUMBER: _ClassVar[int]
    REMOVE_UNUSED_AFTER_FIELD_NUMBER: _ClassVar[int]
    name: str
    tenant_id: str
    filter: SubscriptionFilter
    created_at: _timestamp_pb2.Timestamp
    last_acknowledged_at: _timestamp_pb2.Timestamp
    backlog: int
    remove_unused_after: _duration_pb2.Duration
    def __init__(self, name: _Optional[str] = ..., tenant_id: _Optional[str] = ..., filter: _Optional[_Union[SubscriptionFilter, _Mapping]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_acknowledged_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., backlog: _Optional[int] = ..., remove_unused_after: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class SubscriptionFilter(_message.Message):
    __slots__ = ("content", "codes", "numbers", "default_region")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    CODES_FIELD_NUMBER: _ClassVar[int]
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_REGION_FIELD_NUMBER: _ClassVar[int]
    content: SubscriptionContent
    codes: _containers.RepeatedScalarFieldContainer[str]
    numbers: _containers.RepeatedScalarFieldContainer[str]
    default_region: str
    def __init__(self, content: _Optional[_Union[SubscriptionContent, str]] = ..., codes: _Optional[_Iterable[str]] = ..., numbers: _Optional[_Iterable[str]] = ..., default_region: _Optional[str] = ...) -> None: ...

class Delivery(_message.Message):
    __slots__ = ("partition", "position", "event", "call")
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    partition: int
    position: int
    event: _call_service_pb2.StoredEvent
    call: _call_pb2.Call
    def __init__(self, partition: _Optional[int] = ..., position: _Optional[int] = ..., event: _Optional[_Union[_call_service_pb2.StoredEvent, _Mapping]] = ..., call: _Optional[_Union[_call_pb2.Call, _Mapping]] = ...) -> None: ...
