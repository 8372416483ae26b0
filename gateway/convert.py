"""Protobuf to domain and back. The only module here, but for the clients, that knows protobuf."""

from functools import lru_cache
from typing import Any

from axbridge.events.v1 import event_pb2, event_service_pb2
from axbridge.routing.v1 import call_profile_pb2, decision_pb2, prompt_pb2, routing_service_pb2, tenant_pb2

from common.errors import AxbridgeError, InvalidArgumentError, UnavailableError, UnexpectedError
from common.prompts import FileSegment, Prompt, Segment, VariableSegment
from common.protocol_codes import (
    ConnectionType,
    PromptVariableType,
    RecordType,
    ResultCode,
    RingbackMode,
)
from gateway.domain import (
    DEFAULT_STYLE,
    NO_ATTRIBUTES,
    AnsweredQuery,
    AnswerStyle,
    CallAttributes,
    Member,
    Query,
    ReceivedEvent,
    RejectedMessage,
    RouteDecision,
    TenantSettings,
)

_RESULTS = {
    decision_pb2.ROUTE_RESULT_ROUTED: ResultCode.SUCCESS,
    decision_pb2.ROUTE_RESULT_UNKNOWN_TENANT: ResultCode.UNKNOWN_TENANT,
    decision_pb2.ROUTE_RESULT_UNKNOWN_ACCESS_NUMBER: ResultCode.UNKNOWN_ACCESS_NUMBER,
    decision_pb2.ROUTE_RESULT_NO_BINDING: ResultCode.NO_BINDING,
    decision_pb2.ROUTE_RESULT_CALLER_BLOCKED: ResultCode.CALLER_BLOCKED,
    decision_pb2.ROUTE_RESULT_NOT_IN_FORCE: ResultCode.NOT_IN_FORCE,
    decision_pb2.ROUTE_RESULT_INVALID_QUERY: ResultCode.MALFORMED_REQUEST,
    decision_pb2.ROUTE_RESULT_TIMED_OUT: ResultCode.TIMED_OUT,
    decision_pb2.ROUTE_RESULT_UNAVAILABLE: ResultCode.UNAVAILABLE,
    decision_pb2.ROUTE_RESULT_INTERNAL: ResultCode.INTERNAL,
    decision_pb2.ROUTE_RESULT_NOT_AUTHORIZED: ResultCode.NOT_AUTHORIZED,
}
_RECORD_TYPES = {
    call_profile_pb2.RECORD_TYPE_NONE: RecordType.NONE,
    call_profile_pb2.RECORD_TYPE_AT_ONCE: RecordType.AT_ONCE,
    call_profile_pb2.RECORD_TYPE_AFTER_ANSWER: RecordType.AFTER_ANSWER,
}
_CONNECTION_TYPES = {
    call_profile_pb2.CONNECTION_TYPE_CONFERENCE: ConnectionType.CONFERENCE,
    call_profile_pb2.CONNECTION_TYPE_BRIDGE: ConnectionType.BRIDGE,
}
_RINGBACK_MODES = {
    call_profile_pb2.RINGBACK_MODE_LOCAL: RingbackMode.LOCAL,
    call_profile_pb2.RINGBACK_MODE_PASS_THROUGH: RingbackMode.PASS_THROUGH,
}
# Of every enumeration.
_UNSPECIFIED: Any = 0
_DIRECTIONS = {
    number: name.removeprefix("CALL_DIRECTION_")
    for name, number in decision_pb2.CallDirection.items()
    if number != decision_pb2.CALL_DIRECTION_UNSPECIFIED
}
_SOURCES = {
    number: name.removeprefix("DECISION_SOURCE_")
    for name, number in decision_pb2.DecisionSource.items()
    if number != decision_pb2.DECISION_SOURCE_UNSPECIFIED
}
_VARIABLE_TYPES = {
    prompt_pb2.PROMPT_VARIABLE_TYPE_INTEGER: PromptVariableType.INTEGER,
    prompt_pb2.PROMPT_VARIABLE_TYPE_DIGITS: PromptVariableType.DIGITS,
    prompt_pb2.PROMPT_VARIABLE_TYPE_TIME: PromptVariableType.TIME,
    prompt_pb2.PROMPT_VARIABLE_TYPE_DATE: PromptVariableType.DATE,
    prompt_pb2.PROMPT_VARIABLE_TYPE_PRICE: PromptVariableType.PRICE,
    prompt_pb2.PROMPT_VARIABLE_TYPE_DURATION: PromptVariableType.DURATION,
    prompt_pb2.PROMPT_VARIABLE_TYPE_TEXT: PromptVariableType.TEXT,
}


