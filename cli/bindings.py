"""`axbridge bindings`: the number relationships there are."""

from enum import StrEnum
from typing import Annotated

import typer
from axbridge.routing.v1 import binding_pb2, binding_service_pb2
from google.protobuf.field_mask_pb2 import FieldMask

from cli.bind import IfRevision, RequestId, Tenant, ValidityOptions
from cli.binding_options import MaxMembers, ScheduleOptions, Strategy, TargetOptions
from cli.binding_view import kind_name, relation, show_binding, validity
from cli.clients import RoutingClient, RoutingTarget, routing_client
from cli.option_groups import spread_options
from cli.output import OutputOptions, add_row, print_json, print_messages, stdout_console, table
from cli.profile_options import MemberPromptOptions, ProfileOptions

app = typer.Typer(help="The bindings there are: list, show, change, delete.", no_args_is_help=True)

BindingId = Annotated[str, typer.Argument(metavar="BINDING", help="The binding's id.")]


class State(StrEnum):
    """Whether a binding is within its validity."""

    IN_FORCE = "in-force"
    PENDING = "pending"
    EXPIRED = "expired"


_STATES = {
    State.IN_FORCE: binding_service_pb2.BINDING_STATE_IN_FORCE,
    State.PENDING: binding_service_pb2.BINDING_STATE_PENDING,
    State.EXPIRED: binding_service_pb2.BINDING_STATE_EXPIRED,
}


@app.command("list")
@spread_options
def list_(
    tenant: Tenant,
    target: RoutingTarget,
    output: OutputOptions,
    access: Annotated[str, typer.Option(help="Only on this access number.")] = "",
    number: Annotated[str, typer.Option(help="Only with this number as A, B or callback.")] = "",
    state: Annotated[State | None, typer.Option(help="Only in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most bindings to list.")] = 100,
) -> None:
    """List a tenant's bindings, oldest first."""
    with routing_client(target) as client:
        which = binding_service_pb2.ListBindingsRequest(tenant_id=tenant, access_number=access, number=number)
        if state is not None:
            which.state = _STATES[state]
        bindings, more = _pages(client, which, limit)
    if output.as_json:
        print_messages(bindings, unmask=output.unmask)
        return
    listing = table(f"Bindings of {tenant}", ["binding", "kind", "access", "calls", "in force", ("rev", "right")])
    for binding in bindings:
        add_row(
            listing,
            binding.binding_id,
            kind_name(binding),
            binding.access_number,
            relation(binding, unmask=output.unmask),
            validity(binding) or "always",
            str(binding.revision),
        )
    console = stdout_console()
    console.print(listing if bindings else "no such bindings: `axbridge bind axb` and the like make one")
    if more:
        # Of those in a state it is not known before they are looked for.
        there_are = "there are" if state is None else "there may be"
        console.print(f"{there_are} more than {limit}: narrow the list with --access or --number, or raise --limit")


@app.command()
@spread_options
def show(binding: BindingId, tenant: Tenant, target: RoutingTarget, output: OutputOptions) -> None:
    """Show a binding with everything that is set in it."""
    with routing_client(target) as client:
        request = binding_service_pb2.GetBindingRequest(tenant_id=tenant, binding_id=binding)
        stored = client.caller.call(client.bindings.GetBinding, request).binding
    show_binding(stored, output, "binding")


