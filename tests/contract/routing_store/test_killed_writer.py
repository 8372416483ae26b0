"""A routing service that is killed between a commit and its answer: who asks again gets the first one's result."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc.aio
import pytest
from axbridge.routing.v1 import binding_pb2, binding_service_pb2, tenant_pb2, tenant_service_pb2
from axbridge.routing.v1.binding_service_pb2_grpc import BindingServiceStub
from axbridge.routing.v1.tenant_service_pb2_grpc import TenantServiceStub

from common.grpc_channel import open_channel
from common.lifecycle import parse_announcement

TIMEOUT_SECONDS = 20.0
# The service as it is, but for this: it kills itself where the second write is committed and not answered.
DYING = """
import os, signal, sys
from routing_service.__main__ import main
from routing_service.change_bell import ChangeBell
rings = []
def ring(self, tenant_id):
    rings.append(tenant_id)
    if len(rings) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
ChangeBell.ring = ring
sys.exit(main())
"""


@asynccontextmanager
async def service(database_url: str, data_dir: Path, *arguments: str) -> AsyncIterator[grpc.aio.Channel]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *arguments),
        env={
            **os.environ,
            "AXBRIDGE_ROUTING_LISTEN": "127.0.0.1:0",
            "AXBRIDGE_ROUTING_DATA_DIR": str(data_dir),
            "AXBRIDGE_ROUTING_DATABASE_URL": database_url,
            "AXBRIDGE_ROUTING_MIGRATE_AT_START": "yes",
            "AXBRIDGE_ROUTING_WRITE_TIMEOUT_SECONDS": str(TIMEOUT_SECONDS),
            "AXBRIDGE_ROUTING_READ_TIMEOUT_SECONDS": str(TIMEOUT_SECONDS),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        announced = parse_announcement((await process.stdout.readline()).decode())
        assert announced is not None
        async with open_channel(announced[1]) as channel:
            yield channel
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def test_a_request_that_was_committed_and_not_answered(database_url: str, tmp_path: Path) -> None:
    binding = binding_pb2.Binding(
        tenant_id="100001",
        kind=binding_pb2.BINDING_KIND_AXB,
        access_number="02566000001",
        a_number="13800001111",
        b_number="13900001111",
    )
    request = binding_service_pb2.CreateBindingRequest(binding=binding, request_id="order-1")
    async with service(database_url, tmp_path, "-c", DYING) as channel:
        tenant = tenant_service_pb2.CreateTenantRequest(tenant=tenant_pb2.Tenant(tenant_id="100001"))
        await TenantServiceStub(channel).CreateTenant(tenant, timeout=TIMEOUT_SECONDS)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await BindingServiceStub(channel).CreateBinding(request, timeout=TIMEOUT_SECONDS)
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    async with service(database_url, tmp_path, "-m", "routing_service") as channel:
        stub = BindingServiceStub(channel)
        listing = binding_service_pb2.ListBindingsRequest(tenant_id="100001")
        stored = (await stub.ListBindings(listing, timeout=TIMEOUT_SECONDS)).bindings
        assert len(stored) == 1
        answer = await stub.CreateBinding(request, timeout=TIMEOUT_SECONDS)
        assert answer.binding == stored[0]
        assert len((await stub.ListBindings(listing, timeout=TIMEOUT_SECONDS)).bindings) == 1
