"""gRPC's standard health service, whose watches end when the server does."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from grpc_health.v1 import health_pb2, health_pb2_grpc

from common.errors import NotFoundError, UnavailableError

Status = int
"""A `HealthCheckResponse.ServingStatus`."""


class HealthServicer(health_pb2_grpc.HealthServicer):
    """Says of each service whether to send calls here.

    A watch lasts as long as its client wants. The one that grpcio brings goes on while the server drains, so a single
    client that watches would hold up every end of a pod for the whole drain time; here it gets NOT_SERVING and then
    UNAVAILABLE, upon which clients watch again, elsewhere.
    """

    def __init__(self) -> None:
        self._statuses: dict[str, Status] = {}
        self._changed = asyncio.Event()
        self._is_draining = False

    def set(self, service: str, status: Status) -> None:
        """Note the status of a service (full protobuf name, empty for the whole server), and tell those who watch."""
        self._statuses[service] = status
        self._tell()

    def drain(self) -> None:
        """Everything is NOT_SERVING from now on, and every watch ends."""
        self._is_draining = True
        self._tell()

    async def Check(self, request: health_pb2.HealthCheckRequest, context: object) -> health_pb2.HealthCheckResponse:
        """The status at this moment. Raises NotFoundError for a service that is not here."""
        status = self._status(request.service)
        if status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN:
            raise NotFoundError(f"no service {request.service!r} here", reason="SERVICE_UNKNOWN")
        return health_pb2.HealthCheckResponse(status=status)

    async def Watch(
        self, request: health_pb2.HealthCheckRequest, context: Any
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """The status now and each time it changes. Raises UnavailableError when the server stops."""
        told: Status | None = None
        while True:
            changed = self._changed
            status = self._status(request.service)
            if status != told:
                told = status
                yield health_pb2.HealthCheckResponse(status=status)
                continue
            if self._is_draining:
                raise UnavailableError("the service is stopping", reason="SERVICE_STOPPING")
            await changed.wait()

    def _status(self, service: str) -> Status:
        status = self._statuses.get(service, health_pb2.HealthCheckResponse.SERVICE_UNKNOWN)
        is_known = status != health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        return health_pb2.HealthCheckResponse.NOT_SERVING if self._is_draining and is_known else status

    def _tell(self) -> None:
        # Each change has an event of its own: who was told of one waits for the next.
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