@app.command()
@spread_options
def update(
    binding: BindingId,
    tenant: Tenant,
    validity_options: ValidityOptions,
    schedule_options: ScheduleOptions,
    target_options: TargetOptions,
    profile: ProfileOptions,
    prompts: MemberPromptOptions,
    target: RoutingTarget,
    output: OutputOptions,
    access: Annotated[str | None, typer.Option("--access", help="The new access number.")] = None,
    a: Annotated[str | None, typer.Option("--a", help="The new A.")] = None,
    b: Annotated[str | None, typer.Option("--b", help="The new B.")] = None,
    callback: Annotated[str | None, typer.Option(help="Whom the owner now reaches by calling X.")] = None,
    display: Annotated[str | None, typer.Option(help="What the callee now sees.")] = None,
    one_way: Annotated[bool | None, typer.Option("--one-way/--both-ways", help="May B call A as well?")] = None,
    y: Annotated[str | None, typer.Option("--y", help="The new Y.")] = None,
    extension: Annotated[str | None, typer.Option(help="The new extension.")] = None,
    last_caller: Annotated[
        bool | None, typer.Option("--last-caller/--no-last-caller", help="Does the owner reach who called last?")
    ] = None,
    strategy: Strategy = None,
    max_members: MaxMembers = None,
    clear: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD", help="Set a field back, such as expires_at or profile.client_id. Repeatable."),
    ] = None,
    if_revision: IfRevision = 0,
    request_id: RequestId = "",
) -> None:
    """Change what is given and leave the rest."""
    changed = binding_pb2.Binding(
        tenant_id=tenant,
        binding_id=binding,
        not_before=validity_options.begins(),
        expires_at=validity_options.ends(),
        schedule=schedule_options.weekly(),
        targets=target_options.targets(),
        hunt_strategy=strategy.enum_name("HUNT_STRATEGY_") if strategy is not None else None,
    )
    paths = [name for name in ("not_before", "expires_at", "schedule") if changed.HasField(name)]
    paths += ["targets"] if changed.targets else []
    paths += ["hunt_strategy"] if strategy is not None else []
    plain: dict[str, str | bool | int | None] = {
        "access_number": access,
        "a_number": a,
        "b_number": b,
        "callback_number": callback,
        "display_number": display,
        "one_way": one_way,
        "y_number": y,
        "extension": extension,
        "callback_to_last_caller": last_caller,
        "max_members": max_members,
    }
    for name, value in plain.items():
        if value is not None:
            setattr(changed, name, value)
            paths.append(name)
    paths += [f"profile.{name}" for name in profile.fill(changed.profile)]
    paths += [f"member_prompts.{name}" for name in prompts.fill(changed.member_prompts)]
    paths += clear or []
    if not paths:
        raise typer.BadParameter("nothing to change: give at least one option, or --clear FIELD")
    request = binding_service_pb2.UpdateBindingRequest(
        binding=changed,
        update_mask=FieldMask(paths=paths),
        expected_revision=if_revision,
        request_id=request_id,
    )
    with routing_client(target) as client:
        stored = client.caller.call(client.bindings.UpdateBinding, request).binding
    show_binding(stored, output, "changed")


@app.command()
@spread_options
def delete(
    binding: BindingId,
    tenant: Tenant,
    target: RoutingTarget,
    output: OutputOptions,
    if_revision: IfRevision = 0,
    request_id: RequestId = "",
) -> None:
    """End a binding. A query that begins after this returns is never answered from it."""
    request = binding_service_pb2.DeleteBindingRequest(
        tenant_id=tenant, binding_id=binding, expected_revision=if_revision, request_id=request_id
    )
    with routing_client(target) as client:
        client.caller.call(client.bindings.DeleteBinding, request)
    if output.as_json:
        print_json({"deleted": binding})
    else:
        stdout_console().print(f"binding {binding} deleted")


def _pages(
    client: RoutingClient, which: binding_service_pb2.ListBindingsRequest, limit: int
) -> tuple[list[binding_pb2.Binding], bool]:
    bindings: list[binding_pb2.Binding] = []
    token = ""
    while len(bindings) < limit:
        request = binding_service_pb2.ListBindingsRequest(page_size=min(limit - len(bindings), 1000), page_token=token)
        request.MergeFrom(which)
        page = client.caller.call(client.bindings.ListBindings, request)
        bindings.extend(page.bindings)
        token = page.next_page_token
        if not token:
            break
    return bindings, bool(token)
