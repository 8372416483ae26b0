"""A gRPC server as every service runs it: health, reflection, errors, ageing connections, a graceful end."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from common.grpc_channel import KEEPALIVE_TIME_SECONDS, MAX_MESSAGE_BYTES, keepalive_options
from common.grpc_errors import ErrorInterceptor
from common.health_servicer import HealthServicer
from common.reloading import ReloadedFile, following
from common.tls import TlsMaterial, server_credentials

MAX_CONCURRENT_STREAMS = 1024
MAX_METADATA_BYTES = 16 * 1024
HANDSHAKE_TIMEOUT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class GrpcServerOptions:
    """How a server listens and ends.

    `listen` is HOST:PORT, port 0 for a free one. Clients learn of new replicas when a connection reaches its age, so
    `max_connection_age_seconds` bounds how long a new replica stays idle; calls in flight get the grace on top.
    """

    listen: str
    max_connection_age_seconds: float = 60.0
    max_connection_age_grace_seconds: float = 10.0
    drain_seconds: float = 10.0
    # None: in the clear.
    tls: ReloadedFile[TlsMaterial] | None = None


class RunningServer:
    """A server that takes calls."""

    def __init__(self, address: str, health: HealthServicer, service_names: Sequence[str]) -> None:
        self.address = address
        self._health = health
        self._service_names = service_names

    async def set_serving(self, serving: bool) -> None:
        """Tell health checkers, and the balancers that follow them, whether to send calls here."""
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in ("", *self._service_names):
            self._health.set(name, status)


@asynccontextmanager
async def running_server(
    options: GrpcServerOptions,
    add_servicers: Callable[[grpc.aio.Server], None],
    service_names: Sequence[str],
    interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
) -> AsyncIterator[RunningServer]:
    """Serve while the context is open, then drain: NOT_SERVING, no new calls, `drain_seconds` for those in flight.

    It ends as soon as nothing is in flight any more. Streams that last for ever are their owners' to end before.

    `service_names` are the full protobuf names, for health and reflection. `interceptors` may raise AxbridgeErrors.
    Raises OSError when the address is taken, InvalidArgumentError when the TLS files hold no certificate of ours.
    """
    server = grpc.aio.server(
        interceptors=[ErrorInterceptor(), *interceptors],
        options=[
            ("grpc.max_connection_age_ms", int(options.max_connection_age_seconds * 1000)),
            ("grpc.max_connection_age_grace_ms", int(options.max_connection_age_grace_seconds * 1000)),
            ("grpc.http2.min_ping_interval_without_data_ms", KEEPALIVE_TIME_SECONDS * 1000 // 2),
            ("grpc.http2.min_recv_ping_interval_without_data_ms", KEEPALIVE_TIME_SECONDS * 1000 // 2),
            ("grpc.keepalive_permit_without_calls", 1),
            # A client whose machine is gone is noticed, and what its streams hold is free again.
            *keepalive_options(),
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
            # One client can't hold everything, nor keep us waiting for its handshake.
            ("grpc.max_concurrent_streams", MAX_CONCURRENT_STREAMS),
            ("grpc.max_metadata_size", MAX_METADATA_BYTES),
            ("grpc.server_handshake_timeout_ms", HANDSHAKE_TIMEOUT_SECONDS * 1000),
            # Two processes on one port would share it silently, and each would see half of the calls.
            ("grpc.so_reuseport", 0),
        ],
    )
    health = HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    reflection.enable_server_reflection(
        [*service_names, "grpc.health.v1.Health", reflection.SERVICE_NAME],
        server,
    )
    add_servicers(server)
    host, _, _port = options.listen.rpartition(":")
    try:
        if options.tls is None:
            port = server.add_insecure_port(options.listen)
        else:
            port = server.add_secure_port(options.listen, server_credentials(options.tls))
    except RuntimeError as error:
        raise OSError(f"can't listen on {options.listen}: is something else using it?") from error
    running = RunningServer(f"{host}:{port}", health, service_names)
    await server.start()
    await running.set_serving(True)
    try:
        async with following(*([] if options.tls is None else [options.tls])):
            yield running
    finally:
        health.drain()
        await asyncio.shield(server.stop(options.drain_seconds))
