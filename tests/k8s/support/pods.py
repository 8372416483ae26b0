"""From the manifests to what podman runs: the work of the ReplicaSet controller and of a node's kubelet.

Podman takes a Pod and ignores, or mistakes, some of what stands in it. So these are done here, from the same manifest:
Secrets are put into the environment, volumes are directories that are filled before the start, container ports get
free ports on loopback, and probes and the preStop hook are taken out, to be run by the tests (tests/k8s/support/
cluster.py) as the kubelet would. Security contexts, resources, commands and plain environment stay as they are.
"""

import base64
import copy
import os
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.processes import free_port
from tools.k8s.manifests import Manifest

_KUBELETS_WORK = ("startupProbe", "readinessProbe", "livenessProbe", "lifecycle")


@dataclass(frozen=True, slots=True)
class Objects:
    """What pods refer to: ConfigMaps and Secrets by name."""

    config_maps: dict[str, Manifest]
    secrets: dict[str, Manifest]

    def secret_value(self, name: str, key: str) -> str:
        """Raises KeyError for an unknown Secret or key, as a pod could not start then."""
        return base64.b64decode(self.secrets[name]["data"][key]).decode()

    def files_of(self, volume: dict[str, Any]) -> dict[str, bytes]:
        """What a volume of a ConfigMap or a Secret holds; nothing for an emptyDir."""
        if "configMap" in volume:
            data = self.config_maps[volume["configMap"]["name"]]["data"]
            return {name: text.encode() for name, text in data.items()}
        if "secret" in volume:
            data = self.secrets[volume["secret"]["secretName"]]["data"]
            return {name: base64.b64decode(text) for name, text in data.items()}
        if "emptyDir" in volume:
            return {}
        raise ValueError(f"no test runs a volume like {volume}")


@dataclass(slots=True)
class PodPlan:
    """A pod to run: what podman gets, and what stays with us to do."""

    name: str
    manifest: Manifest
    config_maps: list[Manifest]
    # The port on loopback of each named container port.
    ports: dict[str, int]
    # Named and numbered container ports alike, as probes give either.
    _ports_by_number: dict[int, int]
    # The one container as the manifest has it, probes and hooks included.
    container: dict[str, Any]
    grace_seconds: int
    directory: Path
    # As the manifest has them, and the group that their files belong to.
    volumes: list[dict[str, Any]]
    group: int
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def container_name(self) -> str:
        return f"{self.name}-{self.container['name']}"

    def local_port(self, port: str | int) -> int:
        return self.ports[port] if isinstance(port, str) else self._ports_by_number[port]


def plan_pod(template: Manifest, name: str, objects: Objects, directory: Path) -> PodPlan:
    """The pod `name` from a Deployment's or Job's template, its volumes laid out below `directory`."""
    spec = copy.deepcopy(template["spec"])
    (container,) = spec["containers"]
    original = copy.deepcopy(container)
    for key in _KUBELETS_WORK:
        container.pop(key, None)
    ports: dict[str, int] = {}
    by_number: dict[int, int] = {}
    for port in container.get("ports", []):
        local = free_port()
        ports[port["name"]] = by_number[port["containerPort"]] = local
        port |= {"hostPort": local, "hostIP": "127.0.0.1"}
    for variable in container.get("env", []):
        reference = variable.get("valueFrom", {}).get("secretKeyRef")
        if reference:
            del variable["valueFrom"]
            variable["value"] = objects.secret_value(reference["name"], reference["key"])
    group = spec["securityContext"]["fsGroup"]
    spec["volumes"] = [_on_disk(volume, objects, directory / name, group) for volume in spec.get("volumes", [])]
    labels = template["metadata"]["labels"]
    used = [source["configMapRef"]["name"] for source in container.get("envFrom", []) if "configMapRef" in source]
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {**spec, "restartPolicy": "Never"},
    }
    return PodPlan(
        name=name,
        manifest=manifest,
        config_maps=[objects.config_maps[each] for each in used],
        ports=ports,
        _ports_by_number=by_number,
        container=original,
        grace_seconds=spec.get("terminationGracePeriodSeconds", 30),
        directory=directory / name,
        volumes=template["spec"].get("volumes", []),
        group=group,
        labels=labels,
    )


def _on_disk(volume: dict[str, Any], objects: Objects, directory: Path, group: int) -> dict[str, Any]:
    place = directory / volume["name"]
    if place.exists():
        shutil.rmtree(place)
    place.mkdir(parents=True)
    os.chown(place, 0, group)
    if "emptyDir" in volume:
        # Set-group-id and writable for all, as the kubelet makes it.
        place.chmod(0o2777)
    else:
        fill_volume(place, objects.files_of(volume), _mode(volume), group)
    return {"name": volume["name"], "hostPath": {"path": str(place), "type": "Directory"}}


def _mode(volume: dict[str, Any]) -> int:
    mode: int = volume.get("secret", volume.get("configMap", {})).get("defaultMode", 0o644)
    return mode


def fill_volume(place: Path, files: dict[str, bytes], mode: int, group: int) -> None:
    """Put the files of a ConfigMap or a Secret where a container sees them, in place of those that were there.

    As the kubelet does it, all at once: each name is a link into `..data`, which is a link to the present content.
    """
    place.chmod(0o755)
    content = place / f"..{time.time_ns()}"
    content.mkdir(mode=0o755)
    for name, data in files.items():
        (content / name).write_bytes(data)
        (content / name).chmod(mode)
        os.chown(content / name, 0, group)
    (place / "..data_tmp").symlink_to(content.name)
    before = (place / "..data").resolve()
    (place / "..data_tmp").replace(place / "..data")
    for name in files:
        if not (place / name).is_symlink():
            (place / name).symlink_to(f"..data/{name}")
    if before.name != "..data":
        shutil.rmtree(before)


def update_volumes(pod: PodPlan, objects: Objects) -> None:
    """Bring what the pod's volumes hold up to date with the objects, as the kubelet does now and then."""
    for volume in pod.volumes:
        if "emptyDir" not in volume:
            fill_volume(pod.directory / volume["name"], objects.files_of(volume), _mode(volume), pod.group)
