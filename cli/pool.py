"""`axbridge pool`: the access numbers of a tenant."""

import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from axbridge.routing.v1 import binding_pb2, number_pool_service_pb2
from google.protobuf.duration_pb2 import Duration

from cli.bind import RequestId, Tenant, ValidityOptions
from cli.binding_view import show_binding
from cli.clients import RoutingTarget, routing_client
from cli.option_groups import spread_options
from cli.output import (
    OutputOptions,
    add_row,
    facts_table,
    local_time,
    print_json,
    print_message,
    print_messages,
    stdout_console,
    table,
)
from cli.values import parse_duration
from common.errors import AxbridgeError

app = typer.Typer(help="Number pools: access numbers, and picking one for a pair.", no_args_is_help=True)

Pool = Annotated[str, typer.Option("--pool", help="The pool; else the tenant's default pool.")]
City = Annotated[str, typer.Option("--city", help="Area code, such as 25 for Nanjing.")]
Numbers = Annotated[list[str] | None, typer.Argument(metavar="NUMBER...", help="Access numbers.")]
Capabilities = Annotated[
    list[str] | None, typer.Option("--capability", help="What the number can do, such as sms. Repeatable.")
]
_MOST_AT_ONCE = 1000
# What the service calls a number by.
_PLACE = re.compile(r"access_numbers\[(\d+)\]")


class Previous(StrEnum):
    """What to do about the access number that the pair had last."""

    STICKY = "sticky"
    AVOID = "avoid"


_POLICIES = {
    Previous.STICKY: number_pool_service_pb2.PREVIOUS_NUMBER_POLICY_STICKY,
    Previous.AVOID: number_pool_service_pb2.PREVIOUS_NUMBER_POLICY_AVOID,
}


@app.command()
@spread_options
def add(
    tenant: Tenant,
    target: RoutingTarget,
    output: OutputOptions,
    numbers: Numbers = None,
    file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A file with one number a line.")
    ] = None,
    pool: Pool = "",
    city: City = "",
    capability: Capabilities = None,
    request_id: RequestId = "",
) -> None:
    """Put access numbers into a pool."""
    given = [*(numbers or []), *(_lines(file) if file is not None else [])]
    if not given:
        raise typer.BadParameter("no numbers: give some, or --file")
    added: list[number_pool_service_pb2.AccessNumber] = []
    with routing_client(target) as client:
        for start in range(0, len(given), _MOST_AT_ONCE):
            request = number_pool_service_pb2.AddAccessNumbersRequest(
                tenant_id=tenant,
                access_numbers=[
                    number_pool_service_pb2.AccessNumber(
                        number=each, pool=pool, city_code=city, capabilities=capability or []
                    )
                    for each in given[start : start + _MOST_AT_ONCE]
                ],
                request_id=f"{request_id}/{start}" if request_id and start else request_id,
            )
            try:
                added.extend(client.caller.call(client.pools.AddAccessNumbers, request).access_numbers)
            except AxbridgeError as error:
                raise _about_number(error, given[start : start + _MOST_AT_ONCE], len(added)) from error
    if output.as_json:
        # Access numbers are the enterprise's own.
        print_messages(added, unmask=True)
    else:
        stdout_console().print(f"{len(added)} access numbers added")


