"""Which process it is that tells of itself."""

import os
import socket
from importlib.metadata import version

from opentelemetry.sdk.resources import Resource

NAMESPACE = "axbridge"


def process_resource(service: str) -> Resource:
    """The resource of this process' telemetry: which service, which version, which of its replicas."""
    return Resource.create(
        {
            "service.name": service,
            "service.namespace": NAMESPACE,
            "service.version": version("axbridge"),
            # A pod's name is its host name.
            "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
        }
    )
