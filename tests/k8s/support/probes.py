"""Running a container's probes from outside, as the kubelet does, from what the manifest says."""

import socket
import urllib.error
import urllib.request
from typing import Any

import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from tests.k8s.support.pods import PodPlan


def passes(probe: dict[str, Any], pod: PodPlan) -> bool:
    """Whether a probe of the pod's container passes now. Raises ValueError for a kind that no manifest here has."""
    timeout_seconds = float(probe.get("timeoutSeconds", 1))
    if "httpGet" in probe:
        get = probe["httpGet"]
        url = f"http://127.0.0.1:{pod.local_port(get['port'])}{get['path']}"
        try:
            with urllib.request.urlopen(url, timeout=timeout_seconds) as response:
                return bool(200 <= response.status < 400)
        except (urllib.error.URLError, OSError):
            return False
    if "grpc" in probe:
        target = f"127.0.0.1:{pod.local_port(probe['grpc']['port'])}"
        request = health_pb2.HealthCheckRequest(service=probe["grpc"].get("service", ""))
        with grpc.insecure_channel(target) as channel:
            try:
                answer = HealthStub(channel).Check(request, timeout=timeout_seconds)
            except grpc.RpcError:
                return False
            return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
    if "tcpSocket" in probe:
        address = ("127.0.0.1", pod.local_port(probe["tcpSocket"]["port"]))
        try:
            socket.create_connection(address, timeout_seconds).close()
        except OSError:
            return False
        return True
    raise ValueError(f"no test runs a probe like {probe}")
