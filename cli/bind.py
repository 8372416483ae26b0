"""`axbridge bind`: new number relationships."""

from dataclasses import dataclass
from typing import Annotated

import typer
from axbridge.routing.v1 import binding_pb2, binding_service_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from cli.binding_options import MaxMembers, ScheduleOptions, Strategy, TargetOptions
from cli.binding_view import show_binding
from cli.clients import RoutingTarget, routing_client
from cli.option_groups import spread_options
from cli.output import OutputOptions
from cli.profile_options import MemberPromptOptions, ProfileOptions
from cli.values import countable, parse_moment, parse_span_from_now, to_timestamp

app = typer.Typer(help="Bind numbers: who reaches whom on an access number.", no_args_is_help=True)

Tenant = Annotated[str, typer.Option("--tenant", help="The enterprise (vccId).")]
AccessNumber = Annotated[str, typer.Option("--access", help="X, the number that callers dial.")]
RequestId = Annotated[
    str, typer.Option("--request-id", help="Names this request: the same one again does nothing twice, for 24 hours.")
]
IfRevision = Annotated[
    int, typer.Option(min=0, callback=countable, help="Only when this is the current revision; 0: any.")
]
OneWay = Annotated[bool, typer.Option("--one-way", help="A may call B, but not B A.")]
Display = Annotated[str, typer.Option(help="What the callee sees; else the access number.")]
Callback = Annotated[str, typer.Option(help="Whom the owner reaches by calling X; else nobody.")]
LastCaller = Annotated[bool, typer.Option("--last-caller", help="The owner calling X reaches who called it last.")]


@dataclass(frozen=True, slots=True)
class ValidityOptions:
    """Options: when a binding is in force."""

    not_before: Annotated[
        str | None, typer.Option(metavar="TIME", help="In force from this time on, such as 2026-03-01T08:00.")
    ] = None
    expires_at: Annotated[str | None, typer.Option(metavar="TIME", help="No longer in force from this time on.")] = None
    expires_in: Annotated[
        str | None, typer.Option(metavar="DURATION", help="The same, counted from now: 90s, 30m, 2h30m, 7d.")
    ] = None

    def begins(self) -> Timestamp | None:
        return to_timestamp(parse_moment(self.not_before, "--not-before")) if self.not_before is not None else None

    def ends(self) -> Timestamp | None:
        if self.expires_at is not None and self.expires_in is not None:
            raise typer.BadParameter("--expires-at and --expires-in say the same: give one of them")
        if self.expires_in is not None:
            return to_timestamp(parse_span_from_now(self.expires_in, "--expires-in"))
        return to_timestamp(parse_moment(self.expires_at, "--expires-at")) if self.expires_at is not None else None


@app.command()
@spread_options
def axb(
    tenant: Tenant,
    access: AccessNumber,
    a: Annotated[str, typer.Option("--a", help="A, one of the two numbers that reach each other.")],
    b: Annotated[str, typer.Option("--b", help="B, the other one.")],
    validity: ValidityOptions,
    schedule: ScheduleOptions,
    targets: TargetOptions,
    profile: ProfileOptions,
    prompts: MemberPromptOptions,
    target: RoutingTarget,
    output: OutputOptions,
    one_way: OneWay = False,
    display: Display = "",
    request_id: RequestId = "",
) -> None:
    """A pair: A calling X reaches B, B calling X reaches A. Members are tried after B."""
    binding = binding_pb2.Binding(
        tenant_id=tenant,
        kind=binding_pb2.BINDING_KIND_AXB,
        access_number=access,
        a_number=a,
        b_number=b,
        one_way=one_way,
        display_number=display,
    )
    _create(binding, _Common(validity, schedule, targets, profile, prompts), target, output, request_id)


@app.command()
@spread_options
def axyb(
    tenant: Tenant,
    access: AccessNumber,
    a: Annotated[str, typer.Option("--a", help="A, one of the two numbers that reach each other.")],
    b: Annotated[str, typer.Option("--b", help="B, the other one.")],
    y: Annotated[str, typer.Option("--y", help="Y, what the callee sees in place of X.")],
    validity: ValidityOptions,
    schedule: ScheduleOptions,
    targets: TargetOptions,
    profile: ProfileOptions,
    prompts: MemberPromptOptions,
    target: RoutingTarget,
    output: OutputOptions,
    one_way: OneWay = False,
    request_id: RequestId = "",
) -> None:
    """A pair as axb, but the callee sees Y."""
    binding = binding_pb2.Binding(
        tenant_id=tenant,
        kind=binding_pb2.BINDING_KIND_AXYB,
        access_number=access,
        a_number=a,
        b_number=b,
        y_number=y,
        one_way=one_way,
    )
    _create(binding, _Common(validity, schedule, targets, profile, prompts), target, output, request_id)


