"""Errors, health and the graceful end of a server, over a real connection."""

import asyncio
from contextlib import suppress

import grpc
import grpc.aio
import pytest
from axbridge.events.v1 import call_service_pb2, call_service_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from common import errors
from common.grpc_channel import open_channel
from common.grpc_errors import from_rpc_error
from common.grpc_server import GrpcServerOptions, running_server

SERVICE = "axbridge.events.v1.CallService"
LOOPBACK = GrpcServerOptions(listen="127.0.0.1:0", drain_seconds=5)


class Raising(call_service_pb2_grpc.CallServiceServicer):
    """Raises what it is given; waits for `go_on` first."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.entered = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def GetCall(self, request: object, context: object) -> call_service_pb2.GetCallResponse:
        self.entered.set()
        await self.go_on.wait()
        if self.error is not None:
            raise self.error
        return call_service_pb2.GetCallResponse()


async def call(address: str) -> call_service_pb2.GetCallResponse:
    async with open_channel(address) as channel:
        return await call_service_pb2_grpc.CallServiceStub(channel).GetCall(
            call_service_pb2.GetCallRequest(), timeout=5
        )


@pytest.mark.parametrize(
    "error",
    [
        errors.InvalidArgumentError("binding.a_number", "not a phone number"),
        errors.NotFoundError("no such binding"),
        errors.AlreadyExistsError("in the way", reason="NUMBER_TAKEN", metadata={"binding_id": "b1"}),
        errors.FailedPreconditionError("not now"),
        errors.AbortedError("changed meanwhile"),
        errors.UnauthenticatedError("who are you"),
        errors.PermissionDeniedError("not yours"),
        errors.ResourceExhaustedError("too much"),
        errors.UnavailableError("database away"),
        errors.DeadlineExceededError("too late"),
    ],
)
async def test_an_error_crosses_the_wire_whole(error: errors.AxbridgeError) -> None:
    servicer = Raising(error)
    async with running_server(
        LOOPBACK, lambda server: call_service_pb2_grpc.add_CallServiceServicer_to_server(servicer, server), [SERVICE]
    ) as server:
        with pytest.raises(grpc.RpcError) as failure:
            await call(server.address)
    received = from_rpc_error(failure.value)
    assert type(received) is type(error)
    assert (received.message, received.reason, received.metadata) == (error.message, error.reason, error.metadata)


async def test_an_unexpected_error_tells_the_client_nothing() -> None:
    servicer = Raising(ValueError("the secret"))
    async with running_server(
        LOOPBACK, lambda server: call_service_pb2_grpc.add_CallServiceServicer_to_server(servicer, server), [SERVICE]
    ) as server:
        with pytest.raises(grpc.RpcError) as failure:
            await call(server.address)
    received = from_rpc_error(failure.value)
    assert type(received) is errors.UnexpectedError
    assert "secret" not in received.message


async def test_nobody_listening_is_unavailable() -> None:
    with pytest.raises(grpc.RpcError) as failure:
        await call("127.0.0.1:1")
    assert type(from_rpc_error(failure.value)) is errors.UnavailableError


async def test_stopping_lets_calls_in_flight_finish_and_turns_health_off() -> None:
    servicer = Raising()
    servicer.go_on.clear()
    context = running_server(
        LOOPBACK, lambda server: call_service_pb2_grpc.add_CallServiceServicer_to_server(servicer, server), [SERVICE]
    )
    server = await context.__aenter__()
    async with open_channel(server.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        status = await health.Check(health_pb2.HealthCheckRequest(service=SERVICE), timeout=5)
        assert status.status == health_pb2.HealthCheckResponse.SERVING
        watch = health.Watch(health_pb2.HealthCheckRequest(service=SERVICE))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        in_flight = asyncio.create_task(call(server.address))
        await servicer.entered.wait()
        stopping = asyncio.create_task(context.__aexit__(None, None, None))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        # It ends by itself while the call is still in flight: nobody who watches holds up the end.
        with pytest.raises(grpc.RpcError) as end:
            await watch.read()
        assert from_rpc_error(end.value).reason == "SERVICE_STOPPING"
        assert not in_flight.done()
        servicer.go_on.set()
        assert await in_flight == call_service_pb2.GetCallResponse()
        await stopping


class Wire:
    """A connection to a server that can go dead: nothing comes through any more, and nobody is told."""

    def __init__(self, address: str) -> None:
        self._host, _, port = address.rpartition(":")
        self._port = int(port)
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_dead = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
        for pair in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._carry(*pair))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if not self.is_dead:
                    writer.write(data)
        writer.close()


@pytest.mark.parametrize("side", ["client", "server"])
async def test_a_dead_connection_is_noticed_at_either_end(side: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream has no deadline. By default the answer to a ping is waited for a minute, whatever the keepalive says."""

    def hurry(who: str) -> None:
        seconds = (1, 1) if who == side else (1000, 1000)
        for name, value in zip(("KEEPALIVE_TIME_SECONDS", "KEEPALIVE_TIMEOUT_SECONDS"), seconds, strict=True):
            monkeypatch.setattr(f"common.grpc_channel.{name}", value)

    hurry("server")
    async with running_server(LOOPBACK, lambda server: None, [SERVICE]) as server:
        wire = Wire(server.address)
        hurry("client")
        async with await asyncio.start_server(wire.serve, "127.0.0.1", 0) as listening:
            port = listening.sockets[0].getsockname()[1]
            async with open_channel(f"127.0.0.1:{port}") as channel:
                watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
                await watch.read()
                wire.is_dead = True
                async with asyncio.timeout(20):
                    with pytest.raises(grpc.RpcError) as failure:
                        await watch.read()
            assert failure.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_taken_address_is_an_error_of_its_own() -> None:
    async with running_server(LOOPBACK, lambda server: None, []) as server:
        with pytest.raises(OSError, match="can't listen"):
            async with running_server(GrpcServerOptions(listen=server.address), lambda server: None, []):
                pass


async def test_watching_tells_every_change_of_the_status() -> None:
    async with (
        running_server(LOOPBACK, lambda server: None, [SERVICE]) as server,
        open_channel(server.address) as channel,
    ):
        health = health_pb2_grpc.HealthStub(channel)
        whole, unknown = (health.Watch(health_pb2.HealthCheckRequest(service=name)) for name in ("", "of.nobody"))
        assert (await unknown.read()).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        for serving in (False, True):
            assert ((await whole.read()).status == health_pb2.HealthCheckResponse.SERVING) is not serving
            await server.set_serving(serving)
        assert (await whole.read()).status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.RpcError) as failure:
            await health.Check(health_pb2.HealthCheckRequest(service="of.nobody"), timeout=5)
        assert failure.value.code() is grpc.StatusCode.NOT_FOUND
