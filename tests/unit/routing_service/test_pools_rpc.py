"""Number pools over real gRPC."""

from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

import grpc
import pytest
from axbridge.routing.v1 import binding_pb2, binding_service_pb2, decision_pb2
from axbridge.routing.v1 import number_pool_service_pb2 as pools_pb2
from google.protobuf.duration_pb2 import Duration

from routing_service.settings import RoutingServiceSettings
from tests.unit.routing_service.builders import MINUTE, NOW, OTHER_TENANT, TENANT, X2, A, B, C, X
from tests.unit.routing_service.conftest import TIMEOUT_SECONDS, Client
from tests.unit.routing_service.rpc import error_of, resolve

AX = binding_pb2.BINDING_KIND_AX
COOL_DOWN = timedelta(seconds=RoutingServiceSettings().pool_cool_down_seconds)
SHANGHAI = "+862166000003"


def numbers(*texts: str, **fields: object) -> list[pools_pb2.AccessNumber]:
    return [pools_pb2.AccessNumber(number=each, **fields) for each in texts]  # type: ignore[arg-type]


async def add(
    client: Client, *texts: str, tenant_id: str = TENANT, request_id: str = "", **fields: object
) -> list[pools_pb2.AccessNumber]:
    request = pools_pb2.AddAccessNumbersRequest(
        tenant_id=tenant_id, access_numbers=numbers(*texts, **fields), request_id=request_id
    )
    return list((await client.pools.AddAccessNumbers(request, timeout=TIMEOUT_SECONDS)).access_numbers)


async def listed(client: Client, **fields: object) -> pools_pb2.ListAccessNumbersResponse:
    request = pools_pb2.ListAccessNumbersRequest(**{"tenant_id": TENANT, **fields})  # type: ignore[arg-type]
    return await client.pools.ListAccessNumbers(request, timeout=TIMEOUT_SECONDS)


def remove(client: Client, *texts: str, request_id: str = "") -> Awaitable[object]:
    request = pools_pb2.RemoveAccessNumbersRequest(tenant_id=TENANT, numbers=texts, request_id=request_id)
    return client.pools.RemoveAccessNumbers(request, timeout=TIMEOUT_SECONDS)


async def allocate(client: Client, binding: dict[str, object] | None = None, **fields: object) -> binding_pb2.Binding:
    pair: dict[str, Any] = {
        "tenant_id": TENANT,
        "kind": binding_pb2.BINDING_KIND_AXB,
        "a_number": "13800001111",
        "b_number": "13900001111",
        **(binding or {}),
    }
    request = pools_pb2.AllocateBindingRequest(binding=binding_pb2.Binding(**pair), **fields)  # type: ignore[arg-type]
    return (await client.pools.AllocateBinding(request, timeout=TIMEOUT_SECONDS)).binding


async def forecast(client: Client, **fields: object) -> pools_pb2.PoolForecastResponse:
    request = pools_pb2.PoolForecastRequest(**{"tenant_id": TENANT, **fields})  # type: ignore[arg-type]
    return await client.pools.PoolForecast(request, timeout=TIMEOUT_SECONDS)


async def end(client: Client, binding: binding_pb2.Binding) -> None:
    request = binding_service_pb2.DeleteBindingRequest(tenant_id=TENANT, binding_id=binding.binding_id)
    await client.bindings.DeleteBinding(request, timeout=TIMEOUT_SECONDS)


async def test_numbers_come_into_pools_and_out_again(client: Client) -> None:
    await client.add_tenant()
    added = await add(client, "025 6600 0002", "02566000001", city_code="025", capabilities=["sms", "call", "sms"])
    await add(client, SHANGHAI, pool="vip", city_code="21")
    everything = await listed(client)

    assert [each.number for each in added] == [X2, X]
    assert [(each.city_code, list(each.capabilities)) for each in added] == [("25", ["call", "sms"])] * 2
    assert [each.number for each in everything.access_numbers] == [SHANGHAI, X, X2]
    assert [each.number for each in (await listed(client, pool="vip")).access_numbers] == [SHANGHAI]
    assert [each.number for each in (await listed(client, city_code="25")).access_numbers] == [X, X2]
    first = await listed(client, page_size=2)
    second = await listed(client, page_size=2, page_token=first.next_page_token)
    assert [*first.access_numbers, *second.access_numbers] == list(everything.access_numbers)
    assert (await resolve(client, (TENANT, A, X)))[0].result == decision_pb2.ROUTE_RESULT_NO_BINDING
    await remove(client, "02566000001", X2)
    assert [each.number for each in (await listed(client)).access_numbers] == [SHANGHAI]
    assert (await resolve(client, (TENANT, A, X)))[0].result == decision_pb2.ROUTE_RESULT_UNKNOWN_ACCESS_NUMBER


