"""NumberListService."""

from typing import Any

from axbridge.routing.v1 import number_list_service_pb2
from axbridge.routing.v1.number_list_service_pb2_grpc import NumberListServiceServicer

from routing_service.convert.number_lists import list_entry_to_proto, list_terms_from_proto
from routing_service.service.number_lists import NumberListService
from routing_service.servicer.origin import origin_of


class NumberListServicer(NumberListServiceServicer):
    """Allow and block lists."""

    def __init__(self, service: NumberListService) -> None:
        self._service = service

    async def CreateNumberListEntry(
        self, request: number_list_service_pb2.CreateNumberListEntryRequest, context: Any
    ) -> number_list_service_pb2.CreateNumberListEntryResponse:
        terms = list_terms_from_proto(request.entry)
        entry = await self._service.create(request.entry.tenant_id, terms, origin_of(request, request.request_id))
        return number_list_service_pb2.CreateNumberListEntryResponse(entry=list_entry_to_proto(entry))

    async def ListNumberListEntries(
        self, request: number_list_service_pb2.ListNumberListEntriesRequest, context: Any
    ) -> number_list_service_pb2.ListNumberListEntriesResponse:
        page = await self._service.list_page(
            request.tenant_id, request.access_number, request.page_size, request.page_token
        )
        return number_list_service_pb2.ListNumberListEntriesResponse(
            entries=[list_entry_to_proto(each) for each in page.entries], next_page_token=page.next_page_token
        )

    async def DeleteNumberListEntry(
        self, request: number_list_service_pb2.DeleteNumberListEntryRequest, context: Any
    ) -> number_list_service_pb2.DeleteNumberListEntryResponse:
        await self._service.delete(request.tenant_id, request.entry_id, origin_of(request, request.request_id))
        return number_list_service_pb2.DeleteNumberListEntryResponse()
