import datetime

from axbridge.routing.v1 import binding_pb2 as _binding_pb2
from axbridge.routing.v1 import decision_pb2 as _decision_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RuleOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RULE_OUTCOME_UNSPECIFIED: _ClassVar[RuleOutcome]
    RULE_OUTCOME_PASSED: _ClassVar[RuleOutcome]
    RULE_OUTCOME_DECIDED: _ClassVar[RuleOutcome]
    RULE_OUTCOME_REJECTED: _ClassVar[RuleOutcome]
RULE_OUTCOME_UNSPECIFIED: RuleOutcome
RULE_OUTCOME_PASSED: RuleOutcome
RULE_OUTCOME_DECIDED: RuleOutcome
RULE_OUTCOME_REJECTED: RuleOutcome

class ResolveBatchRequest(_message.Message):
    __slots__ = ("queries",)
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    queries: _containers.RepeatedCompositeFieldContainer[ResolveQuery]
    def __init__(self, queries: _Optional[_Iterable[_Union[ResolveQuery, _Mapping]]] = ...) -> None: ...

class ResolveQuery(_message.Message):
    __slots__ = ("tenant_id", "session_id", "calling_number", "access_number", "traceparent", "budget_milliseconds")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    CALLING_NUMBER_FIELD_NUMBER: _ClassVar[int]
    ACCESS_NUMBER_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    BUDGET_MILLISECONDS_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    session_id: str
    calling_number: str
    access_number: str
    traceparent: str
    budget_milliseconds: int
    def __init__(self, tenant_id: _Optional[str] = ..., session_id: _Optional[str] = ..., calling_number: _Optional[str] = ..., access_number: _Optional[str] = ..., traceparent: _Optional[str] = ..., budget_milliseconds: _Optional[int] = ...) -> None: ...

class ResolveBatchResponse(_message.Message):
    __slots__ = ("decisions",)
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    decisions: _containers.RepeatedCompositeFieldContainer[_decision_pb2.RouteDecision]
    def __init__(self, decisions: _Optional[_Iterable[_Union[_decision_pb2.RouteDecision, _Mapping]]] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("tenant_id", "calling_number", "access_number", "at", "session_id")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    CALLING_NUMBER_FIELD_NUMBER: _ClassVar[int]
    ACCESS_NUMBER_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    calling_number: str
    access_number: str
    at: _timestamp_pb2.Timestamp
    session_id: str
    def __init__(self, tenant_id: _Optional[str] = ..., calling_number: _Optional[str] = ..., access_number: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., session_id: _Optional[str] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("decision", "considered", "calling_number", "access_number", "at")
    DECISION_FIELD_NUMBER: _ClassVar[int]
    CONSIDERED_FIELD_NUMBER: _ClassVar[int]
    CALLING_NUMBER_FIELD_NUMBER: _ClassVar[int]
    ACCESS_NUMBER_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    decision: _decision_pb2.RouteDecision
    considered: _containers.RepeatedCompositeFieldContainer[ConsideredRule]
    calling_number: str
    access_number: str
    at: _timestamp_pb2.Timestamp
    def __init__(self, decision: _Optional[_Union[_decision_pb2.RouteDecision, _Mapping]] = ..., considered: _Optional[_Iterable[_Union[ConsideredRule, _Mapping]]] = ..., calling_number: _Optional[str] = ..., access_number: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ConsideredRule(_message.Message):
    __slots__ = ("rule", "binding_id", "outcome", "detail")
    RULE_FIELD_NUMBER: _ClassVar[int]
    BINDING_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    rule: str
    binding_id: str
    outcome: RuleOutcome
    detail: str
    def __init__(self, rule: _Optional[str] = ..., binding_id: _Optional[str] = ..., outcome: _Optional[_Union[RuleOutcome, str]] = ..., detail: _Optional[str] = ...) -> None: ...

class ShadowReplayRequest(_message.Message):
    __slots__ = ("proposal", "queries")
    PROPOSAL_FIELD_NUMBER: _ClassVar[int]
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    proposal: ShadowProposal
    queries: _containers.RepeatedCompositeFieldContainer[ShadowQuery]
    def __init__(self, proposal: _Optional[_Union[ShadowProposal, _Mapping]] = ..., queries: _Optional[_Iterable[_Union[ShadowQuery, _Mapping]]] = ...) -> None: ...

class ShadowProposal(_message.Message):
    __slots__ = ("tenant_id", "bindings", "deleted_binding_ids")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    BINDINGS_FIELD_NUMBER: _ClassVar[int]
    DELETED_BINDING_IDS_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    bindings: _containers.RepeatedCompositeFieldContainer[_binding_pb2.Binding]
    deleted_binding_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, tenant_id: _Optional[str] = ..., bindings: _Optional[_Iterable[_Union[_binding_pb2.Binding, _Mapping]]] = ..., deleted_binding_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class ShadowQuery(_message.Message):
    __slots__ = ("session_id", "calling_number", "access_number", "at")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    CALLING_NUMBER_FIELD_NUMBER: _ClassVar[int]
    ACCESS_NUMBER_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    calling_number: str
    access_number: str
    at: _timestamp_pb2.Timestamp
    def __init__(self, session_id: _Optional[str] = ..., calling_number: _Optional[str] = ..., access_number: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ShadowReplayResponse(_message.Message):
    __slots__ = ("differences", "queries")
    DIFFERENCES_FIELD_NUMBER: _ClassVar[int]
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    differences: _containers.RepeatedCompositeFieldContainer[ShadowDifference]
    queries: int
    def __init__(self, differences: _Optional[_Iterable[_Union[ShadowDifference, _Mapping]]] = ..., queries: _Optional[int] = ...) -> None: ...

class ShadowDifference(_message.Message):
    __slots__ = ("query", "present", "proposed")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    PRESENT_FIELD_NUMBER: _ClassVar[int]
    PROPOSED_FIELD_NUMBER: _ClassVar[int]
    query: ShadowQuery
    present: _decision_pb2.RouteDecision
    proposed: _decision_pb2.RouteDecision
    def __init__(self, query: _Optional[_Union[ShadowQuery, _Mapping]] = ..., present: _Optional[_Union[_decision_pb2.RouteDecision, _Mapping]] = ..., proposed: _Optional[_Union[_decision_pb2.RouteDecision, _Mapping]] = ...) -> None: ...