async def test_a_pair_gets_a_number_that_neither_has_in_use(client: Client) -> None:
    await client.add_tenant()
    await add(client, X, X2)
    first = await allocate(client)
    second = await allocate(client, {"b_number": "13700001111"})

    assert {first.access_number, second.access_number} == {X, X2}
    answers = await resolve(client, (TENANT, A, first.access_number), (TENANT, C, second.access_number))
    assert [each.members[0].number for each in answers] == ["13900001111", "13800001111"]
    code, error = await error_of(allocate(client, {"b_number": "13600001111"}))
    assert (code, error.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "POOL_EXHAUSTED")
    assert (error.metadata["total"], error.metadata["in_use"]) == ("2", "2")
    live = (await listed(client)).access_numbers
    assert [each.live_bindings for each in live] == [1, 1]

    await end(client, first)
    code, error = await error_of(allocate(client, {"b_number": "13600001111"}))
    assert (error.metadata["in_use"], error.metadata["resting"]) == ("1", "1")
    again = await allocate(client, previous_number_policy=pools_pb2.PREVIOUS_NUMBER_POLICY_STICKY)
    assert again.access_number == first.access_number
    await end(client, again)
    client.clock.advance(COOL_DOWN)
    released = next(each for each in (await listed(client)).access_numbers if each.number == first.access_number)
    assert released.last_released_at.ToDatetime(NOW.tzinfo) == NOW
    assert (await allocate(client, {"b_number": "13600001111"})).access_number == first.access_number


async def test_which_number_will_do(client: Client) -> None:
    await client.add_tenant()
    await add(client, X, city_code="25", capabilities=["sms"])
    await add(client, SHANGHAI, city_code="21")
    await add(client, X2, pool="vip")

    assert (await allocate(client, {"kind": AX, "b_number": ""}, pool="vip")).access_number == X2
    assert (await allocate(client, city_code="021")).access_number == SHANGHAI
    code, error = await error_of(allocate(client, {"b_number": C}, city_code="21", capabilities=["sms"]))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (error.metadata["other_city"], error.metadata["not_capable"]) == ("1", "1")
    fallback = await allocate(client, {"b_number": C}, city_code="10", nationwide_fallback=True, capabilities=["sms"])
    assert fallback.access_number == X


