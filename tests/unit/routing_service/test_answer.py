"""What the platform is told of a decision."""

import pytest

from common.numbers import DialingFormat
from common.protocol_codes import ConnectionType, RecordType, ResultCode, RingbackMode
from routing_service.answer import RouteAttributes, answer_of, failure_answer
from routing_service.domain.decision import CallDirection, DecisionSource, RouteDecision, RouteQuery, RouteTarget
from routing_service.domain.profile import NO_MEMBER_PROMPTS, CallProfile
from routing_service.domain.tenant import ResponseStyle, Tenant
from tests.unit.routing_service.builders import (
    FILE_PROMPT,
    FULL_MEMBER_PROMPTS,
    FULL_PROFILE,
    SPOKEN_PROMPT,
    TENANT,
    A,
    B,
    D,
    X,
    axb,
    stored,
    tenant,
)

QUERY = RouteQuery(TENANT, "s1", A, X)
SPOKEN_TEXT = "<msg><file>2.wav</file><var>7_你好 &lt;A&amp;B&gt;</var><file>3.wav</file><var>5_0001234</var></msg>"


def routed(profile: CallProfile = CallProfile(), display_number: str = "") -> RouteDecision:  # noqa: B008 - frozen
    binding = stored(axb(profile=profile), revision=7)
    target = RouteTarget(B, display_number, FULL_MEMBER_PROMPTS)
    return RouteDecision(ResultCode.SUCCESS, "because", binding, CallDirection.A_TO_B, (target,))


def attributes_of(profile: CallProfile, owner: Tenant) -> RouteAttributes:
    return answer_of(routed(profile), QUERY, owner, DecisionSource.STORE).attributes


def test_a_routed_call() -> None:
    style = ResponseStyle(xml_root="Answer")
    answer = answer_of(routed(), QUERY, tenant(response_style=style), DecisionSource.CACHE)

    assert (answer.result, answer.reason, answer.direction) == (ResultCode.SUCCESS, "because", CallDirection.A_TO_B)
    assert (answer.binding_id, answer.binding_revision, answer.source) == ("b1", 7, DecisionSource.CACHE)
    assert answer.style == style
    (member,) = answer.members
    assert (member.answer_prompt, member.disconnect_prompt, member.fail_prompt) == ("1.wav", SPOKEN_TEXT, "1.wav")


def test_nothing_set_sends_nothing_but_the_charge_extension() -> None:
    assert attributes_of(CallProfile(), tenant()) == RouteAttributes(charge_ext="")


def test_a_full_profile_over_the_defaults() -> None:
    defaults = CallProfile(charge_ext="9", client_id="9", max_duration_seconds=9, user_data="9")
    attributes = attributes_of(FULL_PROFILE, tenant(default_profile=defaults, callback_url="https://example.com/e"))

    assert attributes == RouteAttributes(
        charge_ext="8001",
        client_id="order-1",
        caller_prompt=SPOKEN_TEXT,
        user_data="line 1\nline 2\t{}",
        callback_url="https://example.com/e",
        max_duration_seconds=600,
        record_type=RecordType.AFTER_ANSWER,
        warning_duration_seconds=60,
        warning_prompt="1.wav",
        connection_type=ConnectionType.BRIDGE,
        ringback_mode=RingbackMode.LOCAL,
        ringback_prompt="1.wav",
    )


def test_defaults_fill_what_the_binding_leaves_open_and_only_that() -> None:
    own = CallProfile(max_duration_seconds=0, charge_ext="")
    attributes = attributes_of(own, tenant(default_profile=FULL_PROFILE))

    assert (attributes.max_duration_seconds, attributes.charge_ext) == (0, "")
    assert (attributes.client_id, attributes.caller_prompt) == ("order-1", SPOKEN_TEXT)


@pytest.mark.parametrize(
    ("dialing_format", "number", "shown"),
    [
        (DialingFormat.NATIONAL, "13900001111", "02566000001"),
        (DialingFormat.E164, "+8613900001111", "+862566000001"),
        (DialingFormat.ZERO_BEFORE_NON_LOCAL_MOBILE, "013900001111", "02566000001"),
    ],
)
def test_dialling_format(dialing_format: DialingFormat, number: str, shown: str) -> None:
    owner = tenant(dialing_format=dialing_format, local_mobile_prefixes=("138",))
    (member,) = answer_of(routed(), QUERY, owner, DecisionSource.STORE).members

    assert (member.number, member.display_number) == (number, shown)


def test_local_mobiles_get_no_zero() -> None:
    owner = tenant(dialing_format=DialingFormat.ZERO_BEFORE_NON_LOCAL_MOBILE, local_mobile_prefixes=("139",))

    assert answer_of(routed(), QUERY, owner, DecisionSource.STORE).members[0].number == "13900001111"


def test_display_number_of_the_binding() -> None:
    (member,) = answer_of(routed(display_number=D), QUERY, tenant(), DecisionSource.STORE).members

    assert member.display_number == "13600001111"


def test_a_refusal_names_its_binding_and_plays_the_prompt_of_its_result() -> None:
    owner = tenant(
        failure_prompts={"1004": SPOKEN_PROMPT, "default": FILE_PROMPT}, default_profile=CallProfile(charge_ext="77")
    )
    refused = RouteDecision(ResultCode.NO_BINDING, "one-way", stored(axb(one_way=True)))
    answer = answer_of(refused, QUERY, owner, DecisionSource.STORE)

    assert (answer.binding_id, answer.source, answer.members) == ("b1", DecisionSource.STORE, ())
    assert answer.attributes == RouteAttributes(charge_ext="77", caller_prompt=SPOKEN_TEXT)


def test_other_failures_play_the_default_prompt() -> None:
    owner = tenant(failure_prompts={"1004": SPOKEN_PROMPT, "default": FILE_PROMPT})

    assert failure_answer(ResultCode.UNAVAILABLE, "down", owner).attributes.caller_prompt == "1.wav"


def test_a_failure_without_prompts_or_tenant() -> None:
    assert failure_answer(ResultCode.NO_BINDING, "no", tenant()).attributes == RouteAttributes()
    assert failure_answer(ResultCode.UNKNOWN_TENANT, "no").style is None


def test_prompts_of_a_member_may_be_absent() -> None:
    target = RouteTarget(B, "", NO_MEMBER_PROMPTS)
    decision = RouteDecision(ResultCode.SUCCESS, "", stored(axb()), CallDirection.A_TO_B, (target,))
    (member,) = answer_of(decision, QUERY, tenant(), DecisionSource.STORE).members

    assert (member.answer_prompt, member.disconnect_prompt, member.fail_prompt) == ("", "", "")
