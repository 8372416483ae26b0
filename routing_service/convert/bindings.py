"""Bindings."""

from axbridge.routing.v1 import binding_pb2

from common.errors import InvalidArgumentError
from routing_service.convert.schedules import schedule_from_proto, schedule_to_proto
from routing_service.convert.values import (
    enum_value,
    member_prompts_from_proto,
    moment_from_proto,
    moment_to_proto,
    profile_from_proto,
    profile_to_proto,
    prompt_to_proto,
)
from routing_service.domain.binding import Binding, BindingKind, BindingTarget, BindingTerms, HuntStrategy
from routing_service.domain.profile import EMPTY_PROFILE, NO_MEMBER_PROMPTS, MemberPrompts

_KINDS = {
    binding_pb2.BINDING_KIND_AXB: BindingKind.AXB,
    binding_pb2.BINDING_KIND_AX: BindingKind.AX,
    binding_pb2.BINDING_KIND_AXG: BindingKind.AXG,
    binding_pb2.BINDING_KIND_AXE: BindingKind.AXE,
    binding_pb2.BINDING_KIND_AXYB: BindingKind.AXYB,
}
_STRATEGIES = {
    binding_pb2.HUNT_STRATEGY_SEQUENTIAL: HuntStrategy.SEQUENTIAL,
    binding_pb2.HUNT_STRATEGY_ROUND_ROBIN: HuntStrategy.ROUND_ROBIN,
    binding_pb2.HUNT_STRATEGY_LONGEST_IDLE: HuntStrategy.LONGEST_IDLE,
}
_STRATEGIES_OUT = {domain: wire for wire, domain in _STRATEGIES.items()}
_KINDS_OUT = {domain: wire for wire, domain in _KINDS.items()}


def kind_from_proto(message: binding_pb2.Binding) -> BindingKind:
    """The kind of a binding to create. Raises InvalidArgumentError when there is none."""
    kind = enum_value(_KINDS, message.kind, "binding.kind")
    if kind is None:
        raise InvalidArgumentError("binding.kind", "a kind is needed")
    return kind


def terms_from_proto(message: binding_pb2.Binding, kind: BindingKind) -> BindingTerms:
    """What a binding says, numbers as they were written. Raises InvalidArgumentError."""
    return BindingTerms(
        kind=kind,
        access_number=message.access_number,
        a_number=message.a_number,
        b_number=message.b_number,
        callback_number=message.callback_number,
        display_number=message.display_number,
        member_prompts=member_prompts_from_proto(message.member_prompts, "binding.member_prompts")
        if message.HasField("member_prompts")
        else NO_MEMBER_PROMPTS,
        profile=profile_from_proto(message.profile, "binding.profile")
        if message.HasField("profile")
        else EMPTY_PROFILE,
        not_before=moment_from_proto(message, "not_before", "binding.not_before"),
        expires_at=moment_from_proto(message, "expires_at", "binding.expires_at"),
        one_way=message.one_way,
        targets=tuple(_target(each, f"binding.targets[{place}]") for place, each in enumerate(message.targets)),
        hunt_strategy=enum_value(_STRATEGIES, message.hunt_strategy, "binding.hunt_strategy")
        or HuntStrategy.SEQUENTIAL,
        max_members=message.max_members,
        extension=message.extension,
        y_number=message.y_number,
        schedule=schedule_from_proto(message.schedule, "binding.schedule") if message.HasField("schedule") else None,
        callback_to_last_caller=message.callback_to_last_caller,
    )


def binding_to_proto(binding: Binding) -> binding_pb2.Binding:
    terms = binding.terms
    return binding_pb2.Binding(
        binding_id=binding.binding_id,
        tenant_id=binding.tenant_id,
        kind=_KINDS_OUT[terms.kind],
        access_number=terms.access_number,
        a_number=terms.a_number,
        b_number=terms.b_number,
        callback_number=terms.callback_number,
        display_number=terms.display_number,
        member_prompts=_member_prompts_to_proto(terms.member_prompts),
        profile=None if terms.profile == EMPTY_PROFILE else profile_to_proto(terms.profile),
        not_before=None if terms.not_before is None else moment_to_proto(terms.not_before),
        expires_at=None if terms.expires_at is None else moment_to_proto(terms.expires_at),
        revision=binding.revision,
        created_at=moment_to_proto(binding.created_at),
        updated_at=moment_to_proto(binding.updated_at),
        one_way=terms.one_way,
        targets=[_target_to_proto(each) for each in terms.targets],
        hunt_strategy=_STRATEGIES_OUT[terms.hunt_strategy] if terms.kind is BindingKind.AXG else None,
        max_members=terms.max_members,
        extension=terms.extension,
        y_number=terms.y_number,
        schedule=None if terms.schedule is None else schedule_to_proto(terms.schedule),
        callback_to_last_caller=terms.callback_to_last_caller,
    )


def _target(message: binding_pb2.BindingTarget, field: str) -> BindingTarget:
    return BindingTarget(
        number=message.number,
        display_number=message.display_number,
        member_prompts=member_prompts_from_proto(message.member_prompts, f"{field}.member_prompts"),
    )


def _target_to_proto(target: BindingTarget) -> binding_pb2.BindingTarget:
    return binding_pb2.BindingTarget(
        number=target.number,
        display_number=target.display_number,
        member_prompts=_member_prompts_to_proto(target.member_prompts),
    )


def _member_prompts_to_proto(prompts: MemberPrompts) -> binding_pb2.MemberPrompts | None:
    if prompts == NO_MEMBER_PROMPTS:
        return None
    return binding_pb2.MemberPrompts(
        answer_prompt=None if prompts.answer_prompt is None else prompt_to_proto(prompts.answer_prompt),
        disconnect_prompt=None if prompts.disconnect_prompt is None else prompt_to_proto(prompts.disconnect_prompt),
        fail_prompt=None if prompts.fail_prompt is None else prompt_to_proto(prompts.fail_prompt),
    )
