"""Tenants."""

from axbridge.routing.v1 import tenant_pb2

from common.numbers import DEFAULT_REGION, DialingFormat
from routing_service.convert.values import (
    enum_value,
    profile_from_proto,
    profile_to_proto,
    prompt_from_proto,
    prompt_to_proto,
)
from routing_service.domain.tenant import JsonListStyle, PromptStyle, ResponseStyle, Tenant, TenantSettings

_LIST_STYLES = {
    tenant_pb2.JSON_LIST_STYLE_WRAPPED: JsonListStyle.WRAPPED,
    tenant_pb2.JSON_LIST_STYLE_PLAIN: JsonListStyle.PLAIN,
}
_LIST_STYLES_OUT = {domain: wire for wire, domain in _LIST_STYLES.items()}
_PROMPT_STYLES = {
    tenant_pb2.PROMPT_STYLE_ESCAPED: PromptStyle.ESCAPED,
    tenant_pb2.PROMPT_STYLE_NESTED: PromptStyle.NESTED,
}
_PROMPT_STYLES_OUT = {domain: wire for wire, domain in _PROMPT_STYLES.items()}
_DIALING_FORMATS = {
    tenant_pb2.DIALING_FORMAT_NATIONAL: DialingFormat.NATIONAL,
    tenant_pb2.DIALING_FORMAT_E164: DialingFormat.E164,
    tenant_pb2.DIALING_FORMAT_ZERO_BEFORE_NON_LOCAL_MOBILE: DialingFormat.ZERO_BEFORE_NON_LOCAL_MOBILE,
}
_DIALING_FORMATS_OUT = {domain: wire for wire, domain in _DIALING_FORMATS.items()}


def settings_from_proto(message: tenant_pb2.Tenant) -> TenantSettings:
    """A tenant's settings with their prompts checked; the rest is for `tenant_rules`. Raises InvalidArgumentError."""
    style = message.response_style
    return TenantSettings(
        display_name=message.display_name,
        response_style=ResponseStyle(
            xml_root=style.xml_root,
            json_list_style=enum_value(_LIST_STYLES, style.json_list_style, "tenant.response_style.json_list_style")
            or JsonListStyle.WRAPPED,
            prompt_style=enum_value(_PROMPT_STYLES, style.prompt_style, "tenant.response_style.prompt_style")
            or PromptStyle.ESCAPED,
        ),
        default_region=message.default_region or DEFAULT_REGION,
        dialing_format=enum_value(_DIALING_FORMATS, message.dialing_format, "tenant.dialing_format")
        or DialingFormat.NATIONAL,
        default_profile=profile_from_proto(message.default_profile, "tenant.default_profile"),
        failure_prompts={
            key: prompt_from_proto(prompt, f"tenant.failure_prompts[{key[:16]}]")
            for key, prompt in sorted(message.failure_prompts.items())
        },
        callback_url=message.callback_url,
        local_mobile_prefixes=tuple(message.local_mobile_prefixes),
        fallback_number=message.fallback_number,
        foreign_display_numbers_allowed=message.foreign_display_numbers_allowed,
    )


def tenant_to_proto(tenant: Tenant) -> tenant_pb2.Tenant:
    settings = tenant.settings
    return tenant_pb2.Tenant(
        tenant_id=tenant.tenant_id,
        display_name=settings.display_name,
        response_style=style_to_proto(settings.response_style),
        default_region=settings.default_region,
        dialing_format=_DIALING_FORMATS_OUT[settings.dialing_format],
        default_profile=profile_to_proto(settings.default_profile),
        failure_prompts={key: prompt_to_proto(prompt) for key, prompt in settings.failure_prompts.items()},
        callback_url=settings.callback_url,
        revision=tenant.revision,
        local_mobile_prefixes=settings.local_mobile_prefixes,
        fallback_number=settings.fallback_number,
        foreign_display_numbers_allowed=settings.foreign_display_numbers_allowed,
    )


def style_to_proto(style: ResponseStyle) -> tenant_pb2.ResponseStyle:
    return tenant_pb2.ResponseStyle(
        xml_root=style.xml_root,
        json_list_style=_LIST_STYLES_OUT[style.json_list_style],
        prompt_style=_PROMPT_STYLES_OUT[style.prompt_style],
    )
