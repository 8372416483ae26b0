import datetime

from axbridge.routing.v1 import binding_pb2 as _binding_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class BindingState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BINDING_STATE_UNSPECIFIED: _ClassVar[BindingState]
    BINDING_STATE_IN_FORCE: _ClassVar[BindingState]
    BINDING_STATE_PENDING: _ClassVar[BindingState]
    BINDING_STATE_EXPIRED: _ClassVar[BindingState]

class BindingChangeType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BINDING_CHANGE_TYPE_UNSPECIFIED: _ClassVar[BindingChangeType]
    BINDING_CHANGE_TYPE_CREATED: _ClassVar[BindingChangeType]
    BINDING_CHANGE_TYPE_UPDATED: _ClassVar[BindingChangeType]
    BINDING_CHANGE_TYPE_DELETED: _ClassVar[BindingChangeType]
BINDING_STATE_UNSPECIFIED: BindingState
BINDING_STATE_IN_FORCE: BindingState
BINDING_STATE_PENDING: BindingState
BINDING_STATE_EXPIRED: BindingState
BINDING_CHANGE_TYPE_UNSPECIFIED: BindingChangeType
BINDING_CHANGE_TYPE_CREATED: BindingChangeType
BINDING_CHANGE_TYPE_UPDATED: BindingChangeType
BINDING_CHANGE_TYPE_DELETED: BindingChangeType

