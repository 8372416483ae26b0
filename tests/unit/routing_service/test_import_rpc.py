"""Imports over real gRPC: a stream of rows in, a stream of results out."""

from collections.abc import AsyncIterator, Sequence

import grpc
import pytest
from axbridge.routing.v1 import binding_pb2, binding_service_pb2

from common.errors import AxbridgeError
from routing_service.servicer.bindings import MAX_ROWS_IN_A_MESSAGE
from tests.unit.routing_service.builders import OTHER_TENANT, TENANT
from tests.unit.routing_service.conftest import TIMEOUT_SECONDS, Client
from tests.unit.routing_service.rpc import error_of, list_bindings

Request = binding_service_pb2.ImportBindingsRequest
AXB, AX = binding_pb2.BINDING_KIND_AXB, binding_pb2.BINDING_KIND_AX


def options(**fields: object) -> binding_service_pb2.ImportOptions:
    return binding_service_pb2.ImportOptions(**{"tenant_id": TENANT, **fields})  # type: ignore[arg-type]


def pair(number: int, **fields: object) -> binding_pb2.Binding:
    return binding_pb2.Binding(
        **{  # type: ignore[arg-type]
            "kind": AXB,
            "access_number": "02566000001",
            "a_number": f"138{number:08}",
            "b_number": f"139{number:08}",
            **fields,
        }
    )


async def results(client: Client, *messages: Request) -> list[binding_service_pb2.ImportResult]:
    async def sent() -> AsyncIterator[Request]:
        for each in messages:
            yield each

    answers = client.bindings.ImportBindings(sent(), timeout=TIMEOUT_SECONDS)
    return [result async for answer in answers for result in answer.results]


async def refusal(client: Client, *messages: Request) -> tuple[grpc.StatusCode, AxbridgeError]:
    return await error_of(results(client, *messages))


async def stored(client: Client) -> Sequence[str]:
    return [each.a_number for each in (await list_bindings(client, page_size=1000)).bindings]


async def test_every_row_gets_its_result_in_its_place(client: Client) -> None:
    await client.add_tenant()
    in_the_way = await client.bind()
    found = await results(
        client,
        Request(options=options(), bindings=[pair(1), pair(2, b_number="anonymous")]),
        Request(bindings=[pair(3, kind=0), pair(4, tenant_id=OTHER_TENANT), pair(5, tenant_id=TENANT)]),
        Request(),
        Request(bindings=[pair(6, a_number="13800001111"), pair(7, kind=AX), pair(1, access_number="02566000002")]),
    )

    assert [each.row for each in found] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [each.field for each in found] == [
        "",
        "binding.b_number",
        "binding.kind",
        "binding.tenant_id",
        "",
        "",
        "binding.b_number",
        "",
    ]
    assert [bool(each.binding_id) for each in found] == [True, False, False, False, True, False, False, True]
    assert all(bool(each.error) is not bool(each.binding_id) for each in found)
    assert in_the_way.binding_id in found[5].error
    assert not any("13800001111" in each.error for each in found)
    assert sorted(await stored(client)) == ["+8613800000001", "+8613800000001", "+8613800000005", "+8613800001111"]


async def test_all_or_none_and_a_dry_run(client: Client) -> None:
    await client.add_tenant()
    rows = [pair(1), pair(2), pair(2)]
    for how in (options(atomic=True), options(dry_run=True)):
        found = await results(client, Request(options=how), *(Request(bindings=[each]) for each in rows))
        assert len(found) == 3
        assert found[2].error
        assert await stored(client) == []
    assert not any(
        each.error for each in await results(client, Request(options=options(atomic=True), bindings=rows[:2]))
    )
    assert len(await stored(client)) == 2


async def test_sent_again_under_its_name_nothing_is_stored_twice(client: Client) -> None:
    await client.add_tenant()
    first = Request(options=options(request_id="nightly"), bindings=[pair(1), pair(2)])
    assert await results(client, first) == await results(client, first)
    assert len(await stored(client)) == 2
    first.bindings[1].one_way = True
    code, error = await refusal(client, first)

    assert (code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED")


async def test_an_import_of_nothing(client: Client) -> None:
    await client.add_tenant()

    assert await results(client, Request(options=options())) == []


@pytest.mark.parametrize(
    ("messages", "code", "field"),
    [
        ([], grpc.StatusCode.INVALID_ARGUMENT, "options"),
        ([Request(bindings=[pair(1)])], grpc.StatusCode.INVALID_ARGUMENT, "options"),
        ([Request(options=options()), Request(options=options())], grpc.StatusCode.INVALID_ARGUMENT, "options"),
        ([Request(options=options(tenant_id=""))], grpc.StatusCode.INVALID_ARGUMENT, "options.tenant_id"),
        ([Request(options=options(request_id="x" * 129))], grpc.StatusCode.INVALID_ARGUMENT, "options.request_id"),
        ([Request(options=options(request_id="a\x00b"))], grpc.StatusCode.INVALID_ARGUMENT, "options.request_id"),
        (
            [Request(options=options(), bindings=[pair(1)] * (MAX_ROWS_IN_A_MESSAGE + 1))],
            grpc.StatusCode.INVALID_ARGUMENT,
            "bindings",
        ),
        ([Request(options=options(tenant_id="nobody"))], grpc.StatusCode.NOT_FOUND, None),
    ],
)
async def test_streams_that_are_refused(
    client: Client, messages: Sequence[Request], code: grpc.StatusCode, field: str | None
) -> None:
    await client.add_tenant()
    status, error = await refusal(client, *messages)

    assert (status, error.metadata.get("field")) == (code, field)
    assert await stored(client) == []
