import datetime

from axbridge.routing.v1 import binding_pb2 as _binding_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PreviousNumberPolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PREVIOUS_NUMBER_POLICY_UNSPECIFIED: _ClassVar[PreviousNumberPolicy]
    PREVIOUS_NUMBER_POLICY_STICKY: _ClassVar[PreviousNumberPolicy]
    PREVIOUS_NUMBER_POLICY_AVOID: _ClassVar[PreviousNumberPolicy]
PREVIOUS_NUMBER_POLICY_UNSPECIFIED: PreviousNumberPolicy
PREVIOUS_NUMBER_POLICY_STICKY: PreviousNumberPolicy
PREVIOUS_NUMBER_POLICY_AVOID: PreviousNumberPolicy

class AccessNumber(_message.Message):
    __slots__ = ("number", "tenant_id", "pool", "city_code", "capabilities", "live_bindings", "last_released_at")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    CITY_CODE_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    LIVE_BINDINGS_FIELD_NUMBER: _ClassVar[int]
    LAST_RELEASED_AT_FIELD_NUMBER: _ClassVar[int]
    number: str
    tenant_id: str
    pool: str
    city_code: str
    capabilities: _containers.RepeatedScalarFieldContainer[str]
    live_bindings: int
    last_released_at: _timestamp_pb2.Timestamp
    def __init__(self, number: _Optional[str] = ..., tenant_id: _Optional[str] = ..., pool: _Optional[str] = ..., city_code: _Optional[str] = ..., capabilities: _Optional[_Iterable[str]] = ..., live_bindings: _Optional[int] = ..., last_released_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class AddAccessNumbersRequest(_message.Message):
    __slots__ = ("tenant_id", "access_numbers", "request_id")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCESS_NUMBERS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    access_numbers: _containers.RepeatedCompositeFieldContainer[AccessNumber]
    request_id: str
    def __init__(self, tenant_id: _Optional[str] = ..., access_numbers: _Optional[_Iterable[_Union[AccessNumber, _Mapping]]] = ..., request_id: _Optional[str] = ...) -> None: ...

class AddAccessNumbersResponse(_message.Message):
    __slots__ = ("access_numbers",)
    ACCESS_NUMBERS_FIELD_NUMBER: _ClassVar[int]
    access_numbers: _containers.RepeatedCompositeFieldContainer[AccessNumber]
    def __init__(self, access_numbers: _Optional[_Iterable[_Union[AccessNumber, _Mapping]]] = ...) -> None: ...

class ListAccessNumbersRequest(_message.Message):
    __slots__ = ("tenant_id", "pool", "city_code", "page_size", "page_token")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    CITY_CODE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    pool: str
    city_code: str
    page_size: int
    page_token: str
    def __init__(self, tenant_id: _Optional[str] = ..., pool: _Optional[str] = ..., city_code: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListAccessNumbersResponse(_message.Message):
    __slots__ = ("access_numbers", "next_page_token")
    ACCESS_NUMBERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    access_numbers: _containers.RepeatedCompositeFieldContainer[AccessNumber]
    next_page_token: str
    def __init__(self, access_numbers: _Optional[_Iterable[_Union[AccessNumber, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class RemoveAccessNumbersRequest(_message.Message):
    __slots__ = ("tenant_id", "numbers", "request_id")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    numbers: _containers.RepeatedScalarFieldContainer[str]
    request_id: str
    def __init__(self, tenant_id: _Optional[str] = ..., numbers: _Optional[_Iterable[str]] = ..., request_id: _Optional[str] = ...) -> None: ...

class RemoveAccessNumbersResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class AllocateBindingRequest(_message.Message):
    __slots__ = ("binding", "pool", "city_code", "nationwide_fallback", "capabilities", "previous_number_policy", "cool_down", "request_id")
    BINDING_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    CITY_CODE_FIELD_NUMBER: _ClassVar[int]
    NATIONWIDE_FALLBACK_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_NUMBER_POLICY_FIELD_NUMBER: _ClassVar[int]
    COOL_DOWN_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    binding: _binding_pb2.Binding
    pool: str
    city_code: str
    nationwide_fallback: bool
    capabilities: _containers.RepeatedScalarFieldContainer[str]
    previous_number_policy: PreviousNumberPolicy
    cool_down: _duration_pb2.Duration
    request_id: str
    def __init__(self, binding: _Optional[_Union[_binding_pb2.Binding, _Mapping]] = ..., pool: _Optional[str] = ..., city_code: _Optional[str] = ..., nationwide_fallback: _Optional[bool] = ..., capabilities: _Optional[_Iterable[str]] = ..., previous_number_policy: _Optional[_Union[PreviousNumberPolicy, str]] = ..., cool_down: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class AllocateBindingResponse(_message.Message):
    __slots__ = ("binding",)
    BINDING_FIELD_NUMBER: _ClassVar[int]
    binding: _binding_pb2.Binding
    def __init__(self, binding: _Optional[_Union[_binding_pb2.Binding, _Mapping]] = ...) -> None: ...

class PoolForecastRequest(_message.Message):
    __slots__ = ("tenant_id", "pool", "window")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    pool: str
    window: _duration_pb2.Duration
    def __init__(self, tenant_id: _Optional[str] = ..., pool: _Optional[str] = ..., window: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class PoolForecastResponse(_message.Message):
    __slots__ = ("access_numbers", "needed", "busiest_number", "peak_live_bindings")
    ACCESS_NUMBERS_FIELD_NUMBER: _ClassVar[int]
    NEEDED_FIELD_NUMBER: _ClassVar[int]
    BUSIEST_NUMBER_FIELD_NUMBER: _ClassVar[int]
    PEAK_LIVE_BINDINGS_FIELD_NUMBER: _ClassVar[int]
    access_numbers: int
    needed: int
    busiest_number: str
    peak_live_bindings: int
    def __init__(self, access_numbers: _Optional[int] = ..., needed: _Optional[int] = ..., busiest_number: _Optional[str] = ..., peak_live_bindings: _Optional[int] = ...) -> None: ...
