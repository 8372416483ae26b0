"""`axbridge bindings watch`: the changes as they are made."""

from typing import Annotated

import typer
from axbridge.routing.v1 import binding_service_pb2

from cli.bind import Tenant
from cli.binding_view import kind_name, relation
from cli.clients import RoutingTarget, routing_client
from cli.option_groups import spread_options
from cli.output import OutputOptions, local_time, message_dict, printable, stdout_console
from cli.values import enum_word


@spread_options
def watch(
    tenant: Tenant,
    target: RoutingTarget,
    output: OutputOptions,
    after: Annotated[
        int, typer.Option(min=-1, help="Begin behind this position; 0: with the first change, -1: with what comes.")
    ] = -1,
    count: Annotated[int, typer.Option(min=0, help="End after so many changes; 0: go on until Ctrl-C.")] = 0,
) -> None:
    """Follow the changes of a tenant's bindings. Each has a position: go on from there with --after."""
    console = stdout_console()
    shown = 0
    request = binding_service_pb2.WatchBindingsRequest(tenant_id=tenant, after_position=after)
    with routing_client(target) as client:
        for response in client.caller.stream(client.bindings.WatchBindings, request):
            for change in response.changes:
                if output.as_json:
                    # One document a line, so that a script can read it as it comes.
                    console.print_json(data=message_dict(change, unmask=output.unmask), indent=None)
                else:
                    console.print(_line(change, unmask=output.unmask))
                shown += 1
                if shown == count:
                    return


def _line(change: binding_service_pb2.BindingChange, *, unmask: bool) -> str:
    what = enum_word(binding_service_pb2.BindingChangeType.Name(change.type), "BINDING_CHANGE_TYPE_")
    binding = change.binding
    return printable(
        f"{change.position}  {local_time(change.changed_at)}  {what}  {binding.binding_id} rev {binding.revision}  "
        f"{kind_name(binding)} {binding.access_number}  {relation(binding, unmask=unmask)}"
    )
