"""Queries and decisions."""

from axbridge.routing.v1 import decision_pb2, routing_service_pb2

from common.protocol_codes import ResultCode
from routing_service.answer import RouteAnswer, RouteAttributes, RouteMember
from routing_service.convert.tenants import style_to_proto
from routing_service.convert.values import (
    CONNECTION_TYPES_OUT,
    RECORD_TYPES_OUT,
    RINGBACK_MODES_OUT,
    moment_to_proto,
)
from routing_service.domain.decision import CallDirection, ConsideredRule, DecisionSource, RuleOutcome
from routing_service.service.routing import Explanation, IncomingQuery

_RESULTS = {
    ResultCode.SUCCESS: decision_pb2.ROUTE_RESULT_ROUTED,
    ResultCode.MALFORMED_REQUEST: decision_pb2.ROUTE_RESULT_INVALID_QUERY,
    ResultCode.UNKNOWN_TENANT: decision_pb2.ROUTE_RESULT_UNKNOWN_TENANT,
    ResultCode.UNKNOWN_ACCESS_NUMBER: decision_pb2.ROUTE_RESULT_UNKNOWN_ACCESS_NUMBER,
    ResultCode.NO_BINDING: decision_pb2.ROUTE_RESULT_NO_BINDING,
    ResultCode.CALLER_BLOCKED: decision_pb2.ROUTE_RESULT_CALLER_BLOCKED,
    ResultCode.NOT_IN_FORCE: decision_pb2.ROUTE_RESULT_NOT_IN_FORCE,
    ResultCode.NOT_AUTHORIZED: decision_pb2.ROUTE_RESULT_NOT_AUTHORIZED,
    ResultCode.TIMED_OUT: decision_pb2.ROUTE_RESULT_TIMED_OUT,
    ResultCode.UNAVAILABLE: decision_pb2.ROUTE_RESULT_UNAVAILABLE,
    ResultCode.INTERNAL: decision_pb2.ROUTE_RESULT_INTERNAL,
}
_SOURCES = {
    None: decision_pb2.DECISION_SOURCE_UNSPECIFIED,
    DecisionSource.STORE: decision_pb2.DECISION_SOURCE_STORE,
    DecisionSource.CACHE: decision_pb2.DECISION_SOURCE_CACHE,
}
_DIRECTIONS = {
    None: decision_pb2.CALL_DIRECTION_UNSPECIFIED,
    CallDirection.A_TO_B: decision_pb2.CALL_DIRECTION_A_TO_B,
    CallDirection.B_TO_A: decision_pb2.CALL_DIRECTION_B_TO_A,
    CallDirection.TO_OWNER: decision_pb2.CALL_DIRECTION_TO_OWNER,
    CallDirection.FROM_OWNER: decision_pb2.CALL_DIRECTION_FROM_OWNER,
}
_OUTCOMES = {
    RuleOutcome.PASSED: routing_service_pb2.RULE_OUTCOME_PASSED,
    RuleOutcome.DECIDED: routing_service_pb2.RULE_OUTCOME_DECIDED,
    RuleOutcome.REJECTED: routing_service_pb2.RULE_OUTCOME_REJECTED,
}


def query_from_proto(message: routing_service_pb2.ResolveQuery) -> IncomingQuery:
    return IncomingQuery(
        tenant_id=message.tenant_id,
        session_id=message.session_id,
        calling_number=message.calling_number,
        access_number=message.access_number,
        budget_seconds=message.budget_milliseconds / 1000 if message.budget_milliseconds else None,
    )


def decision_to_proto(answer: RouteAnswer) -> decision_pb2.RouteDecision:
    return decision_pb2.RouteDecision(
        result=_RESULTS[answer.result],
        reason=answer.reason,
        binding_id=answer.binding_id,
        binding_revision=answer.binding_revision,
        decision_source=_SOURCES[answer.source],
        direction=_DIRECTIONS[answer.direction],
        members=[_member(each) for each in answer.members],
        attributes=_attributes(answer.attributes),
        response_style=None if answer.style is None else style_to_proto(answer.style),
    )


def explanation_to_proto(explanation: Explanation) -> routing_service_pb2.ExplainResponse:
    return routing_service_pb2.ExplainResponse(
        decision=decision_to_proto(explanation.answer),
        considered=[_considered(each) for each in explanation.considered],
        calling_number=explanation.calling_number,
        access_number=explanation.access_number,
        at=moment_to_proto(explanation.at),
    )


def _member(member: RouteMember) -> decision_pb2.RouteMember:
    return decision_pb2.RouteMember(
        number=member.number,
        display_number=member.display_number,
        answer_prompt=member.answer_prompt,
        disconnect_prompt=member.disconnect_prompt,
        fail_prompt=member.fail_prompt,
    )


def _attributes(attributes: RouteAttributes) -> decision_pb2.RouteAttributes:
    return decision_pb2.RouteAttributes(
        charge_ext=attributes.charge_ext,
        client_id=attributes.client_id,
        caller_prompt=attributes.caller_prompt,
        user_data=attributes.user_data,
        callback_url=attributes.callback_url,
        max_duration_seconds=attributes.max_duration_seconds,
        record_type=RECORD_TYPES_OUT[attributes.record_type] if attributes.record_type else None,
        warning_duration_seconds=attributes.warning_duration_seconds,
        warning_prompt=attributes.warning_prompt,
        connection_type=CONNECTION_TYPES_OUT[attributes.connection_type] if attributes.connection_type else None,
        ringback_mode=RINGBACK_MODES_OUT[attributes.ringback_mode] if attributes.ringback_mode else None,
        ringback_prompt=attributes.ringback_prompt,
    )


def _considered(rule: ConsideredRule) -> routing_service_pb2.ConsideredRule:
    return routing_service_pb2.ConsideredRule(
        rule=rule.rule, binding_id=rule.binding_id, outcome=_OUTCOMES[rule.outcome], detail=rule.detail
    )
