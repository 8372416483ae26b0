import datetime

from axbridge.routing.v1 import call_profile_pb2 as _call_profile_pb2
from axbridge.routing.v1 import prompt_pb2 as _prompt_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class HuntStrategy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    HUNT_STRATEGY_UNSPECIFIED: _ClassVar[HuntStrategy]
    HUNT_STRATEGY_SEQUENTIAL: _ClassVar[HuntStrategy]
    HUNT_STRATEGY_ROUND_ROBIN: _ClassVar[HuntStrategy]
    HUNT_STRATEGY_LONGEST_IDLE: _ClassVar[HuntStrategy]

class BindingKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BINDING_KIND_UNSPECIFIED: _ClassVar[BindingKind]
    BINDING_KIND_AXB: _ClassVar[BindingKind]
    BINDING_KIND_AX: _ClassVar[BindingKind]
    BINDING_KIND_AXG: _ClassVar[BindingKind]
    BINDING_KIND_AXE: _ClassVar[BindingKind]
    BINDING_KIND_AXYB: _ClassVar[BindingKind]
HUNT_STRATEGY_UNSPECIFIED: HuntStrategy
HUNT_STRATEGY_SEQUENTIAL: HuntStrategy
HUNT_STRATEGY_ROUND_ROBIN: HuntStrategy
HUNT_STRATEGY_LONGEST_IDLE: HuntStrategy
BINDING_KIND_UNSPECIFIED: BindingKind
BINDING_KIND_AXB: BindingKind
BINDING_KIND_AX: BindingKind
BINDING_KIND_AXG: BindingKind
BINDING_KIND_AXE: BindingKind
BINDING_KIND_AXYB: BindingKind

class Binding(_message.Message):
    __slots__ = ("binding_id", "tenant_id", "kind", "access_number", "a_number", "b_number", "callback_number", "display_number", "member_prompts", "profile", "not_before", "expires_at", "revision", "created_at", "updated_at", "one_way", "targets", "hunt_strategy", "max_members", "extension", "y_number", "schedule", "callback_to_last_caller")
    BINDING_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ACCESS_NUMBER_FIELD_NUMBER: _ClassVar[int]
    A_NUMBER_FIELD_NUMBER: _ClassVar[int]
    B_NUMBER_FIELD_NUMBER: _ClassVar[int]
    CALLBACK_NUMBER_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NUMBER_FIELD_NUMBER: _ClassVar[int]
    MEMBER_PROMPTS_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    NOT_BEFORE_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    ONE_WAY_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    HUNT_STRATEGY_FIELD_NUMBER: _ClassVar[int]
    MAX_MEMBERS_FIELD_NUMBER: _ClassVar[int]
    EXTENSION_FIELD_NUMBER: _ClassVar[int]
    Y_NUMBER_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    CALLBACK_TO_LAST_CALLER_FIELD_NUMBER: _ClassVar[int]
    binding_id: str
    tenant_id: str
    kind: BindingKind
    access_number: str
    a_number: str
    b_number: str
    callback_number: str
    display_number: str
    member_prompts: MemberPrompts
    profile: _call_profile_pb2.CallProfile
    not_before: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    revision: int
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    one_way: bool
    targets: _containers.RepeatedCompositeFieldContainer[BindingTarget]
    hunt_strategy: HuntStrategy
    max_members: int
    extension: str
    y_number: str
    schedule: WeeklySchedule
    callback_to_last_caller: bool
    def __init__(self, binding_id: _Optional[str] = ..., tenant_id: _Optional[str] = ..., kind: _Optional[_Union[BindingKind, str]] = ..., access_number: _Optional[str] = ..., a_number: _Optional[str] = ..., b_number: _Optional[str] = ..., callback_number: _Optional[str] = ..., display_number: _Optional[str] = ..., member_prompts: _Optional[_Union[MemberPrompts, _Mapping]] = ..., profile: _Optional[_Union[_call_profile_pb2.CallProfile, _Mapping]] = ..., not_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., revision: _Optional[int] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., one_way: _Optional[bool] = ..., targets: _Optional[_Iterable[_Union[BindingTarget, _Mapping]]] = ..., hunt_strategy: _Optional[_Union[HuntStrategy, str]] = ..., max_members: _Optional[int] = ..., extension: _Optional[str] = ..., y_number: _Optional[str] = ..., schedule: _Optional[_Union[WeeklySchedule, _Mapping]] = ..., callback_to_last_caller: _Optional[bool] = ...) -> None: ...

class BindingTarget(_message.Message):
    __slots__ = ("number", "display_number", "member_prompts")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NUMBER_FIELD_NUMBER: _ClassVar[int]
    MEMBER_PROMPTS_FIELD_NUMBER: _ClassVar[int]
    number: str
    display_number: str
    member_prompts: MemberPrompts
    def __init__(self, number: _Optional[str] = ..., display_number: _Optional[str] = ..., member_prompts: _Optional[_Union[MemberPrompts, _Mapping]] = ...) -> None: ...

class WeeklySchedule(_message.Message):
    __slots__ = ("time_zone", "hours", "holidays")
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    HOURS_FIELD_NUMBER: _ClassVar[int]
    HOLIDAYS_FIELD_NUMBER: _ClassVar[int]
    time_zone: str
    hours: _containers.RepeatedCompositeFieldContainer[WeeklyHours]
    holidays: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, time_zone: _Optional[str] = ..., hours: _Optional[_Iterable[_Union[WeeklyHours, _Mapping]]] = ..., holidays: _Optional[_Iterable[str]] = ...) -> None: ...

class WeeklyHours(_message.Message):
    __slots__ = ("days_of_week", "start", "end")
    DAYS_OF_WEEK_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    days_of_week: _containers.RepeatedScalarFieldContainer[int]
    start: str
    end: str
    def __init__(self, days_of_week: _Optional[_Iterable[int]] = ..., start: _Optional[str] = ..., end: _Optional[str] = ...) -> None: ...

class MemberPrompts(_message.Message):
    __slots__ = ("answer_prompt", "disconnect_prompt", "fail_prompt")
    ANSWER_PROMPT_FIELD_NUMBER: _ClassVar[int]
    DISCONNECT_PROMPT_FIELD_NUMBER: _ClassVar[int]
    FAIL_PROMPT_FIELD_NUMBER: _ClassVar[int]
    answer_prompt: _prompt_pb2.Prompt
    disconnect_prompt: _prompt_pb2.Prompt
    fail_prompt: _prompt_pb2.Prompt
    def __init__(self, answer_prompt: _Optional[_Union[_prompt_pb2.Prompt, _Mapping]] = ..., disconnect_prompt: _Optional[_Union[_prompt_pb2.Prompt, _Mapping]] = ..., fail_prompt: _Optional[_Union[_prompt_pb2.Prompt, _Mapping]] = ...) -> None: ...
