"""The `axbridge` command as a user runs it: a process of its own."""

import os
import subprocess
import sys

COMMAND = [sys.executable, "-m", "cli.main"]


def run_cli(*arguments: str, env: dict[str, str] | None = None, timeout_seconds: float = 90.0) -> str:
    """Run a command to its end; its standard output. Raises AssertionError with all it wrote unless it exits with 0."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        env={**os.environ, "COLUMNS": "120", **(env or {})},
        check=False,
    )
    assert done.returncode == 0, f"{arguments} exited with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