@app.command()
@spread_options
def ax(
    tenant: Tenant,
    access: AccessNumber,
    a: Annotated[str, typer.Option("--a", help="A, the owner: everyone who calls X reaches A.")],
    validity: ValidityOptions,
    schedule: ScheduleOptions,
    targets: TargetOptions,
    profile: ProfileOptions,
    prompts: MemberPromptOptions,
    target: RoutingTarget,
    output: OutputOptions,
    callback: Callback = "",
    last_caller: LastCaller = False,
    display: Display = "",
    request_id: RequestId = "",
) -> None:
    """An owner behind X: anyone who calls X reaches A. Members are tried after A."""
    binding = binding_pb2.Binding(
        tenant_id=tenant,
        kind=binding_pb2.BINDING_KIND_AX,
        access_number=access,
        a_number=a,
        callback_number=callback,
        callback_to_last_caller=last_caller,
        display_number=display,
    )
    _create(binding, _Common(validity, schedule, targets, profile, prompts), target, output, request_id)


@app.command()
@spread_options
def axe(
    tenant: Tenant,
    access: AccessNumber,
    a: Annotated[str, typer.Option("--a", help="A, the owner: everyone who calls X reaches A.")],
    extension: Annotated[str, typer.Option(help="The extension that X stands for, 1 to 16 digits.")],
    validity: ValidityOptions,
    schedule: ScheduleOptions,
    targets: TargetOptions,
    profile: ProfileOptions,
    prompts: MemberPromptOptions,
    target: RoutingTarget,
    output: OutputOptions,
    callback: Callback = "",
    last_caller: LastCaller = False,
    display: Display = "",
    request_id: RequestId = "",
) -> None:
    """An extension with an X of its own: anyone who calls X reaches A. Members are tried after A."""
    binding = binding_pb2.Binding(
        tenant_id=tenant,
        kind=binding_pb2.BINDING_KIND_AXE,
        access_number=access,
        a_number=a,
        extension=extension,
        callback_number=callback,
        callback_to_last_caller=last_caller,
        display_number=display,
    )
    _create(binding, _Common(validity, schedule, targets, profile, prompts), target, output, request_id)


@app.command()
@spread_options
def axg(
    tenant: Tenant,
    access: AccessNumber,
    validity: ValidityOptions,
    schedule: ScheduleOptions,
    targets: TargetOptions,
    profile: ProfileOptions,
    prompts: MemberPromptOptions,
    target: RoutingTarget,
    output: OutputOptions,
    strategy: Strategy = None,
    max_members: MaxMembers = None,
    display: Display = "",
    request_id: RequestId = "",
) -> None:
    """A group behind X: anyone who calls X reaches its members, in the strategy's order."""
    binding = binding_pb2.Binding(
        tenant_id=tenant,
        kind=binding_pb2.BINDING_KIND_AXG,
        access_number=access,
        hunt_strategy=strategy.enum_name("HUNT_STRATEGY_") if strategy is not None else None,
        max_members=max_members or 0,
        display_number=display,
    )
    _create(binding, _Common(validity, schedule, targets, profile, prompts), target, output, request_id)


@dataclass(frozen=True, slots=True)
class _Common:
    """The option groups that every kind has."""

    validity: ValidityOptions
    schedule: ScheduleOptions
    targets: TargetOptions
    profile: ProfileOptions
    prompts: MemberPromptOptions

    def fill(self, binding: binding_pb2.Binding) -> None:
        options = binding_pb2.Binding(
            not_before=self.validity.begins(),
            expires_at=self.validity.ends(),
            schedule=self.schedule.weekly(),
            targets=self.targets.targets(),
        )
        binding.MergeFrom(options)
        self.profile.fill(binding.profile)
        self.prompts.fill(binding.member_prompts)


def _create(
    binding: binding_pb2.Binding, common: _Common, target: RoutingTarget, output: OutputOptions, request_id: str
) -> None:
    common.fill(binding)
    with routing_client(target) as client:
        request = binding_service_pb2.CreateBindingRequest(binding=binding, request_id=request_id)
        stored = client.caller.call(client.bindings.CreateBinding, request).binding
    show_binding(stored, output, "bound")
