from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PromptVariableType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROMPT_VARIABLE_TYPE_UNSPECIFIED: _ClassVar[PromptVariableType]
    PROMPT_VARIABLE_TYPE_INTEGER: _ClassVar[PromptVariableType]
    PROMPT_VARIABLE_TYPE_DIGITS: _ClassVar[PromptVariableType]
    PROMPT_VARIABLE_TYPE_TIME: _ClassVar[PromptVariableType]
    PROMPT_VARIABLE_TYPE_DATE: _ClassVar[PromptVariableType]
    PROMPT_VARIABLE_TYPE_PRICE: _ClassVar[PromptVariableType]
    PROMPT_VARIABLE_TYPE_DURATION: _ClassVar[PromptVariableType]
    PROMPT_VARIABLE_TYPE_TEXT: _ClassVar[PromptVariableType]
PROMPT_VARIABLE_TYPE_UNSPECIFIED: PromptVariableType
PROMPT_VARIABLE_TYPE_INTEGER: PromptVariableType
PROMPT_VARIABLE_TYPE_DIGITS: PromptVariableType
PROMPT_VARIABLE_TYPE_TIME: PromptVariableType
PROMPT_VARIABLE_TYPE_DATE: PromptVariableType
PROMPT_VARIABLE_TYPE_PRICE: PromptVariableType
PROMPT_VARIABLE_TYPE_DURATION: PromptVariableType
PROMPT_VARIABLE_TYPE_TEXT: PromptVariableType

class Prompt(_message.Message):
    __slots__ = ("segments",)
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    segments: _containers.RepeatedCompositeFieldContainer[PromptSegment]
    def __init__(self, segments: _Optional[_Iterable[_Union[PromptSegment, _Mapping]]] = ...) -> None: ...

class PromptSegment(_message.Message):
    __slots__ = ("file", "variable")
    FILE_FIELD_NUMBER: _ClassVar[int]
    VARIABLE_FIELD_NUMBER: _ClassVar[int]
    file: str
    variable: PromptVariable
    def __init__(self, file: _Optional[str] = ..., variable: _Optional[_Union[PromptVariable, _Mapping]] = ...) -> None: ...

class PromptVariable(_message.Message):
    __slots__ = ("type", "value")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    type: PromptVariableType
    value: str
    def __init__(self, type: _Optional[_Union[PromptVariableType, str]] = ..., value: _Optional[str] = ...) -> None: ...
