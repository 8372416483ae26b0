"""Profiles, prompts and settings as JSON documents in a column.

Enumerations are kept as their wire text or name, prompts as lists of segments. Fields that are not set are left out,
and a document without fields is the empty string. Reading ignores fields that it does not know, so that the previous
version of the code can run beside the next one; an unknown value of a known field is an error.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson

from common.numbers import DEFAULT_REGION, DialingFormat
from common.prompts import FileSegment, Prompt, Segment, VariableSegment
from common.protocol_codes import ConnectionType, PromptVariableType, ProtocolCode, RecordType, RingbackMode
from routing_service.domain.profile import EMPTY_PROFILE, NO_MEMBER_PROMPTS, CallProfile, MemberPrompts
from routing_service.domain.tenant import JsonListStyle, PromptStyle, ResponseStyle, TenantSettings
from routing_service.profile_rules import RuledFields

_PROFILE_PROMPTS = ("caller_prompt", "warning_prompt", "ringback_prompt")
_PROFILE_CODES: dict[str, type[ProtocolCode]] = {
    "record_type": RecordType,
    "connection_type": ConnectionType,
    "ringback_mode": RingbackMode,
}
_PROFILE_PLAIN = ("charge_ext", "client_id", "user_data", "max_duration_seconds", "warning_duration_seconds")
_NO_RULED_FIELDS = RuledFields()
_MEMBER_PROMPTS = ("answer_prompt", "disconnect_prompt", "fail_prompt")


def profile_document(profile: CallProfile) -> str:
    """The document of a profile."""
    if profile == EMPTY_PROFILE:
        return ""
    fields: dict[str, Any] = {name: getattr(profile, name) for name in _PROFILE_PLAIN}
    fields |= {name: _prompt_value(getattr(profile, name)) for name in _PROFILE_PROMPTS}
    for name in _PROFILE_CODES:
        code = getattr(profile, name)
        fields[name] = None if code is None else code.text
    return _write(fields)


@lru_cache(maxsize=4096)
def read_profile(document: str) -> CallProfile:
    """The profile of a document. Raises ValueError when it holds something unknown."""
    if not document:
        return EMPTY_PROFILE
    fields = _read(document)
    values: dict[str, Any] = {name: fields[name] for name in _PROFILE_PLAIN if name in fields}
    values |= {name: _prompt(fields[name]) for name in _PROFILE_PROMPTS if name in fields}
    values |= {name: _code(kind, fields[name]) for name, kind in _PROFILE_CODES.items() if name in fields}
    return CallProfile(**values)


def member_prompts_document(prompts: MemberPrompts) -> str:
    """The document of a member's prompts."""
    if prompts == NO_MEMBER_PROMPTS:
        return ""
    return _write({name: _prompt_value(getattr(prompts, name)) for name in _MEMBER_PROMPTS})


@lru_cache(maxsize=4096)
def read_member_prompts(document: str) -> MemberPrompts:
    """The prompts of a document. Raises ValueError when it holds something unknown."""
    if not document:
        return NO_MEMBER_PROMPTS
    fields = _read(document)
    return MemberPrompts(**{name: _prompt(fields[name]) for name in _MEMBER_PROMPTS if name in fields})


def ruled_fields_document(ruled: RuledFields) -> str:
    """The document of a profile's ruled fields; the same fields make the same text."""
    if ruled == _NO_RULED_FIELDS:
        return ""
    return _write(
        {
            "max_duration_seconds": ruled.max_duration_seconds,
            "warning_duration_seconds": ruled.warning_duration_seconds,
            "record_type": ruled.record_type.text if ruled.record_type else None,
            "connection_type": ruled.connection_type.text if ruled.connection_type else None,
            "ringback_mode": ruled.ringback_mode.text if ruled.ringback_mode else None,
            "ringback_prompt": ruled.ringback_prompt,
        }
    )


def read_ruled_fields(document: str) -> RuledFields:
    """The ruled fields of a document. Raises ValueError when it holds something unknown."""
    fields = _read(document) if document else {}
    codes: dict[str, Any] = {name: _code(kind, fields[name]) for name, kind in _PROFILE_CODES.items() if name in fields}
    return RuledFields(
        max_duration_seconds=fields.get("max_duration_seconds"),
        warning_duration_seconds=fields.get("warning_duration_seconds"),
        ringback_prompt=fields.get("ringback_prompt"),
        **codes,
    )


def settings_document(settings: TenantSettings) -> str:
    """The document of a tenant's settings, its display name apart."""
    style = settings.response_style
    return _write(
        {
            "xml_root": style.xml_root,
            "json_list_style": style.json_list_style.value,
            "prompt_style": style.prompt_style.value,
            "default_region": settings.default_region,
            "dialing_format": settings.dialing_format.value,
            "default_profile": profile_document(settings.default_profile) or None,
            "failure_prompts": {key: _prompt_value(prompt) for key, prompt in settings.failure_prompts.items()},
            "callback_url": settings.callback_url,
            "local_mobile_prefixes": settings.local_mobile_prefixes,
            "fallback_number": settings.fallback_number or None,
            "foreign_display_numbers_allowed": settings.foreign_display_numbers_allowed or None,
        }
    )


@lru_cache(maxsize=1024)
def read_settings(display_name: str, document: str) -> TenantSettings:
    """The settings of a document. Raises ValueError when it holds something unknown."""
    fields = _read(document)
    return TenantSettings(
        display_name=display_name,
        response_style=ResponseStyle(
            fields.get("xml_root", ""),
            JsonListStyle(fields.get("json_list_style", JsonListStyle.WRAPPED.value)),
            PromptStyle(fields.get("prompt_style", PromptStyle.ESCAPED.value)),
        ),
        default_region=fields.get("default_region", DEFAULT_REGION),
        dialing_format=DialingFormat(fields.get("dialing_format", DialingFormat.NATIONAL.value)),
        default_profile=read_profile(fields.get("default_profile", "")),
        failure_prompts={key: _prompt(value) for key, value in fields.get("failure_prompts", {}).items()},
        callback_url=fields.get("callback_url", ""),
        local_mobile_prefixes=tuple(fields.get("local_mobile_prefixes", ())),
        fallback_number=fields.get("fallback_number", ""),
        foreign_display_numbers_allowed=fields.get("foreign_display_numbers_allowed", False),
    )


def _write(fields: Mapping[str, Any]) -> str:
    present = {name: value for name, value in fields.items() if value is not None}
    return orjson.dumps(present).decode() if present else ""


def _read(document: str) -> dict[str, Any]:
    fields = orjson.loads(document)
    if not isinstance(fields, dict):
        raise ValueError("a document is a JSON object")  # noqa: TRY004 - what the text says is wrong, not its type
    return fields


def _prompt_value(prompt: Prompt | None) -> list[list[str]] | None:
    if prompt is None:
        return None
    return [
        ["file", segment.name] if isinstance(segment, FileSegment) else ["var", segment.type.text, segment.value]
        for segment in prompt.segments
    ]


def _prompt(value: list[list[str]]) -> Prompt:
    return Prompt(tuple(_segment(each) for each in value))


def _segment(value: list[str]) -> Segment:
    match value:
        case ["file", name]:
            return FileSegment(name)
        case ["var", type_text, text]:
            return VariableSegment(_code(PromptVariableType, type_text), text)
    raise ValueError("unknown segment of a prompt")


def _code(kind: Any, text: str) -> Any:
    code = kind.lookup(text)
    if code is None:
        raise ValueError(f"unknown {kind.__name__}")
    return code
