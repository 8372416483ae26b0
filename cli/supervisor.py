"""Runs processes together: one that dies is reported, and all end in order."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from common.errors import AxbridgeError
from common.lifecycle import parse_announcement

# A log line may carry a whole message; longer ones are cut into pieces by the reader below.
MAX_LINE_BYTES = 1024 * 1024
DEFAULT_READY_SECONDS = 30.0
DEFAULT_GRACE_SECONDS = 15.0

_PR_SET_PDEATHSIG = 1

ShowLine = Callable[[str, str], None]
"""Takes a service's name and a line that it wrote."""


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """How to start a service: its command, and environment variables beside our own."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Death:
    """A process that ended without being asked to."""

    name: str
    process_id: int
    return_code: int

    def __str__(self) -> str:
        if self.return_code < 0:
            how = f"was killed by {signal.Signals(-self.return_code).name}"
        else:
            how = f"ended with exit code {self.return_code}"
        return f"{self.name} (process {self.process_id}) {how}"


class StartFailedError(AxbridgeError):
    """A service did not come up."""

    reason = "START_FAILED"


@dataclass(frozen=True, slots=True)
class _Child:
    name: str
    process: asyncio.subprocess.Process
    watcher: "asyncio.Task[Death]"
    announced: "asyncio.Future[str]"


class Supervisor:
    """Starts, watches and stops child processes.

    A child announces its address on standard output (see common.lifecycle); everything else that it writes goes to
    `show_line`. Children have process groups of their own, so that a Ctrl-C reaches them through us, in order.
    """

    def __init__(
        self,
        show_line: ShowLine,
        *,
        ready_seconds: float = DEFAULT_READY_SECONDS,
        grace_seconds: float = DEFAULT_GRACE_SECONDS,
    ) -> None:
        """`grace_seconds` is what a child gets between SIGTERM and SIGKILL."""
        self._show_line = show_line
        self._ready_seconds = ready_seconds
        self._grace_seconds = grace_seconds
        self._children: list[_Child] = []
        self._no_grace = asyncio.Event()

    async def start(self, spec: ServiceSpec) -> str:
        """Start a service and return the HOST:PORT that it announced. Raises StartFailedError when it doesn't."""
        try:
            process = await asyncio.create_subprocess_exec(
                *spec.command,
                env={**os.environ, **spec.environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=MAX_LINE_BYTES,
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        except OSError as error:
            raise StartFailedError(f"{spec.name} could not be started: {error.strerror}") from error
        announced: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        watcher = asyncio.create_task(self._watch(spec.name, process, announced))
        child = _Child(spec.name, process, watcher, announced)
        self._children.append(child)
        waited_for: set[asyncio.Future[Any]] = {announced, watcher}
        await asyncio.wait(waited_for, timeout=self._ready_seconds, return_when=asyncio.FIRST_COMPLETED)
        if announced.done():
            return announced.result()
        if watcher.done():
            raise StartFailedError(f"{watcher.result()} before it was ready: what it wrote above says why")
        raise StartFailedError(f"{spec.name} did not say within {self._ready_seconds:g} s where it listens")

    @property
    def process_ids(self) -> dict[str, int]:
        """The process id of each service."""
        return {child.name: child.process.pid for child in self._children}

    async def first_death(self) -> Death:
        """Wait until a child ends that was not asked to."""
        done, _ = await asyncio.wait([child.watcher for child in self._children], return_when=asyncio.FIRST_COMPLETED)
        # In the order of starting, should several have ended.
        return next(child.watcher for child in self._children if child.watcher in done).result()

    async def stop(self) -> None:
        """Stop all, the last started first, each one gone before the next is asked."""
        for child in reversed(self._children):
            await self._stop(child)

    def hurry(self) -> None:
        """Let `stop` wait for nobody any more."""
        self._no_grace.set()

    async def _stop(self, child: _Child) -> None:
        if child.watcher.done():
            return
        child.process.terminate()
        impatience = asyncio.create_task(self._no_grace.wait())
        waited_for: set[asyncio.Future[Any]] = {child.watcher, impatience}
        await asyncio.wait(waited_for, timeout=self._grace_seconds, return_when=asyncio.FIRST_COMPLETED)
        impatience.cancel()
        if not child.watcher.done():
            self._show_line(child.name, f"did not end within {self._grace_seconds:g} s of SIGTERM: killed")
            child.process.kill()
            await child.watcher

    async def _watch(self, name: str, process: asyncio.subprocess.Process, announced: "asyncio.Future[str]") -> Death:
        def listen(line: str) -> None:
            announcement = parse_announcement(line)
            if announcement is None:
                self._show_line(name, line)
            elif not announced.done():
                announced.set_result(announcement[1])

        readers = (
            _read_lines(process.stdout, listen),
            _read_lines(process.stderr, lambda line: self._show_line(name, line)),
        )
        reading = asyncio.gather(*readers)
        return_code = await process.wait()
        # What it wrote last is what explains its end; a grandchild that keeps the pipes open must not hold us up.
        await asyncio.wait({reading}, timeout=1)
        reading.cancel()
        return Death(name, process.pid, return_code)


async def _read_lines(stream: asyncio.StreamReader | None, take: Callable[[str], None]) -> None:
    if stream is None:
        return
    while True:
        try:
            line = await stream.readline()
        except ValueError:
            # Longer than the limit: readline has dropped what it could not return.
            continue
        if not line:
            return
        take(line.decode("utf-8", "replace").rstrip("\r\n"))


def _libc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if sys.platform == "linux" else None


_LIBC = _libc()


def _die_with_parent() -> None:
    """In the child, before its program starts: get SIGTERM when we are killed, so that no service is left behind."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
