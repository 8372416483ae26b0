"""Files that are read again when they change: certificates, credentials, access lists.

Kubernetes replaces a mounted Secret by turning a symbolic link, editors write a new file and rename it, people write in
place. So what is compared is what the path leads to now, and a file that can't be read whole, or not yet, leaves what
was read before in force.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

from common.errors import AxbridgeError
from common.logs import get_logger

T = TypeVar("T")

CHECK_SECONDS = 1.0
_Signature = tuple[tuple[int, int, int] | None, ...]
_log = get_logger(__name__)


class ReloadedFile(Generic[T]):
    """What `load` made of some files, and makes of them anew when they change.

    `load` raises OSError or AxbridgeError when it can't; the first time that is the caller's to handle, later it is
    logged and `problem` says it, and the last good value stays `current`.
    """

    def __init__(self, name: str, paths: Sequence[Path], load: Callable[[], T]) -> None:
        self._name = name
        self._paths = tuple(paths)
        self._load = load
        self._listeners: list[Callable[[], None]] = []
        self.problem = ""
        # Taken before reading: a change while we read is seen at the next look.
        self._signature = self._look()
        self.current = load()

    def on_change(self, listener: Callable[[], None]) -> None:
        """Have `listener` called after each change; it must not raise."""
        self._listeners.append(listener)

    def refresh(self) -> bool:
        """Look at the files and read them if they changed; whether `current` is a new value."""
        signature = self._look()
        if signature == self._signature:
            return False
        self._signature = signature
        try:
            self.current = self._load()
        except (AxbridgeError, OSError) as error:
            self.problem = f"{self._name}: {error}"
            _log.error(
                "a changed file can't be used, the last good one stays in force", file=self._name, detail=str(error)
            )
            return False
        self.problem = ""
        _log.info("read again", file=self._name)
        for listener in self._listeners:
            listener()
        return True

    async def keep_fresh(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Look again and again, for ever."""
        while True:
            await sleep(CHECK_SECONDS)
            self.refresh()

    def _look(self) -> _Signature:
        return tuple([_signature(path) for path in self._paths])


@asynccontextmanager
async def following(*files: ReloadedFile[Any]) -> AsyncIterator[None]:
    """Keep files fresh while the context is open."""
    tasks = [asyncio.create_task(file.keep_fresh()) for file in files]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _signature(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size
