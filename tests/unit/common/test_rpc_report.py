"""What is counted and said of RPCs."""

import asyncio

import grpc
import pytest
from axbridge.events.v1 import call_service_pb2, call_service_pb2_grpc

from common.clock import SystemClock
from common.errors import AxbridgeError, NotFoundError
from common.grpc_channel import open_channel
from common.grpc_server import GrpcServerOptions, running_server
from common.request_lines import RequestLines
from common.rpc_report import RpcReport

SERVICE = "axbridge.events.v1.CallService"
GET = "CallService/GetCall"
EXPORT = "CallService/ExportCalls"


class Servicer(call_service_pb2_grpc.CallServiceServicer):
    """Raises what it is given; streams until it is told to end."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.end = asyncio.Event()

    async def GetCall(self, request: object, context: object) -> call_service_pb2.GetCallResponse:
        if self.error is not None:
            raise self.error
        return call_service_pb2.GetCallResponse()

    async def ExportCalls(self, request: object, context: object):  # type: ignore[no-untyped-def]
        yield call_service_pb2.ExportCallsResponse(calls=1)
        await self.end.wait()


@pytest.fixture
def report() -> RpcReport:
    clock = SystemClock()
    return RpcReport(RequestLines(1000, clock.monotonic()), clock)


async def test_every_rpc_counts_with_its_status(report: RpcReport) -> None:
    servicer = Servicer()

    def add(server: grpc.aio.Server) -> None:
        call_service_pb2_grpc.add_CallServiceServicer_to_server(servicer, server)

    options = GrpcServerOptions("127.0.0.1:0")
    async with running_server(options, add, [SERVICE], [report]) as server, open_channel(server.address) as channel:
        stub = call_service_pb2_grpc.CallServiceStub(channel)
        errors: list[tuple[Exception | None, str]] = [
            (None, "OK"),
            (NotFoundError("no such call"), "NOT_FOUND"),
            (LookupError("a bug"), "INTERNAL"),
            (AxbridgeError("of no kind"), "INTERNAL"),
        ]
        for error, _ in errors:
            servicer.error = error
            try:
                await stub.GetCall(call_service_pb2.GetCallRequest(), timeout=10)
            except grpc.aio.AioRpcError:
                assert error is not None
        assert report.durations.count((GET, "OK")) == 1
        assert report.durations.count((GET, "NOT_FOUND")) == 1
        assert report.durations.count((GET, "INTERNAL")) == 2
        with pytest.raises(grpc.aio.AioRpcError):
            await channel.unary_unary("/axbridge.events.v1.CallService/Nothing")(b"", timeout=10)
        stream = stub.ExportCalls(call_service_pb2.ExportCallsRequest(), timeout=10)
        await stream.read()
        assert report.active == 1
        servicer.end.set()
        assert await stream.read() is grpc.aio.EOF
        assert report.durations.count((EXPORT, "OK")) == 1
        assert report.active == 0
    methods = set(report.durations._series)
    assert methods == {(GET, "OK"), (GET, "NOT_FOUND"), (GET, "INTERNAL"), (EXPORT, "OK")}


async def test_a_caller_who_leaves_is_no_failure(report: RpcReport) -> None:
    servicer = Servicer()

    def add(server: grpc.aio.Server) -> None:
        call_service_pb2_grpc.add_CallServiceServicer_to_server(servicer, server)

    options = GrpcServerOptions("127.0.0.1:0")
    async with running_server(options, add, [SERVICE], [report]) as server, open_channel(server.address) as channel:
        stream = call_service_pb2_grpc.CallServiceStub(channel).ExportCalls(call_service_pb2.ExportCallsRequest())
        await stream.read()
        stream.cancel()
        while report.active:
            await asyncio.sleep(0)
    assert report.durations.count((EXPORT, "CANCELLED")) == 1