def query_to_proto(query: Query, traceparent: str) -> routing_service_pb2.ResolveQuery:
    """A query as the routing service takes it, but for its budget, which is what is left when it is sent.

    Blanks around the names by which things are looked up are dropped.
    """
    return routing_service_pb2.ResolveQuery(
        tenant_id=query.tenant_id.strip(),
        session_id=query.session_id.strip(),
        calling_number=query.calling_number,
        access_number=query.access_number,
        traceparent=traceparent,
    )


def decision_from_proto(decision: decision_pb2.RouteDecision) -> RouteDecision:
    """A decision in the domain's terms. A result that this gateway does not know is an internal error: 9999."""
    charge_ext, attributes = _attributes(decision.attributes.SerializeToString())
    return RouteDecision(
        _RESULTS.get(decision.result, ResultCode.INTERNAL),
        charge_ext,
        tuple([_member(member) for member in decision.members]),
        attributes,
        _style(decision.response_style) if decision.HasField("response_style") else None,
        decision.reason,
        decision.binding_id,
        decision.binding_revision,
        _DIRECTIONS.get(decision.direction, ""),
        _SOURCES.get(decision.decision_source, ""),
    )


def _member(member: decision_pb2.RouteMember) -> Member:
    return Member(
        member.number, member.display_number, member.answer_prompt, member.disconnect_prompt, member.fail_prompt
    )


@lru_cache(maxsize=4096)
def _attributes(serialized: bytes) -> tuple[str, CallAttributes]:
    """The billing extension and the optional fields. Most calls of a tenant share them: they are its profile."""
    attributes = decision_pb2.RouteAttributes.FromString(serialized)
    values = {field.name: value for field, value in attributes.ListFields()}
    charge_ext = values.pop("charge_ext", "")
    if not values:
        return charge_ext, NO_ATTRIBUTES
    get = values.get
    return charge_ext, CallAttributes(
        get("client_id"),
        get("caller_prompt"),
        get("user_data"),
        get("callback_url"),
        get("max_duration_seconds"),
        _RECORD_TYPES.get(get("record_type", _UNSPECIFIED)),
        get("warning_duration_seconds"),
        get("warning_prompt"),
        _CONNECTION_TYPES.get(get("connection_type", _UNSPECIFIED)),
        _RINGBACK_MODES.get(get("ringback_mode", _UNSPECIFIED)),
        get("ringback_prompt"),
    )


def _style(style: tenant_pb2.ResponseStyle) -> AnswerStyle:
    plain = style.json_list_style == tenant_pb2.JSON_LIST_STYLE_PLAIN
    nested = style.prompt_style == tenant_pb2.PROMPT_STYLE_NESTED
    if not (plain or nested or style.xml_root):
        return DEFAULT_STYLE
    return AnswerStyle(style.xml_root, plain, nested)


def tenant_from_proto(tenant: tenant_pb2.Tenant) -> TenantSettings:
    """What the gateway needs of a tenant."""
    return TenantSettings(
        tenant_id=tenant.tenant_id,
        style=_style(tenant.response_style),
        default_region=tenant.default_region,
        charge_ext=tenant.default_profile.charge_ext,
        failure_prompts={result: _prompt_text(prompt) for result, prompt in tenant.failure_prompts.items()},
    )


def _prompt_text(prompt: prompt_pb2.Prompt) -> str:
    segments: list[Segment] = []
    for segment in prompt.segments:
        if segment.WhichOneof("segment") == "file":
            segments.append(FileSegment(segment.file))
        else:
            variable_type = _VARIABLE_TYPES.get(segment.variable.type, PromptVariableType.TEXT)
            segments.append(VariableSegment(variable_type, segment.variable.value))
    return Prompt(tuple(segments)).to_wire()


