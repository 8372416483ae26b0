"""NumberPoolService."""

from typing import Any

from axbridge.routing.v1 import number_pool_service_pb2
from axbridge.routing.v1.number_pool_service_pb2_grpc import NumberPoolServiceServicer

from routing_service.convert.bindings import binding_to_proto, kind_from_proto, terms_from_proto
from routing_service.convert.pools import (
    access_number_from_proto,
    access_number_to_proto,
    duration_from_proto,
    forecast_to_proto,
    wish_from_proto,
)
from routing_service.service.pools import NumberPoolService
from routing_service.servicer.origin import origin_of


class NumberPoolServicer(NumberPoolServiceServicer):
    """The access numbers of a tenant."""

    def __init__(self, service: NumberPoolService) -> None:
        self._service = service

    async def AddAccessNumbers(
        self, request: number_pool_service_pb2.AddAccessNumbersRequest, context: Any
    ) -> number_pool_service_pb2.AddAccessNumbersResponse:
        numbers = [access_number_from_proto(each) for each in request.access_numbers]
        added = await self._service.add(request.tenant_id, numbers, origin_of(request, request.request_id))
        return number_pool_service_pb2.AddAccessNumbersResponse(
            access_numbers=[access_number_to_proto(each) for each in added]
        )

    async def ListAccessNumbers(
        self, request: number_pool_service_pb2.ListAccessNumbersRequest, context: Any
    ) -> number_pool_service_pb2.ListAccessNumbersResponse:
        page = await self._service.list_page(
            request.tenant_id, request.pool, request.city_code, request.page_size, request.page_token
        )
        return number_pool_service_pb2.ListAccessNumbersResponse(
            access_numbers=[access_number_to_proto(each) for each in page.access_numbers],
            next_page_token=page.next_page_token,
        )

    async def RemoveAccessNumbers(
        self, request: number_pool_service_pb2.RemoveAccessNumbersRequest, context: Any
    ) -> number_pool_service_pb2.RemoveAccessNumbersResponse:
        await self._service.remove(request.tenant_id, list(request.numbers), origin_of(request, request.request_id))
        return number_pool_service_pb2.RemoveAccessNumbersResponse()

    async def AllocateBinding(
        self, request: number_pool_service_pb2.AllocateBindingRequest, context: Any
    ) -> number_pool_service_pb2.AllocateBindingResponse:
        terms = terms_from_proto(request.binding, kind_from_proto(request.binding))
        wish = wish_from_proto(request, self._service.default_cool_down)
        origin = origin_of(request, request.request_id)
        binding = await self._service.allocate(request.binding.tenant_id, terms, wish, origin)
        return number_pool_service_pb2.AllocateBindingResponse(binding=binding_to_proto(binding))

    async def PoolForecast(
        self, request: number_pool_service_pb2.PoolForecastRequest, context: Any
    ) -> number_pool_service_pb2.PoolForecastResponse:
        window = duration_from_proto(request, "window")
        return forecast_to_proto(await self._service.forecast(request.tenant_id, request.pool, window))
