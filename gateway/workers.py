"""Several gateway processes on one port, which one more process starts, watches and ends.

All of them accept from the one socket that this process listens on and hands down. So a connection that waits to be
accepted is nobody's yet: whichever worker is free takes it, and it survives the death of any of them, which it does not
where each has a socket of its own (SO_REUSEPORT). Workers are fresh interpreters, never forks: gRPC does not survive
one. This process itself answers nothing.
"""

import asyncio
import ctypes
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from common.clock import Clock
from common.errors import UnavailableError
from common.lifecycle import parse_announcement
from common.logs import get_logger

# What a worker finds in its environment: the number of the socket's file descriptor, and its own number, from 1.
LISTEN_FD, WORKER_NUMBER = "AXBRIDGE_GATEWAY_LISTEN_FD", "AXBRIDGE_GATEWAY_WORKER"
BACKLOG = 1024
_METRICS_LISTEN = "AXBRIDGE_GATEWAY_METRICS_LISTEN"
_MAX_LINE_BYTES = 1024 * 1024
_PR_SET_PDEATHSIG = 1
# One that dies more often than this will die again.
MAX_DEATHS, DEATHS_SECONDS = 5, 60.0
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """How many workers, where they listen (HOST:PORT), where each says its metrics, and how long each may take to end.

    `metrics_listen` is the first worker's, the others have the ports behind it; empty: nowhere.
    """

    workers: int
    listen: str
    metrics_listen: str
    grace_seconds: float
    command: Sequence[str] = (sys.executable, "-m", "gateway")


def listening_socket(listen: str) -> socket.socket:
    """A socket that listens on HOST:PORT. Raises OSError when the address is taken."""
    host, _, port = listen.rpartition(":")
    found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, place = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def inherited_socket() -> socket.socket | None:
    """The socket that a worker was given; None in a process that is no worker."""
    number = os.environ.get(LISTEN_FD)
    if not number:
        return None
    listener = socket.socket(fileno=int(number))
    listener.setblocking(False)
    return listener


class WorkerPool:
    """Keeps worker processes running until it is told to stop."""

    def __init__(self, options: PoolOptions, listener: socket.socket, clock: Clock) -> None:
        self._options = options
        self._listener = listener
        self._clock = clock
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._ready = {number: asyncio.Event() for number in range(1, options.workers + 1)}
        self._deaths: deque[float] = deque()
        self._is_stopping = False
        self.address = f"{options.listen.rpartition(':')[0]}:{listener.getsockname()[1]}"

    async def run(self, stop: asyncio.Event, started: Callable[[], None]) -> int:
        """Run workers until `stop` is set, then end them all; `started` is called when all of them take requests.

        Returns the exit code, 0 when all of them ended well. Raises UnavailableError, when the others are gone, for a
        worker that does not come up, and when too many die.
        """
        keeping = [asyncio.create_task(self._keep(number)) for number in self._ready]
        stopping = asyncio.create_task(stop.wait())
        ready = asyncio.create_task(self._all_ready())
        try:
            await asyncio.wait({*keeping, stopping, ready}, return_when=asyncio.FIRST_COMPLETED)
            if ready.done():
                started()
            await asyncio.wait({*keeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in (stopping, ready):
                waiting.cancel()
            codes = await self._end(keeping)
        return 0 if all(code in (0, -signal.SIGTERM) for code in codes) else 1

    async def _all_ready(self) -> None:
        for event in self._ready.values():
            await event.wait()

    async def _end(self, keeping: Sequence["asyncio.Task[int]"]) -> list[int]:
        self._is_stopping = True
        # The workers have theirs: when the last one has ended, whoever connects is refused and goes elsewhere.
        self._listener.close()
        self._signal_all(signal.SIGTERM)
        _, late = await asyncio.wait(keeping, timeout=self._options.grace_seconds)
        if late:
            _log.warning("workers did not end in time", count=len(late))
            self._signal_all(signal.SIGKILL)
        return await asyncio.gather(*keeping)

    def _signal_all(self, number: signal.Signals) -> None:
        for process in self._processes.values():
            if process.returncode is None:
                process.send_signal(number)

    async def _keep(self, number: int) -> int:
        """Run a worker, and another one in its place when it dies. Returns the exit code of the last one."""
        while True:
            process = self._processes[number] = await self._spawn(number)
            if self._is_stopping:
                process.terminate()
            has_started = await self._follow(number, process)
            code = await process.wait()
            if self._is_stopping:
                return code
            if not has_started:
                raise UnavailableError(f"worker {number} ended with exit code {code} before it took requests")
            now = self._clock.monotonic()
            self._deaths.append(now)
            while self._deaths[0] <= now - DEATHS_SECONDS:
                self._deaths.popleft()
            _log.error("a worker died", worker=number, exit_code=code, deaths_lately=len(self._deaths))
            if len(self._deaths) > MAX_DEATHS:
                raise UnavailableError(f"{len(self._deaths)} workers died within {DEATHS_SECONDS:g} s")

    async def _spawn(self, number: int) -> asyncio.subprocess.Process:
        descriptor = self._listener.fileno()
        return await asyncio.create_subprocess_exec(
            *self._options.command,
            env={
                **os.environ,
                LISTEN_FD: str(descriptor),
                WORKER_NUMBER: str(number),
                _METRICS_LISTEN: port_behind(self._options.metrics_listen, number - 1),
            },
            pass_fds=(descriptor,),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            limit=_MAX_LINE_BYTES,
            # A Ctrl-C reaches them through us.
            start_new_session=True,
        )

    async def _follow(self, number: int, process: asyncio.subprocess.Process) -> bool:
        """Pass on what a worker writes until it ends; whether it said that it takes requests."""
        has_started = False
        assert process.stdout is not None
        while line := await process.stdout.readline():
            text = line.decode("utf-8", "replace")
            if not has_started and parse_announcement(text):
                has_started = True
                self._ready[number].set()
                _log.info("worker listening", worker=number, process_id=process.pid)
            else:
                sys.stdout.write(text)
                sys.stdout.flush()
        return has_started


def port_behind(listen: str, places: int) -> str:
    """HOST:PORT with a port so many places behind; port 0, any free one, and an empty text stay as they are."""
    host, _, port = listen.rpartition(":")
    return listen if not listen or port == "0" else f"{host}:{int(port) + places}"


def end_with_parent() -> None:
    """In a worker: get SIGTERM when the parent is killed, so that nobody is left behind on its port."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
