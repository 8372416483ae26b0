"""What is refused when a binding or a tenant is written, and which field the error names."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from common.errors import FailedPreconditionError, InvalidArgumentError
from common.protocol_codes import ConnectionType, RecordType, RingbackMode
from routing_service.binding_rules import checked_terms
from routing_service.domain.binding import BindingTerms
from routing_service.domain.profile import EMPTY_PROFILE, CallProfile
from routing_service.domain.tenant import ResponseStyle, TenantSettings
from routing_service.profile_rules import ProfileInUse, RuledFields, check_defaults_against, check_profile
from routing_service.tenant_rules import check_settings, is_tenant_id
from tests.unit.routing_service.builders import FILE_PROMPT, FULL_PROFILE, MINUTE, NOW, A, B, C, X, ax, axb, tenant

BRIDGE, AT_ONCE, PASS_THROUGH = ConnectionType.BRIDGE, RecordType.AT_ONCE, RingbackMode.PASS_THROUGH


@pytest.mark.parametrize(
    ("own", "defaults", "wrong_field"),
    [
        pytest.param({}, {}, None, id="empty"),
        pytest.param(
            {"warning_duration_seconds": 60, "max_duration_seconds": 60}, {}, None, id="warning equals maximum"
        ),
        pytest.param(
            {"warning_duration_seconds": 61, "max_duration_seconds": 60}, {}, "warning_duration_seconds", id="too early"
        ),
        pytest.param({"warning_duration_seconds": 61, "max_duration_seconds": 0}, {}, None, id="0 is no bound"),
        pytest.param({"warning_duration_seconds": 61}, {}, None, id="an absent maximum is no bound"),
        pytest.param({"warning_duration_seconds": 0, "max_duration_seconds": 1}, {}, None, id="no warning"),
        pytest.param(
            {"warning_duration_seconds": 61},
            {"max_duration_seconds": 60},
            "warning_duration_seconds",
            id="against the default maximum",
        ),
        pytest.param(
            {"max_duration_seconds": 60},
            {"warning_duration_seconds": 61},
            "max_duration_seconds",
            id="the default warning against the own maximum: what was written is named",
        ),
        pytest.param({"max_duration_seconds": 0}, {"warning_duration_seconds": 61}, None, id="own 0 lifts the bound"),
        pytest.param({"connection_type": BRIDGE, "record_type": AT_ONCE}, {}, "record_type", id="at once in a bridge"),
        pytest.param({"connection_type": BRIDGE}, {"record_type": AT_ONCE}, "connection_type", id="at once by default"),
        pytest.param({"record_type": AT_ONCE}, {"connection_type": BRIDGE}, "record_type", id="bridge by default"),
        pytest.param(
            {"connection_type": BRIDGE, "record_type": RecordType.AFTER_ANSWER}, {}, None, id="after answer in a bridge"
        ),
        pytest.param({"connection_type": BRIDGE, "record_type": RecordType.NONE}, {}, None, id="none in a bridge"),
        pytest.param(
            {"connection_type": ConnectionType.CONFERENCE, "record_type": AT_ONCE}, {}, None, id="in a conference"
        ),
        pytest.param(
            {"ringback_prompt": FILE_PROMPT, "ringback_mode": PASS_THROUGH}, {}, "ringback_prompt", id="never heard"
        ),
        pytest.param(
            {"ringback_mode": PASS_THROUGH}, {"ringback_prompt": FILE_PROMPT}, "ringback_mode", id="default prompt"
        ),
        pytest.param({"ringback_prompt": FILE_PROMPT}, {}, None, id="not passing through is the default"),
        pytest.param({"charge_ext": "x" * 65}, {}, "charge_ext", id="long charge extension"),
        pytest.param({"client_id": "x" * 129}, {}, "client_id", id="long client id"),
        pytest.param({"user_data": "x" * 2049}, {}, "user_data", id="long user data"),
        pytest.param({"user_data": "a\x00b"}, {}, "user_data", id="NUL"),
        pytest.param({"client_id": "a\x1bb"}, {}, "client_id", id="escape"),
        pytest.param({"user_data": "a\nb\t"}, {}, None, id="newlines in user data"),
    ],
)
def test_profile_rules(own: dict[str, Any], defaults: dict[str, Any], wrong_field: str | None) -> None:
    terms = axb(profile=CallProfile(**own))
    owner = tenant(default_profile=CallProfile(**defaults))
    if wrong_field is None:
        assert checked_terms(terms, owner).profile == terms.profile
        return
    with pytest.raises(InvalidArgumentError) as error:
        checked_terms(terms, owner)
    assert error.value.field == f"binding.profile.{wrong_field}"


@pytest.mark.parametrize(
    ("defaults", "in_use", "wrong_field"),
    [
        ({"max_duration_seconds": 30}, {"warning_duration_seconds": 60}, "max_duration_seconds"),
        ({"warning_duration_seconds": 60}, {"max_duration_seconds": 30}, "warning_duration_seconds"),
        ({"connection_type": BRIDGE}, {"record_type": AT_ONCE}, "connection_type"),
        ({"ringback_mode": PASS_THROUGH}, {"ringback_prompt": FILE_PROMPT}, "ringback_mode"),
        ({"max_duration_seconds": 30}, {"warning_duration_seconds": 60, "max_duration_seconds": 90}, None),
        ({"connection_type": BRIDGE}, {}, None),
    ],
)
def test_new_defaults_must_suit_the_bindings_that_are_there(
    defaults: dict[str, Any], in_use: dict[str, Any], wrong_field: str | None
) -> None:
    used = ProfileInUse(RuledFields.of(CallProfile(**in_use)), "b7")
    if wrong_field is None:
        check_defaults_against(CallProfile(**defaults), used, "tenant.default_profile")
        return
    with pytest.raises(FailedPreconditionError) as error:
        check_defaults_against(CallProfile(**defaults), used, "tenant.default_profile")
    assert error.value.metadata == {"field": f"tenant.default_profile.{wrong_field}", "binding_id": "b7"}


def test_ruled_fields_break_the_same_rules_as_the_whole_profile() -> None:
    defaults = CallProfile(warning_duration_seconds=60, connection_type=BRIDGE, ringback_prompt=FILE_PROMPT)
    for own in (FULL_PROFILE, EMPTY_PROFILE, CallProfile(max_duration_seconds=10, record_type=AT_ONCE)):
        assert RuledFields.of(own).over(RuledFields.of(defaults)) == RuledFields.of(own.over(defaults))


def test_a_full_profile_is_accepted() -> None:
    check_profile(FULL_PROFILE, EMPTY_PROFILE, "binding.profile")


@pytest.mark.parametrize(
    ("terms", "wrong_field"),
    [
        (axb(b=""), "b_number"),
        (axb(a=" "), "a_number"),
        (axb(x=""), "access_number"),
        (axb(a="anonymous"), "a_number"),
        (axb(display_number="x1"), "display_number"),
        (axb(a=A, b=A), "b_number"),
        (axb(a=A, b="138 0000 1111"), "b_number"),
        (axb(a=X), "a_number"),
        (axb(b="025-66000001"), "b_number"),
        (axb(callback_number=C), "callback_number"),
        (ax(A, b_number=B), "b_number"),
        (ax(A, one_way=True), "one_way"),
        (ax(X), "a_number"),
        (ax(A, callback_number=A), "callback_number"),
        (ax(A, callback_number=X), "callback_number"),
        (axb(not_before=NOW, expires_at=NOW), "expires_at"),
        (axb(not_before=NOW + MINUTE, expires_at=NOW), "expires_at"),
    ],
)
def test_binding_rules(terms: BindingTerms, wrong_field: str) -> None:
    with pytest.raises(InvalidArgumentError) as error:
        checked_terms(terms, tenant())
    assert error.value.field == f"binding.{wrong_field}"
    assert "13800001111" not in error.value.message


def test_numbers_are_kept_in_normal_form() -> None:
    terms = checked_terms(axb("013800001111", "86 139-0000-1111", "02566000001", display_number="95500"), tenant())

    assert terms == axb(A, B, X, display_number="95500")


def test_numbers_taken_over_stay_when_the_region_has_changed() -> None:
    current = checked_terms(axb(display_number="4008001234"), tenant())
    # In Germany these digits are a number that can be reached from abroad.
    changed = checked_terms(replace(current, a_number=C), tenant(default_region="DE"), current)

    assert changed == replace(current, a_number=C)


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("100001", True),
        ("a-b_c.D", True),
        ("x" * 64, True),
        ("", False),
        ("x" * 65, False),
        ("a b", False),
        ("é", False),
    ],
)
def test_tenant_ids(text: str, valid: bool) -> None:
    assert is_tenant_id(text) is valid


@pytest.mark.parametrize(
    ("settings", "wrong_field"),
    [
        ({}, None),
        ({"display_name": "企业"}, None),
        ({"display_name": "x" * 201}, "display_name"),
        ({"display_name": "a\x00"}, "display_name"),
        ({"default_region": "GB"}, None),
        ({"default_region": "XX"}, "default_region"),
        ({"default_region": "cn"}, "default_region"),
        ({"callback_url": "https://calls.example.com:8443/v1/events?x=1"}, None),
        ({"callback_url": "http://[::1]:8080/"}, None),
        ({"callback_url": "ftp://example.com/"}, "callback_url"),
        ({"callback_url": "/v1/events"}, "callback_url"),
        ({"callback_url": "https://"}, "callback_url"),
        ({"callback_url": "https://example.com:99999/"}, "callback_url"),
        ({"callback_url": "https://user:secret@example.com/"}, "callback_url"),
        ({"callback_url": "https://example.com/#x"}, "callback_url"),
        ({"callback_url": "https://example.com/a b"}, "callback_url"),
        ({"callback_url": "https://exa\nmple.com/"}, "callback_url"),
        ({"callback_url": "http://[::1"}, "callback_url"),
        ({"response_style": ResponseStyle(xml_root="Resp_1.x-y")}, None),
        ({"response_style": ResponseStyle(xml_root="响应")}, None),
        ({"response_style": ResponseStyle(xml_root="1a")}, "response_style.xml_root"),
        ({"response_style": ResponseStyle(xml_root="a b")}, "response_style.xml_root"),
        ({"response_style": ResponseStyle(xml_root="ns:a")}, "response_style.xml_root"),
        ({"response_style": ResponseStyle(xml_root="a\n")}, "response_style.xml_root"),
        ({"response_style": ResponseStyle(xml_root="XmlRoot")}, "response_style.xml_root"),
        ({"failure_prompts": {"1004": FILE_PROMPT, "default": FILE_PROMPT}}, None),
        ({"failure_prompts": {"1234": FILE_PROMPT}}, "failure_prompts"),
        ({"failure_prompts": {"0000": FILE_PROMPT}}, "failure_prompts"),
        ({"local_mobile_prefixes": ("1380000", "139")}, None),
        ({"local_mobile_prefixes": ("1380000", "+86")}, "local_mobile_prefixes[1]"),
        ({"local_mobile_prefixes": ("",)}, "local_mobile_prefixes[0]"),
        (
            {"default_profile": CallProfile(connection_type=BRIDGE, record_type=AT_ONCE)},
            "default_profile.record_type",
        ),
    ],
)
def test_tenant_rules(settings: Mapping[str, Any], wrong_field: str | None) -> None:
    if wrong_field is None:
        check_settings(TenantSettings(**settings))
        return
    with pytest.raises(InvalidArgumentError) as error:
        check_settings(TenantSettings(**settings))
    assert error.value.field == f"tenant.{wrong_field}"