async def test_named_requests_change_pools_once(client: Client) -> None:
    await client.add_tenant()
    assert await add(client, X, request_id="add-1") == await add(client, X, request_id="add-1")
    assert await allocate(client, request_id="order-1") == await allocate(client, request_id="order-1")
    code, error = await error_of(allocate(client, {"b_number": C}, request_id="order-1"))
    assert (code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED")
    await add(client, X2)
    for _ in range(2):
        await remove(client, X2, request_id="out-1")


async def test_a_forecast(client: Client) -> None:
    await client.add_tenant()
    await add(client, X, X2)
    first = await allocate(client)
    client.clock.advance(MINUTE)
    await end(client, first)
    await allocate(client, {"b_number": C})
    client.clock.advance(MINUTE)
    found = await forecast(client)

    assert (found.access_numbers, found.needed, found.peak_live_bindings) == (2, 2, 1)
    assert found.busiest_number == "+86138****1111"
    assert (await forecast(client, pool="vip")).access_numbers == 0
    assert (await forecast(client, window=Duration(seconds=30))).needed == 2, "the first one still rests in it"


async def test_what_stands_in_the_way(client: Client) -> None:
    await client.add_tenant()
    await client.add_tenant(OTHER_TENANT)
    await add(client, X)
    await client.bind(a_number=A, b_number=B)
    for call, status, reason in (
        (add(client, X2, X), grpc.StatusCode.ALREADY_EXISTS, "ACCESS_NUMBER_EXISTS"),
        (add(client, X, tenant_id=OTHER_TENANT), grpc.StatusCode.FAILED_PRECONDITION, "ACCESS_NUMBER_TAKEN"),
        (remove(client, X), grpc.StatusCode.FAILED_PRECONDITION, "ACCESS_NUMBER_HAS_BINDINGS"),
        (remove(client, X2), grpc.StatusCode.NOT_FOUND, "ACCESS_NUMBER_NOT_FOUND"),
    ):
        code, error = await error_of(call)
        assert (code, error.reason) == (status, reason)
    assert [each.number for each in (await listed(client)).access_numbers] == [X]


@pytest.mark.parametrize(
    ("fields", "wrong_field"),
    [
        ({"tenant_id": ""}, "tenant_id"),
        ({"access_numbers": []}, "access_numbers"),
        ({"access_numbers": numbers(*[X] * 1001)}, "access_numbers"),
        ({"access_numbers": numbers(X, "anonymous")}, "access_numbers[1].number"),
        ({"access_numbers": numbers(X, X)}, "access_numbers[1].number"),
        ({"access_numbers": numbers(X, pool="a b")}, "access_numbers[0].pool"),
        ({"access_numbers": numbers(X, city_code="Nanjing")}, "access_numbers[0].city_code"),
        ({"access_numbers": numbers(X, capabilities=["SMS"])}, "access_numbers[0].capabilities"),
        ({"access_numbers": numbers(X, tenant_id=OTHER_TENANT)}, "access_numbers[0].tenant_id"),
        ({"request_id": "a\nb"}, "request_id"),
    ],
)
async def test_additions_that_are_refused(client: Client, fields: dict[str, object], wrong_field: str) -> None:
    await client.add_tenant()
    request = pools_pb2.AddAccessNumbersRequest(
        **{"tenant_id": TENANT, "access_numbers": numbers(X), **fields}  # type: ignore[arg-type]
    )
    code, error = await error_of(client.pools.AddAccessNumbers(request, timeout=TIMEOUT_SECONDS))

    assert (code, error.metadata) == (grpc.StatusCode.INVALID_ARGUMENT, {"field": wrong_field})


@pytest.mark.parametrize(
    ("binding", "fields", "wrong_field"),
    [
        ({"tenant_id": ""}, {}, "binding.tenant_id"),
        ({"kind": 0}, {}, "binding.kind"),
        ({"access_number": X}, {}, "binding.access_number"),
        ({"a_number": "anonymous"}, {}, "binding.a_number"),
        ({"b_number": A}, {}, "binding.b_number"),
        ({}, {"pool": "a/b"}, "pool"),
        ({}, {"city_code": "x"}, "city_code"),
        ({}, {"capabilities": [""]}, "capabilities"),
        ({}, {"previous_number_policy": 9}, "previous_number_policy"),
        ({}, {"cool_down": Duration(seconds=-1)}, "cool_down"),
        ({}, {"cool_down": Duration(seconds=10**12)}, "cool_down"),
        ({}, {"request_id": "x" * 129}, "request_id"),
    ],
)
async def test_allocations_that_are_refused(
    client: Client, binding: dict[str, object], fields: dict[str, object], wrong_field: str
) -> None:
    await client.add_tenant()
    await add(client, X, X2)
    code, error = await error_of(allocate(client, binding, **fields))

    assert (code, error.metadata) == (grpc.StatusCode.INVALID_ARGUMENT, {"field": wrong_field})


@pytest.mark.parametrize(
    ("call", "code", "wrong_field"),
    [
        (lambda client: listed(client, page_size=-1), grpc.StatusCode.INVALID_ARGUMENT, "page_size"),
        (lambda client: listed(client, page_token="x"), grpc.StatusCode.INVALID_ARGUMENT, "page_token"),
        (lambda client: listed(client, pool="a b"), grpc.StatusCode.INVALID_ARGUMENT, "pool"),
        (lambda client: listed(client, city_code="x"), grpc.StatusCode.INVALID_ARGUMENT, "city_code"),
        (lambda client: listed(client, tenant_id="nobody"), grpc.StatusCode.NOT_FOUND, None),
        (lambda client: remove(client), grpc.StatusCode.INVALID_ARGUMENT, "numbers"),
        (lambda client: remove(client, X, "anonymous"), grpc.StatusCode.INVALID_ARGUMENT, "numbers[1]"),
        (lambda client: forecast(client, window=Duration()), grpc.StatusCode.INVALID_ARGUMENT, "window"),
        (lambda client: forecast(client, window=Duration(seconds=10**9)), grpc.StatusCode.INVALID_ARGUMENT, "window"),
        (lambda client: forecast(client, pool="a b"), grpc.StatusCode.INVALID_ARGUMENT, "pool"),
        (lambda client: forecast(client, tenant_id="nobody"), grpc.StatusCode.NOT_FOUND, None),
    ],
)
async def test_what_else_is_refused(client: Client, call: Any, code: grpc.StatusCode, wrong_field: str | None) -> None:
    await client.add_tenant()
    status, error = await error_of(call(client))

    assert (status, error.metadata.get("field")) == (code, wrong_field)
