"""How a service process begins and ends."""

import asyncio
import gc
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop


def run(main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run a service's main coroutine on a uvloop and return its exit code."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())


def stop_requested() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set. grpc.aio handles neither; call this once, in the running loop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def announce(name: str, address: str) -> None:
    """Tell the supervisor, on standard output, that a service takes requests at HOST:PORT.

    What was made until then stays for good, so the garbage collector need not look at it again and again.
    """
    gc.collect()
    gc.freeze()
    print(f"axbridge: {name} listening on {address}", file=sys.stdout, flush=True)  # noqa: T201 - read by `axbridge up`


def parse_announcement(line: str) -> tuple[str, str] | None:
    """The (name, address) of a line that `announce` wrote, None for any other line."""
    words = line.split()
    if len(words) == 5 and words[0] == "axbridge:" and words[2:4] == ["listening", "on"]:
        return words[1], words[4]
    return None
