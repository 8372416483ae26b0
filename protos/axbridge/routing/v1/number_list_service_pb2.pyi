import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class NumberListAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NUMBER_LIST_ACTION_UNSPECIFIED: _ClassVar[NumberListAction]
    NUMBER_LIST_ACTION_ALLOW: _ClassVar[NumberListAction]
    NUMBER_LIST_ACTION_BLOCK: _ClassVar[NumberListAction]

class NumberPatternType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NUMBER_PATTERN_TYPE_UNSPECIFIED: _ClassVar[NumberPatternType]
    NUMBER_PATTERN_TYPE_EXACT: _ClassVar[NumberPatternType]
    NUMBER_PATTERN_TYPE_PREFIX: _ClassVar[NumberPatternType]
NUMBER_LIST_ACTION_UNSPECIFIED: NumberListAction
NUMBER_LIST_ACTION_ALLOW: NumberListAction
NUMBER_LIST_ACTION_BLOCK: NumberListAction
NUMBER_PATTERN_TYPE_UNSPECIFIED: NumberPatternType
NUMBER_PATTERN_TYPE_EXACT: NumberPatternType
NUMBER_PATTERN_TYPE_PREFIX: NumberPatternType

class NumberListEntry(_message.Message):
    __slots__ = ("entry_id", "tenant_id", "access_number", "action", "pattern_type", "pattern", "note", "expires_at", "created_at")
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCESS_NUMBER_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    PATTERN_TYPE_FIELD_NUMBER: _ClassVar[int]
    PATTERN_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    entry_id: str
    tenant_id: str
    access_number: str
    action: NumberListAction
    pattern_type: NumberPatternType
    pattern: str
    note: str
    expires_at: _timestamp_pb2.Timestamp
    created_at: _timestamp_pb2.Timestamp
    def __init__(self, entry_id: _Optional[str] = ..., tenant_id: _Optional[str] = ..., access_number: _Optional[str] = ..., action: _Optional[_Union[NumberListAction, str]] = ..., pattern_type: _Optional[_Union[NumberPatternType, str]] = ..., pattern: _Optional[str] = ..., note: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CreateNumberListEntryRequest(_message.Message):
    __slots__ = ("entry", "request_id")
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    entry: NumberListEntry
    request_id: str
    def __init__(self, entry: _Optional[_Union[NumberListEntry, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class CreateNumberListEntryResponse(_message.Message):
    __slots__ = ("entry",)
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    entry: NumberListEntry
    def __init__(self, entry: _Optional[_Union[NumberListEntry, _Mapping]] = ...) -> None: ...

class ListNumberListEntriesRequest(_message.Message):
    __slots__ = ("tenant_id", "access_number", "page_size", "page_token")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCESS_NUMBER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    access_number: str
    page_size: int
    page_token: str
    def __init__(self, tenant_id: _Optional[str] = ..., access_number: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListNumberListEntriesResponse(_message.Message):
    __slots__ = ("entries", "next_page_token")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[NumberListEntry]
    next_page_token: str
    def __init__(self, entries: _Optional[_Iterable[_Union[NumberListEntry, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteNumberListEntryRequest(_message.Message):
    __slots__ = ("tenant_id", "entry_id", "request_id")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    entry_id: str
    request_id: str
    def __init__(self, tenant_id: _Optional[str] = ..., entry_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class DeleteNumberListEntryResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
