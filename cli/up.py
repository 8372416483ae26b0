"""`axbridge up`: the three services in one go."""

import asyncio
import json
import signal
import socket
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from cli.output import stderr_console, stdout_console
from cli.stack import Stack, StackOptions, default_data_dir, start_stack
from cli.supervisor import Death, Supervisor
from common.errors import AxbridgeError

T = TypeVar("T")


class ServiceDiedError(AxbridgeError):
    """A service ended although nobody asked it to."""

    reason = "SERVICE_DIED"


def up(
    http: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where the platform reaches us.")] = "127.0.0.1:8080",
    routing: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where the routing service listens.")
    ] = "127.0.0.1:50051",
    events: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where the event service listens.")
    ] = "127.0.0.1:50052",
    data_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where data is kept; else the user's data folder.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=64, metavar="N", help="Gateway processes; else AXBRIDGE_GATEWAY_WORKERS, or one."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the addresses as one line of JSON.")] = False,
) -> None:
    """Run the three services until Ctrl-C. Port 0 takes a free port.

    Their logs go to standard error. When one of them ends by itself, the others are stopped and the exit code is 1.
    """
    for option, address in (("--http", http), ("--routing", routing), ("--events", events)):
        _check_free(option, address)
    folder = (data_dir or default_data_dir()).expanduser().resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AxbridgeError(
            f"can't keep data in {folder}: {error.strerror}; name another folder with --data-dir"
        ) from error
    asyncio.run(_run(StackOptions(http, routing, events, folder, workers), as_json=as_json))


def _check_free(option: str, address: str) -> None:
    """Raises typer.BadParameter for what is no HOST:PORT, AxbridgeError for an address that can't be listened on.

    The service would say so, too, but in a log; here it is the one line that tells what to do.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise typer.BadParameter(f"{option} takes HOST:PORT, such as 127.0.0.1:8080")
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            # As servers do, so that connections which are closing don't count as taken.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as error:
        raise AxbridgeError(
            f"{option}: can't listen on {address} ({error.strerror}): end what uses it, or give another address; "
            "port 0 takes a free one"
        ) from error


async def _run(options: StackOptions, *, as_json: bool) -> None:
    supervisor = Supervisor(_show_line)
    stop = asyncio.Event()

    def on_signal() -> None:
        # The first asks, the second insists.
        if stop.is_set():
            supervisor.hurry()
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    death: Death | None = None
    try:
        stack = await _unless(stop, start_stack(options, supervisor))
        if stack is not None:
            _announce(stack, as_json=as_json)
            death = await _unless(stop, supervisor.first_death())
            if death is not None:
                stderr_console().print(f"axbridge: {death}: stopping the others")
    finally:
        await supervisor.stop()
    if death is not None:
        raise ServiceDiedError(f"{death}; the other services were stopped")


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """The work's result; None when `stop` was set first, the work is cancelled then."""
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if working.done():
        return working.result()
    working.cancel()
    await asyncio.wait({working})
    return None


def _show_line(name: str, line: str) -> None:
    sys.stderr.write(f"{name:>15} | {line}\n")


def _announce(stack: Stack, *, as_json: bool) -> None:
    if as_json:
        addresses = {
            "calls_url": stack.calls_url,
            "routing_target": stack.routing,
            "events_target": stack.events,
            "data_dir": str(stack.data_dir),
            "process_ids": stack.supervisor.process_ids,
        }
        print(json.dumps(addresses), flush=True)
        return
    console = stdout_console()
    console.print("axbridge is up", style="bold green")
    console.print(f"  the platform posts to   {stack.calls_url}")
    console.print(f"  routing service (gRPC)  {stack.routing}")
    console.print(f"  event service (gRPC)    {stack.events}")
    console.print(f"  data                    {stack.data_dir}")
    console.print("Ctrl-C stops all three.")
    console.file.flush()