@app.command("list")
@spread_options
def list_(
    tenant: Tenant,
    target: RoutingTarget,
    output: OutputOptions,
    pool: Annotated[str, typer.Option("--pool", help="Only this pool.")] = "",
    city: Annotated[str, typer.Option("--city", help="Only this city.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="Most numbers to list.")] = 100,
) -> None:
    """List a tenant's access numbers."""
    numbers: list[number_pool_service_pb2.AccessNumber] = []
    token = ""
    with routing_client(target) as client:
        while len(numbers) < limit:
            request = number_pool_service_pb2.ListAccessNumbersRequest(
                tenant_id=tenant,
                pool=pool,
                city_code=city,
                page_size=min(limit - len(numbers), _MOST_AT_ONCE),
                page_token=token,
            )
            page = client.caller.call(client.pools.ListAccessNumbers, request)
            numbers.extend(page.access_numbers)
            token = page.next_page_token
            if not token:
                break
    if output.as_json:
        print_messages(numbers, unmask=True)
        return
    listing = table(
        f"Access numbers of {tenant}", ["access", "pool", "city", "can", ("live bindings", "right"), "last released"]
    )
    for each in numbers:
        add_row(
            listing,
            each.number,
            each.pool or "(default)",
            each.city_code or "nationwide",
            " ".join(each.capabilities),
            str(each.live_bindings),
            local_time(each.last_released_at) if each.HasField("last_released_at") else "",
        )
    console = stdout_console()
    console.print(listing if numbers else "no access numbers: `axbridge pool add` adds some")
    if token:
        console.print(f"there are more than {limit}: narrow the list with --pool or --city, or raise --limit")


@app.command()
@spread_options
def remove(
    numbers: Annotated[list[str], typer.Argument(metavar="NUMBER...", help="Access numbers.")],
    tenant: Tenant,
    target: RoutingTarget,
    output: OutputOptions,
    request_id: RequestId = "",
) -> None:
    """Take access numbers out of their pools. One with live bindings stays, and then all do."""
    request = number_pool_service_pb2.RemoveAccessNumbersRequest(
        tenant_id=tenant, numbers=numbers, request_id=request_id
    )
    with routing_client(target) as client:
        client.caller.call(client.pools.RemoveAccessNumbers, request)
    if output.as_json:
        print_json({"removed": numbers})
    else:
        stdout_console().print(f"{len(numbers)} access numbers removed")


@app.command()
@spread_options
def allocate(
    tenant: Tenant,
    a: Annotated[str, typer.Option("--a", help="A; without --b the owner, whom everyone's call reaches.")],
    validity: ValidityOptions,
    target: RoutingTarget,
    output: OutputOptions,
    b: Annotated[str, typer.Option("--b", help="B, the other one of the pair.")] = "",
    pool: Pool = "",
    city: City = "",
    nationwide_fallback: Annotated[
        bool, typer.Option("--nationwide-fallback", help="Where the city has none free, any other will do.")
    ] = False,
    capability: Capabilities = None,
    previous: Annotated[Previous | None, typer.Option(help="About the access number that the pair had last.")] = None,
    cool_down: Annotated[
        str | None, typer.Option(metavar="DURATION", help="How long a number rests after a binding: 10m, 1h.")
    ] = None,
    request_id: RequestId = "",
) -> None:
    """Bind a pair, or an owner, on an access number that is free for it."""
    binding = binding_pb2.Binding(
        tenant_id=tenant,
        kind=binding_pb2.BINDING_KIND_AXB if b else binding_pb2.BINDING_KIND_AX,
        a_number=a,
        b_number=b,
        not_before=validity.begins(),
        expires_at=validity.ends(),
    )
    request = number_pool_service_pb2.AllocateBindingRequest(
        binding=binding,
        pool=pool,
        city_code=city,
        nationwide_fallback=nationwide_fallback,
        capabilities=capability or [],
        previous_number_policy=None if previous is None else _POLICIES[previous],
        cool_down=None if cool_down is None else _duration(cool_down, "--cool-down"),
        request_id=request_id,
    )
    with routing_client(target) as client:
        stored = client.caller.call(client.pools.AllocateBinding, request).binding
    show_binding(stored, output, "bound")


@app.command()
@spread_options
def forecast(
    tenant: Tenant,
    target: RoutingTarget,
    output: OutputOptions,
    pool: Pool = "",
    window: Annotated[str, typer.Option(metavar="DURATION", help="The past to learn from.")] = "7d",
) -> None:
    """Say how many access numbers a pool needs for its bindings as they overlap."""
    span = _duration(window, "--window")
    request = number_pool_service_pb2.PoolForecastRequest(tenant_id=tenant, pool=pool, window=span)
    with routing_client(target) as client:
        found = client.caller.call(client.pools.PoolForecast, request)
    if output.as_json:
        print_message(found, unmask=output.unmask)
        return
    facts = {
        "access numbers": str(found.access_numbers),
        "needed": str(found.needed),
        "because of": found.busiest_number,
        "most bindings at a time": str(found.peak_live_bindings),
    }
    console = stdout_console()
    console.print(facts_table(facts))
    if found.needed > found.access_numbers:
        console.print(f"the pool is short of {found.needed - found.access_numbers}")


def _about_number(error: AxbridgeError, numbers: Sequence[str], added: int) -> AxbridgeError:
    """The error with the number that it is about, where it is about one, and how many were added before it."""
    message, metadata = error.message, error.metadata
    if found := _PLACE.match(metadata.get("field", "")):
        message = f"{numbers[int(found[1])]}: {message.removeprefix(metadata['field']).removeprefix(': ')}"
        metadata = {}
    if added:
        message = f"{message}; {added} numbers before it were added"
    return AxbridgeError(message, reason=error.reason, metadata=metadata)


def _lines(file: Path) -> list[str]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"{file.name} is no text in UTF-8", param_hint="--file") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def _duration(text: str, option: str) -> Duration:
    duration = Duration()
    duration.FromTimedelta(parse_duration(text, option))
    return duration
