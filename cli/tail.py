"""`axbridge tail`: a tenant's events as they come in."""

import asyncio
import json
import secrets
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Annotated

import typer
from axbridge.events.v1 import call_pb2
from axbridge.events.v1 import call_service_pb2 as call_service
from rich.text import Text

from axbridge_client import AxbridgeClient, ClientTls, Content, Deliveries, Delivery, Start
from cli.bind import Tenant
from cli.calls import state_word
from cli.clients import EVENTS_VARIABLE, EventsTarget
from cli.errors import unreachable
from cli.option_groups import spread_options
from cli.output import OutputOptions, message_dict, person, printable, stderr_console, stdout_console
from cli.security import api_key_of, current_security, is_unmasking
from cli.values import parse_moment
from common.clock import from_microseconds
from common.errors import AlreadyExistsError, AxbridgeError, NotFoundError, UnavailableError
from common.protocol_codes import CallResult, EventCode

# A tail that dies without saying so leaves its subscription for this long.
LEFT_OVER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class TailOptions:
    """Options: what is shown, and from where on."""

    since: Annotated[
        str,
        typer.Option("--from", metavar="earliest|now|TIME", help="Where a new subscription begins."),
    ] = "now"
    calls: Annotated[bool, typer.Option("--calls", help="Show the records of calls that are over, too.")] = False
    number: Annotated[list[str] | None, typer.Option(help="Only calls with this number as A, X or B. Repeatable.")] = (
        None
    )
    code: Annotated[list[str] | None, typer.Option(help="Only events with this code. Repeatable.")] = None
    count: Annotated[int, typer.Option("--count", min=0, help="End after so many; 0: never.")] = 0
    subscription: Annotated[
        str,
        typer.Option(help="Go on with the durable subscription of this name, made when it is not there."),
    ] = ""


@spread_options
def tail(tenant: Tenant, target: EventsTarget, options: TailOptions, output: OutputOptions) -> None:
    """Show a tenant's events live, over every cut, until interrupted."""
    start = _start(options.since)
    asyncio.run(_tail(tenant, target, options, start, _printer(output)))


def _start(since: str) -> Start:
    if since == "now":
        return Start.now()
    return Start.earliest() if since == "earliest" else Start.received_from(parse_moment(since, "--from"))


def _client(target: EventsTarget) -> AxbridgeClient:
    security = current_security()
    tls = None
    if security.tls is not None:
        tls = ClientTls(security.tls.ca_file, security.tls.cert_file, security.tls.key_file, security.server_name)
    key = api_key_of(target.events_target, security)
    return AxbridgeClient(target.events_target, api_key=key, tls=tls, unmask=is_unmasking())


async def _tail(
    tenant: str, target: EventsTarget, options: TailOptions, start: Start, show: Callable[[Delivery], None]
) -> None:
    is_temporary = not options.subscription
    name = options.subscription or f"tail-{secrets.token_hex(6)}"
    async with _client(target) as client:
        try:
            await client.create_subscription(
                tenant,
                name,
                content=Content.EVENTS_AND_CALLS if options.calls else Content.EVENTS,
                codes=options.code or (),
                numbers=options.number or (),
                start=start,
                remove_unused_after=LEFT_OVER if is_temporary else None,
            )
        except AlreadyExistsError as error:
            raise AxbridgeError(f"the subscription {name} has another filter: tail it with the same options") from error
        except UnavailableError as error:
            raise unreachable("event service", target.events_target, "--events-target", EVENTS_VARIABLE) from error
        if not is_temporary:
            stderr_console().print(f"subscription {printable(name)} keeps its place when this ends")
        deliveries = client.subscribe(tenant, name, consumer="axbridge tail")
        showing = asyncio.create_task(_show(deliveries, options.count, show))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, showing.cancel)
        try:
            await showing
        except asyncio.CancelledError:
            # Interrupted: that is how it is meant to end.
            stderr_console().print("ended")
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
            await deliveries.close()
            if is_temporary:
                await _remove(client, tenant, name)


async def _remove(client: AxbridgeClient, tenant: str, name: str) -> None:
    try:
        await client.delete_subscription(tenant, name)
    except (NotFoundError, UnavailableError):
        # It is gone, or goes by itself.
        return


async def _show(deliveries: Deliveries, count: int, show: Callable[[Delivery], None]) -> None:
    shown = 0
    async for delivery in deliveries:
        show(delivery)
        shown += 1
        if shown == count:
            # Shown is dealt with.
            await delivery.ack()
            return


def _printer(output: OutputOptions) -> Callable[[Delivery], None]:
    if output.as_json:

        def print_line(delivery: Delivery) -> None:
            content = {"partition": delivery.partition, "position": delivery.position}
            message = delivery.event if delivery.event is not None else delivery.call
            assert message is not None, "a delivery is an event or a call"
            kind = "event" if delivery.event is not None else "call"
            line = {**content, kind: message_dict(message, unmask=output.unmask)}
            sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
            sys.stdout.flush()

        return print_line
    console = stdout_console()

    def print_text(delivery: Delivery) -> None:
        if delivery.event is not None:
            console.print(_event_line(delivery.event, unmask=output.unmask), soft_wrap=True)
        elif delivery.call is not None:
            console.print(_call_line(delivery.call, unmask=output.unmask), soft_wrap=True)
        sys.stdout.flush()

    return print_text


def _event_line(stored: call_service.StoredEvent, *, unmask: bool) -> Text:
    event = stored.event
    moment = from_microseconds(event.received_at_us).astimezone(UTC).astimezone()
    people = " → ".join(person(member.number, unmask=unmask) for member in event.members if member.number)
    result = f" ({CallResult.describe(event.call_result)})" if event.call_result else ""
    return Text.assemble(
        (moment.strftime("%H:%M:%S.%f")[:-3], "dim"),
        f"  {printable(event.session_id)}  ",
        (f"{printable(event.code)} {EventCode.describe(event.code)}", "cyan"),
        printable(result),
        printable(f"  {people}" if people else ""),
    )


def _call_line(call: call_pb2.Call, *, unmask: bool) -> Text:
    a, b = person(call.calling_number, unmask=unmask), person(call.called_number, unmask=unmask)
    people = " → ".join(number for number in (a, call.access_number, b) if number)
    talk = f", {call.talk_seconds} s of talk" if call.talk_seconds else ""
    return Text.assemble(
        ("call over    ", "dim"),
        f" {printable(call.session_id)}  ",
        (state_word(call), "bold green"),
        printable(f"  {people}{talk}, {call.end_reason}, revision {call.revision}"),
    )
