"""The image: small, without what only builders need, running as anybody on a read-only root."""

import json
import re
from typing import Any

import pytest

from tests.k8s.support.programs import BASE_IMAGE, IMAGE, ROOT, ProgramFailedError, output_of, podman

MEGABYTE = 1_000_000
BUILD = ROOT / "tools" / "k8s" / "build_image.sh"
LOCKED_DOWN = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", "none")


def inspected(image: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(podman("image", "inspect", image))[0]
    return found


def run(*words: str, user: str = "65532:65532") -> str:
    return podman("run", "--rm", "--user", user, *LOCKED_DOWN, *words)


def test_it_adds_less_than_150_megabytes_to_its_base() -> None:
    added = inspected(IMAGE)["Size"] - inspected(BASE_IMAGE)["Size"]
    print(f"the image is {added / MEGABYTE:.0f} MB over its base")
    assert 0 < added < 150 * MEGABYTE


@pytest.mark.timeout(600)
def test_the_same_commit_gives_the_same_image_again() -> None:
    # A layer's digest covers its files: contents, names, owners, modes and times.
    built = inspected(IMAGE)
    again = "localhost/axbridge:built-again"
    output_of(BUILD, again, "--no-cache", timeout_seconds=580)
    try:
        repeated = inspected(again)
        assert repeated["RootFS"]["Layers"] == built["RootFS"]["Layers"]
        assert repeated["Config"] == built["Config"]
    finally:
        podman("rmi", again)


def test_it_says_what_it_is_and_runs_as_nobody_in_particular() -> None:
    config = inspected(IMAGE)["Config"]
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["/opt/axbridge/bin/python", "-m"]
    assert config["Labels"]["org.opencontainers.image.title"] == "axbridge"
    assert re.fullmatch(r"[0-9a-f]{40}|unknown", config["Labels"]["org.opencontainers.image.revision"])
    assert "Healthcheck" not in inspected(IMAGE)
    environment = " ".join(config["Env"]).lower()
    assert not any(word in environment for word in ("proxy", "index", "pip_", "cert"))


@pytest.mark.parametrize("module", ["gateway", "routing_service", "event_service"])
def test_a_service_starts_as_any_user_on_a_read_only_root(module: str) -> None:
    # Without settings it may not listen for others and finds no directory to write to: that it says so is enough here.
    prefix = {"gateway": "GATEWAY", "routing_service": "ROUTING", "event_service": "EVENTS"}[module]
    with pytest.raises(ProgramFailedError, match=f"AXBRIDGE_{prefix}_"):
        run("--env", f"AXBRIDGE_{prefix}_LISTEN=0.0.0.0:9999", IMAGE, module, user="1234567:0")


def test_the_command_runs_without_a_shell() -> None:
    assert run("--entrypoint", "axbridge", IMAGE, "--version", user="7654321:7654321").startswith("axbridge 0.")


def test_neither_compilers_nor_package_managers_of_python_are_in_it() -> None:
    look = """
import importlib.util, pathlib, shutil, sys
programs = [name for name in ("cc", "gcc", "g++", "clang", "ld", "make", "cargo") if shutil.which(name)]
names = ("pip", "setuptools", "hatchling", "pytest", "grpc_tools")
modules = [name for name in names if importlib.util.find_spec(name)]
prefix = pathlib.Path(sys.prefix)
writable = [str(path) for path in prefix.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o022]
hosts = [str(path) for path in prefix.rglob("*.pth")]
print(programs, modules, writable, hosts)
"""
    assert run("--entrypoint", "python", IMAGE, "-c", look).strip() == "[] [] [] []"


def test_all_compiled_modules_can_be_loaded() -> None:
    # They were cut down to what a process maps.
    look = """
import importlib, pathlib, sysconfig
root = pathlib.Path(sysconfig.get_path("platlib"))
names = [str(path.relative_to(root)).split(".")[0].replace("/", ".") for path in root.rglob("*.so")]
for name in names:
    importlib.import_module(name)
print(len(names))
"""
    assert int(run("--entrypoint", "python", IMAGE, "-c", look)) > 25


def test_bytecode_is_there_and_does_not_depend_on_times() -> None:
    look = """
import importlib.util, pathlib, sys
path = pathlib.Path(importlib.util.cache_from_source(importlib.util.find_spec("gateway.codec").origin))
print(int.from_bytes(path.read_bytes()[4:8], "little"))
"""
    # 1: checked by hash, and not at all when it is loaded.
    assert run("--entrypoint", "python", IMAGE, "-c", look).strip() == "1"


def test_the_bill_of_materials_is_what_is_locked() -> None:
    text = run(
        "--entrypoint", "python", IMAGE, "-c", "print(open('/opt/axbridge/share/axbridge/sbom.cdx.json').read())"
    )
    bill = json.loads(text)
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["name"] == "axbridge"
    shipped = {(each["name"], each["version"]) for each in bill["components"]}
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = {(name.lower(), version) for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", lock, re.M)}
    assert shipped <= locked
    assert len(shipped) > 30
