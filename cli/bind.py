"""`axbridge bind`: new number relationships."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer
from axbridge.routing.v1 import binding_pb2, binding_service_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from cli.binding_view import show_binding
from cli.clients import RoutingTarget, routing_client
from cli.option_groups import spread_options
from cli.output import OutputOptions
from cli.profile_options import MemberPromptOptions, ProfileOptions
from cli.values import parse_duration, parse_moment, to_timestamp

app = typer.Typer(help="Bind numbers: who reaches whom on an access number.", no_args_is_help=True)

Tenant = Annotated[str, typer.Option("--tenant", help="The enterprise (vccId).")]
AccessNumber = Annotated[str, typer.Option("--access", help="X, the number that callers dial.")]


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
        return to_timestamp(parse_moment(self.not_before)) if self.not_before is not None else None

    def ends(self) -> Timestamp | None:
        if self.expires_at is not None and self.expires_in is not None:
            raise typer.BadParameter("--expires-at and --expires-in say the same: give one of them")
        if self.expires_in is not None:
            try:
                return to_timestamp(datetime.now(UTC) + parse_duration(self.expires_in))
            except OverflowError as error:
                raise typer.BadParameter("--expires-in reaches beyond the calendar") from error
        return to_timestamp(parse_moment(self.expires_at)) if self.expires_at is not None else None


@app.command()
@spread_options
def axb(
    tenant: Tenant,
    access: AccessNumber,
    a: Annotated[str, typer.Option("--a", help="A, one of the two numbers that reach each other.")],
    b: Annotated[str, typer.Option("--b", help="B, the other one.")],
    validity: ValidityOptions,
    profile: ProfileOptions,
    prompts: MemberPromptOptions,
    target: RoutingTarget,
    output: OutputOptions,
    one_way: Annotated[bool, typer.Option("--one-way", help="A may call B, but not B A.")] = False,
    display: Annotated[str, typer.Option(help="What the callee sees; else the access number.")] = "",
) -> None:
    """A pair: A calling X reaches B, B calling X reaches A."""
    binding = binding_pb2.Binding(
        tenant_id=tenant,
        kind=binding_pb2.BINDING_KIND_AXB,
        access_number=access,
        a_number=a,
        b_number=b,
        one_way=one_way,
        display_number=display,
        not_before=validity.begins(),
        expires_at=validity.ends(),
    )
    _create(binding, profile, prompts, target, output)


@app.command()
@spread_options
def ax(
    tenant: Tenant,
    access: AccessNumber,
    a: Annotated[str, typer.Option("--a", help="A, the owner: everyone who calls X reaches A.")],
    validity: ValidityOptions,
    profile: ProfileOptions,
    prompts: MemberPromptOptions,
    target: RoutingTarget,
    output: OutputOptions,
    callback: Annotated[str, typer.Option(help="Whom the owner reaches by calling X; else nobody.")] = "",
    display: Annotated[str, typer.Option(help="What the callee sees; else the access number.")] = "",
) -> None:
    """An owner behind X: anyone who calls X reaches A."""
    binding = binding_pb2.Binding(
        tenant_id=tenant,
        kind=binding_pb2.BINDING_KIND_AX,
        access_number=access,
        a_number=a,
        callback_number=callback,
        display_number=display,
        not_before=validity.begins(),
        expires_at=validity.ends(),
    )
    _create(binding, profile, prompts, target, output)


def _create(
    binding: binding_pb2.Binding,
    profile: ProfileOptions,
    prompts: MemberPromptOptions,
    target: RoutingTarget,
    output: OutputOptions,
) -> None:
    profile.fill(binding.profile)
    prompts.fill(binding.member_prompts)
    with routing_client(target) as client:
        request = binding_service_pb2.CreateBindingRequest(binding=binding)
        stored = client.caller.call(client.bindings.CreateBinding, request).binding
    show_binding(stored, output, "bound")
