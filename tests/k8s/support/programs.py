"""The programs that `make k8s-test` puts in place, and running them."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
CACHE = ROOT / ".cache" / "k8s"
CHART = ROOT / "deploy" / "helm" / "axbridge"
HELMS = {"3": CACHE / "helm3", "4": CACHE / "helm4"}
KUBECTL = CACHE / "kubectl"
CHECKOV = CACHE / "checkov" / "bin" / "checkov"
PODMAN = ROOT / "tools" / "k8s" / "podman"

# What CI builds before the tests, see the Makefile.
IMAGE = "localhost/axbridge:0.1.0"
BASE_IMAGE = "docker.io/library/python:3.11-slim-bookworm"


class ProgramFailedError(Exception):
    """A program ended with an error; the message is the command's name and what it wrote."""


def output_of(
    *command: str | Path, stdin: str | None = None, env: Mapping[str, str] | None = None, timeout_seconds: float = 120.0
) -> str:
    """What a program writes to standard output. Raises ProgramFailedError with both of its outputs when it fails."""
    done = subprocess.run(
        [str(word) for word in command],
        check=False,
        capture_output=True,
        text=True,
        input=stdin,
        timeout=timeout_seconds,
        env={**os.environ, **(env or {})},
        cwd=ROOT,
    )
    if done.returncode:
        name = " ".join(str(word) for word in command[:3])
        raise ProgramFailedError(f"{name} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def logs_of(container: str) -> str:
    """What a container wrote to standard output and standard error, in order."""
    done = subprocess.run(
        [PODMAN, "logs", container],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    return done.stdout


def podman(*words: str | Path, stdin: str | None = None, timeout_seconds: float = 120.0) -> str:
    """What podman writes, run with the project's settings."""
    return output_of(PODMAN, *words, stdin=stdin, timeout_seconds=timeout_seconds)