class CreateBindingRequest(_message.Message):
    __slots__ = ("binding", "request_id")
    BINDING_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    binding: _binding_pb2.Binding
    request_id: str
    def __init__(self, binding: _Optional[_Union[_binding_pb2.Binding, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class CreateBindingResponse(_message.Message):
    __slots__ = ("binding",)
    BINDING_FIELD_NUMBER: _ClassVar[int]
    binding: _binding_pb2.Binding
    def __init__(self, binding: _Optional[_Union[_binding_pb2.Binding, _Mapping]] = ...) -> None: ...

class GetBindingRequest(_message.Message):
    __slots__ = ("tenant_id", "binding_id")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    BINDING_ID_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    binding_id: str
    def __init__(self, tenant_id: _Optional[str] = ..., binding_id: _Optional[str] = ...) -> None: ...

class GetBindingResponse(_message.Message):
    __slots__ = ("binding",)
    BINDING_FIELD_NUMBER: _ClassVar[int]
    binding: _binding_pb2.Binding
    def __init__(self, binding: _Optional[_Union[_binding_pb2.Binding, _Mapping]] = ...) -> None: ...

class ListBindingsRequest(_message.Message):
    __slots__ = ("tenant_id", "access_number", "number", "page_size", "page_token", "state")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCESS_NUMBER_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    access_number: str
    number: str
    page_size: int
    page_token: str
    state: BindingState
    def __init__(self, tenant_id: _Optional[str] = ..., access_number: _Optional[str] = ..., number: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., state: _Optional[_Union[BindingState, str]] = ...) -> None: ...

class ListBindingsResponse(_message.Message):
    __slots__ = ("bindings", "next_page_token")
    BINDINGS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    bindings: _containers.RepeatedCompositeFieldContainer[_binding_pb2.Binding]
    next_page_token: str
    def __init__(self, bindings: _Optional[_Iterable[_Union[_binding_pb2.Binding, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateBindingRequest(_message.Message):
    __slots__ = ("binding", "update_mask", "expected_revision", "request_id")
    BINDING_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_REVISION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    binding: _binding_pb2.Binding
    update_mask: _field_mask_pb2.FieldMask
    expected_revision: int
    request_id: str
    def __init__(self, binding: _Optional[_Union[_binding_pb2.Binding, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., expected_revision: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class UpdateBindingResponse(_message.Message):
    __slots__ = ("binding",)
    BINDING_FIELD_NUMBER: _ClassVar[int]
    binding: _binding_pb2.Binding
    def __init__(self, binding: _Optional[_Union[_binding_pb2.Binding, _Mapping]] = ...) -> None: ...

class DeleteBindingRequest(_message.Message):
    __slots__ = ("tenant_id", "binding_id", "expected_revision", "request_id")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    BINDING_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_REVISION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    binding_id: str
    expected_revision: int
    request_id: str
    def __init__(self, tenant_id: _Optional[str] = ..., binding_id: _Optional[str] = ..., expected_revision: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class DeleteBindingResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ImportBindingsRequest(_message.Message):
    __slots__ = ("options", "bindings")
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    BINDINGS_FIELD_NUMBER: _ClassVar[int]
    options: ImportOptions
    bindings: _containers.RepeatedCompositeFieldContainer[_binding_pb2.Binding]
    def __init__(self, options: _Optional[_Union[ImportOptions, _Mapping]] = ..., bindings: _Optional[_Iterable[_Union[_binding_pb2.Binding, _Mapping]]] = ...) -> None: ...

class ImportOptions(_message.Message):
    __slots__ = ("tenant_id", "atomic", "dry_run", "request_id")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ATOMIC_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    atomic: bool
    dry_run: bool
    request_id: str
    def __init__(self, tenant_id: _Optional[str] = ..., atomic: _Optional[bool] = ..., dry_run: _Optional[bool] = ..., request_id: _Optional[str] = ...) -> None: ...

class ImportBindingsResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[ImportResult]
    def __init__(self, results: _Optional[_Iterable[_Union[ImportResult, _Mapping]]] = ...) -> None: ...

class ImportResult(_message.Message):
    __slots__ = ("row", "binding_id", "field", "error")
    ROW_FIELD_NUMBER: _ClassVar[int]
    BINDING_ID_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    row: int
    binding_id: str
    field: str
    error: str
    def __init__(self, row: _Optional[int] = ..., binding_id: _Optional[str] = ..., field: _Optional[str] = ..., error: _Optional[str] = ...) -> None: ...

class WatchBindingsRequest(_message.Message):
    __slots__ = ("tenant_id", "after_position")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_POSITION_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    after_position: int
    def __init__(self, tenant_id: _Optional[str] = ..., after_position: _Optional[int] = ...) -> None: ...

class WatchBindingsResponse(_message.Message):
    __slots__ = ("changes", "position")
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[BindingChange]
    position: int
    def __init__(self, changes: _Optional[_Iterable[_Union[BindingChange, _Mapping]]] = ..., position: _Optional[int] = ...) -> None: ...

class BindingChange(_message.Message):
    __slots__ = ("position", "type", "binding", "changed_at")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    BINDING_FIELD_NUMBER: _ClassVar[int]
    CHANGED_AT_FIELD_NUMBER: _ClassVar[int]
    position: int
    type: BindingChangeType
    binding: _binding_pb2.Binding
    changed_at: _timestamp_pb2.Timestamp
    def __init__(self, position: _Optional[int] = ..., type: _Optional[_Union[BindingChangeType, str]] = ..., binding: _Optional[_Union[_binding_pb2.Binding, _Mapping]] = ..., changed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListAuditEntriesRequest(_message.Message):
    __slots__ = ("tenant_id", "object_id", "page_size", "page_token")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    OBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    object_id: str
    page_size: int
    page_token: str
    def __init__(self, tenant_id: _Optional[str] = ..., object_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListAuditEntriesResponse(_message.Message):
    __slots__ = ("entries", "next_page_token")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[AuditEntry]
    next_page_token: str
    def __init__(self, entries: _Optional[_Iterable[_Union[AuditEntry, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class AuditEntry(_message.Message):
    __slots__ = ("entry_id", "at", "actor", "action", "object_id", "before_json", "after_json", "request_id")
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    OBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    BEFORE_JSON_FIELD_NUMBER: _ClassVar[int]
    AFTER_JSON_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    entry_id: int
    at: _timestamp_pb2.Timestamp
    actor: str
    action: str
    object_id: str
    before_json: str
    after_json: str
    request_id: str
    def __init__(self, entry_id: _Optional[int] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., actor: _Optional[str] = ..., action: _Optional[str] = ..., object_id: _Optional[str] = ..., before_json: _Optional[str] = ..., after_json: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...
