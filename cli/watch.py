"""`axbridge bindings watch`: the changes as they are made."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated

import typer
from axbridge.routing.v1 import binding_service_pb2

from cli.bind import Tenant
from cli.binding_view import kind_name, relation
from cli.clients import RoutingTarget, routing_client
from cli.option_groups import spread_options
from cli.output import OutputOptions, local_time, message_dict, printable, stderr_console, stdout_console
from cli.values import countable, enum_word
from common.errors import UnavailableError

_PAUSE_SECONDS = 0.5


@spread_options
def watch(
    tenant: Tenant,
    target: RoutingTarget,
    output: OutputOptions,
    after: Annotated[
        int,
        typer.Option(
            min=-1,
            callback=countable,
            help="Begin behind this position; 0: with the first change, -1: with what comes.",
        ),
    ] = -1,
    count: Annotated[int, typer.Option(min=0, help="End after so many changes; 0: go on until Ctrl-C.")] = 0,
) -> None:
    """Follow the changes of a tenant's bindings, over every cut. Each has a position: go on from there with --after."""
    console = stdout_console()
    with routing_client(target) as client:
        # Who can't be reached, or may not be asked, is known at once; what fails later is a cut.
        first = binding_service_pb2.ListBindingsRequest(tenant_id=tenant, page_size=1)
        client.caller.call(client.bindings.ListBindings, first)

        def read(position: int) -> Iterator[binding_service_pb2.WatchBindingsResponse]:
            request = binding_service_pb2.WatchBindingsRequest(tenant_id=tenant, after_position=position)
            return client.caller.stream(client.bindings.WatchBindings, request)

        for shown, change in enumerate(followed(read, after, _say_cut), 1):
            if output.as_json:
                # One document a line, so that a script can read it as it comes.
                console.print_json(data=message_dict(change, unmask=output.unmask), indent=None)
            else:
                console.print(_line(change, unmask=output.unmask))
            if shown == count:
                return


def followed(
    read: Callable[[int], Iterable[binding_service_pb2.WatchBindingsResponse]],
    after: int,
    say_cut: Callable[[int], None],
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[binding_service_pb2.BindingChange]:
    """Every change behind a position, without end: `read` streams from a position on and is called again after a cut.

    Streams end with their connection's age and with a replica that stops. `say_cut` is told, once for each cut, the
    position to go on from; -1 when none is known yet: what changes before the stream is there again is missed.
    Raises what `read` raises but for UnavailableError.
    """
    position, is_told = after, False
    while True:
        try:
            for response in read(position):
                is_told = False
                if not response.changes:
                    # Where the stream begins.
                    position = response.position
                for change in response.changes:
                    position = change.position
                    yield change
        except UnavailableError:
            if not is_told:
                say_cut(position)
            is_told = True
            sleep(_PAUSE_SECONDS)


def _say_cut(position: int) -> None:
    missed = "" if position >= 0 else "; changes that are made meanwhile are not shown"
    stderr_console().print(f"axbridge: the stream was cut, going on{missed}", highlight=False)


def _line(change: binding_service_pb2.BindingChange, *, unmask: bool) -> str:
    what = enum_word(binding_service_pb2.BindingChangeType.Name(change.type), "BINDING_CHANGE_TYPE_")
    binding = change.binding
    return printable(
        f"{change.position}  {local_time(change.changed_at)}  {what}  {binding.binding_id} rev {binding.revision}  "
        f"{kind_name(binding)} {binding.access_number}  {relation(binding, unmask=unmask)}"
    )
