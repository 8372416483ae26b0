from axbridge.routing.v1 import call_profile_pb2 as _call_profile_pb2
from axbridge.routing.v1 import tenant_pb2 as _tenant_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RouteResult(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROUTE_RESULT_UNSPECIFIED: _ClassVar[RouteResult]
    ROUTE_RESULT_ROUTED: _ClassVar[RouteResult]
    ROUTE_RESULT_UNKNOWN_TENANT: _ClassVar[RouteResult]
    ROUTE_RESULT_UNKNOWN_ACCESS_NUMBER: _ClassVar[RouteResult]
    ROUTE_RESULT_NO_BINDING: _ClassVar[RouteResult]
    ROUTE_RESULT_CALLER_BLOCKED: _ClassVar[RouteResult]
    ROUTE_RESULT_NOT_IN_FORCE: _ClassVar[RouteResult]
    ROUTE_RESULT_INVALID_QUERY: _ClassVar[RouteResult]
    ROUTE_RESULT_TIMED_OUT: _ClassVar[RouteResult]
    ROUTE_RESULT_UNAVAILABLE: _ClassVar[RouteResult]
    ROUTE_RESULT_INTERNAL: _ClassVar[RouteResult]
    ROUTE_RESULT_NOT_AUTHORIZED: _ClassVar[RouteResult]

class DecisionSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DECISION_SOURCE_UNSPECIFIED: _ClassVar[DecisionSource]
    DECISION_SOURCE_STORE: _ClassVar[DecisionSource]
    DECISION_SOURCE_CACHE: _ClassVar[DecisionSource]

class CallDirection(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CALL_DIRECTION_UNSPECIFIED: _ClassVar[CallDirection]
    CALL_DIRECTION_A_TO_B: _ClassVar[CallDirection]
    CALL_DIRECTION_B_TO_A: _ClassVar[CallDirection]
    CALL_DIRECTION_TO_OWNER: _ClassVar[CallDirection]
    CALL_DIRECTION_FROM_OWNER: _ClassVar[CallDirection]
ROUTE_RESULT_UNSPECIFIED: RouteResult
ROUTE_RESULT_ROUTED: RouteResult
ROUTE_RESULT_UNKNOWN_TENANT: RouteResult
ROUTE_RESULT_UNKNOWN_ACCESS_NUMBER: RouteResult
ROUTE_RESULT_NO_BINDING: RouteResult
ROUTE_RESULT_CALLER_BLOCKED: RouteResult
ROUTE_RESULT_NOT_IN_FORCE: RouteResult
ROUTE_RESULT_INVALID_QUERY: RouteResult
ROUTE_RESULT_TIMED_OUT: RouteResult
ROUTE_RESULT_UNAVAILABLE: RouteResult
ROUTE_RESULT_INTERNAL: RouteResult
ROUTE_RESULT_NOT_AUTHORIZED: RouteResult
DECISION_SOURCE_UNSPECIFIED: DecisionSource
DECISION_SOURCE_STORE: DecisionSource
DECISION_SOURCE_CACHE: DecisionSource
CALL_DIRECTION_UNSPECIFIED: CallDirection
CALL_DIRECTION_A_TO_B: CallDirection
CALL_DIRECTION_B_TO_A: CallDirection
CALL_DIRECTION_TO_OWNER: CallDirection
CALL_DIRECTION_FROM_OWNER: CallDirection

class RouteDecision(_message.Message):
    __slots__ = ("result", "reason", "binding_id", "binding_revision", "decision_source", "direction", "members", "attributes", "response_style")
    RESULT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    BINDING_ID_FIELD_NUMBER: _ClassVar[int]
    BINDING_REVISION_FIELD_NUMBER: _ClassVar[int]
    DECISION_SOURCE_FIELD_NUMBER: _ClassVar[int]
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_STYLE_FIELD_NUMBER: _ClassVar[int]
    result: RouteResult
    reason: str
    binding_id: str
    binding_revision: int
    decision_source: DecisionSource
    direction: CallDirection
    members: _containers.RepeatedCompositeFieldContainer[RouteMember]
    attributes: RouteAttributes
    response_style: _tenant_pb2.ResponseStyle
    def __init__(self, result: _Optional[_Union[RouteResult, str]] = ..., reason: _Optional[str] = ..., binding_id: _Optional[str] = ..., binding_revision: _Optional[int] = ..., decision_source: _Optional[_Union[DecisionSource, str]] = ..., direction: _Optional[_Union[CallDirection, str]] = ..., members: _Optional[_Iterable[_Union[RouteMember, _Mapping]]] = ..., attributes: _Optional[_Union[RouteAttributes, _Mapping]] = ..., response_style: _Optional[_Union[_tenant_pb2.ResponseStyle, _Mapping]] = ...) -> None: ...

class RouteMember(_message.Message):
    __slots__ = ("number", "display_number", "answer_prompt", "disconnect_prompt", "fail_prompt")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NUMBER_FIELD_NUMBER: _ClassVar[int]
    ANSWER_PROMPT_FIELD_NUMBER: _ClassVar[int]
    DISCONNECT_PROMPT_FIELD_NUMBER: _ClassVar[int]
    FAIL_PROMPT_FIELD_NUMBER: _ClassVar[int]
    number: str
    display_number: str
    answer_prompt: str
    disconnect_prompt: str
    fail_prompt: str
    def __init__(self, number: _Optional[str] = ..., display_number: _Optional[str] = ..., answer_prompt: _Optional[str] = ..., disconnect_prompt: _Optional[str] = ..., fail_prompt: _Optional[str] = ...) -> None: ...

class RouteAttributes(_message.Message):
    __slots__ = ("charge_ext", "client_id", "caller_prompt", "user_data", "callback_url", "max_duration_seconds", "record_type", "warning_duration_seconds", "warning_prompt", "connection_type", "ringback_mode", "ringback_prompt")
    CHARGE_EXT_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    CALLER_PROMPT_FIELD_NUMBER: _ClassVar[int]
    USER_DATA_FIELD_NUMBER: _ClassVar[int]
    CALLBACK_URL_FIELD_NUMBER: _ClassVar[int]
    MAX_DURATION_SECONDS_FIELD_NUMBER: _ClassVar[int]
    RECORD_TYPE_FIELD_NUMBER: _ClassVar[int]
    WARNING_DURATION_SECONDS_FIELD_NUMBER: _ClassVar[int]
    WARNING_PROMPT_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_TYPE_FIELD_NUMBER: _ClassVar[int]
    RINGBACK_MODE_FIELD_NUMBER: _ClassVar[int]
    RINGBACK_PROMPT_FIELD_NUMBER: _ClassVar[int]
    charge_ext: str
    client_id: str
    caller_prompt: str
    user_data: str
    callback_url: str
    max_duration_seconds: int
    record_type: _call_profile_pb2.RecordType
    warning_duration_seconds: int
    warning_prompt: str
    connection_type: _call_profile_pb2.ConnectionType
    ringback_mode: _call_profile_pb2.RingbackMode
    ringback_prompt: str
    def __init__(self, charge_ext: _Optional[str] = ..., client_id: _Optional[str] = ..., caller_prompt: _Optional[str] = ..., user_data: _Optional[str] = ..., callback_url: _Optional[str] = ..., max_duration_seconds: _Optional[int] = ..., record_type: _Optional[_Union[_call_profile_pb2.RecordType, str]] = ..., warning_duration_seconds: _Optional[int] = ..., warning_prompt: _Optional[str] = ..., connection_type: _Optional[_Union[_call_profile_pb2.ConnectionType, str]] = ..., ringback_mode: _Optional[_Union[_call_profile_pb2.RingbackMode, str]] = ..., ringback_prompt: _Optional[str] = ...) -> None: ...
