"""Child processes that tests start, freeze and kill. Only processes started here are ever signalled, by their pid."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil


def free_port() -> int:
    """A TCP port on loopback that nothing uses right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ChildProcess:
    """A process with its output in a file, and the signals that faults are made of."""

    def __init__(
        self,
        command: list[str],
        log_path: Path,
        *,
        env: dict[str, str] | None = None,
        user: str | None = None,
    ) -> None:
        self.log_path = log_path
        with log_path.open("ab") as log:
            self.process = subprocess.Popen(
                as_user(command, user),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                cwd="/" if user else None,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def family(self) -> list[psutil.Process]:
        """The process and all its descendants, itself first."""
        try:
            parent = psutil.Process(self.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def freeze(self) -> None:
        """SIGSTOP the whole family: connections stay open and nobody answers."""
        self._signal_family(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal_family(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL the whole family at once, as a crash would, and wait until it is gone."""
        family = self.family()
        self._signal_family(signal.SIGKILL)
        self.process.wait(10)
        psutil.wait_procs(family, timeout=10)

    def terminate(self, timeout_seconds: float = 15.0) -> int:
        """SIGTERM and the exit code; killed, with TimeoutExpired raised, when it does not end in time."""
        if self.running:
            self.process.terminate()
        try:
            return self.process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def log(self) -> str:
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def _signal_family(self, number: signal.Signals) -> None:
        for member in self.family():
            try:
                member.send_signal(number)
            except psutil.NoSuchProcess:
                continue


def as_user(command: list[str], user: str | None) -> list[str]:
    """A command that runs `command` as another user, in the same process; `command` itself when there is none.

    Not by subprocess's own `user`: with that it forks instead of vforking, and gRPC's handlers of a fork crash the
    child now and then when channels are open.
    """
    if user is None:
        return command
    import pwd

    entry = pwd.getpwnam(user)
    switch = "import os, sys; os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[2]))"
    return [
        sys.executable,
        "-ISc",
        f"{switch}; os.execv(sys.argv[3], sys.argv[3:])",
        *(str(entry.pw_gid), str(entry.pw_uid)),
        *command,
    ]
