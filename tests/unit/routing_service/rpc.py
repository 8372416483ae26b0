"""What the tests over real gRPC share: calls, and the errors that they end with."""

from collections.abc import Awaitable

import grpc.aio
import pytest
from axbridge.routing.v1 import (
    binding_pb2,
    binding_service_pb2,
    decision_pb2,
    prompt_pb2,
    routing_service_pb2,
)
from google.protobuf.field_mask_pb2 import FieldMask

from common.errors import AxbridgeError
from common.grpc_errors import from_rpc_error
from tests.unit.routing_service.builders import TENANT
from tests.unit.routing_service.conftest import TIMEOUT_SECONDS, Client


async def error_of(call: Awaitable[object]) -> tuple[grpc.StatusCode, AxbridgeError]:
    """The status of a call that must fail, and the error with its details."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return raised.value.code(), from_rpc_error(raised.value)


def file_prompt(name: str = "1.wav") -> prompt_pb2.Prompt:
    return prompt_pb2.Prompt(segments=[prompt_pb2.PromptSegment(file=name)])


def update(client: Client, binding: binding_pb2.Binding, *paths: str, revision: int = 0) -> Awaitable[object]:
    return client.bindings.UpdateBinding(
        binding_service_pb2.UpdateBindingRequest(
            binding=binding, update_mask=FieldMask(paths=paths), expected_revision=revision
        ),
        timeout=TIMEOUT_SECONDS,
    )


async def updated(client: Client, binding: binding_pb2.Binding, *paths: str, revision: int = 0) -> binding_pb2.Binding:
    response = await update(client, binding, *paths, revision=revision)
    assert isinstance(response, binding_service_pb2.UpdateBindingResponse)
    return response.binding


async def resolve(client: Client, *queries: tuple[str, str, str]) -> list[decision_pb2.RouteDecision]:
    """Decisions for (tenant, caller, access number)."""
    request = routing_service_pb2.ResolveBatchRequest(
        queries=[
            routing_service_pb2.ResolveQuery(tenant_id=tenant, calling_number=caller, access_number=access)
            for tenant, caller, access in queries
        ]
    )
    return list((await client.routing.ResolveBatch(request, timeout=TIMEOUT_SECONDS)).decisions)


async def list_bindings(client: Client, **fields: object) -> binding_service_pb2.ListBindingsResponse:
    request = binding_service_pb2.ListBindingsRequest(**{"tenant_id": TENANT, **fields})  # type: ignore[arg-type]
    return await client.bindings.ListBindings(request, timeout=TIMEOUT_SECONDS)
