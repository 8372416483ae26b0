"""A decision as the platform gets it: profile over defaults, numbers as the tenant dials them, prompts as text."""

from dataclasses import dataclass, replace

from common.numbers import DialingFormat, dial_number
from common.prompts import Prompt
from common.protocol_codes import ConnectionType, RecordType, ResultCode, RingbackMode
from routing_service.domain.decision import CallDirection, DecisionSource, RouteDecision, RouteQuery, RouteTarget
from routing_service.domain.profile import CallProfile
from routing_service.domain.tenant import ResponseStyle, Tenant, TenantSettings


@dataclass(frozen=True, slots=True)
class RouteMember:
    """One member of `userList`: numbers as dialled, prompts as wire text, empty where there is none."""

    number: str
    display_number: str
    answer_prompt: str = ""
    disconnect_prompt: str = ""
    fail_prompt: str = ""


@dataclass(frozen=True, slots=True)
class RouteAttributes:
    """The call's attributes; None: the field is not sent. `charge_ext` always is."""

    charge_ext: str = ""
    client_id: str | None = None
    caller_prompt: str | None = None
    user_data: str | None = None
    callback_url: str | None = None
    max_duration_seconds: int | None = None
    record_type: RecordType | None = None
    warning_duration_seconds: int | None = None
    warning_prompt: str | None = None
    connection_type: ConnectionType | None = None
    ringback_mode: RingbackMode | None = None
    ringback_prompt: str | None = None


NO_ATTRIBUTES = RouteAttributes()


@dataclass(frozen=True, slots=True)
class RouteAnswer:
    """The answer to one query. `members` are there exactly when the result is SUCCESS, a style for known tenants."""

    result: ResultCode
    reason: str
    binding_id: str = ""
    binding_revision: int = 0
    source: DecisionSource | None = None
    direction: CallDirection | None = None
    members: tuple[RouteMember, ...] = ()
    attributes: RouteAttributes = NO_ATTRIBUTES
    style: ResponseStyle | None = None


def answer_of(decision: RouteDecision, query: RouteQuery, tenant: Tenant, source: DecisionSource | None) -> RouteAnswer:
    """The answer that a decision about a known tenant's query becomes; `source`: where it was read what is bound, also
    where nothing is."""
    settings = tenant.settings
    binding = decision.binding
    if decision.result is ResultCode.SUCCESS and binding is None:
        return RouteAnswer(
            result=decision.result,
            reason=decision.reason,
            source=source,
            members=tuple(_member(each, query, settings) for each in decision.targets),
            attributes=_attributes(settings.default_profile, settings),
            style=settings.response_style,
        )
    if decision.result is not ResultCode.SUCCESS or binding is None:
        answer = replace(failure_answer(decision.result, decision.reason, tenant), source=source)
        if binding is None:
            return answer
        return replace(answer, binding_id=binding.binding_id, binding_revision=binding.revision)
    return RouteAnswer(
        result=decision.result,
        reason=decision.reason,
        binding_id=binding.binding_id,
        binding_revision=binding.revision,
        source=source,
        direction=decision.direction,
        members=tuple(_member(target, query, settings) for target in decision.targets),
        attributes=_attributes(binding.terms.profile.over(settings.default_profile), settings),
        style=settings.response_style,
    )


def failure_answer(result: ResultCode, reason: str, tenant: Tenant | None = None) -> RouteAnswer:
    """The answer when nobody is called, with the prompt and the charge extension of the tenant, where that is known."""
    if tenant is None:
        return RouteAnswer(result, reason)
    settings = tenant.settings
    attributes = RouteAttributes(
        charge_ext=settings.default_profile.charge_ext or "",
        caller_prompt=_wire_text(settings.failure_prompt(result)),
    )
    return RouteAnswer(result, reason, attributes=attributes, style=settings.response_style)


def _member(target: RouteTarget, query: RouteQuery, settings: TenantSettings) -> RouteMember:
    prompts = target.prompts
    return RouteMember(
        number=_dialled(target.number, settings),
        display_number=_dialled(target.display_number or query.access_number, settings),
        answer_prompt=_wire_text(prompts.answer_prompt) or "",
        disconnect_prompt=_wire_text(prompts.disconnect_prompt) or "",
        fail_prompt=_wire_text(prompts.fail_prompt) or "",
    )


def _dialled(number: str, settings: TenantSettings) -> str:
    # The prefixes can be many, and are hashed with every call.
    needs_prefixes = settings.dialing_format is DialingFormat.ZERO_BEFORE_NON_LOCAL_MOBILE
    prefixes = settings.local_mobile_prefixes if needs_prefixes else ()
    return dial_number(number, settings.default_region, settings.dialing_format, prefixes)


def _attributes(profile: CallProfile, settings: TenantSettings) -> RouteAttributes:
    return RouteAttributes(
        charge_ext=profile.charge_ext or "",
        client_id=profile.client_id,
        caller_prompt=_wire_text(profile.caller_prompt),
        user_data=profile.user_data,
        callback_url=settings.callback_url or None,
        max_duration_seconds=profile.max_duration_seconds,
        record_type=profile.record_type,
        warning_duration_seconds=profile.warning_duration_seconds,
        warning_prompt=_wire_text(profile.warning_prompt),
        connection_type=profile.connection_type,
        ringback_mode=profile.ringback_mode,
        ringback_prompt=_wire_text(profile.ringback_prompt),
    )


def _wire_text(prompt: Prompt | None) -> str | None:
    return prompt.to_wire() if prompt is not None else None
