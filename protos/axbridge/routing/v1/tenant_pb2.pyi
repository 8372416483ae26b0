from axbridge.routing.v1 import call_profile_pb2 as _call_profile_pb2
from axbridge.routing.v1 import prompt_pb2 as _prompt_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class JsonListStyle(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JSON_LIST_STYLE_UNSPECIFIED: _ClassVar[JsonListStyle]
    JSON_LIST_STYLE_WRAPPED: _ClassVar[JsonListStyle]
    JSON_LIST_STYLE_PLAIN: _ClassVar[JsonListStyle]

class PromptStyle(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROMPT_STYLE_UNSPECIFIED: _ClassVar[PromptStyle]
    PROMPT_STYLE_ESCAPED: _ClassVar[PromptStyle]
    PROMPT_STYLE_NESTED: _ClassVar[PromptStyle]

class DialingFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DIALING_FORMAT_UNSPECIFIED: _ClassVar[DialingFormat]
    DIALING_FORMAT_NATIONAL: _ClassVar[DialingFormat]
    DIALING_FORMAT_E164: _ClassVar[DialingFormat]
    DIALING_FORMAT_ZERO_BEFORE_NON_LOCAL_MOBILE: _ClassVar[DialingFormat]
JSON_LIST_STYLE_UNSPECIFIED: JsonListStyle
JSON_LIST_STYLE_WRAPPED: JsonListStyle
JSON_LIST_STYLE_PLAIN: JsonListStyle
PROMPT_STYLE_UNSPECIFIED: PromptStyle
PROMPT_STYLE_ESCAPED: PromptStyle
PROMPT_STYLE_NESTED: PromptStyle
DIALING_FORMAT_UNSPECIFIED: DialingFormat
DIALING_FORMAT_NATIONAL: DialingFormat
DIALING_FORMAT_E164: DialingFormat
DIALING_FORMAT_ZERO_BEFORE_NON_LOCAL_MOBILE: DialingFormat

class Tenant(_message.Message):
    __slots__ = ("tenant_id", "display_name", "response_style", "default_region", "dialing_format", "default_profile", "failure_prompts", "callback_url", "revision", "local_mobile_prefixes", "fallback_number", "foreign_display_numbers_allowed")
    class FailurePromptsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _prompt_pb2.Prompt
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_prompt_pb2.Prompt, _Mapping]] = ...) -> None: ...
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_STYLE_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_REGION_FIELD_NUMBER: _ClassVar[int]
    DIALING_FORMAT_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_PROFILE_FIELD_NUMBER: _ClassVar[int]
    FAILURE_PROMPTS_FIELD_NUMBER: _ClassVar[int]
    CALLBACK_URL_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    LOCAL_MOBILE_PREFIXES_FIELD_NUMBER: _ClassVar[int]
    FALLBACK_NUMBER_FIELD_NUMBER: _ClassVar[int]
    FOREIGN_DISPLAY_NUMBERS_ALLOWED_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    display_name: str
    response_style: ResponseStyle
    default_region: str
    dialing_format: DialingFormat
    default_profile: _call_profile_pb2.CallProfile
    failure_prompts: _containers.MessageMap[str, _prompt_pb2.Prompt]
    callback_url: str
    revision: int
    local_mobile_prefixes: _containers.RepeatedScalarFieldContainer[str]
    fallback_number: str
    foreign_display_numbers_allowed: bool
    def __init__(self, tenant_id: _Optional[str] = ..., display_name: _Optional[str] = ..., response_style: _Optional[_Union[ResponseStyle, _Mapping]] = ..., default_region: _Optional[str] = ..., dialing_format: _Optional[_Union[DialingFormat, str]] = ..., default_profile: _Optional[_Union[_call_profile_pb2.CallProfile, _Mapping]] = ..., failure_prompts: _Optional[_Mapping[str, _prompt_pb2.Prompt]] = ..., callback_url: _Optional[str] = ..., revision: _Optional[int] = ..., local_mobile_prefixes: _Optional[_Iterable[str]] = ..., fallback_number: _Optional[str] = ..., foreign_display_numbers_allowed: _Optional[bool] = ...) -> None: ...

class ResponseStyle(_message.Message):
    __slots__ = ("xml_root", "json_list_style", "prompt_style")
    XML_ROOT_FIELD_NUMBER: _ClassVar[int]
    JSON_LIST_STYLE_FIELD_NUMBER: _ClassVar[int]
    PROMPT_STYLE_FIELD_NUMBER: _ClassVar[int]
    xml_root: str
    json_list_style: JsonListStyle
    prompt_style: PromptStyle
    def __init__(self, xml_root: _Optional[str] = ..., json_list_style: _Optional[_Union[JsonListStyle, str]] = ..., prompt_style: _Optional[_Union[PromptStyle, str]] = ...) -> None: ...
