"""Lists of bindings over real gRPC: pages and filters."""

from datetime import timedelta

import grpc.aio
import pytest
from axbridge.routing.v1 import (
    binding_pb2,
    binding_service_pb2,
)

from tests.unit.routing_service.builders import OTHER_TENANT, TENANT
from tests.unit.routing_service.conftest import TIMEOUT_SECONDS, Client
from tests.unit.routing_service.rpc import error_of, list_bindings

AX = binding_pb2.BINDING_KIND_AX


async def test_pages_of_bindings(client: Client) -> None:
    await client.add_tenant()
    for number in range(5):
        await client.bind(a_number=f"1380000{number:04}", b_number=f"1390000{number:04}")
        client.clock.advance(timedelta(microseconds=1))
    first = await list_bindings(client, page_size=2)
    second = await list_bindings(client, page_size=2, page_token=first.next_page_token)
    await client.bindings.DeleteBinding(
        binding_service_pb2.DeleteBindingRequest(tenant_id=TENANT, binding_id=second.bindings[1].binding_id),
        timeout=TIMEOUT_SECONDS,
    )
    third = await list_bindings(client, page_size=2, page_token=second.next_page_token)

    pages = [[each.a_number[-1] for each in page.bindings] for page in (first, second, third)]
    assert pages == [["0", "1"], ["2", "3"], ["4"]]
    assert third.next_page_token == ""
    assert (await list_bindings(client, page_size=4)).next_page_token == "", "a full page may be the last"


async def test_filters_take_numbers_in_any_writing(client: Client) -> None:
    await client.add_tenant()
    created = await client.bind()
    await client.bind(kind=AX, b_number="", a_number="13700001111", callback_number="13600001111")

    found = await list_bindings(client, number="008613900001111", access_number="025-66000001")
    assert list(found.bindings) == [created]
    assert len((await list_bindings(client, number="13600001111")).bindings) == 1
    assert len((await list_bindings(client)).bindings) == 2


@pytest.mark.parametrize(
    ("fields", "code", "wrong_field"),
    [
        ({"page_size": -1}, grpc.StatusCode.INVALID_ARGUMENT, "page_size"),
        ({"page_size": 1001}, grpc.StatusCode.INVALID_ARGUMENT, "page_size"),
        ({"page_token": "x"}, grpc.StatusCode.INVALID_ARGUMENT, "page_token"),
        ({"number": "anonymous"}, grpc.StatusCode.INVALID_ARGUMENT, "number"),
        ({"access_number": "x"}, grpc.StatusCode.INVALID_ARGUMENT, "access_number"),
        ({"tenant_id": ""}, grpc.StatusCode.INVALID_ARGUMENT, "tenant_id"),
        ({"tenant_id": "nobody"}, grpc.StatusCode.NOT_FOUND, None),
    ],
)
async def test_lists_that_are_refused(
    client: Client, fields: dict[str, object], code: grpc.StatusCode, wrong_field: str | None
) -> None:
    await client.add_tenant()
    status, error = await error_of(list_bindings(client, **fields))

    assert status is code
    assert error.metadata.get("field") == wrong_field


async def test_a_token_serves_its_own_list_only(client: Client) -> None:
    await client.add_tenant()
    await client.add_tenant(OTHER_TENANT)
    for number in range(2):
        await client.bind(a_number=f"1380000{number:04}", b_number=f"1390000{number:04}")
    token = (await list_bindings(client, page_size=1)).next_page_token
    for other in ({"tenant_id": OTHER_TENANT}, {"number": "13800000000"}):
        code, error = await error_of(list_bindings(client, page_token=token, **other))
        assert (code, error.metadata) == (grpc.StatusCode.INVALID_ARGUMENT, {"field": "page_token"})