def event_to_proto(received: ReceivedEvent) -> event_pb2.CallEvent:
    """An event as the log takes it. Blanks around the values that make its key are dropped; the raw body has them."""
    event = received.event
    receipt = received.receipt
    return event_pb2.CallEvent(
        tenant_id=event.tenant_id.strip(),
        session_id=event.session_id.strip(),
        call_id=event.call_id.strip(),
        seq=event.seq.strip(),
        charge_ext=event.charge_ext,
        client_id=event.client_id,
        code=event.code.strip(),
        call_result=event.call_result.strip(),
        reason=event.reason,
        user_data=event.user_data,
        members=[
            event_pb2.EventMember(
                line=member.line,
                number=member.number,
                type=member.type,
                state=member.state,
                translated_number=member.translated_number,
            )
            for member in event.members
        ],
        media_server=event.media_server,
        file_path=event.file_path,
        unknown_fields=_named(event.unknown_fields),
        form_flags=event.form_flags,
        received_at_us=receipt.received_at_us,
        raw_body=receipt.raw_body,
        content_type=receipt.content_type,
        traceparent=received.traceparent,
        default_region=received.default_region,
    )


def _named(unknown_fields: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Fields by name; a name's second and later values get its number: `note`, `note[2]`."""
    named: dict[str, str] = {}
    counts: dict[str, int] = {}
    for name, text in unknown_fields:
        counts[name] = counts.get(name, 0) + 1
        named[name if counts[name] == 1 else f"{name}[{counts[name]}]"] = text
    return named


def publish_error(result: event_service_pb2.PublishResult) -> AxbridgeError | None:
    """None for an event that is on disk, else why it is not. A status that nobody knows is not taken for success."""
    status = result.status
    if status in _ON_DISK:
        return None
    if status == event_service_pb2.PUBLISH_STATUS_INVALID:
        field, colon, message = result.error.partition(": ")
        return InvalidArgumentError(field, message) if colon else InvalidArgumentError("event", result.error)
    if status == event_service_pb2.PUBLISH_STATUS_UNSPECIFIED:
        return UnavailableError("the event service did not say whether it stored the event")
    return UnexpectedError(f"unknown publish status {status}")


_ON_DISK = frozenset(
    {
        event_service_pb2.PUBLISH_STATUS_STORED,
        event_service_pb2.PUBLISH_STATUS_DUPLICATE,
        event_service_pb2.PUBLISH_STATUS_CONFLICT,
    }
)


def rejected_to_proto(message: RejectedMessage) -> event_service_pb2.QuarantinedMessage:
    """A message as the quarantine takes it."""
    return event_service_pb2.QuarantinedMessage(
        received_at_us=message.receipt.received_at_us,
        reason=message.reason,
        tenant_id=message.tenant_id,
        raw_body=message.receipt.raw_body,
        content_type=message.receipt.content_type,
    )


def answered_to_proto(answered: AnsweredQuery, clock_origin_us: int) -> event_pb2.LoggedDecision:
    """An answered query as the call records take it. The monotonic clock began at `clock_origin_us`, since 1970 UTC."""
    query = answered.query
    decision = answered.decision
    return event_pb2.LoggedDecision(
        tenant_id=query.tenant_id.strip(),
        session_id=query.session_id.strip(),
        call_id=query.call_id.strip(),
        calling_number=query.calling_number,
        access_number=query.access_number,
        called_numbers=[member.number for member in decision.members],
        result=decision.result.text,
        reason=decision.reason,
        binding_id=decision.binding_id,
        binding_revision=decision.binding_revision,
        direction=decision.direction,
        decision_source=decision.decision_source,
        received_at_us=clock_origin_us + round(answered.started * 1_000_000),
        took_us=round((answered.ended - answered.started) * 1_000_000),
        max_duration_seconds=decision.attributes.max_duration_seconds or 0,
        traceparent=answered.traceparent,
        default_region=answered.default_region,
    )
