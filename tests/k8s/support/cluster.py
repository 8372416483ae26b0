"""A cluster of one node without an API server: what is rendered is run by podman, controlled by the tests.

Names of Services resolve to all pods that their selector picks, ready or not; the addresses of Services that are
reached from outside are balanced over ready pods (balancer.py). A pod is stopped the way the kubelet does it: out of
the endpoints, its preStop hook, SIGTERM, and SIGKILL when its grace period is over, which the tests take for a failure.
"""

import json
import re
import time
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.k8s.support.balancer import ServiceAddress
from tests.k8s.support.pods import Objects, PodPlan, plan_pod, update_volumes
from tests.k8s.support.probes import passes
from tests.k8s.support.programs import IMAGE, ProgramFailedError, logs_of, podman
from tools.k8s.manifests import Manifest, to_yaml

READY_SECONDS = 60.0
_POLL_SECONDS = 0.1
# Where control groups are of the first version; the second one has no group for podman alone.
_PODS_SHARES = Path("/sys/fs/cgroup/cpu/libpod_parent/cpu.shares")
_PODS_WEIGHT = 100_000


class PodFailedError(Exception):
    """A pod did not become ready, or did not end as it should; the message has its log."""


class Cluster:
    """Runs the workloads of `manifests` on a network of its own while the context is open."""

    def __init__(self, name: str, manifests: Iterable[Manifest], directory: Path) -> None:
        self._name = name
        self._directory = directory
        self._deployments: dict[str, Manifest] = {}
        self._jobs: dict[str, Manifest] = {}
        self._services: dict[str, Manifest] = {}
        self._pods: dict[str, PodPlan] = {}
        self._started: dict[str, int] = {}
        self._addresses: dict[str, ServiceAddress] = {}
        # How long each pod that was ended took from SIGTERM to its end.
        self.stop_seconds: dict[str, float] = {}
        self._exits = ExitStack()
        self._objects = Objects({}, {})
        self.apply(manifests)

    def apply(self, manifests: Iterable[Manifest]) -> None:
        """Take these objects in, in place of those with the same names. Pods that run are left alone."""
        kinds: dict[str, dict[str, Manifest]] = {
            "Deployment": self._deployments,
            "Job": self._jobs,
            "Service": self._services,
            "ConfigMap": self._objects.config_maps,
            "Secret": self._objects.secrets,
        }
        for manifest in manifests:
            if manifest["kind"] in kinds:
                kinds[manifest["kind"]][manifest["metadata"]["name"]] = manifest

    def change(self, manifests: Iterable[Manifest]) -> None:
        """Take changed ConfigMaps and Secrets in, and let pods that run see them in their volumes."""
        self.apply(manifests)
        for pod in self._pods.values():
            update_volumes(pod, self._objects)

    def __enter__(self) -> Self:
        # What a run that was killed left behind.
        left = podman("pod", "ps", "--quiet", "--filter", f"name=^{self._name}-").split()
        if left:
            podman("pod", "rm", "--force", "--time", "1", *left)
        if podman("network", "ls", "--quiet", "--filter", f"name=^{self._name}$"):
            podman("network", "rm", "--force", self._name)
        podman("network", "create", self._name)
        _put_pods_first()
        return self

    def __exit__(self, *_error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._exits.close()
        # All at once: what they hold is of no interest any more.
        podman("pod", "rm", "--force", "--ignore", "--time", "0", *self._pods)
        self._pods.clear()
        podman("network", "rm", "--force", self._name)

    def pods_of(self, deployment: str) -> list[PodPlan]:
        """The pods that run for a Deployment, the oldest first."""
        return [pod for name, pod in self._pods.items() if name.rpartition("-")[0] == self._pod_prefix(deployment)]

    def start(self, deployment: str, replicas: int = 1, *, wait: bool = True) -> list[PodPlan]:
        """Add replicas, as rendered, and wait until their probes pass. Raises PodFailedError with the pod's log."""
        template = self._deployments[deployment]["spec"]["template"]
        pods = []
        for _ in range(replicas):
            number = self._started[deployment] = self._started.get(deployment, 0) + 1
            pods.append(self._play(template, f"{self._pod_prefix(deployment)}-{number}"))
        if wait:
            for pod in pods:
                self.wait_ready(pod)
        return pods

    def run_job(self, name: str, timeout_seconds: float = 120.0) -> str:
        """Run a Job to its end; its log. Raises PodFailedError when it fails."""
        pod = self._play(self._jobs[name]["spec"]["template"], f"{self._name}-{name}-1")
        try:
            deadline = time.monotonic() + timeout_seconds
            while (state := self.state(pod))["Running"]:
                if time.monotonic() > deadline:
                    raise PodFailedError(f"{name} did not end:\n{self.log(pod)}")
                time.sleep(_POLL_SECONDS)
            log = self.log(pod)
            if state["ExitCode"] != 0:
                raise PodFailedError(f"{name} ended with {state['ExitCode']}:\n{log}")
            return log
        finally:
            self._remove(pod.name)

    def wait_ready(self, pod: PodPlan, timeout_seconds: float = READY_SECONDS) -> None:
        """Wait until the startup and readiness probes pass, then put the pod into the endpoints."""
        deadline = time.monotonic() + timeout_seconds
        for probe in ("startupProbe", "readinessProbe"):
            while probe in pod.container and not passes(pod.container[probe], pod):
                if not self.state(pod)["Running"] or time.monotonic() > deadline:
                    raise PodFailedError(f"{pod.name} was not ready within {timeout_seconds:g} s:\n{self.log(pod)}")
                time.sleep(_POLL_SECONDS)
        for service, address in self._addresses.items():
            if self._selects(service, pod):
                address.add(pod.name, self._service_port(service, pod))

    def is_ready(self, pod: PodPlan) -> bool:
        return passes(pod.container["readinessProbe"], pod)

    def stop(self, pod: PodPlan) -> None:
        """End a pod gracefully. Raises PodFailedError when it had to be killed or ended with an error."""
        for address in self._addresses.values():
            address.remove(pod.name)
        began = time.monotonic()
        hook = pod.container.get("lifecycle", {}).get("preStop", {}).get("exec")
        if hook:
            podman("exec", pod.container_name, *hook["command"])
        left = max(1, int(pod.grace_seconds - (time.monotonic() - began)))
        signalled = datetime.now(UTC)
        podman("stop", "--time", str(left), pod.container_name, timeout_seconds=left + 60)
        state, log = self.state(pod), self.log(pod)
        self.stop_seconds[pod.name] = (_moment(state["FinishedAt"]) - signalled).total_seconds()
        self._remove(pod.name)
        if state["ExitCode"] != 0:
            raise PodFailedError(f"{pod.name} ended with {state['ExitCode']} instead of 0:\n{log}")

    def kill(self, pod: PodPlan) -> None:
        """End a pod as a crash of its node would: at once, and without a word to anybody."""
        podman("kill", "--signal", "KILL", pod.container_name)
        for address in self._addresses.values():
            address.remove(pod.name)
        self._remove(pod.name)

    def replace(self, deployment: str) -> None:
        """Replace every pod of a Deployment as a rolling update with maxUnavailable 0 does: a new one, then an old."""
        for old in self.pods_of(deployment):
            self.start(deployment)
            self.stop(old)

    def address_of(self, service: str) -> str:
        """HOST:PORT on this machine under which a Service is reached from outside."""
        if service not in self._addresses:
            address = self._exits.enter_context(ServiceAddress())
            self._addresses[service] = address
            for pod in self._pods.values():
                if self._selects(service, pod) and self.is_ready(pod):
                    address.add(pod.name, self._service_port(service, pod))
        return f"127.0.0.1:{self._addresses[service].port}"

    def state(self, pod: PodPlan) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(podman("inspect", pod.container_name))[0]["State"]
        return state

    def log(self, pod: PodPlan) -> str:
        return logs_of(pod.container_name)

    def received_bytes(self, pod: PodPlan) -> int:
        """What came in over the pod's network so far."""
        lines = podman("exec", pod.container_name, "cat", "/proc/net/dev").splitlines()
        return sum(int(line.split(":")[1].split()[0]) for line in lines if line.strip().startswith("eth"))

    def _pod_prefix(self, deployment: str) -> str:
        return f"{self._name}-{deployment}"

    def _play(self, template: Manifest, name: str) -> PodPlan:
        pod = plan_pod(template, name, self._objects, self._directory)
        self._pods[name] = pod
        aliases = [service for service in self._services if self._selects(service, pod)]
        network = ":".join([self._name, ",".join(f"alias={alias}" for alias in aliases)]) if aliases else self._name
        documents = "---\n".join(map(to_yaml, [*pod.config_maps, pod.manifest]))
        podman("kube", "play", "--log-driver", "k8s-file", "--network", network, "-", stdin=documents)
        return pod

    def _remove(self, name: str) -> None:
        del self._pods[name]
        for left in reversed(range(3)):
            try:
                podman("pod", "rm", "--force", "--ignore", "--time", "1", name)
            except ProgramFailedError:
                # Podman gives up when a container ends by itself at the same moment.
                if not left:
                    raise
                time.sleep(_POLL_SECONDS)
            else:
                return

    def _selects(self, service: str, pod: PodPlan) -> bool:
        selector = self._services[service]["spec"]["selector"]
        return all(pod.labels.get(key) == value for key, value in selector.items())

    def _service_port(self, service: str, pod: PodPlan) -> int:
        (port, *_) = self._services[service]["spec"]["ports"]
        return pod.local_port(port["targetPort"])


def _moment(text: str) -> datetime:
    """A time as podman writes it, with nanoseconds."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))


def _put_pods_first() -> None:
    """Give the pods their share of a busy machine, as the kubelet does for all of its pods together.

    Podman's group counts as much as one process otherwise, whatever runs in it. The group exists once a container ran.
    """
    if not _PODS_SHARES.exists():
        podman("run", "--rm", "--entrypoint", "python", IMAGE, "-c", "")
    if _PODS_SHARES.exists():
        _PODS_SHARES.write_text(str(_PODS_WEIGHT), encoding="ascii")
